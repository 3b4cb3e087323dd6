//! What a lock covers, as plain data.
//!
//! Owns how it is written in a record and told to people. Which two conflict is `baton-client`'s to say.

use std::fmt;

use baton_client::LockScope;
use serde::{Deserialize, Serialize};

/// What a lock covers: paths, or none for the whole document. The first name of a path is that of a root type.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Part(pub Vec<Vec<String>>);

impl Part {
    /// The whole document.
    pub const WHOLE: Self = Self(Vec::new());

    /// These paths; one that is written with slashes is cut there.
    #[must_use]
    pub fn of(paths: &[&str]) -> Self {
        let path = |path: &&str| path.split('/').map(str::to_owned).collect();
        Self(paths.iter().map(path).collect())
    }

    /// As clients have it. What is no scope is taken for the whole document: it conflicts with everything.
    #[must_use]
    pub fn scope(&self) -> LockScope {
        LockScope::of(self.0.iter().cloned()).unwrap_or(LockScope::whole())
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether two sessions may not have both.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        self.scope().conflicts(&other.scope())
    }

    /// Whether whoever has this may keep others out of this root type.
    pub(crate) fn reaches(&self, root: &str) -> bool {
        let named = |path: &Vec<String>| path.first().is_some_and(|first| first == root);
        self.is_whole() || self.0.iter().any(named)
    }
}

impl From<&LockScope> for Part {
    fn from(scope: &LockScope) -> Self {
        Self(scope.paths().to_vec())
    }
}

/// `text, nested/left`, or `the document`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return f.write_str("the document");
        }
        let paths: Vec<String> = self.0.iter().map(|path| path.join("/")).collect();
        f.write_str(&paths.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_keeps_others_out_of_its_root_and_conflicts_with_what_is_above_and_below() {
        let (left, right) = (Part::of(&["nested/left"]), Part::of(&["nested/right"]));
        assert!(left.reaches("nested") && !left.reaches("text"));
        assert!(Part::WHOLE.reaches("text") && Part::WHOLE.conflicts(&left));
        assert!(!left.conflicts(&right) && left.conflicts(&Part::of(&["text", "nested"])));
        assert_eq!(
            Part::of(&["text", "nested/left"]).to_string(),
            "text, nested/left"
        );
        assert_eq!(Part::from(&left.scope()), left);
    }
}
