//! The relation of an update to an index, and the size of what it adds.

use std::fmt;

use crate::scan::Id;
use crate::state_vector::StateVector;

/// The relation of an update to an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Everything that it inserts and deletes is known: it adds nothing.
    Known,
    /// It adds something, and all of it may be applied now.
    Fits,
    /// Something must come first. Ask the sender for it (Step1), or take
    /// [`ReplicaIndex::closed_part`](super::ReplicaIndex::closed_part).
    Gap {
        /// For some clients, a clock that the document must know first: the lowest at which
        /// something more of the update can come, not necessarily all of it. Empty if only a Skip
        /// over known units stands in the way; then there is nothing to ask for.
        missing: StateVector,
    },
    /// A block is known in part. Ask the sender (Step1): it will cut the block there.
    Astride {
        /// The first unit of the block that is not known.
        at: Id,
    },
    /// It breaks a rule, whatever comes later. The fault is the sender's.
    Refused(Refusal),
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => f.write_str("all of it is known"),
            Self::Fits => f.write_str("all of it may be applied"),
            Self::Gap { missing } => match missing.iter().next() {
                Some((client, clock)) => {
                    write!(
                        f,
                        "it builds on edits of client {client} up to clock {clock}"
                    )?;
                    match missing.iter().count() - 1 {
                        0 => f.write_str(" that are missing"),
                        more => write!(f, " and of {more} more that are missing"),
                    }
                }
                None => f.write_str("it leaves out units that are known"),
            },
            Self::Astride { at } => {
                let Id { client, clock } = at;
                write!(f, "only a part of a block is known, up to {client}:{clock}")
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// The size of what an update adds to an index, roughly: content is not looked at, so units that
/// were never shown count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gain {
    /// Units of text (UTF-16) and elements that it inserts, minus those of the overlay that it
    /// deletes: less than nothing for an update that takes earlier ones back.
    pub inserted: i64,
    /// Units of the base that it deletes.
    pub deleted: u64,
}

/// Why an update can never be applied. Nothing that Yjs or yrs makes is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The parent that a block names is not a shared type.
    #[error("the parent {}:{} is not a shared type", parent.client, parent.clock)]
    ParentIsNoType {
        /// The parent.
        parent: Id,
    },
    /// A block's origin is in one type and its right origin in another.
    #[error("block {}:{} has its origins in two types", at.client, at.clock)]
    Torn {
        /// The block.
        at: Id,
    },
    /// A key gets a block of several units that are not all deleted.
    #[error("block {}:{} gives a key several values at once", at.client, at.clock)]
    LongValue {
        /// The block.
        at: Id,
    },
    /// A value of a key names a right origin: it would stand before another value, and no client
    /// sends that.
    #[error("block {}:{} puts the value of a key before another one", at.client, at.clock)]
    ValueBefore {
        /// The block.
        at: Id,
    },
    /// Shared types nest deeper than [`TYPE_DEPTH`](super::TYPE_DEPTH).
    #[error("shared types nest too deep")]
    TooDeep,
    /// Blocks of different clients refer to one another in a circle.
    #[error("blocks refer to one another in a circle")]
    Circular,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_vector::ClientId;

    #[test]
    fn a_judgement_reads_as_a_sentence() {
        let missing = |clients: &[u32]| Judgement::Gap {
            missing: clients.iter().map(|id| (ClientId::from(*id), 4)).collect(),
        };
        let at = Id {
            client: ClientId::from(7),
            clock: 3,
        };
        for (judgement, text) in [
            (
                missing(&[7]),
                "it builds on edits of client 7 up to clock 4 that are missing",
            ),
            (
                missing(&[7, 8, 9]),
                "it builds on edits of client 7 up to clock 4 and of 2 more that are missing",
            ),
            (missing(&[]), "it leaves out units that are known"),
            (
                Judgement::Astride { at },
                "only a part of a block is known, up to 7:3",
            ),
            (
                Judgement::Refused(Refusal::TooDeep),
                "shared types nest too deep",
            ),
        ] {
            assert_eq!(judgement.to_string(), text);
        }
    }
}
