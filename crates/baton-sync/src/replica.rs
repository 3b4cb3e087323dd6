//! A document as a server has it: its index, and the bytes of its blocks.
//!
//! Owns the two together, and the encodings that are shared by clients who ask for the same. There
//! is no CRDT library behind it: the content is never decoded, so every value stays as its author
//! sent it, and applying an update costs as much as reading its bytes. A program that reads or
//! edits the content makes a [`Document`](crate::Document) of the bytes.

mod diff_cache;
mod partly_known;
mod pieces;
mod sync_pieces;

use bytes::Bytes;

use self::diff_cache::{DiffCache, Scanned};
pub use self::partly_known::cut_where_known;
pub use self::sync_pieces::{SyncPiece, SyncPieces};
use crate::compact::Compacted;
use crate::compressed_update::Compression;
use crate::known_blocks::KnownBlocks;
use crate::replica_index::{IndexDelta, Judgement, ReplicaIndex};
use crate::scan::{OwnedScan, Scan, ScanError, scan};
use crate::state_vector::StateVector;

/// The encoding of a document into which nothing was inserted.
const NOTHING: Bytes = Bytes::from_static(&[0, 0]);

/// Size in bytes from which on a document is expected to be sent in pieces.
const SENT_IN_PIECES: usize = 1 << 20;

/// See the module.
pub struct Replica {
    index: ReplicaIndex,
    diff_cache: DiffCache,
}

/// The effect of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// Nothing: all of it was known.
    Known,
    /// Something was added.
    Added,
}

/// An update was not applied. The document is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The bytes are unsound: the sender's fault, asking again is of no use.
    #[error("unsound update: {0}")]
    Unsound(#[from] ScanError),
    /// The update may not be applied now, or never: see the judgement, which is neither
    /// [`Judgement::Known`] nor [`Judgement::Fits`]. On a gap, ask the sender.
    #[error("the update does not fit: {0}")]
    NotAdmitted(Judgement),
}

/// The document has changed since it was compacted. It is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has changed since it was compacted")]
pub struct Outdated;

/// The form of a document before [`Replica::adopt`].
#[must_use = "dropping it takes a while"]
#[derive(Debug)]
pub struct RetiredReplica {
    _replica: Replica,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            index: ReplicaIndex::new(),
            diff_cache: DiffCache::of(NOTHING, 0, None),
        }
    }
}

