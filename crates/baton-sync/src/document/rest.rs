//! A document at rest, and its waking up.
//!
//! Owns the step between the two forms of a document: the encoding with the state, which is small, and
//! yrs's own, by which it can be read and updated.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use bytes::Bytes;

use super::answers::Answers;
use super::live::Live;
use super::{ApplyError, Broken, Document, DocumentOptions, message};
use crate::compact::Compacted;
use crate::originals::Originals;
use crate::scan::{ScanError, scan};
use crate::state::{Judgement, State};

/// The encoding of a document of which nothing was inserted.
const NOTHING: Bytes = Bytes::from_static(&[0, 0]);

/// Another encoding was not taken. The document is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// The bytes are unsound: the fault of who made them.
    #[error("the encoding is unsound: {0}")]
    Unsound(#[from] ScanError),
    /// They are not a whole document.
    #[error("the encoding is no whole document: {0:?}")]
    NotWhole(Judgement),
    /// They are another document, or the same at another time.
    #[error("the encoding does not insert or delete exactly what the document does")]
    Other,
    /// The document cannot be used any more.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// What a document was before [`Document::adopt`].
#[must_use = "dropping it takes a while"]
pub struct Former {
    _state: State,
    _answers: Answers,
    _originals: OnceLock<Originals>,
    _live: OnceLock<Live>,
}

impl std::fmt::Debug for Former {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Former").finish_non_exhaustive()
    }
}

impl Document {
    /// An empty document.
    #[must_use]
    pub fn new(options: &DocumentOptions) -> Self {
        Self::resting(NOTHING, State::new(), options)
    }

    /// A document from what [`Document::snapshot`] returned. It is scanned and judged like any
    /// other update: damaged bytes are an error, never an empty document. It rests; whether yrs takes
    /// what the scanner admits is found out when it wakes.
    ///
    /// # Errors
    /// [`ApplyError::Unsound`], [`ApplyError::NotAdmitted`].
    pub fn load(snapshot: &[u8], options: &DocumentOptions) -> Result<Self, ApplyError> {
        Self::load_shared(Bytes::copy_from_slice(snapshot), options)
    }

    /// [`Document::load`] without a copy: the document keeps these bytes as long as it rests.
    ///
    /// # Errors
    /// As [`Document::load`].
    pub fn load_shared(snapshot: Bytes, options: &DocumentOptions) -> Result<Self, ApplyError> {
        let state = match learn(&snapshot)? {
            Ok(state) => state,
            Err(judgement) => return Err(ApplyError::NotAdmitted(judgement)),
        };
        Ok(Self::resting(snapshot, state, options))
    }

    fn resting(everything: Bytes, state: State, options: &DocumentOptions) -> Self {
        Self {
            client: options.client,
            state,
            live: OnceLock::new(),
            answers: Answers::of(everything),
            originals: OnceLock::new(),
            broken: OnceLock::new(),
        }
    }

    /// Whether it costs its encoding and its state, and nothing else.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        let spare = self.answers.has_spare() || self.originals.get().is_some();
        self.live.get().is_none() && !spare
    }

    /// Whether yrs has it, so that it can be read and updated at once.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.live.get().is_some()
    }

    /// Lets go of yrs's form, and of every encoding but one. The next who applies or reads something
    /// pays for loading it again: as long as encoding and decoding all of it takes.
    ///
    /// It stays awake if its encoding does not say exactly what its state does, which would be a fault of
    /// this crate or of yrs.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn rest(&mut self) -> Result<(), Broken> {
        self.usable()?;
        self.answers.drop_spare();
        self.originals = OnceLock::new();
        if self.live.get().is_none() {
            return Ok(());
        }
        self.learn_deleted();
        let everything = self.everything()?;
        let same = |known: State| {
            known.vector() == self.state.vector() && known.deletes() == self.state.deletes()
        };
        if learn(&everything).is_ok_and(|known| known.is_ok_and(same)) {
            self.live = OnceLock::new();
            self.state.shrink();
        }
        Ok(())
    }

    /// Puts another encoding of the same document in its place, such as a compacted one; the document
    /// rests then. It must insert and delete exactly what the document does.
    ///
    /// # Errors
    /// See [`ReplaceError`].
    pub fn replace_encoding(&mut self, everything: Bytes) -> Result<(), ReplaceError> {
        self.usable()?;
        self.learn_deleted();
        let known = learn(&everything)?.map_err(ReplaceError::NotWhole)?;
        if known.vector() != self.state.vector() || known.deletes() != self.state.deletes() {
            return Err(ReplaceError::Other);
        }
        self.state = known;
        self.answers = Answers::of(everything);
        self.originals = OnceLock::new();
        self.live = OnceLock::new();
        Ok(())
    }

    /// Goes on with the compacted form of this document; it rests then. What it was comes back, to be
    /// dropped where nobody waits: that takes as long as the document is large. This itself does not.
    ///
    /// # Errors
    /// [`ReplaceError::Other`] if the document has changed since; see also there.
    pub fn adopt(&mut self, compacted: Compacted) -> Result<Former, ReplaceError> {
        self.usable()?;
        self.learn_deleted();
        let (everything, state) = compacted.into_parts();
        if state.vector() != self.state.vector() || state.deletes() != self.state.deletes() {
            return Err(ReplaceError::Other);
        }
        Ok(Former {
            _state: std::mem::replace(&mut self.state, state),
            _answers: std::mem::replace(&mut self.answers, Answers::of(everything)),
            _originals: std::mem::take(&mut self.originals),
            _live: std::mem::take(&mut self.live),
        })
    }

    /// yrs's form of the document, which is loaded if it rests.
    pub(super) fn awake(&self) -> Result<&Live, Broken> {
        self.usable()?;
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        let everything = self.answers.everything.get();
        let everything = everything.ok_or_else(|| self.fail_to_wake("nothing is there".into()))?;
        let load = || Live::load(everything, self.client);
        let loaded = catch_unwind(AssertUnwindSafe(load));
        let loaded = loaded.unwrap_or_else(|panic| Err(message(&*panic)));
        let mut live = loaded.map_err(|reason| self.fail_to_wake(reason))?;
        let known = self.state.deletes();
        live.deleted
            .retain(|range| !known.contains(range.client, range.start, range.end - range.start));
        Ok(self.live.get_or_init(|| live))
    }

    /// What yrs deleted by itself on loading: nothing, if the encoding was that of a document.
    pub(super) fn learn_deleted(&mut self) {
        let deleted = self
            .live
            .get_mut()
            .map(|live| std::mem::take(&mut live.deleted));
        if let Some(deleted) = deleted {
            debug_assert!(
                self.has_deleted(&deleted),
                "yrs deletes what the state does not"
            );
        }
    }

    fn fail_to_wake(&self, reason: String) -> Broken {
        let waking = true;
        let broken = || Broken { reason, waking };
        self.broken.get_or_init(broken).clone()
    }
}

/// What a whole document knows, or why the update is none.
fn learn(everything: &[u8]) -> Result<Result<State, Judgement>, ScanError> {
    let scan = scan(everything)?;
    let mut state = State::new();
    Ok(match state.study(&scan) {
        (Judgement::Known | Judgement::Fits, lesson) => {
            state.learn(lesson, &scan);
            Ok(state)
        }
        (other, _) => Err(other),
    })
}
