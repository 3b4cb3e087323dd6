//! What a document answers to those who lack something of it: encoded once, shared by all who ask.
//!
//! Owns the encodings, and when they are made anew. A document that rests answers from its encoding and
//! its state, without yrs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::{Broken, Document};
use crate::excerpt;
use crate::originals::Originals;
use crate::scan::{Scan, scan};
use crate::state_vector::StateVector;

/// How many updates may follow the pieces of a first sync before these are made anew.
const UPDATES_AFTER_PIECES: usize = 256;

/// Encodings, until the next change.
#[derive(Default)]
pub(super) struct Answers {
    /// Everything, as one update v1. Always there while the document rests.
    pub(super) everything: OnceLock<Bytes>,
    /// Everything, in pieces, and the updates that were applied since they were made.
    pieces: OnceLock<Pieces>,
    /// What is deleted, as an update.
    deletes: OnceLock<Bytes>,
    /// The state vector.
    vector: OnceLock<Bytes>,
    /// Length of everything when it was last encoded, and of the updates since.
    about: AtomicUsize,
}

struct Pieces {
    most: usize,
    pieces: Vec<Bytes>,
    /// Updates among them, and their bytes.
    updates: usize,
    bytes: usize,
}

impl Answers {
    pub(super) fn of(everything: Bytes) -> Self {
        let answers = Self::default();
        answers.keep(everything);
        answers
    }

    /// Keeps the encoding of everything, until the next change.
    fn keep(&self, everything: Bytes) -> Bytes {
        let everything = self.everything.get_or_init(|| everything);
        self.about.store(everything.len(), Ordering::Relaxed);
        everything.clone()
    }

    /// The document changed by this update.
    pub(super) fn follow(&mut self, update: &[u8]) {
        let pieces = self.pieces.take();
        let about = self.about.load(Ordering::Relaxed);
        *self = Self::default();
        self.about = AtomicUsize::new(about.saturating_add(update.len()));
        let Some(mut pieces) = pieces else {
            return;
        };
        pieces.updates += 1;
        pieces.bytes += update.len();
        if pieces.updates <= UPDATES_AFTER_PIECES && pieces.bytes <= pieces.most {
            pieces.pieces.push(Bytes::copy_from_slice(update));
            self.pieces.get_or_init(|| pieces);
        }
    }

    /// Whether there is more than the one encoding that a document needs at rest.
    pub(super) fn has_spare(&self) -> bool {
        self.pieces.get().is_some() || self.deletes.get().is_some()
    }

    pub(super) fn drop_spare(&mut self) {
        self.pieces = OnceLock::new();
        self.deletes = OnceLock::new();
        self.vector = OnceLock::new();
    }
}

impl Document {
    /// Everything that `since` does not have, as an update v1, with all deletions. For whoever has
    /// nothing, and for whoever lacks at most deletions, it is encoded once and shared.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn diff(&self, since: &StateVector) -> Result<Bytes, Broken> {
        self.usable()?;
        if since.is_empty() {
            return self.everything();
        }
        if since.covers(self.state.vector()) {
            let deletes = || excerpt::deletions(self.state.deletes().iter()).into();
            return Ok(self.answers.deletes.get_or_init(deletes).clone());
        }
        if let Some(live) = self.live.get() {
            let difference = self.guarded(|| live.encode(since))?;
            return Ok(difference.into());
        }
        let everything = self.everything()?;
        match scan(&everything) {
            Ok(scan) => Ok(excerpt::since(&scan, since).into()),
            Err(error) => Err(self.break_off(error.to_string())),
        }
    }

    /// The same in pieces of at most about `most` bytes, for who would wait too long for one message: each
    /// can be applied when those before it are. There is at least one; a document of at most `most` bytes
    /// has exactly one. A single value that is larger makes a larger piece.
    ///
    /// For whoever has nothing they are made once and shared, also while people type: then the updates of
    /// the meantime stand at the end.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn pieces(&self, since: &StateVector, most: usize) -> Result<Vec<Bytes>, Broken> {
        self.usable()?;
        if !since.is_empty() {
            let difference = self.diff(since)?;
            return Ok(cut(difference, since, most));
        }
        if let Some(made) = self.answers.pieces.get()
            && made.most == most
        {
            return Ok(made.pieces.clone());
        }
        let everything = self.everything()?;
        if everything.len() <= most {
            return Ok(vec![everything]);
        }
        let pieces = cut(everything, since, most);
        // Somebody who asks for another size than everybody else gets what is made for them alone.
        self.answers.pieces.get_or_init(|| Pieces {
            most,
            pieces: pieces.clone(),
            updates: 0,
            bytes: 0,
        });
        Ok(pieces)
    }

    /// About how many bytes the encoding of everything has, at no cost: its length when it was last made, and that of
    /// the updates since.
    #[must_use]
    pub fn about_bytes(&self) -> usize {
        self.answers.about.load(Ordering::Relaxed)
    }

    /// Whether the encoding of everything is at hand, so that [`Document::snapshot`] costs nothing.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        self.answers.everything.get().is_some()
    }

    /// Whether [`Document::pieces`] of this size cost nothing for a client that has nothing.
    #[must_use]
    pub fn has_pieces(&self, most: usize) -> bool {
        let pieces = self.answers.pieces.get();
        let one = self.answers.everything.get();
        pieces.is_some_and(|pieces| pieces.most == most)
            || one.is_some_and(|everything| everything.len() <= most)
    }

    /// The state vector as it is sent, encoded once for many newcomers.
    #[must_use]
    pub fn encoded_vector(&self) -> Bytes {
        let encode = || self.state.vector().encode().into();
        self.answers.vector.get_or_init(encode).clone()
    }

    /// Everything, to be stored, for [`Document::load`]: the difference to nothing.
    ///
    /// (Not the encoding v2, which is denser: yrs 0.28.1 writes binary values in it in a way that
    /// nobody can read.)
    ///
    /// # Errors
    /// [`Broken`].
    pub fn snapshot(&self) -> Result<Bytes, Broken> {
        self.diff(&StateVector::new())
    }

    /// The blocks by their clocks. The first call costs as much as encoding everything; from then on
    /// they follow the document, until that has doubled or rests.
    pub(crate) fn originals(&self) -> Option<&Originals> {
        if let Some(originals) = self.originals.get() {
            return Some(originals);
        }
        let everything = self.everything().ok()?;
        Some(self.originals.get_or_init(|| Originals::of(&everything)))
    }

    pub(super) fn follow_originals(&mut self, update: &Scan<'_>) {
        if let Some(originals) = self.originals.get_mut() {
            originals.follow(update);
            if originals.has_grown() {
                self.originals = OnceLock::new();
            }
        }
    }

    pub(super) fn everything(&self) -> Result<Bytes, Broken> {
        if let Some(everything) = self.answers.everything.get() {
            return Ok(everything.clone());
        }
        let live = self.awake()?;
        let mut everything = self.guarded(|| live.encode(&StateVector::new()))?;
        // It stays, and yrs reserved up to twice of it.
        everything.shrink_to_fit();
        Ok(self.answers.keep(everything.into()))
    }
}

fn cut(update: Bytes, since: &StateVector, most: usize) -> Vec<Bytes> {
    if update.len() <= most {
        return vec![update];
    }
    let pieces = scan(&update).ok();
    let pieces = pieces.and_then(|scan| excerpt::pieces(&scan, since, most));
    pieces.unwrap_or_else(|| vec![update])
}
