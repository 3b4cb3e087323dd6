//! The vocabulary of a document's log.
//!
//! Owns the meaning of a record; decides nothing. Variants and fields are stored in their order
//! here, so new variants are only ever added at the end.

use baton_presence::{ClientKind, Event, Fence, Mode, Rights, SessionId, SessionRole, UserKey};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::hosts::HostId;
use crate::token::TokenHash;

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
    /// A session begins or goes on, over a connection to a host of a cluster. One that goes on
    /// changes nothing if another record has attached the session since.
    #[serde(skip)]
    AttachedTo {
        /// The host.
        host: HostId,
        /// Position of the record that attached the session before; 0 if no host of a cluster did.
        from: u64,
        /// The token that was shown.
        shown: Option<TokenHash>,
        /// The [`Record::Joined`] or [`Record::Resumed`].
        record: Box<Self>,
    },
    /// A record about a session by a host of a cluster. It changes nothing if another record has
    /// attached or detached the session since.
    #[serde(skip)]
    Since {
        /// The session.
        session: SessionId,
        /// Position of the record that attached or detached it last, as the proposer knew it; 0 if
        /// no host of a cluster did.
        since: u64,
        /// Note of a request, for holders that are connected to other hosts; empty if there is
        /// none.
        note: String,
        /// The record.
        record: Box<Self>,
    },
    /// A host of a cluster is lost: its sessions are without a connection.
    #[serde(skip)]
    HostLost {
        /// The host. [`HostId::ALONE`] stands for a server outside of a cluster.
        host: HostId,
        /// The sessions that were attached up to this position have had the time to go on over
        /// another host: each of their locks passes on as soon as it can. The time of the others
        /// begins. 0 if it begins for all, as after an outage.
        overdue_to: u64,
    },
    /// The document is erased: content, parks, locks and sessions are gone, in a later epoch. On
    /// one machine the snapshot of what remains takes its place in the log.
    #[serde(skip)]
    Erased {
        /// Least epoch of the document from here on.
        epoch: u32,
        /// True if the proposer could not read the document. Then nothing of it is known any more:
        /// an old copy of a client brings its content back.
        unread: bool,
    },
    /// The mode of a new document, by the settings of a host of a cluster. It changes nothing if
    /// the mode was set before: several hosts may open a new document at once.
    #[serde(skip)]
    InitialMode(Mode),
}

impl Record {
    /// Returns the record without the frame that a host of a cluster puts around it.
    #[must_use]
    pub const fn content(&self) -> &Self {
        match self {
            Self::AttachedTo { record, .. } | Self::Since { record, .. } => record,
            record => record,
        }
    }

    /// Returns true if the other record states the same, perhaps at another time.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::ParkDecided {
                    id, by, decision, ..
                },
                Self::ParkDecided {
                    id: other_id,
                    by: other_by,
                    decision: other_decision,
                    ..
                },
            ) => (id, by, decision) == (other_id, other_by, other_decision),
            (
                Self::Since {
                    session,
                    since,
                    record,
                    ..
                },
                Self::Since {
                    session: other_session,
                    since: other_since,
                    record: other,
                    ..
                },
            ) => (session, since) == (other_session, other_since) && record.is_alike(other),
            (
                Self::HostLost { host, overdue_to },
                Self::HostLost {
                    host: other,
                    overdue_to: other_to,
                },
            ) => host == other && (*overdue_to > 0) == (*other_to > 0),
            _ => self == other,
        }
    }

    /// Returns the time that it states, in milliseconds of Unix time; 0 if it states none.
    pub(super) const fn at_ms(&self) -> u64 {
        match self {
            Self::Update {
                at_ms: Some(at_ms), ..
            }
            | Self::Joined { at_ms, .. }
            | Self::Resumed { at_ms, .. }
            | Self::Suggested { at_ms, .. }
            | Self::ParkDecided { at_ms, .. } => *at_ms,
            _ => 0,
        }
    }

    /// Returns the note of a request that a host of a cluster proposed, with the session that asks;
    /// `None` if there is none.
    pub(crate) fn note(&self) -> Option<(SessionId, &str)> {
        match self {
            Self::Since { session, note, .. } if !note.is_empty() => Some((*session, note)),
            _ => None,
        }
    }

    /// Returns the session that it is about, or that decides in it; `None` if there is none. A
    /// session that begins or goes on is not meant.
    pub(crate) const fn subject(&self) -> Option<SessionId> {
        match self {
            Self::Renamed { session, .. }
            | Self::Update { session, .. }
            | Self::Suggested { session, .. } => Some(*session),
            Self::ParkDecided { by, .. } => *by,
            Self::Presence(event) => event.session(),
            _ => None,
        }
    }

    /// Returns the update that it carries, to be replaced by equal bytes.
    pub(crate) const fn update_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Update { update, .. } | Self::Suggested { update, .. } => Some(update),
            Self::Since { record, .. } => match &mut **record {
                Self::Update { update, .. } | Self::Suggested { update, .. } => Some(update),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the name and colour that it states.
    pub(super) const fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Joined { profile, .. }
            | Self::Resumed { profile, .. }
            | Self::Renamed { profile, .. } => Some(profile),
            _ => None,
        }
    }

    /// Returns the name and colour that it states, to be completed.
    pub(super) const fn profile_mut(&mut self) -> Option<&mut Profile> {
        match self {
            Self::Joined { profile, .. }
            | Self::Resumed { profile, .. }
            | Self::Renamed { profile, .. } => Some(profile),
            _ => None,
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
        match self.content() {
            Self::Update { .. } | Self::Suggested { .. } | Self::Renamed { .. } => false,
            Self::Joined { client_kind, .. } => *client_kind != ClientKind::LockUnaware,
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
            (joined(ClientKind::LockUnaware), false),
            (presence(Event::Disconnected { session }), false),
            (presence(Event::Forgotten { session }), false),
            (presence(Event::Done { session }), true),
            (presence(Event::Lost { session }), true),
            (presence(Event::Cancel { session }), true),
        ] {
            assert_eq!(record.is_urgent(), urgent, "{record:?}");
        }
    }
}
