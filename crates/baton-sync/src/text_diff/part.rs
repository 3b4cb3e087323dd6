//! The result of a comparison.

/// Changes that updates would make, root type by root type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextDiff {
    /// The parts in reading order of each root type. A root type without a readable change has
    /// none.
    pub parts: Vec<DiffPart>,
    /// True if anything was left out that would have been shown. The limits are
    /// [`TEXT_DIFF_BYTES`](super::TEXT_DIFF_BYTES), [`TEXT_DIFF_ROOTS`](super::TEXT_DIFF_ROOTS),
    /// and those on the text of one root type.
    pub truncated: bool,
    /// UTF-16 units of all parts of [`DiffKind::Insert`], before anything was left out.
    pub inserted: u64,
    /// UTF-16 units of all parts of [`DiffKind::Delete`], before anything was left out.
    pub deleted: u64,
}

/// One stretch of a root type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffPart {
    /// Name of the root type, shortened if it is long.
    pub root: String,
    /// Kind of part: unchanged, inserted or deleted.
    pub kind: DiffKind,
    /// The text; "…" stands for text that was left out.
    pub text: String,
}

/// Kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffKind {
    /// The text is in both.
    Equal,
    /// The updates insert it.
    Insert,
    /// The updates delete it.
    Delete,
}
