//! Awareness of the room: names, cursors, selections, which are no part of the document.
//!
//! Owns the table of entries, and the moment at which old entries are asked for again. The table
//! ([`baton_sync::awareness`]) decides which client may state what about which.

use std::time::Duration;

use baton_presence::Time;
use baton_sync::ClientId;
use baton_sync::awareness::{
    Awareness, AwarenessError, AwarenessLimits, AwarenessRefusal, UserStamp,
};
use bytes::Bytes;

use crate::message::{ConnectionId, Outgoing};
use crate::reaction::{Answer, Reaction};
use crate::replica::HostId;

/// Soonest look for entries whose owners are to state them again.
const ROLL_CALL_CHECK: Duration = Duration::from_millis(500);

/// Latest look for them, while there are any. A look goes through all of them, so it is not made at
/// every message.
const AWARENESS_CHECK: Duration = Duration::from_secs(5);

/// Most clients of a document in which owners are asked on wires whose clients answer a question
/// with the states of all clients: in a larger one the answers would be more than a crowd can read.
const MOST_ASKED: usize = 128;

/// The connection that a payload came from.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) connection: ConnectionId,
    /// The user that its states are shown with.
    pub(super) user: &'a UserStamp,
    pub(super) is_stock: bool,
}

/// The owner of entries: a connection here, or another host with those of all its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EntryOwner {
    Here(ConnectionId),
    Host(HostId),
}

/// The effects of a connection's end on the awareness.
pub(crate) struct AwarenessRemoval {
    /// For all connections: the entries that were removed with this one.
    pub(crate) broadcast: Option<Bytes>,
    /// For one connection each: a removal, which its client answers by stating its entry again.
    pub(crate) answers: Vec<(ConnectionId, Bytes)>,
}

/// The awareness of one room.
pub(crate) struct AwarenessRelay {
    table: Awareness<EntryOwner>,
    refresh_at: Option<Time>,
}

impl AwarenessRelay {
    pub(super) fn new(limits: AwarenessLimits) -> Self {
        Self {
            table: Awareness::new(limits),
            refresh_at: None,
        }
    }

    /// Takes a payload of a connection. Returns the reason if an entry of it is not shown.
    pub(super) fn receive(
        &mut self,
        speaker: Speaker<'_>,
        payload: &[u8],
        now: Time,
        out: &mut Vec<Reaction>,
    ) -> Option<AwarenessRefusal> {
        let Speaker {
            connection,
            user,
            is_stock,
        } = speaker;
        let owner = EntryOwner::Here(connection);
        match self.table.apply_as(owner, user, payload, now.0) {
            Ok(applied) => {
                self.moved(applied.answer.is_some(), now);
                out.extend(applied.broadcast.map(Reaction::Announce));
                let question = applied.answer.map(|removal| self.question_of(removal));
                let question = question.map(Answer::Send);
                out.extend(question.map(|question| Reaction::Answer(connection, question)));
                if let Some(why) = applied.refusal {
                    let answer = Answer::limit(is_stock, why.to_string());
                    out.push(Reaction::Answer(connection, answer));
                }
                applied.refusal
            }
            Err(AwarenessError::Malformed(error)) => {
                let fault = format!("awareness is wrong: {error}");
                out.push(Reaction::malformed(connection, &fault));
                None
            }
            Err(error @ AwarenessError::NotJson { .. }) => {
                let answer = Answer::limit(is_stock, error.to_string());
                out.push(Reaction::Answer(connection, answer));
                None
            }
        }
    }

    /// Returns the message that has a connection state its entries again, if it has any.
    pub(super) fn question(&self, connection: ConnectionId) -> Option<Outgoing> {
        let removal = self.table.question(EntryOwner::Here(connection))?;
        Some(self.question_of(removal))
    }

    /// Returns all entries, if there are any.
    pub(crate) fn all(&self) -> Option<Outgoing> {
        (!self.table.is_empty()).then(|| Outgoing::Awareness(self.table.encode_all()))
    }

