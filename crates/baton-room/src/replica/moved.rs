//! A document on its way to another log: its whole state as one snapshot, and the digests by which
//! it is compared with what the other log has afterwards.
//!
//! Positions in the state stay as they are: ids of sessions and parks, tickets, fences. The other
//! log gives later records higher ones.

use baton_sync::History;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::record::Record;
use super::state::ReplicatedState;
use super::stored::Stored;
use crate::error::MoveError;

/// SHA-256 of a part of a state.
type PartDigest = [u8; 32];

/// The state of a stored document; see the module.
#[derive(Clone, Debug)]
pub struct MovedState {
    position: u64,
    bytes: Bytes,
    digests: StateDigests,
}

/// Digests of the parts of a state. Equal digests mean equal states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateDigests {
    document: PartDigest,
    locks: PartDigest,
    sessions: PartDigest,
    parks: PartDigest,
    last_at: u64,
}

impl MovedState {
    /// Reads a stored document: its snapshot, with its position, and the records after it. Its
    /// state enters `epoch`, that of its log, unless it is in a later one: so a document that was
    /// restored from a backup, and was not opened since, takes its epoch along.
    ///
    /// Nothing of its history is removed, neither is what was deleted.
    ///
    /// # Errors
    /// The stored bytes cannot be read, or the state cannot be encoded.
    pub fn read(
        snapshot: Option<&(u64, Bytes)>,
        tail: &[(u64, Bytes)],
        epoch: u32,
    ) -> Result<Self, MoveError> {
        let mut state = ReplicatedState::load(snapshot, tail, History::Keep)?;
        let position = state.position();
        if epoch > state.epoch() {
            state.apply(position, Record::Epoch(epoch), None, &mut Vec::new());
        }
        let mut draft = state.draft();
        Ok(Self {
            position,
            digests: StateDigests::of(&draft.stored)?,
            bytes: draft.write_as_it_is()?.bytes,
        })
    }

    /// Position of the last record in it.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The snapshot to store.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digests of its parts.
    #[must_use]
    pub const fn digests(&self) -> &StateDigests {
        &self.digests
    }
}

impl StateDigests {
    fn of(stored: &Stored) -> Result<Self, MoveError> {
        Ok(Self {
            document: Sha256::digest(&stored.document).into(),
            locks: digest(&stored.fold)?,
            sessions: digest(&(&stored.people, &stored.hosts))?,
            parks: digest(&stored.parks)?,
            last_at: stored.last_at,
        })
    }

    /// Returns the first part that differs, in words; `None` if the states are equal.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            ("its content", self.document == other.document),
            ("its parked edits", self.parks == other.parks),
            ("its locks", self.locks == other.locks),
            ("its sessions", self.sessions == other.sessions),
            ("its last time", self.last_at == other.last_at),
        ];
        let differs = parts.into_iter().find(|(_, is_equal)| !is_equal);
        differs.map(|(part, _)| part)
    }

    /// Returns one digest of all parts, in hexadecimal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut all = Sha256::new();
        for part in [self.document, self.locks, self.sessions, self.parks] {
            all.update(part);
        }
        all.update(self.last_at.to_le_bytes());
        all.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn digest(part: &impl Serialize) -> Result<PartDigest, MoveError> {
    let bytes = postcard::to_stdvec(part).map_err(crate::error::SnapshotError::from)?;
    Ok(Sha256::digest(bytes).into())
}
