//! The stored form of a room's state: a version byte, then the postcard encoding of [`Stored`].

use std::collections::BTreeMap;

use baton_presence::{AutoPass, LockSettings, LockSnapshot, LockState, Mode, SessionId};
use baton_sync::Replica;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::hosts::Attachment;
use super::park::Park;
use super::record::{Profile, Record};
use super::record_format::{RecordError, UNRELEASED};
use crate::token::TokenHash;

/// First byte of a snapshot without users of tokens.
const SNAPSHOT_FORMAT: u8 = 2;

/// First byte of a snapshot with users of tokens: [`SNAPSHOT_FORMAT`], then the postcard form of
/// [`UserIds`].
const IDENTIFIED_SNAPSHOT: u8 = 3;

/// First byte of a snapshot with sessions that hosts of a cluster have attached:
/// [`IDENTIFIED_SNAPSHOT`], then the postcard form of their attachments.
const HOSTED_SNAPSHOT: u8 = 4;

/// First byte of a snapshot of a cluster whose mode is that of a fresh document because a session
/// chose it: else as [`HOSTED_SNAPSHOT`], perhaps without attachments.
const CHOSEN_MODE_SNAPSHOT: u8 = 5;

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
    /// Behind all else, so that older snapshots read as having none.
    #[serde(skip)]
    pub(super) hosts: BTreeMap<SessionId, Attachment>,
    /// True if a session has set the mode by a record of a host of a cluster. It is stored only if
    /// the mode itself does not show that it was set.
    #[serde(skip)]
    pub(super) mode_chosen: bool,
}

/// The ids of the users in a snapshot, as their tokens stated them.
#[derive(Default, Serialize, Deserialize)]
struct UserIds {
    /// Of the sessions that are here.
    sessions: Vec<(SessionId, String)>,
    /// Of the authors of parks.
    parks: Vec<(u64, String)>,
}

impl UserIds {
    fn of(stored: &Stored) -> Self {
        let people = stored.people.iter();
        let sessions = people
            .filter_map(|(session, person)| Some((*session, person.profile.user_id.clone()?)));
        let parks = stored.parks.iter();
        let parks = parks.filter_map(|park| Some((park.id, park.author.user_id.clone()?)));
        Self {
            sessions: sessions.collect(),
            parks: parks.collect(),
        }
    }

    const fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.parks.is_empty()
    }

    fn fill(self, stored: &mut Stored) {
        for (session, user_id) in self.sessions {
            if let Some(person) = stored.people.get_mut(&session) {
                person.profile.user_id = Some(user_id);
            }
        }
        let parks = BTreeMap::from_iter(self.parks);
        for park in &mut stored.parks {
            park.author.user_id = parks.get(&park.id).cloned();
        }
    }
}

/// The beginning of every log. Records state other settings.
pub(super) const FRESH: LockSettings = LockSettings {
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
            Some((
                format @ (&IDENTIFIED_SNAPSHOT | &HOSTED_SNAPSHOT | &CHOSEN_MODE_SNAPSHOT),
                rest,
            )) => Self::read_parts(rest, *format).map_err(|error| error.to_string()),
            Some((&UNRELEASED, _)) => Err(RecordError::Unreleased.to_string()),
            Some((other, _)) => Err(format!("format {other} is not known")),
            None => Err("it is empty".to_owned()),
        }
    }

    fn read_parts(bytes: &[u8], format: u8) -> Result<Self, postcard::Error> {
        let (mut stored, rest) = postcard::take_from_bytes::<Self>(bytes)?;
        let (user_ids, rest) = postcard::take_from_bytes::<UserIds>(rest)?;
        user_ids.fill(&mut stored);
        if format != IDENTIFIED_SNAPSHOT {
            stored.hosts = postcard::from_bytes(rest)?;
        }
        stored.mode_chosen = format == CHOSEN_MODE_SNAPSHOT;
        Ok(stored)
    }

    /// Writes a snapshot. An older server reads it, unless it names the user of a token or the host
    /// of a session, or says that a session chose the mode.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub(super) fn write(&self, buffer: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
        let user_ids = UserIds::of(self);
        let mut buffer = buffer;
        let format = if self.mode_chosen && self.fold.mode == FRESH.mode {
            CHOSEN_MODE_SNAPSHOT
        } else if !self.hosts.is_empty() {
            HOSTED_SNAPSHOT
        } else if !user_ids.is_empty() {
            IDENTIFIED_SNAPSHOT
        } else {
            SNAPSHOT_FORMAT
        };
        buffer.push(format);
        let mut buffer = postcard::to_extend(self, buffer)?;
        if format != SNAPSHOT_FORMAT {
            buffer = postcard::to_extend(&user_ids, buffer)?;
        }
        if matches!(format, HOSTED_SNAPSHOT | CHOSEN_MODE_SNAPSHOT) {
            buffer = postcard::to_extend(&self.hosts, buffer)?;
        }
        Ok(buffer)
    }

    /// Holds a document and locks, and nothing beside them.
    pub(super) fn without_people(document: Bytes, fold: LockSnapshot) -> Self {
        Self {
            document,
            fold,
            people: BTreeMap::new(),
            parks: Vec::new(),
            last_at: 0,
            hosts: BTreeMap::new(),
            mode_chosen: false,
        }
    }
}

/// Returns the newest time that is stored of a document, in milliseconds of Unix time: a session
/// began or went on, or an edit was parked. `None` if there is none, or if it cannot be read.
#[must_use]
pub fn last_joined_ms(snapshot: Option<&[u8]>, tail: &[Bytes]) -> Option<u64> {
    let stored = snapshot.and_then(|bytes| Stored::read(bytes).ok());
    let records = tail.iter().filter_map(|bytes| Record::decode(bytes).ok());
    let said = records.filter_map(|record| match record.content() {
        Record::Joined { at_ms, .. }
        | Record::Resumed { at_ms, .. }
        | Record::Suggested { at_ms, .. } => Some(*at_ms),
        Record::Update { at_ms, .. } => *at_ms,
        _ => None,
    });
    let newest = said.chain(stored.map(|stored| stored.last_at)).max();
    newest.filter(|at| *at > 0)
}
