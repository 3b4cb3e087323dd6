//! The units whose content goes, and the types that go with all that is in them.
//!
//! Owns these answers. It writes nothing.
//!
//! Everything inside a deleted type is deleted, as the index knows. A block with neighbours is
//! where they are, so none that is kept has a neighbour that goes.

use super::history::History;
use crate::delete_set::DeleteSet;
use crate::replica_index::{Applicability, Place};
use crate::scan::{Block, Id};
use crate::state_vector::Clock;

/// A part of a block that is deleted as a whole, or not at all.
pub(super) struct Part {
    pub(super) end: Clock,
    pub(super) deleted: bool,
}

/// The outcome for a whole state that is rewritten.
#[derive(Clone, Copy)]
pub(super) struct GcPlan<'u, 's> {
    walk: &'s Applicability<'u, 's>,
    deletes: &'s DeleteSet,
    history: History,
}

impl<'u, 's> GcPlan<'u, 's> {
    /// `deletes` is all that the state deletes.
    pub(super) const fn new(
        walk: &'s Applicability<'u, 's>,
        deletes: &'s DeleteSet,
        history: History,
    ) -> Self {
        Self {
            walk,
            deletes,
            history,
        }
    }

    /// All that the state deletes.
    pub(super) const fn deletes(&self) -> &'s DeleteSet {
        self.deletes
    }

    /// Returns true if the content of deleted units goes.
    pub(super) fn drops_deleted(&self) -> bool {
        self.history == History::Drop
    }

    /// Returns true if only the clocks of this block remain.
    pub(super) fn is_gone(&self, index: usize) -> bool {
        match self.walk.place_of_block(index).unwrap_or(Place::Gone) {
            Place::Gone => self.drops_deleted(),
            Place::At { inside, .. } => inside.is_some_and(|id| self.goes(id)),
        }
    }

    /// The longest part of the block from this clock on that is deleted as a whole, or not at all.
    pub(super) fn part(&self, block: &Block<'_>, clock: Clock) -> Part {
        let past = self.deletes.end_of_range_at(block.client, clock);
        let deleted = past.is_some();
        let end = past.or_else(|| self.deletes.start_of_range_after(block.client, clock));
        Part {
            end: end.map_or(block.end(), |end| end.min(block.end())),
            deleted,
        }
    }

    /// Returns true if this shared type goes, and all that is in it.
    pub(super) fn goes(&self, id: Id) -> bool {
        self.drops_deleted() && self.deletes.contains(id.client, id.clock, 1)
    }
}
