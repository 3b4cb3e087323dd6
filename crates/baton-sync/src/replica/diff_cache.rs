//! The encodings of a document that are shared by clients who ask for the same.
//!
//! Owns them, and the decision on the changes that outdate them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::pieces::{BlocksOfRun, PieceCutter};
use crate::delete_set::DeleteSet;
use crate::replica_index::ReplicaIndex;
use crate::scan::OwnedScan;
use crate::state_vector::StateVector;

/// Number of updates that may follow the pieces of a first sync before these are made anew.
const UPDATES_AFTER_PIECES: usize = 256;

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

#[derive(Clone)]
struct SharedPieces {
    most: usize,
    cut: Arc<Mutex<PiecesOnDemand>>,
    /// The updates that came since.
    behind: Vec<Bytes>,
    bytes_behind: usize,
}

/// Pieces that are cut when a client wants them first, and kept for those that follow.
struct PiecesOnDemand {
    made: Vec<Bytes>,
    cutter: Option<PieceCutter>,
}

impl PiecesOnDemand {
    /// Returns the piece of this number, and true if it is the last one.
    fn get(&mut self, number: usize) -> Option<(Bytes, bool)> {
        while self.made.len() <= number
            && let Some(cutter) = &mut self.cutter
        {
            self.made.extend(cutter.next());
            if cutter.is_done() {
                self.cutter = None;
            }
        }
        let piece = self.made.get(number)?.clone();
        Some((
            piece,
            self.cutter.is_none() && number + 1 == self.made.len(),
        ))
    }
}

/// The pieces that one client is sent, in order. Each is made when it is asked for.
pub struct SyncPieces {
    source: Source,
    /// Number of the next piece.
    next: usize,
    /// The updates to be sent behind the pieces.
    behind: std::vec::IntoIter<Bytes>,
    is_done: bool,
}

enum Source {
    Whole(Bytes),
    /// For this client alone.
    Own(Box<PieceCutter>),
    Shared(Arc<Mutex<PiecesOnDemand>>),
}

impl SyncPieces {
    fn of(source: Source, behind: Vec<Bytes>) -> Self {
        Self {
            source,
            next: 0,
            behind: behind.into_iter(),
            is_done: false,
        }
    }

    pub(super) fn whole(update: Bytes) -> Self {
        Self::of(Source::Whole(update), Vec::new())
    }

    /// An update that is to be applied by a client that has `since`, in pieces.
    pub(super) fn cut(update: Bytes, since: &StateVector, most: usize) -> Self {
        match cutter(&update, since, most) {
            Some(cutter) => Self::of(Source::Own(Box::new(cutter)), Vec::new()),
            None => Self::whole(update),
        }
    }

    /// Returns true when the last piece was returned.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done && self.behind.len() == 0
    }
}

impl Iterator for SyncPieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return self.behind.next();
        }
        let (piece, is_last) = match &mut self.source {
            Source::Whole(update) => (std::mem::take(update), true),
            Source::Own(cutter) => (cutter.next()?, cutter.is_done()),
            Source::Shared(shared) => {
                // A panic cannot have left it half changed.
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                shared.get(self.next)?
            }
        };
        self.next += 1;
        self.is_done = is_last;
        Some(piece)
    }
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
        let pieces = self.pieces.take();
        *self = Self {
            deletion_bytes: self.deletion_bytes,
            ..Self::default()
        };
        let Some(mut pieces) = pieces else {
            return;
        };
        pieces.bytes_behind += update.len();
        if pieces.behind.len() < UPDATES_AFTER_PIECES && pieces.bytes_behind <= pieces.most {
            pieces.behind.push(Bytes::copy_from_slice(update));
            self.pieces = Some(pieces);
        }
    }

    /// The pieces of this size for a client that has nothing, if they are shared already.
    pub(super) fn pieces(&self, most: usize) -> Option<SyncPieces> {
        let shared = self.pieces.as_ref().filter(|shared| shared.most == most)?;
        let source = Source::Shared(Arc::clone(&shared.cut));
        Some(SyncPieces::of(source, shared.behind.clone()))
    }

    /// Cuts everything into pieces for clients that have nothing, to be shared. If there are some
    /// of another size already, these are for one client alone.
    pub(super) fn cut(&mut self, everything: Bytes, most: usize) -> SyncPieces {
        let nothing = StateVector::new();
        if self.pieces.is_some() {
            return SyncPieces::cut(everything, &nothing, most);
        }
        let cutter = match self.scanned.take() {
            Some(scanned) => {
                let Scanned { update, order } = *scanned;
                Some(PieceCutter::of_whole(update, order, most))
            }
            None => cutter(&everything, &nothing, most),
        };
        let Some(cutter) = cutter else {
            return SyncPieces::whole(everything);
        };
        let cut = Arc::new(Mutex::new(PiecesOnDemand {
            made: Vec::new(),
            cutter: Some(cutter),
        }));
        self.pieces = Some(Box::new(SharedPieces {
            most,
            cut: Arc::clone(&cut),
            behind: Vec::new(),
            bytes_behind: 0,
        }));
        SyncPieces::of(Source::Shared(cut), Vec::new())
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

    pub(super) fn vector(&self, index: &ReplicaIndex) -> Bytes {
        let encode = || index.vector().encode().into();
        self.vector.get_or_init(encode).clone()
    }

    /// Bytes of the deletions when everything was encoded last.
    pub(super) const fn deletion_bytes(&self) -> usize {
        self.deletion_bytes
    }

    pub(super) fn has_spare(&self) -> bool {
        self.pieces.is_some() || self.scanned.is_some() || self.deletes.get().is_some()
    }

    /// Drops all but the encoding of everything.
    pub(super) fn drop_spare(&mut self) {
        *self = Self {
            everything: self.everything.take(),
            deletion_bytes: self.deletion_bytes,
            ..Self::default()
        };
    }
}

/// Returns `None` for an update that is to be sent as a whole.
fn cutter(update: &Bytes, since: &StateVector, most: usize) -> Option<PieceCutter> {
    if update.len() <= most {
        return None;
    }
    let scan = OwnedScan::new(update.clone()).ok()?;
    PieceCutter::new(scan, since.clone(), most)
}
