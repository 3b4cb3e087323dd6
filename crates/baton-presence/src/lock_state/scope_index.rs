//! Index of scopes: finds those in conflict with a given scope without comparing all of them.
//!
//! The index knows one key for each scope and nothing else. Its answers equal those of comparing
//! with every scope; debug builds check that (`turns.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::Scope;
use crate::scope::Path;

/// Scopes by the paths that they cover, each under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScopeIndex<K> {
    /// Keys of the scopes that cover the whole document.
    whole: BTreeSet<K>,
    by_root: BTreeMap<String, BTreeMap<Path, BTreeSet<K>>>,
}

impl<K> Default for ScopeIndex<K> {
    fn default() -> Self {
        Self {
            whole: BTreeSet::new(),
            by_root: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> ScopeIndex<K> {
    pub(crate) fn insert(&mut self, scope: &Scope, key: K) {
        if scope.is_whole() {
            self.whole.insert(key);
        }
        for path in scope.paths() {
            let root = self.by_root.entry(path.root().to_owned()).or_default();
            root.entry(path.clone()).or_default().insert(key);
        }
    }

    /// Removes `key`, which was inserted with this very `scope`.
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

    /// Returns the keys of the scopes in conflict with `scope`, ascending.
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

    /// Returns the keys of the scopes that cover this root or a path in it, ascending.
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
    // Sorted by segments, everything below a path follows it directly.
    let from = (Bound::Included(segments), Bound::Unbounded);
    for (other, keys) in root.range::<[String], _>(from) {
        if !path.covers(other) {
            break;
        }
        found.extend(keys);
    }
}

/// Result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflicts<K> {
    /// Every key of the index: the search was for the whole document.
    All,
    /// These keys, ascending.
    These(Vec<K>),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all small scopes over three names: the index finds what comparing finds.
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
        let mut index = ScopeIndex::default();
        for (key, scope) in scopes.iter().enumerate() {
            index.insert(scope, key);
        }
        for (key, scope) in scopes.iter().enumerate().filter(|(key, _)| key % 5 == 4) {
            index.remove(scope, key);
        }
        let there = || scopes.iter().enumerate().filter(|(key, _)| key % 5 != 4);
        for asked in &scopes {
            let expected: Vec<_> = there()
                .filter(|(_, scope)| scope.conflicts(asked))
                .map(|(key, _)| key)
                .collect();
            match index.in_conflict(asked) {
                Conflicts::All => assert!(asked.is_whole()),
                Conflicts::These(found) => assert_eq!(found, expected, "{asked}"),
            }
        }
        for root in names {
            let expected: Vec<_> = there()
                .filter(|(_, scope)| scope.reaches(root))
                .map(|(key, _)| key)
                .collect();
            assert_eq!(index.reaching(root), expected, "{root}");
        }
    }
}
