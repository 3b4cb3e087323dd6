//! Scopes: the parts of a document that locks cover, and the conflicts between them.
//!
//! A scope is canonical by construction, so equal scopes compare equal. Nothing here checks that a
//! path exists in a document.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Maximum number of paths in one scope.
pub const MAX_PATHS: usize = 16;

/// Maximum number of segments in one path.
pub const MAX_SEGMENTS: usize = 8;

/// Maximum length of one segment, in bytes.
pub const MAX_SEGMENT_BYTES: usize = 256;

/// Path to a part of the document, with everything below it. Its first segment names a root, which
/// is a part at the top level: in Yjs, a root type.
///
/// A path has 1 to [`MAX_SEGMENTS`] segments of 1 to [`MAX_SEGMENT_BYTES`] bytes. The whole
/// document is not a path but [`Scope::WHOLE`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "Vec<String>", into = "Vec<String>")
)]
pub struct Path(Vec<String>);

impl Path {
    /// Creates a path of these segments.
    ///
    /// # Errors
    /// There is no segment, too many, or one that is empty or too long. The client is at fault.
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

    /// Returns the segments, at least one.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// Returns the name of the root that the path leads into.
    #[must_use]
    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Returns true if `other` is this path or lies below it.
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

/// Paths are ordered like their segments.
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

/// Part of a document that a lock covers or a ticket asks for: the whole document, or some paths.
///
/// A scope is canonical: its paths are sorted, and none equals or lies below another. Two scopes
/// **conflict** if a path of one covers a path of the other. Cloning is cheap.
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
    /// The whole document: covers every scope, and conflicts with it.
    pub const WHOLE: Self = Self(None);

    /// Creates the scope of these paths, each given by its segments.
    ///
    /// # Errors
    /// There is no path, more than [`MAX_PATHS`], or an invalid one. An empty list is an error, so
    /// that no mistake locks the whole document. The client is at fault.
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

    /// Creates the scope of these paths.
    ///
    /// # Errors
    /// There is no path, or more than [`MAX_PATHS`]. The client is at fault.
    pub fn of_paths(mut paths: Vec<Path>) -> Result<Self, ScopeError> {
        if paths.is_empty() {
            return Err(ScopeError::NoPath);
        }
        if paths.len() > MAX_PATHS {
            return Err(ScopeError::TooManyPaths);
        }
        // Sorted by segments, everything below a path follows it directly.
        paths.sort_unstable();
        paths.dedup_by(|next, kept| kept.covers(next));
        Ok(Self(Some(paths.into())))
    }

    /// Returns true if the scope is the whole document.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the paths, sorted; none for the whole document.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns true if two sessions must not hold these scopes at the same time.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.0, &other.0) else {
            return true;
        };
        one.iter()
            .any(|one| two.iter().any(|two| one.covers(two) || two.covers(one)))
    }

    /// Returns true if a lock of this scope makes one of `other` needless.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(one), Some(two)) => two.iter().all(|two| one.iter().any(|one| one.covers(two))),
        }
    }

    /// Returns true if the scope covers this root or a path in it.
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

/// Reads a scope from its stored form; `None` is the whole document.
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

/// Paths that form no scope. The client is at fault; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeError {
    /// The list has no path, or a path has no segment.
    NoPath,
    /// The list has more than [`MAX_PATHS`] paths.
    TooManyPaths,
    /// A path has more than [`MAX_SEGMENTS`] segments.
    TooManySegments,
    /// A segment is empty.
    EmptySegment,
    /// A segment has this many bytes, more than [`MAX_SEGMENT_BYTES`].
    SegmentTooLong(usize),
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPath => write!(
                f,
                "scope: the list of paths, or a path in it, is empty; \
                 omit the list to lock the whole document"
            ),
            Self::TooManyPaths => write!(
                f,
                "scope: more than {MAX_PATHS} paths; use a common parent path"
            ),
            Self::TooManySegments => {
                write!(
                    f,
                    "scope: a path has more than {MAX_SEGMENTS} segments; use a path above it"
                )
            }
            Self::EmptySegment => write!(f, "scope: a path has an empty segment; remove it"),
            Self::SegmentTooLong(bytes) => write!(
                f,
                "scope: a segment has {bytes} bytes; at most {MAX_SEGMENT_BYTES} are allowed"
            ),
        }
    }
}

impl Error for ScopeError {}
