//! The encodings of a document that are shared by clients who ask for the same.
//!
//! Owns them, and until when they are good.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::delete_set::DeleteSet;
use crate::partial_update;
use crate::scan::scan;
use crate::state_vector::StateVector;

/// How many updates may follow the pieces of a first sync before these are made anew.
const UPDATES_AFTER_PIECES: usize = 256;

/// Encodings, until the next change.
#[derive(Default)]
pub(super) struct Answers {
    /// Everything, as one update v1.
    everything: Option<Bytes>,
    /// Everything, in pieces, and the updates that were applied since they were made.
    pieces: Option<Pieces>,
    /// The deletions, as an update.
    deletes: OnceLock<Bytes>,
    /// The state vector.
    vector: OnceLock<Bytes>,
    /// Bytes of the deletions in the encoding of everything that was made last.
    deletion_bytes: usize,
}

struct Pieces {
    most: usize,
    pieces: Vec<Bytes>,
    /// Updates among them, and their bytes.
    updates: usize,
    bytes: usize,
}

impl Answers {
    /// `blocks` are the bytes of all blocks in it.
    pub(super) fn of(everything: Bytes, blocks: usize) -> Self {
        Self {
            deletion_bytes: everything.len() - blocks,
            everything: Some(everything),
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
        let pieces = self.pieces.take();
        *self = Self {
            deletion_bytes: self.deletion_bytes,
            ..Self::default()
        };
        let Some(mut pieces) = pieces else {
            return;
        };
        pieces.updates += 1;
        pieces.bytes += update.len();
        if pieces.updates <= UPDATES_AFTER_PIECES && pieces.bytes <= pieces.most {
            pieces.pieces.push(Bytes::copy_from_slice(update));
            self.pieces = Some(pieces);
        }
    }

    /// The pieces of this size for a client that has nothing, if there are any.
    pub(super) fn pieces(&self, most: usize) -> Option<Vec<Bytes>> {
        let made = self.pieces.as_ref().filter(|made| made.most == most)?;
        Some(made.pieces.clone())
    }

    /// Keeps pieces, unless there are some of another size already: then these are for one client alone.
    pub(super) fn keep_pieces(&mut self, most: usize, pieces: Vec<Bytes>) -> Vec<Bytes> {
        self.pieces.get_or_insert_with(|| Pieces {
            most,
            pieces: pieces.clone(),
            updates: 0,
            bytes: 0,
        });
        pieces
    }

    pub(super) fn has_pieces(&self, most: usize) -> bool {
        let is_made = self
            .pieces
            .as_ref()
            .is_some_and(|pieces| pieces.most == most);
        let is_one = self
            .everything
            .as_ref()
            .is_some_and(|all| all.len() <= most);
        is_made || is_one
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

    pub(super) fn vector(&self, vector: &StateVector) -> Bytes {
        self.vector.get_or_init(|| vector.encode().into()).clone()
    }

    /// Bytes of the deletions when everything was encoded last.
    pub(super) const fn deletion_bytes(&self) -> usize {
        self.deletion_bytes
    }

    pub(super) fn has_spare(&self) -> bool {
        self.pieces.is_some() || self.deletes.get().is_some()
    }

    /// Lets go of all but the encoding of everything.
    pub(super) fn drop_spare(&mut self) {
        *self = Self {
            everything: self.everything.take(),
            deletion_bytes: self.deletion_bytes,
            ..Self::default()
        };
    }
}

/// An update that is to be applied by a client that has `since`, in pieces.
pub(super) fn cut(update: Bytes, since: &StateVector, most: usize) -> Vec<Bytes> {
    if update.len() <= most {
        return vec![update];
    }
    let pieces = scan(&update).ok();
    let pieces = pieces.and_then(|scan| partial_update::pieces(&scan, since, most));
    pieces.unwrap_or_else(|| vec![update])
}
