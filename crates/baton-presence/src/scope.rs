//! Owns what a lock covers: paths into the document, sets of them, and when two of them conflict.
//!
//! A scope is canonical by construction, so equal ones compare equal. It never looks into a
//! document; whether a path leads anywhere is nobody's business here.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The most paths of one scope.
pub const MAX_PATHS: usize = 16;

/// The most segments of one path.
pub const MAX_SEGMENTS: usize = 8;

/// The most bytes of one segment.
pub const MAX_SEGMENT_BYTES: usize = 256;

/// A place in the document and everything below it. The first segment is the name of a root type.
///
/// Has 1 to [`MAX_SEGMENTS`] segments of 1 to [`MAX_SEGMENT_BYTES`] bytes. (The empty path, which
/// is the whole document, is [`Scope::WHOLE`].)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "Vec<String>", into = "Vec<String>")
)]
pub struct Path(Vec<String>);

impl Path {
    /// A path of these segments.
    ///
    /// # Errors
    /// No segment at all, too many, or one that is empty or too long. The asker is at fault.
    pub fn new<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Result<Self, ScopeError> {
        let mut path = Vec::new();
        for segment in segments {
            let segment = segment.into();
            if segment.is_empty() {
                return Err(ScopeError::EmptySegment);
            }
            if segment.len() > MAX_SEGMENT_BYTES {
                return Err(ScopeError::SegmentTooLong(segment.len()));
            }
            if path.len() == MAX_SEGMENTS {
                return Err(ScopeError::TooManySegments);
            }
            path.push(segment);
        }
        if path.is_empty() {
            return Err(ScopeError::NoPath);
        }
        Ok(Self(path))
    }

    /// Its segments, at least one.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The name of the root type that it leads into.
    #[must_use]
    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether `other` is this path or lies below it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("/"))
    }
}

/// Ordered as its segments are.
impl Borrow<[String]> for Path {
    fn borrow(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for Path {
    type Error = ScopeError;

    fn try_from(segments: Vec<String>) -> Result<Self, ScopeError> {
        Self::new(segments)
    }
}

impl From<Path> for Vec<String> {
    fn from(path: Path) -> Self {
        path.0
    }
}

/// What one lock covers, or one ticket asks for: the whole document, or some places in it.
///
/// Canonical: sorted, none twice, none below another. Two scopes **conflict** if a path of one
/// covers a path of the other. Cheap to clone; [`Scope::WHOLE`] owns nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "Option<Vec<Vec<String>>>",
        into = "Option<Vec<Vec<String>>>"
    )
)]
pub struct Scope(Option<Arc<[Path]>>);

impl Scope {
    /// The whole document; conflicts with every scope, and covers it.
    pub const WHOLE: Self = Self(None);

    /// The scope of these paths, each given by its segments.
    ///
    /// # Errors
    /// No path at all or a path of no segment (so that no mistake means the whole document), more
    /// than [`MAX_PATHS`], or a path that cannot be one. The asker is at fault.
    pub fn of<P, S>(paths: impl IntoIterator<Item = P>) -> Result<Self, ScopeError>
    where
        P: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let mut found = Vec::new();
        for (index, path) in paths.into_iter().enumerate() {
            if index == MAX_PATHS {
                return Err(ScopeError::TooManyPaths);
            }
            found.push(Path::new(path)?);
        }
        Self::of_paths(found)
    }

    /// The same, of paths that are paths already.
    ///
    /// # Errors
    /// No path at all, or more than [`MAX_PATHS`].
    pub fn of_paths(mut paths: Vec<Path>) -> Result<Self, ScopeError> {
        if paths.is_empty() {
            return Err(ScopeError::NoPath);
        }
        if paths.len() > MAX_PATHS {
            return Err(ScopeError::TooManyPaths);
        }
        // Sorted by segments, a path stands right before everything below it.
        paths.sort_unstable();
        paths.dedup_by(|next, kept| kept.covers(next));
        Ok(Self(Some(paths.into())))
    }

    /// Whether it is the whole document.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.0.is_none()
    }

    /// Its paths, in order; none for the whole document.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether two sessions must not hold these at the same time.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.0, &other.0) else {
            return true;
        };
        one.iter()
            .any(|one| two.iter().any(|two| one.covers(two) || two.covers(one)))
    }

    /// Whether who holds this needs `other` no more.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(one), Some(two)) => two.iter().all(|two| one.iter().any(|one| one.covers(two))),
        }
    }

    /// Whether it covers that root type or a place in it.
    #[must_use]
    pub fn reaches(&self, root: &str) -> bool {
        self.is_whole() || self.paths().iter().any(|path| path.root() == root)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return write!(f, "the whole document");
        }
        for (index, path) in self.paths().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{path}")?;
        }
        Ok(())
    }
}

impl From<Path> for Scope {
    fn from(path: Path) -> Self {
        Self(Some(Arc::from([path])))
    }
}

/// `None` is the whole document.
impl TryFrom<Option<Vec<Vec<String>>>> for Scope {
    type Error = ScopeError;

    fn try_from(paths: Option<Vec<Vec<String>>>) -> Result<Self, ScopeError> {
        paths.map_or(Ok(Self::WHOLE), Self::of)
    }
}

impl From<Scope> for Option<Vec<Vec<String>>> {
    fn from(scope: Scope) -> Self {
        let paths = scope.0?;
        Some(paths.iter().map(|path| path.0.clone()).collect())
    }
}

/// Paths that cannot be a scope. The asker is at fault; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeError {
    /// A list without a path, or a path without a segment.
    NoPath,
    /// More than [`MAX_PATHS`].
    TooManyPaths,
    /// A path of more than [`MAX_SEGMENTS`].
    TooManySegments,
    /// A segment of no bytes.
    EmptySegment,
    /// A segment of so many bytes, more than [`MAX_SEGMENT_BYTES`].
    SegmentTooLong(usize),
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPath => write!(
                f,
                "scope: the list or a path in it is empty; leave the list out for the whole document"
            ),
            Self::TooManyPaths => write!(
                f,
                "scope: more than {MAX_PATHS} paths; name a path above them"
            ),
            Self::TooManySegments => {
                write!(f, "scope: a path of more than {MAX_SEGMENTS} segments")
            }
            Self::EmptySegment => write!(f, "scope: an empty segment in a path"),
            Self::SegmentTooLong(bytes) => write!(
                f,
                "scope: a segment of {bytes} bytes; at most {MAX_SEGMENT_BYTES} are allowed"
            ),
        }
    }
}

impl Error for ScopeError {}
