//! The records that a room has proposed and that have no position yet, and the messages that wait
//! for them.
//!
//! On one machine a record has its position at once, and nothing is ever in flight. In a cluster
//! the log places it later, behind records of other hosts. Records of one host keep their order.
//!
//! A connection has one operation in flight: its next one is judged by what that changed, as on one
//! machine. So only different connections race with one another. Messages behind an operation that
//! waits keep their order. Awareness and the answers to beats do not wait.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use baton_presence::Time;
use baton_sync::control_channel::ClientMessage;
use baton_sync::handshake::SyncKind;

use crate::kept_message::KeptMessage;
use crate::message::{ConnectionId, Departure, Incoming};
use crate::reaction::{Origin, ProposedRecord};
use crate::replica::{CheckedUpdate, Record};
use crate::token::ResumeToken;

/// Time after which something that is due is proposed again, while records are in flight.
const PROPOSE_AGAIN: Duration = Duration::from_secs(1);

/// A record without a position.
pub(super) struct Proposed {
    counter: u64,
    pub(super) origin: Origin,
    /// Its update, if it came from a client.
    pub(super) checked: Option<CheckedUpdate>,
    /// The record, if it follows from something that may make the room propose it again.
    record: Option<Record>,
    /// The end of its connection, if that came meanwhile.
    pub(super) left: Option<Departure>,
}

/// The things of one connection that wait for a position.
#[derive(Default)]
struct Waiting {
    /// Operations of it in flight, entrances included.
    operations: u32,
    /// Entrances of it in flight.
    entrances: u32,
    /// Edits that want the session which is in flight.
    unattached: Vec<ProposedRecord>,
    messages: VecDeque<(KeptMessage, ResumeToken)>,
    bytes: usize,
    /// Its client has gone: it is disconnected behind its last message.
    leaving: Option<Departure>,
}

impl Waiting {
    /// Returns true if this message cannot be the next.
    fn blocks(&self, message: &Incoming<'_>, takes: impl Fn(SyncKind) -> bool) -> bool {
        match message {
            Incoming::Channel(_) => self.operations > 0,
            Incoming::Sync(kind, _) => self.entrances > 0 || !takes(*kind),
            Incoming::Barrier(_) | Incoming::QueueSent => self.entrances > 0,
            Incoming::Step1(_)
            | Incoming::Awareness(_)
            | Incoming::QueryAwareness
            | Incoming::Other => false,
        }
    }

