//! Owns the search for scopes in conflict: which of many cover a place, or lie below it, without looking at the rest.
//!
//! It knows nothing of what it finds but a key each. What it is told only makes a search shorter; the answers are those that
//! comparing with every scope would give, and a debug build does that as well (`passing.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref, DerefMut};

use crate::Scope;
use crate::scope::Path;

/// Scopes by the places that they cover, each under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places<K> {
    /// Those that cover the whole document.
    whole: BTreeSet<K>,
    by_root: BTreeMap<String, BTreeMap<Path, BTreeSet<K>>>,
}

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self {
            whole: BTreeSet::new(),
            by_root: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> Places<K> {
    pub(crate) fn insert(&mut self, scope: &Scope, key: K) {
        if scope.is_whole() {
            self.whole.insert(key);
        }
        for path in scope.paths() {
            let root = self.by_root.entry(path.root().to_owned()).or_default();
            root.entry(path.clone()).or_default().insert(key);
        }
    }

    /// `scope` is the one that was inserted under this key.
    pub(crate) fn remove(&mut self, scope: &Scope, key: K) {
        if scope.is_whole() {
            self.whole.remove(&key);
        }
        for path in scope.paths() {
            let Some(root) = self.by_root.get_mut(path.root()) else {
                continue;
            };
            if let Some(keys) = root.get_mut(path) {
                keys.remove(&key);
                if keys.is_empty() {
                    root.remove(path);
                }
            }
            if root.is_empty() {
                self.by_root.remove(path.root());
            }
        }
    }

    /// Those in conflict with `scope`, ascending; every one, if it is the whole document.
    pub(crate) fn in_conflict(&self, scope: &Scope) -> Conflicts<K> {
        if scope.is_whole() {
            return Conflicts::All;
        }
        let mut found: Vec<K> = self.whole.iter().copied().collect();
        for path in scope.paths() {
            if let Some(root) = self.by_root.get(path.root()) {
                around(root, path, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        Conflicts::These(found)
    }

    /// The same for one root type.
    pub(crate) fn reaching(&self, root: &str) -> Vec<K> {
        let mut found: Vec<K> = self.whole.iter().copied().collect();
        let there = self.by_root.get(root);
        found.extend(there.into_iter().flat_map(BTreeMap::values).flatten());
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn around<K: Copy + Ord>(root: &BTreeMap<Path, BTreeSet<K>>, path: &Path, found: &mut Vec<K>) {
    let segments = path.segments();
    for length in 1..segments.len() {
        let above = segments.get(..length).and_then(|above| root.get(above));
        found.extend(above.into_iter().flatten());
    }
    // Everything below a path stands right behind it.
    let from = (Bound::Included(segments), Bound::Unbounded);
    for (other, keys) in root.range::<[String], _>(from) {
        if !path.covers(other) {
            break;
        }
        found.extend(keys);
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflicts<K> {
    /// Everything that there is.
    All,
    /// These, ascending.
    These(Vec<K>),
}

/// Says where to look, and nothing about what is there: two states that differ in it only are the same state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hint<T>(T);

impl<T> PartialEq for Hint<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Hint<T> {}

impl<T> Deref for Hint<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Hint<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All small scopes over two names: the search finds what comparing finds.
    #[test]
    fn the_search_finds_what_comparing_with_each_would() {
        let names = ["a", "aa", "b"];
        let mut paths = Vec::new();
        for one in names {
            paths.push(vec![one]);
            for two in names {
                paths.push(vec![one, two]);
                paths.push(vec![one, two, "a"]);
            }
        }
        let mut scopes = vec![Scope::WHOLE];
        for (index, path) in paths.iter().enumerate() {
            scopes.push(Scope::of([path.clone()]).expect("a path"));
            let other = paths[(index * 7 + 3) % paths.len()].clone();
            scopes.push(Scope::of([path.clone(), other]).expect("two paths"));
        }
        let mut places = Places::default();
        for (key, scope) in scopes.iter().enumerate() {
            places.insert(scope, key);
        }
        // Some go again.
        for (key, scope) in scopes.iter().enumerate().filter(|(key, _)| key % 5 == 4) {
            places.remove(scope, key);
        }
        let there = || scopes.iter().enumerate().filter(|(key, _)| key % 5 != 4);
        for asked in &scopes {
            let expected: Vec<_> = there()
                .filter(|(_, scope)| scope.conflicts(asked))
                .map(|(key, _)| key)
                .collect();
            match places.in_conflict(asked) {
                Conflicts::All => assert!(asked.is_whole()),
                Conflicts::These(found) => assert_eq!(found, expected, "{asked}"),
            }
        }
        for root in names {
            let expected: Vec<_> = there()
                .filter(|(_, scope)| scope.reaches(root))
                .map(|(key, _)| key)
                .collect();
            assert_eq!(places.reaching(root), expected, "{root}");
        }
    }
}
