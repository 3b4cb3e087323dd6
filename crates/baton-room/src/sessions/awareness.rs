//! Awareness of the room: names, cursors, selections, which are no part of the document.
//!
//! Owns the table of entries, and the moment at which old entries are asked for again. The table
//! ([`baton_sync::awareness`]) decides which client may state what about which.

use std::time::Duration;

use baton_presence::Time;
use baton_sync::ClientId;
use baton_sync::awareness::{
    Awareness, AwarenessError, AwarenessLimits, AwarenessRefusal, OwnerRemoval, UserStamp,
};
use bytes::Bytes;

use crate::message::{ConnectionId, Outgoing};
use crate::reaction::{Answer, Reaction};

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

/// The awareness of one room.
pub(crate) struct AwarenessRelay {
    table: Awareness<ConnectionId>,
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
        match self.table.apply_as(connection, user, payload, now.0) {
            Ok(applied) => {
                self.moved(applied.answer.is_some(), now);
                let changed = applied.broadcast.map(Outgoing::Awareness);
                out.extend(changed.map(Reaction::Broadcast));
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
        let removal = self.table.question(connection)?;
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
        self.table.claim(connection, client);
    }

    pub(super) fn transfer(&mut self, from: ConnectionId, to: ConnectionId) {
        self.table.transfer(from, to);
    }

    pub(super) fn removed(&mut self, connection: ConnectionId) -> OwnerRemoval<ConnectionId> {
        self.table.removed(connection)
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
            let question = Answer::Send(self.question_of(removal));
            out.push(Reaction::Answer(owner, question));
        }
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