    fn is_idle(&self) -> bool {
        self.operations == 0
            && self.unattached.is_empty()
            && self.messages.is_empty()
            && self.leaving.is_none()
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct InFlight {
    proposals: VecDeque<Proposed>,
    waiting: BTreeMap<ConnectionId, Waiting>,
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.proposals.is_empty()
    }

    /// Returns a time at which something is proposed again, but not at once while it may be in
    /// flight.
    pub(super) fn patient(&self, due: Time, now: Time) -> Time {
        if self.is_empty() {
            due
        } else {
            due.max(now + PROPOSE_AGAIN)
        }
    }

    /// Takes a record that the log places later.
    pub(super) fn push(
        &mut self,
        counter: u64,
        record: &Record,
        checked: Option<CheckedUpdate>,
        origin: Origin,
    ) {
        if let Some(connection) = origin.operator() {
            let waiting = self.waiting.entry(connection).or_default();
            waiting.operations += 1;
            waiting.entrances += u32::from(origin.is_entrance());
        }
        let record = (origin == Origin::Unanswered).then(|| record.clone());
        self.proposals.push_back(Proposed {
            counter,
            origin,
            checked,
            record,
            left: None,
        });
    }

    /// Takes the proposal of this counter out. Those before it are not in the log: their journal
    /// has given them up.
    pub(super) fn take(&mut self, counter: u64) -> Option<Proposed> {
        let index = self
            .proposals
            .iter()
            .position(|proposed| proposed.counter == counter)?;
        let mut taken = None;
        for proposed in self.proposals.drain(..=index) {
            let origin = &proposed.origin;
            if let Some(connection) = origin.operator()
                && let Some(waiting) = self.waiting.get_mut(&connection)
            {
                waiting.operations = waiting.operations.saturating_sub(1);
                let entered = u32::from(origin.is_entrance());
                waiting.entrances = waiting.entrances.saturating_sub(entered);
            }
            taken = Some(proposed);
        }
        taken
    }

    /// Returns true if such a record is in flight, apart from its time: its position will do.
    pub(super) fn has_alike(&self, record: &Record) -> bool {
        let all = self.proposals.iter();
        all.filter_map(|proposed| proposed.record.as_ref())
            .any(|other| other.is_alike(record))
    }

    /// Keeps an edit whose session is in flight. One without a session is dropped.
    pub(super) fn keep_unattached(&mut self, connection: ConnectionId, update: ProposedRecord) {
        let waiting = self.waiting.get_mut(&connection);
        if let Some(waiting) = waiting.filter(|waiting| waiting.entrances > 0) {
            waiting.unattached.push(update);
        }
    }

    /// Takes the edits that wanted the session of this connection.
    pub(super) fn take_unattached(&mut self, connection: ConnectionId) -> Vec<ProposedRecord> {
        let waiting = self.waiting.get_mut(&connection);
        waiting.map_or_else(Vec::new, |waiting| std::mem::take(&mut waiting.unattached))
    }

    /// Returns true if this message has to wait. `takes` says if the intake can take a sync message
    /// of this kind.
    pub(super) fn must_wait(
        &self,
        connection: ConnectionId,
        message: &Incoming<'_>,
        takes: impl Fn(SyncKind) -> bool,
    ) -> bool {
        let Some(waiting) = self.waiting.get(&connection) else {
            return matches!(message, Incoming::Sync(kind, _) if !takes(*kind));
        };
        let is_behind = !waiting.messages.is_empty();
        match message {
            Incoming::Awareness(_) | Incoming::QueryAwareness | Incoming::Other => false,
            Incoming::Channel(payload) if is_beat_answer(payload) => false,
            message => is_behind || waiting.blocks(message, takes),
        }
    }

    /// Keeps a message that has to wait.
    pub(super) fn keep(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'_>,
        token: ResumeToken,
    ) {
        let waiting = self.waiting.entry(connection).or_default();
        let kept = KeptMessage::of(message);
        waiting.bytes += kept.cost();
        waiting.messages.push_back((kept, token));
    }

    /// Bytes of messages that are kept of this connection.
    pub(super) fn bytes_of(&self, connection: ConnectionId) -> usize {
        self.waiting.get(&connection).map_or(0, |here| here.bytes)
    }

    /// Bytes of all messages that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.waiting.values().map(|waiting| waiting.bytes).sum()
    }

    /// Returns the next message of this connection that waits no longer.
    pub(super) fn next_message(
        &mut self,
        connection: ConnectionId,
        takes: impl Fn(SyncKind) -> bool,
    ) -> Option<(KeptMessage, ResumeToken)> {
        let waiting = self.waiting.get_mut(&connection)?;
        let (first, _) = waiting.messages.front()?;
        if waiting.blocks(&first.as_incoming(), takes) {
            return None;
        }
        let kept = waiting.messages.pop_front()?;
        waiting.bytes -= kept.0.cost();
        Some(kept)
    }

    /// Returns true if messages or edits of this connection wait.
    pub(super) fn has_waiting(&self, connection: ConnectionId) -> bool {
        let waiting = self.waiting.get(&connection);
        waiting
            .is_some_and(|waiting| !waiting.messages.is_empty() || !waiting.unattached.is_empty())
    }

    /// Notes that the client of this connection has gone. It is disconnected behind its last
    /// message.
    pub(super) fn leave_later(&mut self, connection: ConnectionId, how: Departure) {
        self.waiting.entry(connection).or_default().leaving = Some(how);
    }

    /// Returns the end of this connection, if only that has waited. Forgets one of which nothing
    /// waits.
    pub(super) fn take_leaving(&mut self, connection: ConnectionId) -> Option<Departure> {
        let waiting = self.waiting.get_mut(&connection)?;
        let is_through =
            waiting.operations == 0 && waiting.messages.is_empty() && waiting.unattached.is_empty();
        let leaving = is_through.then(|| waiting.leaving.take()).flatten();
        if waiting.is_idle() {
            self.waiting.remove(&connection);
        }
        leaving
    }

    /// Forgets what waits of a connection that is gone. A session of it that is in flight ends when
    /// it has its position.
    pub(super) fn forget(&mut self, connection: ConnectionId, how: Departure) {
        self.waiting.remove(&connection);
        for proposed in &mut self.proposals {
            if proposed.origin.is_entrance() && proposed.origin.operator() == Some(connection) {
                proposed.left = Some(how);
            }
        }
    }
}

/// Returns true for the answer to a beat. It changes nothing in the log, and its client would be
/// taken for frozen if it waited.
fn is_beat_answer(payload: &str) -> bool {
    matches!(
        ClientMessage::decode(payload),
        Ok(ClientMessage::Answer { .. })
    )
}
