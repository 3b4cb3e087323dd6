//! The encodings of a document that are shared by clients who ask for the same.
//!
//! Owns them, and the decision on the changes that outdate them.

use std::sync::OnceLock;

use bytes::Bytes;

use super::pieces::{BlocksOfRun, PieceCutter};
use super::sync_pieces::{SharedCompressed, SharedPieces, SyncPieces, cutter};
use crate::compressed_update::Compression;
use crate::delete_set::DeleteSet;
use crate::replica_index::ReplicaIndex;
use crate::scan::OwnedScan;
use crate::state_vector::StateVector;

/// Encodings, until the next change.
#[derive(Default)]
pub(super) struct DiffCache {
    /// Everything, as one update v1.
    everything: Option<Bytes>,
    /// The scan of everything, since the document was loaded: most documents are loaded for a
    /// client that wants the pieces.
    scanned: Option<Box<Scanned>>,
    /// Everything, in pieces, and the updates that were applied since they were cut.
    pieces: Option<Box<SharedPieces>>,
    /// Everything, compressed as one piece, and the updates that were applied since.
    compressed: Option<Box<SharedCompressed>>,
    /// True if everything hardly gets smaller as one piece.
    is_incompressible: bool,
    /// The deletions, as an update.
    deletes: OnceLock<Bytes>,
    /// The state vector.
    vector: OnceLock<Bytes>,
    /// Bytes of the deletions in the encoding of everything that was made last.
    deletion_bytes: usize,
}

/// A scan of everything, and an order in which its blocks can be applied.
pub(super) struct Scanned {
    pub(super) update: OwnedScan,
    pub(super) order: Vec<BlocksOfRun>,
}

impl DiffCache {
    /// `blocks` are the bytes of all blocks in it.
    pub(super) fn of(everything: Bytes, blocks: usize, scanned: Option<Scanned>) -> Self {
        Self {
            deletion_bytes: everything.len() - blocks,
            everything: Some(everything),
            scanned: scanned.map(Box::new),
            ..Self::default()
        }
    }

    pub(super) const fn everything(&self) -> Option<&Bytes> {
        self.everything.as_ref()
    }

    /// Keeps the encoding of everything, until the next change.
    pub(super) fn keep(&mut self, everything: Bytes, blocks: usize) -> Bytes {
        self.deletion_bytes = everything.len() - blocks;
        self.everything.insert(everything).clone()
    }

    /// The document changed by this update.
    pub(super) fn follow(&mut self, update: &[u8]) {
        let (pieces, compressed) = (self.pieces.take(), self.compressed.take());
        *self = Self {
            deletion_bytes: self.deletion_bytes,
            pieces: pieces.and_then(|mut pieces| pieces.follow(update).then_some(pieces)),
            compressed: compressed.and_then(|mut one| one.follow(update).then_some(one)),
            ..Self::default()
        };
    }

    /// Returns the pieces of this size for a client that has nothing, if they are shared already.
    pub(super) fn pieces(
        &self,
        most: usize,
        compression: Option<Compression>,
    ) -> Option<SyncPieces> {
        if let Some(one) = self.compressed.as_ref().filter(|_| compression.is_some()) {
            return Some(one.for_client());
        }
        let shared = self.pieces.as_ref().filter(|shared| shared.most() == most);
        shared.map(|shared| shared.for_client(compression))
    }

    /// Returns everything as one piece. If it is compressed, it is shared from now on.
    pub(super) fn one(
        &mut self,
        everything: Bytes,
        compression: Option<Compression>,
    ) -> SyncPieces {
        let compression = compression.filter(|_| !self.is_incompressible);
        let Some(compression) = compression else {
            return SyncPieces::whole(everything, None);
        };
        match compression.compress(&everything) {
            Some(update) => {
                let shared = SharedCompressed::new(update);
                self.compressed.insert(Box::new(shared)).for_client()
            }
            None => {
                self.is_incompressible = true;
                SyncPieces::whole(everything, None)
            }
        }
    }

    /// Cuts everything into pieces for clients that have nothing, to be shared. If there are some
    /// of another size already, these are for one client alone.
    pub(super) fn cut(
        &mut self,
        everything: Bytes,
        most: usize,
        compression: Option<Compression>,
    ) -> SyncPieces {
        let nothing = StateVector::new();
        if self.pieces.is_some() {
            return SyncPieces::cut(everything, &nothing, most, compression);
        }
        let cutter = match self.scanned.take() {
            Some(scanned) => {
                let Scanned { update, order } = *scanned;
                Some(PieceCutter::of_whole(update, order, most))
            }
            None => cutter(&everything, &nothing, most),
        };
        let Some(cutter) = cutter else {
            return self.one(everything, compression);
        };
        let shared = SharedPieces::new(cutter, most);
        self.pieces.insert(Box::new(shared)).for_client(compression)
    }

    pub(super) fn has_pieces(&self, most: usize) -> bool {
        let is_made = self
            .pieces
            .as_ref()
            .is_some_and(|pieces| pieces.most() == most);
        let is_one = self
            .everything
            .as_ref()
            .is_some_and(|all| all.len() <= most);
        is_made || is_one
    }

    /// Returns true if nothing remains to be compressed for a client that has nothing.
    pub(super) fn is_compressed(&self, most: usize) -> bool {
        let shared = self.pieces.as_ref().filter(|shared| shared.most() == most);
        self.compressed.is_some()
            || self.is_incompressible
            || shared.is_some_and(|shared| shared.is_compressed())
    }

    /// An update that only deletes.
    pub(super) fn deletions(&self, deletes: &DeleteSet) -> Bytes {
        let encode = || {
            let mut update = vec![0];
            deletes.encode(&mut update);
            update.into()
        };
        self.deletes.get_or_init(encode).clone()
    }

    pub(super) fn vector(&self, index: &ReplicaIndex) -> Bytes {
        let encode = || index.vector().encode().into();
        self.vector.get_or_init(encode).clone()
    }

    /// Bytes of the deletions when everything was encoded last.
    pub(super) const fn deletion_bytes(&self) -> usize {
        self.deletion_bytes
    }

    pub(super) fn has_spare(&self) -> bool {
        self.pieces.is_some()
            || self.compressed.is_some()
            || self.scanned.is_some()
            || self.deletes.get().is_some()
    }

    /// Drops all but the encoding of everything.
    pub(super) fn drop_spare(&mut self) {
        *self = Self {
            everything: self.everything.take(),
            is_incompressible: self.is_incompressible,
            deletion_bytes: self.deletion_bytes,
            ..Self::default()
        };
    }
}
