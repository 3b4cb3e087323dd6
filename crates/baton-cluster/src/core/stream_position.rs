//! Positions in a stream, and the incarnations of a stream that has lost its end.

use std::fmt;

/// Bits of a sequence in the number of a position: 17 trillion messages in a stream.
const SEQUENCE_BITS: u32 = 44;

/// Highest sequence that a position can hold.
pub const MAX_SEQUENCE: u64 = (1 << SEQUENCE_BITS) - 1;

/// Highest incarnation of a stream, so that a position stays below 2^53 and is exact in JavaScript.
pub const MAX_INCARNATION: u16 = 511;

/// A position in a stream: ordered by incarnation, then by sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamPosition {
    /// Number of times that the stream has lost its end, as all nodes agree.
    pub incarnation: u16,
    /// Sequence in the stream, from 1; 0 is before all.
    pub sequence: u64,
}

impl StreamPosition {
    /// Returns the position as one number, below 2^53, in the same order.
    ///
    /// This number is the position of a record in `baton-log` and the fence of a grant.
    #[must_use]
    pub const fn number(self) -> u64 {
        ((self.incarnation as u64) << SEQUENCE_BITS) | self.sequence
    }

    /// Returns the position with this number, or `None` if no position has it.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        let incarnation = u16::try_from(number >> SEQUENCE_BITS).ok()?;
        (incarnation <= MAX_INCARNATION).then_some(Self {
            incarnation,
            sequence: number & MAX_SEQUENCE,
        })
    }
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.incarnation, self.sequence)
    }
}

/// All incarnations of a stream after the first: the last sequence that each shares with the one
/// before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incarnations {
    bases: Vec<u64>,
    /// Sequences of the messages with which they began, as far as a reader has told; 0 for others,
    /// [`NOT_IN_FORCE`] if the stream has lost that message.
    begins: Vec<u64>,
}

/// The begin of an incarnation whose proclamation the stream has lost.
const NOT_IN_FORCE: u64 = u64::MAX;

impl Incarnations {
    /// Makes the history in which incarnation `n` begins after `bases[n - 1]`. Returns `None` if
    /// there are more than [`MAX_INCARNATION`], or a base is no sequence.
    #[must_use]
    pub fn new(bases: Vec<u64>) -> Option<Self> {
        let fits = bases.len() <= usize::from(MAX_INCARNATION);
        let valid = bases.iter().all(|base| *base <= MAX_SEQUENCE);
        let begins = Vec::new();
        (fits && valid).then_some(Self { bases, begins })
    }

    /// Returns the bases, the first incarnation's left out.
    #[must_use]
    pub fn bases(&self) -> &[u64] {
        &self.bases
    }

    /// Returns the number of the present incarnation.
    #[must_use]
    pub fn current(&self) -> u16 {
        // `new` and `with` bound the length.
        u16::try_from(self.bases.len()).unwrap_or(MAX_INCARNATION)
    }

    /// Returns this history and one incarnation more, which begins after `base`. Returns `None` if
    /// the stream has had all that it can have.
    #[must_use]
    pub fn with(&self, base: u64) -> Option<Self> {
        let mut bases = self.bases.clone();
        bases.push(base);
        Self::new(bases)
    }

    /// Returns this history with the places of `known`: what is new in it, or is another there,
    /// began with the message that has this sequence.
    pub(super) fn begun_at(&self, sequence: u64, known: &Self) -> Self {
        let begin = |(index, base): (usize, &u64)| {
            let before = known.begins.get(index).copied();
            let same = known.bases.get(index) == Some(base);
            let in_force = before.filter(|begin| same && *begin != NOT_IN_FORCE);
            in_force.unwrap_or(sequence)
        };
        Self {
            bases: self.bases.clone(),
            begins: self.bases.iter().enumerate().map(begin).collect(),
        }
    }

    /// Takes note that the stream has lost all after this sequence, proclamations too. Their
    /// incarnations stay, for positions of them were given.
    pub(super) fn rewound(&mut self, end: u64) {
        for begin in &mut self.begins {
            if *begin > end {
                *begin = NOT_IN_FORCE;
            }
        }
    }

