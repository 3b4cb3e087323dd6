//! A document as a server has it: the index of what is in it, and the bytes of its blocks.
//!
//! Owns the two together, and the encodings that are shared by those who ask for the same. There is
//! no CRDT library behind it: the content is never decoded, so every value stays what its author
//! sent, and an update costs what reading its bytes does. Whoever wants to read the content, or to
//! edit it, makes a [`Document`](crate::Document) of the bytes.

mod answers;

use bytes::Bytes;

use self::answers::Answers;
use crate::compact::Compacted;
use crate::scan::{Scan, ScanError, scan};
use crate::state::{Judgement, Lesson, State};
use crate::state_vector::StateVector;
use crate::store::BlockStore;

/// The encoding of a document of which nothing was inserted.
const NOTHING: Bytes = Bytes::from_static(&[0, 0]);

/// See the module.
pub struct Replica {
    state: State,
    store: BlockStore,
    answers: Answers,
}

/// What applying an update changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Nothing: all of it was known.
    Known,
    /// Something was added.
    Added,
}

/// An update was not applied. The document is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The bytes are unsound: the sender's fault, asking again is of no use.
    #[error("unsound update: {0}")]
    Unsound(#[from] ScanError),
    /// The update may not be applied now, or never: see the judgement, which is neither
    /// [`Judgement::Known`] nor [`Judgement::Fits`]. On a gap, ask the sender.
    #[error("the update does not fit: {0:?}")]
    NotAdmitted(Judgement),
}

/// The document has changed since it was compacted. It is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has changed since it was compacted")]
pub struct Outdated;

/// The form of a document before [`Replica::adopt`].
#[must_use = "dropping it takes a while"]
#[derive(Debug)]
pub struct Former {
    _replica: Replica,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            state: State::new(),
            store: BlockStore::new(),
            answers: Answers::of(NOTHING, 0),
        }
    }
}

