//! One document on its way: compared with what the target has, written, read back, compared.

use baton_log::{Journals, LoadedDocument, LogError, MovedContent, Position};
use baton_room::{MoveError, MovedState, StateDigests};
use bytes::Bytes;

use super::move_summary::NotCarried;

/// The state of a document in one of the two logs.
#[derive(Clone, Debug)]
pub(super) struct CarriedDocument {
    /// `None` if nothing is stored under its name.
    state: Option<MovedState>,
    /// True if it was erased.
    erased: bool,
    /// True if there is a snapshot, which an erased document may lack.
    remains: bool,
    /// The last position that was given in it.
    last: Position,
}

impl CarriedDocument {
    /// Reads a stored document. Its state enters `epoch` if that is later.
    pub(super) fn read(
        loaded: &LoadedDocument,
        last: Position,
        epoch: u32,
    ) -> Result<Self, MoveError> {
        let numbered = |(at, bytes): &(Position, Bytes)| (at.get(), bytes.clone());
        let snapshot = loaded.snapshot.as_ref().map(numbered);
        let tail: Vec<_> = loaded.tail.iter().map(numbered).collect();
        let is_stored = loaded.erased || snapshot.is_some() || !tail.is_empty();
        let state = is_stored
            .then(|| MovedState::read(snapshot.as_ref(), &tail, epoch))
            .transpose()?;
        let read_to = state.as_ref().map_or(0, MovedState::position);
        Ok(Self {
            state,
            erased: loaded.erased,
            remains: snapshot.is_some(),
            last: last.max(Position::new(read_to)),
        })
    }

    /// Returns true if something is stored under its name.
    pub(super) fn is_stored(&self) -> bool {
        self.state.is_some()
    }

    pub(super) fn is_erased(&self) -> bool {
        self.erased
    }

    /// Returns the digest of its state, as the ledger has it.
    pub(super) fn digest(&self) -> String {
        let erased = if self.erased { "erased-" } else { "" };
        let digests = self.state.as_ref().map(MovedState::digests);
        format!(
            "{erased}{}",
            digests.map_or_else(String::new, StateDigests::text)
        )
    }

    /// Returns the first part in which `there` differs from this one, in words.
    pub(super) fn difference(&self, there: &Self) -> Option<&'static str> {
        let (Some(here), Some(stored)) = (&self.state, &there.state) else {
            return (self.is_stored() != there.is_stored()).then_some("that it exists");
        };
        if self.erased != there.erased {
            return Some("its erasure");
        }
        here.digests().difference(stored.digests())
    }

    /// Returns true if `there` is this document, with positions that are not lower.
    pub(super) fn is_same(&self, there: &Self) -> bool {
        self.difference(there).is_none() && there.last >= self.last
    }

    /// Returns what the target has to store.
    pub(super) fn content(&self) -> MovedContent {
        let bytes = self.state.as_ref().map(MovedState::bytes).cloned();
        match bytes {
            Some(bytes) if !self.erased => MovedContent::Document(bytes),
            Some(bytes) if self.remains => MovedContent::Remains(bytes),
            _ => MovedContent::Erased,
        }
    }

    /// Returns the last position that was given in it.
    pub(super) fn last(&self) -> Position {
        self.last
    }

    /// Bytes of its snapshot.
    pub(super) fn bytes(&self) -> usize {
        self.content().bytes().map_or(0, Bytes::len)
    }

    /// Looks at what the target returns for this document, which it has just stored.
    pub(super) fn verify(&self, target: &dyn Journals, name: &str) -> Result<(), NotCarried> {
        let (journal, loaded) = target.open(name).map_err(NotCarried::Target)?;
        let there = Self::read(&loaded, journal.last(), 0).map_err(NotCarried::TargetState)?;
        if let Some(part) = self.difference(&there) {
            return Err(NotCarried::Differs(part));
        }
        if there.last < self.last {
            return Err(NotCarried::Differs("its position"));
        }
        Ok(())
    }
}

/// Returns true if no further document can be tried either.
pub(super) fn is_general(error: &NotCarried) -> bool {
    match error {
        NotCarried::Target(error) => !matches!(
            error,
            LogError::Damaged { .. }
                | LogError::InvalidName { .. }
                | LogError::PositionTooHigh { .. }
        ),
        NotCarried::Source(error) => {
            matches!(error, LogError::Failed { .. } | LogError::Closed)
        }
        _ => false,
    }
}
