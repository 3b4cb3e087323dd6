//! The parts of the document that people lock. Owns their names; what stands in them is in `content`.

use baton_client::LockScope;

/// What a lock of the simulation covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Region {
    Whole,
    Text,
    Map,
    Array,
    /// Two root types at once, all or nothing.
    TextAndMap,
    MapAndArray,
    /// A place in the text; exclusive against all but who holds another place there.
    Intro,
    Ending,
}

impl Region {
    pub(crate) const ALL: [Self; 8] = [
        Self::Whole,
        Self::Text,
        Self::Map,
        Self::Array,
        Self::TextAndMap,
        Self::MapAndArray,
        Self::Intro,
        Self::Ending,
    ];

    const fn paths(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Whole => &[],
            Self::Text => &[&["text"]],
            Self::Map => &[&["map"]],
            Self::Array => &[&["array"]],
            Self::TextAndMap => &[&["text"], &["map"]],
            Self::MapAndArray => &[&["map"], &["array"]],
            Self::Intro => &[&["text", "intro"]],
            Self::Ending => &[&["text", "ending"]],
        }
    }

    pub(crate) fn scope(self) -> LockScope {
        let paths = self.paths().iter().map(|path| path.iter().copied());
        // An empty list of paths is none: the whole document has its own name.
        LockScope::of(paths).unwrap_or_default()
    }
}

/// What the wire says of a lock.
pub(crate) fn told(paths: &[Vec<String>]) -> LockScope {
    LockScope::of(paths.iter().cloned()).unwrap_or_default()
}

/// Whether a lock is, or reaches into, this root type.
pub(crate) fn reaches(scope: &LockScope, root: &str) -> bool {
    let into = |path: &Vec<String>| path.first().is_some_and(|first| first == root);
    scope.is_whole() || scope.paths().iter().any(into)
}
