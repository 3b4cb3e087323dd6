//! The pieces of a document on their way to one client, and those that clients share.
//!
//! Owns the forms of a piece. Each piece is cut, and compressed, when a client wants it first.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::pieces::PieceCutter;
use crate::compressed_update::{CompressedUpdate, Compression};
use crate::scan::OwnedScan;
use crate::state_vector::StateVector;

/// Number of updates that may follow what newcomers share before that is made anew.
const UPDATES_BEHIND: usize = 256;

/// An update to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncPiece {
    /// An update v1.
    Plain(Bytes),
    /// The same, compressed.
    Compressed(CompressedUpdate),
}

impl SyncPiece {
    /// Returns the update, unless it is compressed.
    #[must_use]
    pub fn into_plain(self) -> Option<Bytes> {
        match self {
            Self::Plain(update) => Some(update),
            Self::Compressed(_) => None,
        }
    }

    fn of(update: Bytes, compression: Option<Compression>) -> Self {
        match compression.and_then(|compression| compression.compress(&update)) {
            Some(compressed) => Self::Compressed(compressed),
            None => Self::Plain(update),
        }
    }
}

/// The pieces that one client is sent, in order. Each is made when it is asked for.
pub struct SyncPieces {
    source: Source,
    /// The form in which the client takes its pieces; `None`: plain.
    compression: Option<Compression>,
    /// Number of the next piece.
    next: usize,
    /// The updates to be sent behind the pieces.
    behind: std::vec::IntoIter<Bytes>,
    is_done: bool,
}

enum Source {
    Whole(Bytes),
    /// A document that is one piece, compressed already.
    Compressed(CompressedUpdate),
    /// For this client alone.
    Own(Box<PieceCutter>),
    Shared(Arc<Mutex<PiecesOnDemand>>),
}

impl SyncPieces {
    fn of(source: Source, compression: Option<Compression>, behind: Vec<Bytes>) -> Self {
        Self {
            source,
            compression,
            next: 0,
            behind: behind.into_iter(),
            is_done: false,
        }
    }

    pub(super) fn whole(update: Bytes, compression: Option<Compression>) -> Self {
        Self::of(Source::Whole(update), compression, Vec::new())
    }

    /// An update that is to be applied by a client that has `since`, in pieces.
    pub(super) fn cut(
        update: Bytes,
        since: &StateVector,
        most: usize,
        compression: Option<Compression>,
    ) -> Self {
        match cutter(&update, since, most) {
            Some(cutter) => Self::of(Source::Own(Box::new(cutter)), compression, Vec::new()),
            None => Self::whole(update, compression),
        }
    }

    /// Returns true when the last piece was returned.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done && self.behind.len() == 0
    }
}

impl Iterator for SyncPieces {
    type Item = SyncPiece;

    fn next(&mut self) -> Option<SyncPiece> {
        if self.is_done {
            // Mostly keystrokes, which no other newcomer is sent as they are here.
            return self.behind.next().map(SyncPiece::Plain);
        }
        let (piece, is_last) = match &mut self.source {
            Source::Whole(update) => {
                let update = std::mem::take(update);
                (SyncPiece::of(update, self.compression), true)
            }
            Source::Compressed(update) => (SyncPiece::Compressed(update.clone()), true),
            Source::Own(cutter) => {
                let piece = SyncPiece::of(cutter.next()?, self.compression);
                (piece, cutter.is_done())
            }
            Source::Shared(shared) => lock(shared).get(self.next, self.compression)?,
        };
        self.next += 1;
        self.is_done = is_last;
        Some(piece)
    }
}

/// Returns `None` for an update that is to be sent as a whole.
pub(super) fn cutter(update: &Bytes, since: &StateVector, most: usize) -> Option<PieceCutter> {
    if update.len() <= most {
        return None;
    }
    let scan = OwnedScan::new(update.clone()).ok()?;
    PieceCutter::new(scan, since.clone(), most)
}

/// Pieces that are cut when a client wants them first, and kept for those that follow.
struct PiecesOnDemand {
    made: Vec<KeptPiece>,
    cutter: Option<PieceCutter>,
}

struct KeptPiece {
    plain: Bytes,
    /// Set when a client wanted it; `None` in it: the piece goes as it is.
    compressed: OnceCell<Option<CompressedUpdate>>,
}

