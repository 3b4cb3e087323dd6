//! The vocabulary of a document's log.
//!
//! Owns the meaning of a record and its encoding; decides nothing. A record is one byte of format
//! version and then the [postcard](https://postcard.jamesmunns.com/wire-format) form of [`Record`].
//! Variants are numbered in their order here, so new ones are only ever added at the end.

use baton_presence::{ClientKind, Event, Fence, Rights, SessionId, SessionRole, UserKey};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::token::TokenHash;

/// First byte of every record but those of the two other formats that are read.
pub(super) const FORMAT: u8 = 3;

/// The format of a record that names the user of a token: [`FORMAT`], then the postcard form of
/// the user's id.
pub(super) const IDENTIFIED: u8 = 4;

/// The format in which an edit found its park by its session alone: see [`Placing`]. Still read.
pub(super) const BY_SESSION: u8 = 2;

/// The format of versions before the first release.
pub(super) const UNRELEASED: u8 = 1;

/// Bytes that a record may need beside the update it carries.
pub const OVERHEAD: usize = 1024;

/// Name and colour of a session, as the log keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Display name, at most 256 bytes.
    pub name: String,
    /// A CSS colour, at most 64 bytes.
    pub color: String,
    /// Id of the user, at most 256 bytes, if a token stated it. The formats of record and snapshot
    /// have it behind all else, so that older ones read as having none.
    #[serde(skip)]
    pub user_id: Option<String>,
}

/// The rule by which a parked edit finds its park. A record is placed by the rule of the version
/// that wrote it, so that an old log makes the parks that its later records name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placing {
    /// By its session: records of format 2.
    BySession,
    /// By its session or its user, from format 3 on.
    #[default]
    ByAuthor,
}

/// A decision about a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Its edits are to be in the document, if none is known there in part: as older versions
    /// merged. No new record says it.
    OldMerge,
    /// Its edits are not wanted; it can be recovered for a time.
    Discard,
    /// It is wanted after all.
    Recover,
    /// The time in which it could be recovered is over.
    Purge,
    /// Its edits are to be in the document, each without what is known there.
    Merge,
}

impl Decision {
    /// Returns true for a merge, by the rule of any version.
    #[must_use]
    pub const fn is_merge(self) -> bool {
        matches!(self, Self::Merge | Self::OldMerge)
    }
}

/// One entry of a document's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A session begins; its id is this record's position.
    Joined {
        /// Kind of client: stock, or one that speaks the lock protocol.
        client_kind: ClientKind,
        /// Role: writer or observer.
        role: SessionRole,
        /// Rights beside editing.
        rights: Rights,
        /// User of the session, if it named one. Of a stock client: the source of its connection,
        /// see [`Source`](crate::Source).
        user: Option<UserKey>,
        /// Proof that its next connection must bring.
        token: TokenHash,
        /// Name and colour.
        profile: Profile,
        /// Yjs client id, if it said so.
        client: Option<u64>,
        /// Time, in milliseconds of Unix time.
        at_ms: u64,
    },
    /// A session goes on over another connection; its token was checked before this was written.
    Resumed {
        /// The session.
        session: SessionId,
        /// The grants that the client believes it holds.
        fences: Vec<Fence>,
        /// Rights beside editing, as of now.
        rights: Rights,
        /// Proof that its next connection must bring.
        token: TokenHash,
        /// Name and colour, as of now.
        profile: Profile,
        /// Yjs client id, if it said so.
        client: Option<u64>,
        /// Time, in milliseconds of Unix time.
        at_ms: u64,
    },
    /// Another name or colour.
    Renamed {
        /// The session.
        session: SessionId,
        /// Name and colour, as of now.
        profile: Profile,
    },
    /// Anything else about presence and the lock.
    Presence(Event),
    /// An edit: applied if its session may write at this position, else parked.
    Update {
        /// Session that sent it.
        session: SessionId,
        /// The Yjs update (v1), as it came.
        update: Bytes,
        /// Arrival, in milliseconds of Unix time; stated for an edit that was seen to go to a park.
        at_ms: Option<u64>,
        /// Rule by which it finds its park. The record's format states it.
        #[serde(skip)]
        placing: Placing,
    },
    /// A new epoch: the store was restored from a backup. No session of before may resume, and
    /// every later fence is larger than any before. A log without one is of epoch 1.
    Epoch(u32),
    /// A decision about a park, checked at this position against locks and rights.
    ParkDecided {
        /// The park.
        id: u64,
        /// Session that decided; `None` if the time for recovery is over.
        by: Option<SessionId>,
        /// The decision.
        decision: Decision,
        /// Time, in milliseconds of Unix time.
        at_ms: u64,
    },
    /// An edit of a session without the right to write, for its park of suggestions. Changes
    /// nothing if the session has the right at this position: its edit is judged again.
    Suggested {
        /// Session that sent it.
        session: SessionId,
        /// The Yjs update (v1), as it came.
        update: Bytes,
        /// Arrival, in milliseconds of Unix time.
        at_ms: u64,
    },
}

