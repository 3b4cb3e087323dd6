//! The change that an update makes to an index.
//!
//! Owns the [`IndexDelta`], which is found by the walk and still to be written. It does not borrow
//! from the index.

use std::ops::Range;
use std::sync::Arc;

use super::ReplicaIndex;
use super::applicability::Applicability;
use super::place::Place;
use crate::scan::{BlockKind, Content, IdRange, Scan};
use crate::state_vector::ClientId;

/// The change that an update makes.
pub(crate) struct IndexDelta {
    pub(super) inserts: Vec<Insert>,
    /// The new blocks of each client.
    pub(crate) blocks: Vec<(ClientId, Range<usize>)>,
    /// The new blocks that have a key, each after its origin: run and block of the update.
    pub(super) keyed: Vec<(u32, u32)>,
    /// Blocks that are deleted without being listed.
    gone: Vec<IdRange>,
    /// The listed deletions, if not all of them are learnt.
    clipped: Option<Vec<IdRange>>,
}

/// Units that were inserted into one place.
pub(super) struct Insert {
    pub(super) range: IdRange,
    pub(super) place: Place<Result<u32, Arc<str>>>,
}

impl IndexDelta {
    /// The change that the admitted part makes to `index`.
    pub(crate) fn of(walk: &Applicability<'_, '_>, index: &ReplicaIndex) -> Self {
        let scan = walk.scan();
        let is_clipped = |range: &IdRange| range.end > walk.known(range.client);
        let clipped = scan.deletes().iter().any(is_clipped);
        let mut delta = Self {
            inserts: Vec::new(),
            blocks: Vec::new(),
            keyed: walk.keyed().to_vec(),
            gone: Vec::new(),
            clipped: clipped.then(|| walk.deletes().collect()),
        };
        for (client, blocks) in walk.admitted() {
            for block in blocks.clone() {
                let beside = block > blocks.start && walk.are_beside(block - 1, block);
                let start = scan.clock(block).max(walk.view().clock(client));
                let end = scan.end(block);
                delta.insert(walk, index, block, IdRange { client, start, end }, beside);
            }
            if !blocks.is_empty() {
                delta.blocks.push((client, blocks));
            }
        }
        delta
    }

    /// Adds a new block, which is `beside` the one before it.
    fn insert(
        &mut self,
        walk: &Applicability<'_, '_>,
        index: &ReplicaIndex,
        block: usize,
        range: IdRange,
        beside: bool,
    ) {
        let Some(place) = walk.place_of_block(block) else {
            return;
        };
        let is_gone = match walk.view().over {
            None => place.is_without_content() || walk.is_dead(place),
            // The base may lose the type around it at any time, and only the base learns that.
            Some(_) => matches!(
                walk.scan().block(range.client, block).kind,
                BlockKind::Gc | BlockKind::Item(Content::Deleted)
            ),
        };
        if is_gone {
            let goes_on =
                |last: &&mut IdRange| last.client == range.client && last.end == range.start;
            match self.gone.last_mut().filter(goes_on) {
                Some(last) => last.end = range.end,
                None => self.gone.push(range),
            }
        }
        match self.inserts.last_mut() {
            Some(last) if beside => last.range.end = range.end,
            _ => {
                let place = place.map_names(|name| index.name(name));
                self.inserts.push(Insert { range, place });
            }
        }
    }

    /// All deletions that are learnt of this update, also those that it does not list.
    pub(super) fn into_deletions(self, scan: &Scan<'_>) -> impl Iterator<Item = IdRange> {
        let all = self
            .clipped
            .is_none()
            .then(|| scan.deletes().iter().copied());
        let all = all.into_iter().flatten();
        let clipped = self.clipped.into_iter().flatten();
        self.gone.into_iter().chain(clipped).chain(all)
    }
}