impl KeptPiece {
    fn form(&self, compression: Option<Compression>) -> SyncPiece {
        let compressed = compression.and_then(|compression| {
            let compress = || compression.compress(&self.plain);
            self.compressed.get_or_init(compress).clone()
        });
        match compressed {
            Some(compressed) => SyncPiece::Compressed(compressed),
            None => SyncPiece::Plain(self.plain.clone()),
        }
    }
}

impl PiecesOnDemand {
    /// Returns the piece of this number, and true if it is the last one.
    fn get(
        &mut self,
        number: usize,
        compression: Option<Compression>,
    ) -> Option<(SyncPiece, bool)> {
        while self.made.len() <= number
            && let Some(cutter) = &mut self.cutter
        {
            self.made.extend(cutter.next().map(|plain| KeptPiece {
                plain,
                compressed: OnceCell::new(),
            }));
            if cutter.is_done() {
                self.cutter = None;
            }
        }
        let piece = self.made.get(number)?.form(compression);
        let is_last = self.cutter.is_none() && number + 1 == self.made.len();
        Some((piece, is_last))
    }

    fn is_compressed(&self) -> bool {
        let mut made = self.made.iter();
        self.cutter.is_none() && made.all(|piece| piece.compressed.get().is_some())
    }
}

fn lock(pieces: &Mutex<PiecesOnDemand>) -> MutexGuard<'_, PiecesOnDemand> {
    // A panic cannot have left it half changed.
    pieces.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pieces of everything, for all clients that have nothing, and the updates that came since.
pub(super) struct SharedPieces {
    most: usize,
    cut: Arc<Mutex<PiecesOnDemand>>,
    behind: UpdatesBehind,
}

impl SharedPieces {
    pub(super) fn new(cutter: PieceCutter, most: usize) -> Self {
        let cut = Arc::new(Mutex::new(PiecesOnDemand {
            made: Vec::new(),
            cutter: Some(cutter),
        }));
        let behind = UpdatesBehind::new(most);
        Self { most, cut, behind }
    }

    /// Returns the size of a piece, in bytes.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    pub(super) fn for_client(&self, compression: Option<Compression>) -> SyncPieces {
        let source = Source::Shared(Arc::clone(&self.cut));
        SyncPieces::of(source, compression, self.behind.updates.clone())
    }

    /// Returns true if every piece was made and compressed.
    pub(super) fn is_compressed(&self) -> bool {
        lock(&self.cut).is_compressed()
    }

    /// The document changed by this update. Returns false if the pieces are to be made anew.
    pub(super) fn follow(&mut self, update: &[u8]) -> bool {
        self.behind.add(update)
    }
}

/// Everything, as one compressed piece, for all clients that have nothing and take it so, and the
/// updates that came since.
pub(super) struct SharedCompressed {
    update: CompressedUpdate,
    behind: UpdatesBehind,
}

impl SharedCompressed {
    pub(super) fn new(update: CompressedUpdate) -> Self {
        // Beside much more than that, the compressed piece would be of little use.
        let behind = UpdatesBehind::new(update.payload().len() / 4);
        Self { update, behind }
    }

    pub(super) fn for_client(&self) -> SyncPieces {
        let source = Source::Compressed(self.update.clone());
        SyncPieces::of(source, None, self.behind.updates.clone())
    }

    /// The document changed by this update. Returns false if this is to be made anew.
    pub(super) fn follow(&mut self, update: &[u8]) -> bool {
        self.behind.add(update)
    }
}

/// The updates that are sent behind what was encoded before them.
struct UpdatesBehind {
    updates: Vec<Bytes>,
    bytes: usize,
    /// Most bytes of them.
    most: usize,
}

impl UpdatesBehind {
    const fn new(most: usize) -> Self {
        Self {
            updates: Vec::new(),
            bytes: 0,
            most,
        }
    }

    /// Returns false if there is no room.
    fn add(&mut self, update: &[u8]) -> bool {
        self.bytes += update.len();
        let has_room = self.updates.len() < UPDATES_BEHIND && self.bytes <= self.most;
        if has_room {
            self.updates.push(Bytes::copy_from_slice(update));
        }
        has_room
    }
}
