//! One park with the index of its edits, by which further edits are compared with it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use baton_sync::block_store::BlockStore;
use baton_sync::known_blocks::KnownBlocks;
use baton_sync::replica::cut_where_known;
use baton_sync::replica_index::ReplicaIndex;
use baton_sync::scan::{OwnedScan, Scan, content_form, scan};
use sha2::{Digest, Sha256};

use super::park::Park;

/// Largest update of a stock client, in bytes, that is compared with parked edits from its source.
const ALIKE: usize = 64 * 1024;

/// A park with the index of its edits.
#[derive(Debug)]
pub(super) struct IndexedPark {
    pub(super) park: Park,
    /// The index of its edits, beyond the document.
    pub(super) known: ReplicaIndex,
    /// True if `known` holds all of its edits.
    is_indexed: bool,
    /// Hashes of its edits that may come again from the same source under another Yjs client id.
    forms: BTreeSet<[u8; 32]>,
    /// The blocks of its edits, once some came again.
    originals: OnceLock<BlockStore>,
}

/// The part of a park on which an update may build, beside the document.
pub(super) struct ParkBasis<'a> {
    pub(super) id: u64,
    pub(super) known: &'a ReplicaIndex,
    pub(super) originals: &'a BlockStore,
    pub(super) roots: &'a BTreeSet<String>,
}

impl IndexedPark {
    /// Indexes a new park, which has no edits.
    pub(super) fn new(park: Park) -> Self {
        Self {
            park,
            known: ReplicaIndex::default(),
            is_indexed: true,
            forms: BTreeSet::new(),
            originals: OnceLock::new(),
        }
    }

    /// Indexes a stored park.
    pub(super) fn restore(park: Park, document: &ReplicaIndex) -> Self {
        let mut restored = Self::new(park);
        for update in &restored.park.updates {
            // Only scanned updates are ever parked. One that does not scan any more, by a newer
            // rule, is not indexed.
            let mut is_indexed = false;
            if let Ok(update) = OwnedScan::new(update.clone()) {
                // The document may know a part of it by now.
                let rest = cut_where_known(&update, document, &restored.known);
                restored.known.absorb_over(document, &rest.as_scan());
                let scanned = update.as_scan();
                is_indexed = scanned.inserts().all(|range| {
                    let clock = restored.known.clock(range.client);
                    range.end <= clock.max(document.clock(range.client))
                });
                // The kind of its author's client is not stored. Only stock clients look for it.
                let form = restored.park.user.and_then(|_| form(&scanned));
                restored.forms.extend(form);
            }
            restored.is_indexed &= is_indexed;
        }
        restored
    }

    /// Returns true if the document has all of its edits. A park with an edit that is not indexed
    /// never closes by itself: else it would be taken for an empty one.
    pub(super) fn is_within(&self, document: &ReplicaIndex) -> bool {
        self.is_indexed && document.covers(&self.known)
    }

    /// Returns true if it holds an edit with this form.
    pub(super) fn holds_form(&self, form: &[u8; 32]) -> bool {
        self.forms.contains(form)
    }

    /// Adds an edit. One `with_form` is found again by its form.
    pub(super) fn add(&mut self, document: &ReplicaIndex, update: &OwnedScan, with_form: bool) {
        let scanned = update.as_scan();
        self.learn(document, &scanned);
        if with_form {
            self.forms.extend(form(&scanned));
        }
        self.park.updates.push(update.bytes().clone());
    }

    pub(super) fn basis(&self) -> ParkBasis<'_> {
        ParkBasis {
            id: self.park.id,
            known: &self.known,
            originals: self.originals(),
            roots: &self.park.roots,
        }
    }

    pub(super) fn clear(&mut self) {
        self.known = ReplicaIndex::default();
        self.is_indexed = true;
        self.forms.clear();
        self.originals = OnceLock::new();
        self.park.updates.clear();
        self.park.roots.clear();
        (self.park.inserted, self.park.deleted) = (0, 0);
    }

    fn learn(&mut self, document: &ReplicaIndex, update: &Scan<'_>) {
        let roots = document.touched_roots_over(&self.known, update);
        self.park.roots.extend(roots);
        let gain = document.gain_over(&self.known, update);
        self.park.inserted = self.park.inserted.saturating_add_signed(gain.inserted);
        self.park.deleted += gain.deleted;
        self.known.absorb_over(document, update);
        if let Some(originals) = self.originals.get_mut() {
            originals.follow(update);
        }
    }

    fn originals(&self) -> &BlockStore {
        self.originals.get_or_init(|| {
            let mut originals = BlockStore::default();
            for update in &self.park.updates {
                if let Ok(scanned) = scan(update) {
                    originals.follow(&scanned);
                }
            }
            originals
        })
    }

    /// Compares the blocks that the update and the park have in common by their clocks: two clients
    /// that write under one id share clocks, and nothing else.
    pub(super) fn agrees(&self, document: &ReplicaIndex, update: &Scan<'_>) -> bool {
        KnownBlocks::of_park(self.originals()).agree(document, &self.known, update)
    }
}

/// Returns the hash of an update without its Yjs client ids; `None` if it is too large to compare.
pub(super) fn form(update: &Scan<'_>) -> Option<[u8; 32]> {
    (update.bytes().len() <= ALIKE).then(|| Sha256::digest(content_form(update)).into())
}

#[cfg(test)]
mod tests {
    use baton_presence::SessionId;
    use bytes::Bytes;

    use super::*;
    use crate::replica::Profile;

    fn is_within_nothing(updates: &[&'static [u8]]) -> bool {
        let mut park = Park::new(7, SessionId(2), Profile::default(), 0);
        park.updates = updates
            .iter()
            .map(|bytes| Bytes::from_static(bytes))
            .collect();
        let document = ReplicaIndex::new();
        IndexedPark::restore(park, &document).is_within(&document)
    }

    #[test]
    fn a_stored_park_that_cannot_be_indexed_is_not_taken_for_an_empty_one() {
        assert!(is_within_nothing(&[]));
        let no_update = b"\xff\xff";
        assert!(!is_within_nothing(&[no_update]));
        let lacking = b"\x01\x01\x01\x07\x84\x01\x06\x01!\x00";
        assert!(!is_within_nothing(&[lacking]));
    }
}