    /// Returns all that is known, removals included, if anything is.
    pub(crate) fn known(&self) -> Option<Bytes> {
        let known = self.table.encode_known();
        (known[..] != [0]).then_some(known)
    }

    /// Returns the question to the owner of entries whose removal this is.
    pub(crate) fn question_of(&self, removal: Bytes) -> Outgoing {
        if self.table.len() > MOST_ASKED {
            Outgoing::Awareness(removal)
        } else {
            Outgoing::AwarenessQuestion(removal)
        }
    }

    /// Bytes of all entries.
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Sets the bytes that all entries may have, beside the limits of the room.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.table.allow(bytes);
    }

    pub(super) fn claim(&mut self, connection: ConnectionId, client: ClientId) {
        self.table.claim(EntryOwner::Here(connection), client);
    }

    pub(super) fn transfer(&mut self, from: ConnectionId, to: ConnectionId) {
        let (from, to) = (EntryOwner::Here(from), EntryOwner::Here(to));
        self.table.transfer(from, to);
    }

    /// Removes the entries of a connection.
    pub(crate) fn removed(&mut self, connection: ConnectionId) -> AwarenessRemoval {
        let removed = self.table.removed(EntryOwner::Here(connection));
        let here = |(owner, removal)| Some((connection_of(owner)?, removal));
        AwarenessRemoval {
            broadcast: removed.broadcast,
            answers: removed.answers.into_iter().filter_map(here).collect(),
        }
    }

    /// Removes the entries of a host that is lost. Returns the payload for all connections.
    pub(crate) fn removed_host(&mut self, host: HostId) -> Option<Bytes> {
        self.table.removed(EntryOwner::Host(host)).broadcast
    }

    /// Takes the awareness of clients on another host, as it was shown there.
    pub(crate) fn relayed(
        &mut self,
        from: HostId,
        payload: &[u8],
        now: Time,
        out: &mut Vec<Reaction>,
    ) {
        // A payload that cannot be read is another version's. The host is trusted otherwise.
        let owner = EntryOwner::Host(from);
        if let Ok(changed) = self.table.apply_relayed(owner, payload, now.0) {
            self.moved(false, now);
            let changed = changed.map(Outgoing::Awareness);
            out.extend(changed.map(Reaction::Broadcast));
        }
    }

    /// Returns the entries of the clients here, if there are any.
    pub(crate) fn own(&self) -> Option<Bytes> {
        self.table
            .encode_of(|owner| matches!(owner, EntryOwner::Here(_)))
    }

    pub(crate) const fn due(&self) -> Option<Time> {
        self.refresh_at
    }

    /// Has the owners of old entries state them again; see docs/protocol.md.
    pub(crate) fn refresh(&mut self, now: Time, out: &mut Vec<Reaction>) {
        if self.refresh_at.is_none_or(|at| now < at) {
            return;
        }
        let stale = self.table.stale(now.0);
        for (owner, removal) in stale.ask {
            // The clients of another host are asked there.
            let Some(owner) = connection_of(owner) else {
                continue;
            };
            let question = Answer::Send(self.question_of(removal));
            out.push(Reaction::Answer(owner, question));
        }
        // Each host does so by itself.
        let gone = stale.broadcast.map(Outgoing::Awareness);
        out.extend(gone.map(Reaction::Broadcast));
        let next = self.table.next_stale().map(Time);
        self.refresh_at = next.map(|at| at.clamp(now + ROLL_CALL_CHECK, now + AWARENESS_CHECK));
    }

    /// Arms the next look: entries may grow old, or after a rejoin all owners may have to be asked
    /// soon.
    fn moved(&mut self, rejoined: bool, now: Time) {
        let soon = now
            + if rejoined {
                ROLL_CALL_CHECK
            } else {
                AWARENESS_CHECK
            };
        self.refresh_at = Some(self.refresh_at.map_or(soon, |at| at.min(soon)));
    }
}

const fn connection_of(owner: EntryOwner) -> Option<ConnectionId> {
    match owner {
        EntryOwner::Here(connection) => Some(connection),
        EntryOwner::Host(_) => None,
    }
}