/// The stored bytes are no record. The store, or a newer Baton, is at fault; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another format.
    #[error(
        "record format {0} is not known to this version, which writes {FORMAT} and {IDENTIFIED}; use the newer baton that wrote it"
    )]
    Format(u8),
    /// The format of before the first release.
    #[error(
        "record format {UNRELEASED} was written by a version before the first release, and nothing reads it any more; export the document with that version, or start with an empty data folder"
    )]
    Unreleased,
    /// Not a record.
    #[error("the stored bytes are not a record: {0}")]
    Malformed(#[from] postcard::Error),
}

impl Record {
    /// Returns the name and colour that it states.
    const fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Joined { profile, .. }
            | Self::Resumed { profile, .. }
            | Self::Renamed { profile, .. } => Some(profile),
            _ => None,
        }
    }

    const fn profile_mut(&mut self) -> Option<&mut Profile> {
        match self {
            Self::Joined { profile, .. }
            | Self::Resumed { profile, .. }
            | Self::Renamed { profile, .. } => Some(profile),
            _ => None,
        }
    }

    /// The bytes to store.
    ///
    /// # Errors
    /// Only if memory for them cannot be had.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        let room = match self {
            Self::Update { update, .. } | Self::Suggested { update, .. } => update.len() + 32,
            _ => 160,
        };
        let mut buffer = Vec::with_capacity(room);
        let user_id = self.profile().and_then(|profile| profile.user_id.as_ref());
        buffer.push(match self {
            Self::Update {
                placing: Placing::BySession,
                ..
            } => BY_SESSION,
            _ if user_id.is_some() => IDENTIFIED,
            _ => FORMAT,
        });
        let mut buffer = postcard::to_extend(self, buffer)?;
        if let Some(user_id) = user_id {
            buffer = postcard::to_extend(user_id, buffer)?;
        }
        Ok(buffer.into())
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => Ok(postcard::from_bytes(rest)?),
            Some((&BY_SESSION, rest)) => {
                let mut record = postcard::from_bytes(rest)?;
                if let Self::Update { placing, .. } = &mut record {
                    *placing = Placing::BySession;
                }
                Ok(record)
            }
            Some((&IDENTIFIED, rest)) => {
                let (mut record, rest) = postcard::take_from_bytes::<Self>(rest)?;
                if let Some(profile) = record.profile_mut() {
                    profile.user_id = Some(postcard::from_bytes(rest)?);
                }
                Ok(record)
            }
            Some((&UNRELEASED, _)) => Err(RecordError::Unreleased),
            Some((&other, _)) => Err(RecordError::Format(other)),
            None => Err(RecordError::Malformed(
                postcard::Error::DeserializeUnexpectedEnd,
            )),
        }
    }

    /// Returns true if a client waits for this record to be durable: a lock is announced only then,
    /// and a client of the lock protocol is welcomed only then.
    ///
    /// No client waits for the arrival of a stock client, nor for the end of a connection: a lock
    /// that it held passes on by a later record. A thousand of these in one second must not cost a
    /// thousand commits.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Update { .. } | Self::Suggested { .. } | Self::Renamed { .. } => false,
            Self::Joined { client_kind, .. } => *client_kind != ClientKind::Stock,
            Self::Presence(event) => {
                !matches!(event, Event::Disconnected { .. } | Event::Forgotten { .. })
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_that_a_client_waits_for_are_urgent() {
        let session = SessionId(7);
        let joined = |client_kind| Record::Joined {
            client_kind,
            role: SessionRole::Writer,
            rights: Rights::EDIT,
            user: None,
            token: TokenHash::of_text("a token"),
            profile: Profile::default(),
            client: None,
            at_ms: 0,
        };
        let presence = |event| Record::Presence(event);
        for (record, urgent) in [
            (joined(ClientKind::LockAware), true),
            (joined(ClientKind::Stock), false),
            (presence(Event::Disconnected { session }), false),
            (presence(Event::Forgotten { session }), false),
            (presence(Event::Done { session }), true),
            (presence(Event::Lost { session }), true),
            (presence(Event::Cancel { session }), true),
        ] {
            assert_eq!(record.is_urgent(), urgent, "{record:?}");
        }
    }

    /// The rights to write and to lock came later. A session of before had both.
    #[test]
    fn the_rights_of_older_records_read_as_those_of_an_editor() {
        let old = [
            (0, Rights::EDIT),
            (1, Rights::EDIT.union(Rights::TAKE_OVER)),
            (2, Rights::EDIT.union(Rights::MANAGE)),
            (3, Rights::ALL),
        ];
        let new = [(4, Rights::LOCK), (8, Rights::WRITE), (12, Rights::NONE)];
        for (bits, rights) in old.into_iter().chain(new) {
            let session = SessionId(7);
            let record = Record::Presence(Event::RightsSet { session, rights });
            let bytes = [FORMAT, 3, 32, 7, bits];
            assert_eq!(record.encode().unwrap()[..], bytes);
            assert_eq!(Record::decode(&bytes).unwrap(), record);
        }
    }

    #[test]
    fn the_user_of_a_token_stands_behind_the_rest_of_a_record() {
        let session = SessionId(7);
        let renamed = |user_id| {
            let (name, color) = ("Ada".to_owned(), String::new());
            let profile = Profile {
                name,
                color,
                user_id,
            };
            Record::Renamed { session, profile }
        };
        let without = [FORMAT, 2, 7, 3, b'A', b'd', b'a', 0];
        let with = [IDENTIFIED, 2, 7, 3, b'A', b'd', b'a', 0, 2, b'u', b'1'];
        for (bytes, user_id) in [(&without[..], None), (&with, Some("u1".to_owned()))] {
            let record = renamed(user_id);
            assert_eq!(record.encode().unwrap()[..], *bytes);
            assert_eq!(Record::decode(bytes).unwrap(), record);
        }
        // A record without its user is damaged, not one without a user.
        assert!(Record::decode(&with[..8]).is_err());
    }

    #[test]
    fn a_merge_of_an_older_version_is_read_as_one() {
        for (number, decision) in [(0, Decision::OldMerge), (4, Decision::Merge)] {
            let record = Record::ParkDecided {
                id: 9,
                by: Some(SessionId(7)),
                decision,
                at_ms: 3,
            };
            let bytes = [FORMAT, 6, 9, 1, 7, number, 3];
            assert_eq!(record.encode().unwrap()[..], bytes);
            assert_eq!(Record::decode(&bytes).unwrap(), record);
        }
    }

    /// Variants are numbered in their order: what older servers wrote must keep its number, and its
    /// meaning.
    #[test]
    fn what_older_servers_wrote_of_offers_reads_as_what_it_meant() {
        let session = SessionId(7);
        let fence = Fence {
            epoch: 1,
            position: 9,
        };
        let old = [
            (
                [FORMAT, 3, 12, 7, 1, 9],
                Event::OldDecline { session, fence },
            ),
            (
                [FORMAT, 3, 18, 7, 1, 9],
                Event::OldOfferExpired { session, fence },
            ),
        ];
        for (bytes, event) in old {
            let record = Record::Presence(event);
            assert_eq!(Record::decode(&bytes).unwrap(), record);
            assert_eq!(record.encode().unwrap()[..], bytes);
        }
        let later = true;
        let new = [
            (
                [FORMAT, 3, 29, 7, 1, 9].as_slice(),
                Event::OfferExpired { session, fence },
            ),
            (
                &[FORMAT, 3, 30, 7, 1, 9],
                Event::PauseOver { session, fence },
            ),
            (
                &[FORMAT, 3, 28, 7, 1, 9, 1],
                Event::Decline {
                    session,
                    fence,
                    later,
                },
            ),
        ];
        for (bytes, event) in new {
            assert_eq!(Record::Presence(event).encode().unwrap()[..], *bytes);
        }
    }
}