    /// Returns true if a mark that is stored at `sequence` counts: the snapshot is before it, and
    /// no incarnation that had begun at that place excludes it.
    ///
    /// The place decides, not the present: a node that learns late of a lost end may find that
    /// others, which had not seen that end, have gone on, and purged what their snapshots have.
    #[must_use]
    pub fn counts(&self, snapshot: StreamPosition, sequence: u64) -> bool {
        let begin = |index: usize| self.begins.get(index).copied().unwrap_or(0);
        let begun = (0..self.bases.len()).filter(|index| begin(*index) < sequence);
        let begun = begun.count();
        let later = self.bases.iter().take(begun);
        let later = later.skip(usize::from(snapshot.incarnation));
        snapshot.sequence < sequence
            && usize::from(snapshot.incarnation) <= begun
            && later.min().is_none_or(|base| snapshot.sequence <= *base)
    }

    /// Returns the position of the message that has this sequence now.
    #[must_use]
    pub fn position(&self, sequence: u64) -> StreamPosition {
        let newest = self.bases.iter().rposition(|base| *base < sequence);
        let incarnation = newest.map_or(0, |index| index + 1);
        StreamPosition {
            incarnation: u16::try_from(incarnation).unwrap_or(MAX_INCARNATION),
            sequence,
        }
    }

    /// Returns true if the stream still has this position's past: no later incarnation begins
    /// before it.
    #[must_use]
    pub fn contains(&self, position: StreamPosition) -> bool {
        let later = self.bases.iter().skip(usize::from(position.incarnation));
        position.incarnation <= self.current()
            && later.min().is_none_or(|base| position.sequence <= *base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_order_and_come_back() {
        let position = |incarnation, sequence| StreamPosition {
            incarnation,
            sequence,
        };
        let order = [
            position(0, 0),
            position(0, MAX_SEQUENCE),
            position(1, 0),
            position(MAX_INCARNATION, MAX_SEQUENCE),
        ];
        for pair in order.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].number() < pair[1].number());
        }
        for position in order {
            assert_eq!(
                StreamPosition::from_number(position.number()),
                Some(position)
            );
        }
        assert_eq!(order[3].number(), (1 << 53) - 1);
        assert_eq!(StreamPosition::from_number(1 << 53), None);
    }

    #[test]
    fn a_sequence_belongs_to_the_newest_incarnation_that_begins_before_it() {
        let history = Incarnations::default()
            .with(10)
            .and_then(|history| history.with(7))
            .expect("two are not too many");
        let incarnation = |sequence| history.position(sequence).incarnation;
        assert_eq!([7, 8, 11].map(incarnation), [0, 2, 2]);
        let contains = |incarnation, sequence| {
            history.contains(StreamPosition {
                incarnation,
                sequence,
            })
        };
        assert!(
            contains(0, 7) && !contains(0, 8),
            "8 was lost with the second end"
        );
        assert!(contains(1, 7) && !contains(1, 11));
        assert!(
            contains(2, 100) && !contains(3, 1),
            "the third is not known"
        );
    }

    #[test]
    fn a_mark_counts_by_the_incarnations_that_had_begun_at_its_place() {
        let position = |incarnation, sequence| StreamPosition {
            incarnation,
            sequence,
        };
        let first = Incarnations::new(vec![10]).expect("one");
        let mut history = first.begun_at(30, &Incarnations::default());
        assert!(
            history.counts(position(0, 20), 25),
            "its node did not know of the loss"
        );
        assert!(
            !history.counts(position(0, 20), 31),
            "it is late: all have opened anew"
        );
        assert!(history.counts(position(1, 31), 33) && !history.counts(position(1, 20), 25));
        assert!(!history.counts(position(0, 20), 20), "a mark follows");
        history.rewound(28);
        assert!(!history.counts(position(1, 29), 40), "its begin is lost");
        let second = history.with(28).expect("two").begun_at(50, &history);
        assert!(second.counts(position(0, 20), 49) && second.counts(position(2, 51), 52));
    }
}
