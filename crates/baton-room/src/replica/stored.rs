//! The stored form of a room's state: a version byte, then the postcard encoding of [`Stored`].

use std::collections::BTreeMap;

use baton_presence::{AutoPass, LockSettings, LockSnapshot, LockState, Mode, SessionId};
use baton_sync::Replica;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::park::Park;
use super::record::{Profile, Record, RecordError, UNRELEASED};
use crate::token::TokenHash;

/// First byte of every snapshot.
pub(super) const SNAPSHOT_FORMAT: u8 = 2;

/// The log's record of a session beside its presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) token: TokenHash,
    pub(crate) profile: Profile,
    pub(crate) client: Option<u64>,
}

/// A room's state as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) document: Bytes,
    pub(super) fold: LockSnapshot,
    pub(super) people: BTreeMap<SessionId, Box<Person>>,
    pub(super) parks: Vec<Park>,
    pub(super) last_at: u64,
}

/// The beginning of every log. Records state other settings.
const FRESH: LockSettings = LockSettings {
    epoch: 1,
    auto_pass: AutoPass::On,
    mode: Mode::ExclusiveWhenHeld,
};

impl Stored {
    /// The state before the first record.
    pub(super) fn fresh() -> Self {
        let locks = LockState::new(FRESH).snapshot();
        Self::without_people(Replica::new().everything(), locks)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// The fault of the bytes, for people.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&SNAPSHOT_FORMAT, rest)) => {
                postcard::from_bytes(rest).map_err(|error| error.to_string())
            }
            Some((&UNRELEASED, _)) => Err(RecordError::Unreleased.to_string()),
            Some((other, _)) => Err(format!("format {other} is not known")),
            None => Err("it is empty".to_owned()),
        }
    }

    /// Holds a document and locks, and nothing beside them.
    pub(super) fn without_people(document: Bytes, fold: LockSnapshot) -> Self {
        Self {
            document,
            fold,
            people: BTreeMap::new(),
            parks: Vec::new(),
            last_at: 0,
        }
    }
}

/// Returns the newest time that is stored of a document, in milliseconds of Unix time: a session
/// began or went on, or an edit was parked. `None` if there is none, or if it cannot be read.
#[must_use]
pub fn last_joined_ms(snapshot: Option<&[u8]>, tail: &[Bytes]) -> Option<u64> {
    let stored = snapshot.and_then(|bytes| Stored::read(bytes).ok());
    let records = tail.iter().filter_map(|bytes| Record::decode(bytes).ok());
    let said = records.filter_map(|record| match record {
        Record::Joined { at_ms, .. }
        | Record::Resumed { at_ms, .. }
        | Record::Suggested { at_ms, .. } => Some(at_ms),
        Record::Update { at_ms, .. } => at_ms,
        _ => None,
    });
    let newest = said.chain(stored.map(|stored| stored.last_at)).max();
    newest.filter(|at| *at > 0)
}
