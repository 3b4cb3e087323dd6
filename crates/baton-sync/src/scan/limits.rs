//! Bounds of one update.

/// Deepest nesting of arrays and maps in a value of an `Any` content.
pub const ANY_DEPTH: usize = 100;

/// Deepest nesting of arrays and objects in the JSON of an embed, a format or a legacy value. (yrs
/// fails at 128.)
pub const JSON_DEPTH: usize = 100;

/// Most blocks, clients and ranges of one update. With its bytes, they bound the memory and the
/// time that the update costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// Blocks.
    pub blocks: usize,
    /// Clients of blocks, and clients of deletions.
    pub clients: usize,
    /// Deleted ranges.
    pub ranges: usize,
}

impl ScanLimits {
    /// No limits but those of the format: for updates that were admitted before.
    pub const NONE: Self = Self {
        blocks: usize::MAX,
        clients: usize::MAX,
        ranges: usize::MAX,
    };
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            blocks: 500_000,
            clients: 100_000,
            ranges: 1_000_000,
        }
    }
}