impl Replica {
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A document from the encoding of everything, such as [`Replica::everything`] returns. It is
    /// scanned and judged like any other update: damaged bytes are an error, never an empty document.
    /// The bytes are shared, not copied.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub fn load(everything: Bytes) -> Result<Self, Rejected> {
        let scanned = scan(&everything)?;
        let mut state = State::new();
        match state.study(&scanned) {
            (Judgement::Known | Judgement::Fits, lesson) => state.learn(lesson, &scanned),
            (other, _) => return Err(Rejected::NotAdmitted(other)),
        }
        state.shrink();
        let store = BlockStore::load(&everything, &scanned);
        drop(scanned);
        Ok(Self {
            state,
            answers: Answers::of(everything, store.bytes()),
            store,
        })
    }

    /// Scans, judges and applies an update v1.
    ///
    /// # Errors
    /// See [`Rejected`]. An update is applied as a whole or not at all.
    pub fn apply(&mut self, update: &[u8]) -> Result<Applied, Rejected> {
        self.apply_scanned(&scan(update)?)
    }

    /// [`Replica::apply`] for a caller that has scanned already. It is judged here all the same.
    ///
    /// # Errors
    /// As [`Replica::apply`].
    pub fn apply_scanned(&mut self, scan: &Scan<'_>) -> Result<Applied, Rejected> {
        let Some(admitted) = self.admit(scan)? else {
            return Ok(Applied::Known);
        };
        self.add(scan, admitted);
        Ok(Applied::Added)
    }

    /// Judges an update. Returns what [`Replica::add`] is to learn of it, or `None` if all of it is
    /// known.
    pub(crate) fn admit(&self, scan: &Scan<'_>) -> Result<Option<Lesson>, Rejected> {
        match self.state.study(scan) {
            (Judgement::Known, _) => Ok(None),
            (Judgement::Fits, lesson) => Ok(Some(lesson)),
            (other, _) => Err(Rejected::NotAdmitted(other)),
        }
    }

    /// Adds an update that [`Replica::admit`] has admitted since the last change.
    pub(crate) fn add(&mut self, scan: &Scan<'_>, lesson: Lesson) {
        let blocks = lesson.blocks.clone();
        self.state.learn(lesson, scan);
        for (client, blocks) in blocks {
            let may_join = |index| !self.state.is_keyed(client, scan.clock(index));
            self.store.append(scan, client, blocks, may_join);
        }
        self.answers.follow(scan.bytes());
    }

    /// The index: what is inserted, what is deleted, and where.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The bytes of the blocks.
    pub(crate) const fn store(&self) -> &BlockStore {
        &self.store
    }

    /// Everything, as one update v1: to be stored, or for a client that has nothing. It is encoded once
    /// and shared until the next change; then the document goes on with these bytes.
    pub fn everything(&mut self) -> Bytes {
        if let Some(everything) = self.answers.everything() {
            return everything.clone();
        }
        let deletes = self.state.deletes();
        let everything = self.store.consolidate(|mut blocks| {
            deletes.encode(&mut blocks);
            blocks.into()
        });
        self.answers.keep(everything, self.store.bytes())
    }

    /// Everything that `since` does not have, as an update v1, with all deletions. The first block of a
    /// client is cut where `since` ends.
    #[must_use]
    pub fn difference(&self, since: &StateVector) -> Bytes {
        if let Some(everything) = self.answers.everything().filter(|_| since.is_empty()) {
            return everything.clone();
        }
        if since.covers(self.state.vector()) {
            return self.answers.deletions(self.state.deletes());
        }
        let mut out = Vec::new();
        self.store.write_since(since, &mut out);
        self.state.deletes().encode(&mut out);
        out.into()
    }

    /// The same in pieces of at most about `most` bytes, for a client that would wait too long for one
    /// message: each can be applied when those before it are. There is at least one; a document of
    /// at most `most` bytes has exactly one. A single value that is larger makes a larger piece.
    ///
    /// For clients that have nothing they are made once and shared, also while people type: then the
    /// updates of the meantime stand at the end.
    pub fn pieces(&mut self, since: &StateVector, most: usize) -> Vec<Bytes> {
        if !since.is_empty() {
            return answers::cut(self.difference(since), since, most);
        }
        if let Some(made) = self.answers.pieces(most) {
            return made;
        }
        let everything = self.everything();
        if everything.len() <= most {
            return vec![everything];
        }
        self.answers
            .keep_pieces(most, answers::cut(everything, since, most))
    }

    /// About how many bytes the encoding of everything has: those of all blocks, and of an estimate of
    /// the deletions.
    #[must_use]
    pub fn about_bytes(&self) -> usize {
        let everything = self.answers.everything();
        everything.map_or_else(
            || self.store.bytes() + self.answers.deletion_bytes(),
            Bytes::len,
        )
    }

    /// Tells whether [`Replica::everything`] costs nothing now.
    #[must_use]
    pub const fn is_encoded(&self) -> bool {
        self.answers.everything().is_some()
    }

    /// Tells whether [`Replica::pieces`] of this size cost nothing for a client that has nothing.
    #[must_use]
    pub fn has_pieces(&self, most: usize) -> bool {
        self.answers.has_pieces(most)
    }

    /// The state vector as it is sent, encoded once for many newcomers.
    #[must_use]
    pub fn encoded_vector(&self) -> Bytes {
        self.answers.vector(self.state.vector())
    }

    /// Tells whether anything is kept that was encoded for clients who asked, beside everything.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.answers.has_spare()
    }

    /// Lets go of all that was encoded for clients who asked.
    pub fn drop_answers(&mut self) {
        self.answers.drop_spare();
    }

    /// Goes on with the compacted form of this document. The former one comes back, to be dropped where
    /// nobody waits: that takes as long as the document is large. This itself does not.
    ///
    /// # Errors
    /// [`Outdated`] if the document has changed since.
    pub fn adopt(&mut self, compacted: Compacted) -> Result<Former, Outdated> {
        let (everything, state, store) = compacted.into_parts();
        let same = state.vector() == self.state.vector() && state.deletes() == self.state.deletes();
        if !same {
            return Err(Outdated);
        }
        let adopted = Self {
            state,
            answers: Answers::of(everything, store.bytes()),
            store,
        };
        Ok(Former {
            _replica: std::mem::replace(self, adopted),
        })
    }
}

/// The encodings for clients who asked are not copied.
impl Clone for Replica {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            store: self.store.clone(),
            answers: Answers::default(),
        }
    }
}

/// The vector, not the content: this may be logged.
impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("vector", self.state.vector())
            .field("bytes", &self.store.bytes())
            .finish_non_exhaustive()
    }
}
