//! The locks of the handoff's measurement: ten thousand, each held and each waited for, and whose
//! holders die.
//!
//! One process may have 20,000 files open on an ordinary machine, so that some holders have two
//! locks. Owns the arithmetic.

use baton_sync::control_channel::Paths;

/// Some documents that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First letter of their names.
    pub name: char,
    /// Number of documents.
    pub documents: usize,
    /// Sessions that hold locks in each document.
    pub holders: usize,
    /// Locks of each of these sessions.
    pub each: usize,
    /// Holders of each document that die; where there is one holder, the documents of a hundred in
    /// which it dies.
    pub dying: usize,
}

/// The fate of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its process is killed.
    Dies,
    /// It stays.
    Stays,
}

/// A session that holds locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name of its document.
    pub document: String,
    /// One list of paths for each lock.
    pub locks: Vec<Paths>,
    /// Its fate.
    pub fate: Fate,
}

/// Ten thousand locks: many documents with one for everything, some with forty, a few with three
/// hundred. Of 8,500 holders 5,000 die, and with them 5,700 locks.
pub const PARTS: [Part; 3] = [
    Part {
        name: 'a',
        documents: 3_000,
        holders: 1,
        each: 1,
        dying: 67,
    },
    Part {
        name: 'b',
        documents: 100,
        holders: 40,
        each: 1,
        dying: 23,
    },
    Part {
        name: 'c',
        documents: 10,
        holders: 150,
        each: 2,
        dying: 69,
    },
];

impl Part {
    /// A smaller one of the same kind.
    #[must_use]
    pub const fn divided(self, by: usize) -> Self {
        Self {
            documents: self.documents.div_ceil(by),
            ..self
        }
    }

    /// Everybody who holds something.
    pub fn holders(self) -> impl Iterator<Item = Holder> {
        (0..self.documents).flat_map(move |document| {
            (0..self.holders).map(move |holder| {
                let of_all = if self.holders == 1 {
                    document % 100
                } else {
                    holder
                };
                Holder {
                    document: format!("{}{document}", self.name),
                    locks: (0..self.each)
                        .map(|lock| self.paths(holder * self.each + lock))
                        .collect(),
                    fate: if of_all < self.dying {
                        Fate::Dies
                    } else {
                        Fate::Stays
                    },
                }
            })
        })
    }

    /// Returns the paths of a lock. A document's only lock is that of everything.
    fn paths(self, lock: usize) -> Paths {
        if self.holders * self.each == 1 {
            return Vec::new();
        }
        vec![vec!["sections".to_owned(), lock.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_thousand_locks_and_five_thousand_holders_die() {
        let holders = || PARTS.into_iter().flat_map(Part::holders);
        let dying = || holders().filter(|holder| holder.fate == Fate::Dies);
        assert_eq!(
            holders().map(|holder| holder.locks.len()).sum::<usize>(),
            10_000
        );
        assert_eq!(holders().count(), 8_500);
        assert_eq!(dying().count(), 5_000);
        assert_eq!(
            dying().map(|holder| holder.locks.len()).sum::<usize>(),
            5_690
        );
    }
}
