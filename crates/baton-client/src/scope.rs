//! The scope of a lock: the whole document, or some paths in it.
//!
//! Owns the canonical form in which scopes are compared, and their limits. Knows no grants.

use baton_sync::control_channel::Paths;

/// The scope of one lock: the whole document, or one or more paths.
///
/// A path is a list of names. The first is the name of a root type of the document; the application
/// gives the others a meaning. Only holders of paths in a root type may write there. Among holders
/// of different paths of one root type, the lock is a convention that the server cannot check.
///
/// ```
/// use baton_client::LockScope;
///
/// let title = LockScope::root("title")?;
/// let form = LockScope::of([vec!["title"], vec!["rows", "7"]])?;
/// assert!(form.covers(&title) && form.conflicts(&title));
/// assert!(!LockScope::root("rows")?.conflicts(&title));
/// assert!(LockScope::whole().covers(&form));
/// # Ok::<(), baton_client::LockScopeError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockScope {
    /// Sorted, none below another. Empty for the whole document.
    paths: Paths,
}

/// A scope that every server would refuse. The caller's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockScopeError {
    /// The scope has no path, or a path has no segment. The whole document is [`LockScope::whole`].
    #[error("a scope needs a path, and a path a name; the whole document is LockScope::whole()")]
    Empty,
    /// More than [`LockScope::MAX_PATHS`] paths.
    #[error("the scope has {0} paths, more than {most}", most = LockScope::MAX_PATHS)]
    TooManyPaths(usize),
    /// A path of more than [`LockScope::MAX_SEGMENTS`] segments.
    #[error("a path has {0} segments, more than {most}", most = LockScope::MAX_SEGMENTS)]
    TooDeep(usize),
    /// A segment that is empty, or longer than [`LockScope::MAX_SEGMENT`] bytes.
    #[error("a segment has {0} bytes; it may have 1 to {most}", most = LockScope::MAX_SEGMENT)]
    Segment(usize),
}

impl LockScope {
    /// Largest number of paths in one scope.
    pub const MAX_PATHS: usize = 16;

    /// Largest number of segments in one path.
    pub const MAX_SEGMENTS: usize = 8;

    /// Longest segment, in bytes.
    pub const MAX_SEGMENT: usize = 256;

    /// Returns the scope of the whole document.
    #[must_use]
    pub const fn whole() -> Self {
        Self { paths: Vec::new() }
    }

    /// Returns the scope of one root type.
    ///
    /// # Errors
    /// [`LockScopeError`].
    pub fn root(name: impl Into<String>) -> Result<Self, LockScopeError> {
        Self::of([[name.into()]])
    }

    /// Returns the scope of several paths, which are locked all together or not at all.
    ///
    /// # Errors
    /// [`LockScopeError`].
    pub fn of<P, S>(paths: impl IntoIterator<Item = P>) -> Result<Self, LockScopeError>
    where
        P: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let paths: Paths = paths
            .into_iter()
            .map(|path| path.into_iter().map(Into::into).collect())
            .collect();
        if paths.is_empty() {
            return Err(LockScopeError::Empty);
        }
        for path in &paths {
            match path.len() {
                0 => return Err(LockScopeError::Empty),
                1..=Self::MAX_SEGMENTS => {}
                more => return Err(LockScopeError::TooDeep(more)),
            }
            let unfit = path
                .iter()
                .map(String::len)
                .find(|bytes| !(1..=Self::MAX_SEGMENT).contains(bytes));
            if let Some(bytes) = unfit {
                return Err(LockScopeError::Segment(bytes));
            }
        }
        let scope = Self::from_wire(paths);
        match scope.paths.len() {
            0..=Self::MAX_PATHS => Ok(scope),
            more => Err(LockScopeError::TooManyPaths(more)),
        }
    }

    /// Returns the scope that the server named. Its limits may be others than those of this crate.
    pub(crate) fn from_wire(mut paths: Paths) -> Self {
        paths.sort_unstable();
        // A path sorts right after the paths above it.
        paths.dedup_by(|path, before| path.starts_with(before));
        if paths.first().is_some_and(Vec::is_empty) {
            paths.clear();
        }
        Self { paths }
    }

    /// Returns the paths, sorted; none for the whole document.
    #[must_use]
    pub fn paths(&self) -> &[Vec<String>] {
        &self.paths
    }

    /// Returns true if this is the whole document.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.paths.is_empty()
    }

    /// Returns true if a holder of this scope holds all of `other`, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let has = |path: &Vec<String>| self.paths.iter().any(|own| path.starts_with(own));
        self.is_whole() || (!other.is_whole() && other.paths.iter().all(has))
    }

    /// Returns true if two sessions cannot hold the two scopes at the same time.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let meets = |path: &Vec<String>| other.meets(path);
        self.is_whole() || other.is_whole() || self.paths.iter().any(meets)
    }

    /// Returns true if this scope has a part in common with the path. An empty path stands for the
    /// whole document.
    pub(crate) fn meets(&self, path: &[String]) -> bool {
        let meets = |own: &Vec<String>| path.starts_with(own) || own.starts_with(path);
        self.is_whole() || self.paths.iter().any(meets)
    }

    /// Returns the paths as they are sent to the server.
    pub(crate) fn to_wire(&self) -> Paths {
        self.paths.clone()
    }
}

/// Formats the scope as `title, rows/7`, or as `the whole document`.
impl std::fmt::Display for LockScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_whole() {
            return f.write_str("the whole document");
        }
        for (n, path) in self.paths.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{}", path.join("/"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&[&str]]) -> LockScope {
        LockScope::of(paths.iter().map(|path| path.iter().copied())).unwrap()
    }

    #[test]
    fn one_scope_has_one_form() {
        let scope = of(&[&["b", "2"], &["a"], &["b"], &["a", "x"], &["a"], &["ab"]]);
        assert_eq!(scope, of(&[&["a"], &["ab"], &["b"]]));
        assert_eq!(scope.to_string(), "a, ab, b");
        assert!(LockScope::from_wire(vec![vec!["a".to_owned()], Vec::new()]).is_whole());
    }

    #[test]
    fn two_conflict_when_a_path_of_one_is_above_a_path_of_the_other() {
        let (row, rows, title) = (of(&[&["rows", "7"]]), of(&[&["rows"]]), of(&[&["title"]]));
        assert!(row.conflicts(&rows) && rows.conflicts(&row));
        assert!(rows.covers(&row) && !row.covers(&rows));
        assert!(!row.conflicts(&of(&[&["rows", "70"]])));
        assert!(!rows.conflicts(&title));
        let both = of(&[&["rows", "7"], &["title"]]);
        assert!(both.conflicts(&title) && both.covers(&title) && !title.covers(&both));
        assert!(!both.covers(&LockScope::whole()) && both.conflicts(&LockScope::whole()));
    }

    #[test]
    fn an_invalid_scope_is_refused_with_the_reason() {
        let none: [[&str; 0]; 0] = [];
        assert_eq!(LockScope::of(none), Err(LockScopeError::Empty));
        assert_eq!(
            LockScope::of([Vec::<&str>::new()]),
            Err(LockScopeError::Empty)
        );
        assert_eq!(LockScope::root(""), Err(LockScopeError::Segment(0)));
        assert_eq!(
            LockScope::root("x".repeat(257)),
            Err(LockScopeError::Segment(257))
        );
        assert_eq!(LockScope::of([["x"; 9]]), Err(LockScopeError::TooDeep(9)));
        let many = (0..17).map(|n| [n.to_string()]);
        assert_eq!(LockScope::of(many), Err(LockScopeError::TooManyPaths(17)));
    }
}