impl Replica {
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a document from the encoding of everything, such as [`Replica::everything`] returns.
    /// It is scanned and judged like any other update: damaged bytes are an error, never an empty
    /// document. The bytes are shared, not copied.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub fn load(everything: Bytes) -> Result<Self, Rejected> {
        let update = OwnedScan::new(everything.clone())?;
        let scanned = update.as_scan();
        let mut index = ReplicaIndex::new();
        let walk = index.applicability(&scanned);
        let judgement = walk.judgement();
        if !matches!(judgement, Judgement::Known | Judgement::Fits) {
            return Err(Rejected::NotAdmitted(judgement));
        }
        let (order, delta) = (walk.order(), IndexDelta::of(&walk, &index));
        drop(walk);
        index.learn_without_blocks(delta, &scanned);
        index.shrink();
        index.store_mut().load(&everything, &scanned);
        let scanned = (everything.len() > SENT_IN_PIECES).then_some(Scanned { update, order });
        Ok(Self {
            diff_cache: DiffCache::of(everything, index.store().bytes(), scanned),
            index,
        })
    }

    /// Scans, judges and applies an update v1.
    ///
    /// # Errors
    /// See [`Rejected`]. An update is applied as a whole or not at all.
    pub fn apply(&mut self, update: &[u8]) -> Result<ApplyOutcome, Rejected> {
        self.apply_scanned(&scan(update)?)
    }

    /// [`Replica::apply`] for a caller that has scanned already. It is judged here all the same.
    ///
    /// # Errors
    /// As [`Replica::apply`].
    pub fn apply_scanned(&mut self, scan: &Scan<'_>) -> Result<ApplyOutcome, Rejected> {
        let Some(delta) = self.admit(scan)? else {
            return Ok(ApplyOutcome::Known);
        };
        self.add(scan, delta);
        Ok(ApplyOutcome::Added)
    }

    /// Judges an update. Returns the change for [`Replica::add`], or `None` if all of it is known.
    pub(crate) fn admit(&self, scan: &Scan<'_>) -> Result<Option<IndexDelta>, Rejected> {
        match self.index.study(scan) {
            (Judgement::Known, _) => Ok(None),
            (Judgement::Fits, delta) => Ok(Some(delta)),
            (other, _) => Err(Rejected::NotAdmitted(other)),
        }
    }

    /// Adds an update that [`Replica::admit`] has admitted since the last change.
    pub(crate) fn add(&mut self, scan: &Scan<'_>, mut delta: IndexDelta) {
        let blocks = std::mem::take(&mut delta.blocks);
        self.index.learn(delta, scan);
        self.index.store_blocks(blocks, scan);
        self.diff_cache.follow(scan.bytes());
        if self.index.store().is_scattered() {
            self.everything();
        }
    }

    /// The index: the inserted and deleted units, and their places.
    #[must_use]
    pub const fn state(&self) -> &ReplicaIndex {
        &self.index
    }

    /// The blocks, to compare with those that come again.
    #[must_use]
    pub const fn contents(&self) -> KnownBlocks<'_> {
        KnownBlocks::of(self.index.store())
    }

    /// Everything, as one update v1: to be stored, or for a client that has nothing. It is encoded
    /// once and shared until the next change; the document goes on with these bytes.
    pub fn everything(&mut self) -> Bytes {
        if let Some(everything) = self.diff_cache.everything() {
            return everything.clone();
        }
        let everything = self.index.consolidate();
        self.diff_cache.keep(everything, self.index.store().bytes())
    }

    /// Everything that `since` does not have, as an update v1, with all deletions. The first block
    /// of a client is cut where `since` ends.
    #[must_use]
    pub fn difference(&self, since: &StateVector) -> Bytes {
        if let Some(everything) = self.diff_cache.everything().filter(|_| since.is_empty()) {
            return everything.clone();
        }
        if self.index.is_within(since) {
            return self.diff_cache.deletions(self.index.deletes());
        }
        let mut out = Vec::new();
        self.index.store().write_since(since, &mut out);
        self.index.deletes().encode(&mut out);
        out.into()
    }

    /// The same in pieces of at most about `most` bytes, for a client that would wait too long for
    /// one message: each can be applied when those before it are. There is at least one; a document
    /// of at most `most` bytes has exactly one. A single value that is larger makes a larger piece.
    /// Each is made when the iterator is asked for it, from the bytes of now.
    ///
    /// Those for clients that have nothing are made once and shared, also while people type: then
    /// the updates of the meantime stand at the end. With a compression, each piece is compressed
    /// if that is of use, once for all clients that share it.
    pub fn pieces(
        &mut self,
        since: &StateVector,
        most: usize,
        compression: Option<Compression>,
    ) -> SyncPieces {
        if !since.is_empty() {
            return SyncPieces::cut(self.difference(since), since, most, compression);
        }
        if let Some(shared) = self.diff_cache.pieces(most, compression) {
            return shared;
        }
        let everything = self.everything();
        if everything.len() <= most {
            return self.diff_cache.one(everything, compression);
        }
        self.diff_cache.cut(everything, most, compression)
    }

    /// Size of the encoding of everything, in bytes: that of all blocks, and an estimate of that of
    /// the deletions.
    #[must_use]
    pub fn about_bytes(&self) -> usize {
        let everything = self.diff_cache.everything();
        everything.map_or_else(
            || self.index.store().bytes() + self.diff_cache.deletion_bytes(),
            Bytes::len,
        )
    }

    /// Returns true if [`Replica::everything`] costs nothing now.
    #[must_use]
    pub const fn is_encoded(&self) -> bool {
        self.diff_cache.everything().is_some()
    }

    /// Returns true if [`Replica::pieces`] of this size cost nothing for a client that has nothing.
    #[must_use]
    pub fn has_pieces(&self, most: usize) -> bool {
        self.diff_cache.has_pieces(most)
    }

    /// Returns true if nothing has to be compressed for [`Replica::pieces`] of this size, for a
    /// client that has nothing and takes them compressed.
    #[must_use]
    pub fn has_compressed_pieces(&self, most: usize) -> bool {
        self.diff_cache.is_compressed(most)
    }

    /// The state vector as it is sent, encoded once for many newcomers.
    #[must_use]
    pub fn encoded_vector(&self) -> Bytes {
        self.diff_cache.vector(&self.index)
    }

    /// Returns true if any encoding is kept for clients who ask, beside that of everything.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.diff_cache.has_spare()
    }

    /// Drops all that [`Replica::has_answers`] speaks of.
    pub fn drop_answers(&mut self) {
        self.diff_cache.drop_spare();
    }

    /// Goes on with the compacted form of this document. The former one comes back, to be dropped
    /// where no client waits: that takes time in proportion to the document. This call does not.
    ///
    /// # Errors
    /// [`Outdated`] if the document has changed since.
    pub fn adopt(&mut self, compacted: Compacted) -> Result<RetiredReplica, Outdated> {
        let (everything, index) = compacted.into_parts();
        if !index.is_same(&self.index) {
            return Err(Outdated);
        }
        let adopted = Self {
            diff_cache: DiffCache::of(everything, index.store().bytes(), None),
            index,
        };
        Ok(RetiredReplica {
            _replica: std::mem::replace(self, adopted),
        })
    }
}

/// The encodings that are shared by clients are not copied.
impl Clone for Replica {
    fn clone(&self) -> Self {
        Self {
            index: self.index.clone(),
            diff_cache: DiffCache::default(),
        }
    }
}

/// The vector, not the content: this may be logged.
impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("vector", &self.index.vector())
            .field("bytes", &self.index.store().bytes())
            .finish_non_exhaustive()
    }
}
