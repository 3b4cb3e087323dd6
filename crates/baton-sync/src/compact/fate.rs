//! The units whose content goes, and the types that are gone for good with all that is in them.
//!
//! Owns these answers. It writes nothing.

use std::collections::HashSet;

use super::History;
use crate::delete_set::DeleteSet;
use crate::scan::{Block, BlockKind, Id, Scan};
use crate::state::{Place, Settled};
use crate::state_vector::Clock;

/// Times that kept blocks are searched for references into what would go, each time that such a
/// reference keeps something more. Only forged updates have any.
const PASSES: usize = 8;

/// A part of a block that is deleted as a whole, or not at all.
pub(super) struct Stretch {
    pub(super) end: Clock,
    pub(super) deleted: bool,
}

/// The outcome for a whole state that is rewritten.
pub(super) struct Fates<'u, 's> {
    settled: &'s Settled<'u, 's>,
    deletes: &'s DeleteSet,
    history: History,
    /// Types in which something is kept.
    kept: HashSet<Id>,
    /// False if every type must be kept.
    types_go: bool,
}

impl<'u, 's> Fates<'u, 's> {
    /// `deletes` is all that the state deletes.
    pub(super) fn new(
        settled: &'s Settled<'u, 's>,
        deletes: &'s DeleteSet,
        history: History,
    ) -> Self {
        let mut fates = Self {
            settled,
            deletes,
            history,
            kept: HashSet::new(),
            types_go: history == History::Drop,
        };
        if history == History::Keep {
            return fates;
        }
        for (index, block) in indexed(settled.scan()) {
            if let Place::At {
                inside: Some(id), ..
            } = fates.place(index)
                && !deletes.contains(block.client, block.clock, block.len)
            {
                fates.keep(id);
            }
        }
        if !fates.keep_what_is_referred_to() {
            fates.types_go = false;
        }
        fates
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
        match self.place(index) {
            Place::Gone => self.drops_deleted(),
            Place::At { inside, .. } => inside.is_some_and(|id| self.goes(id)),
        }
    }

    /// The longest part of the block from this clock on that is deleted as a whole, or not at all.
    pub(super) fn stretch(&self, block: &Block<'_>, clock: Clock) -> Stretch {
        let past = self.deletes.end_of_range_at(block.client, clock);
        let deleted = past.is_some();
        let end = past.or_else(|| self.deletes.start_of_range_after(block.client, clock));
        Stretch {
            end: end.map_or(block.end(), |end| end.min(block.end())),
            deleted,
        }
    }

    /// Returns true if this shared type goes, and all that is in it.
    pub(super) fn goes(&self, id: Id) -> bool {
        self.types_go && self.deletes.contains(id.client, id.clock, 1) && !self.kept.contains(&id)
    }

    fn place(&self, index: usize) -> Place<&'s str> {
        self.settled.place_of_block(index).unwrap_or(Place::Gone)
    }

    /// Keeps a type, and so those that it is in.
    fn keep(&mut self, id: Id) {
        let mut next = Some(id);
        while let Some(id) = next {
            if !self.kept.insert(id) {
                return;
            }
            next = self.settled.place(id).inside();
        }
    }

    /// A kept block whose neighbour becomes GC is dropped by Yjs, so such neighbours are kept.
    /// False if that does not come to an end soon.
    fn keep_what_is_referred_to(&mut self) -> bool {
        for _ in 0..PASSES {
            let mut found = Vec::new();
            for (index, block) in indexed(self.settled.scan()) {
                if matches!(block.kind, BlockKind::Item(_)) && !self.is_gone(index) {
                    let neighbours = [block.origin, block.right_origin].into_iter().flatten();
                    let types = neighbours.filter_map(|id| self.settled.place(id).inside());
                    found.extend(types.filter(|id| self.goes(*id)));
                }
            }
            if found.is_empty() {
                return true;
            }
            for id in found {
                self.keep(id);
            }
        }
        false
    }
}

/// All blocks with their indices.
fn indexed<'a, 'u>(scan: &'a Scan<'u>) -> impl Iterator<Item = (usize, Block<'u>)> + 'a {
    let runs = scan.runs().iter();
    runs.flat_map(|run| {
        run.blocks()
            .map(|index| (index, scan.block(run.client, index)))
    })
}
