//! The table of connections and sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::{
    BeatVerdict, Change, ClientKind, Event, FailureDetector, Proposal, Rights, SessionHealth,
    SessionId, Time,
};
use baton_sync::awareness::{AwarenessRefusal, UserStamp};

use super::awareness::{AwarenessRelay, Speaker};
use super::client_id_claims::ClientIdClaims;
use super::connection::{Attachment, Channel, Connection, ConnectionStage, user_stamp};
use super::greeting_liveness::{GreetingLiveness, GreetingLook};
use crate::error::LoadError;
use crate::message::{Arrival, ConnectionId, Departure};
use crate::options::RoomOptions;
use crate::reaction::{Answer, ProposedRecord, Reaction};
use crate::replica::ReplicatedState;
use crate::token::{Source, TokenHash};

/// The connections of a room and their sessions.
pub(crate) struct Sessions {
    /// Boxed: a node of the map has room for eleven, and most documents have two.
    pub(super) connections: BTreeMap<ConnectionId, Box<Connection>>,
    /// The live connection of each session.
    attached: BTreeMap<SessionId, ConnectionId>,
    pub(super) claims: ClientIdClaims,
    /// For a session that was resumed: the token before its last one, as long as nothing proves
    /// that the last one arrived.
    pub(super) unproven: BTreeMap<SessionId, TokenHash>,
    pub(super) detector: FailureDetector,
    greeting: GreetingLiveness,
    pub(super) awareness: AwarenessRelay,
    /// Awareness states are shown with the users of tokens.
    stamps_awareness: bool,
    /// Other hosts may have sessions of the same document.
    is_hosted: bool,
}

impl Sessions {
    /// Starts without connections. The sessions of the state count as connected until they are
    /// silent for too long.
    pub(crate) fn open(
        options: &RoomOptions,
        state: &ReplicatedState,
        now: Time,
    ) -> Result<Self, LoadError> {
        let mut detector = FailureDetector::new(options.timings)?;
        detector.adopt(state.locks(), now);
        Ok(Self {
            connections: BTreeMap::new(),
            attached: BTreeMap::new(),
            claims: ClientIdClaims::default(),
            unproven: BTreeMap::new(),
            detector,
            greeting: GreetingLiveness::default(),
            awareness: AwarenessRelay::new(options.awareness),
            stamps_awareness: options.stamp_awareness,
            is_hosted: options.host.is_some(),
        })
    }

    pub(crate) fn connect(&mut self, connection: ConnectionId, arrival: Arrival, now: Time) {
        self.greeting.arrived(connection, now);
        let user_stamp = if self.stamps_awareness {
            user_stamp(&arrival)
        } else {
            UserStamp::new()
        };
        let here = Connection {
            stage: ConnectionStage::Greeting,
            channel: Channel::Closed,
            takes_compressed: false,
            user_stamp,
            arrival,
        };
        self.connections.insert(connection, Box::new(here));
    }

    /// Removes a connection. Returns the event that ends its part in its session, if it has one.
    pub(crate) fn disconnect(
        &mut self,
        connection: ConnectionId,
        how: Departure,
        now: Time,
    ) -> Option<Event> {
        let gone = self.connections.remove(&connection)?;
        self.greeting.forget(connection);
        let ConnectionStage::In(session) = gone.stage else {
            return None;
        };
        if self.attached.get(&session) != Some(&connection) {
            return None;
        }
        self.attached.remove(&session);
        self.detector.detached(session, now);
        // A stock client has nothing to resume with, so its session ends with its connection.
        Some(match (how, gone.channel) {
            (Departure::Done, _) | (_, Channel::Closed) => Event::Done { session },
            (Departure::Dropped, _) => Event::Disconnected { session },
        })
    }

    /// Takes the session from its connection, which a record of another host has ended. Returns the
    /// connection.
    pub(crate) fn release(&mut self, session: SessionId, now: Time) -> Option<ConnectionId> {
        let connection = self.attached.remove(&session)?;
        self.detector.detached(session, now);
        Some(connection)
    }

    /// Notes that a session is connected to another host, which watches it.
    pub(crate) fn attached_elsewhere(&mut self, session: SessionId) {
        self.detector.removed(session);
        self.unproven.remove(&session);
    }

    /// Forgets the claim of a connection that is gone. Returns the connections whose hellos waited
    /// for it.
    pub(crate) fn drop_claim(&mut self, gone: ConnectionId) -> Vec<ConnectionId> {
        self.claims.forget(gone)
    }

    pub(crate) fn contains(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.connections.keys().copied()
    }

    /// Returns the connections that have their welcome.
    pub(crate) fn open_ids(&self) -> impl Iterator<Item = ConnectionId> {
        let all = self.connections.iter();
        all.filter(|(_, here)| here.channel == Channel::Open)
            .map(|(id, _)| *id)
    }

    pub(crate) fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        match self.connections.get(&connection)?.stage {
            ConnectionStage::In(session) => Some(session),
            ConnectionStage::Greeting | ConnectionStage::Contesting | ConnectionStage::Joining => {
                None
            }
        }
    }

    /// Returns the live connection of a session.
    pub(crate) fn connection_of(&self, session: SessionId) -> Option<ConnectionId> {
        self.attached.get(&session).copied()
    }

    pub(crate) fn channel_of(&self, connection: ConnectionId) -> Option<Channel> {
        Some(self.connections.get(&connection)?.channel)
    }

    pub(crate) fn is_stock(&self, connection: ConnectionId) -> bool {
        self.channel_of(connection) == Some(Channel::Closed)
    }

    /// Returns true if this connection came with the right to write, or has it by now.
    pub(crate) fn may_write(&self, connection: ConnectionId) -> bool {
        let here = self.connections.get(&connection);
        here.is_some_and(|here| here.arrival.rights.contains(Rights::WRITE))
    }

    pub(super) fn source_of(&self, connection: ConnectionId) -> Option<Source> {
        self.connections.get(&connection)?.arrival.source
    }

    /// Takes an awareness payload of a connection. Returns the reason if an entry of it is not
    /// shown.
    pub(crate) fn receive_awareness(
        &mut self,
        connection: ConnectionId,
        payload: &[u8],
        now: Time,
        out: &mut Vec<Reaction>,
    ) -> Option<AwarenessRefusal> {
        let here = self.connections.get(&connection)?;
        let speaker = Speaker {
            connection,
            user: &here.user_stamp,
            is_stock: here.channel == Channel::Closed,
        };
        self.awareness.receive(speaker, payload, now, out)
    }

    /// Sets the rights of a connection, which its session has from its record on. Its client states
    /// its awareness again, if others are to see that otherwise.
    pub(crate) fn set_rights(
        &mut self,
        connection: ConnectionId,
        rights: Rights,
        state: &ReplicatedState,
        out: &mut Vec<Reaction>,
    ) {
        let Some(here) = self.connections.get_mut(&connection) else {
            return;
        };
        here.arrival.rights = rights;
        let before = here.user_stamp.clone();
        if self.stamps_awareness {
            here.user_stamp = user_stamp(&here.arrival);
        }
        if here.user_stamp != before
            && let Some(question) = self.awareness.question(connection)
        {
            let answer = Answer::Send(question);
            out.push(Reaction::Answer(connection, answer));
        }
        let event = self.rights_event(connection, state);
        out.extend(event.map(|event| Reaction::Propose(ProposedRecord::event(event))));
    }

    /// Returns the event that gives the session of this connection the connection's rights; `None`
    /// if it has them, or if there is no session yet.
    pub(crate) fn rights_event(
        &self,
        connection: ConnectionId,
        state: &ReplicatedState,
    ) -> Option<Event> {
        let session = self.session_of(connection)?;
        if self.connection_of(session) != Some(connection) {
            return None;
        }
        let peer = state.locks().peer(session)?;
        let rights = self.connections.get(&connection)?.rights_as(peer.role);
        (rights != peer.rights).then_some(Event::RightsSet { session, rights })
    }

    /// Opens the channel of a connection, with its welcome. Harmless for one that is gone.
    pub(crate) fn open_channel(&mut self, connection: ConnectionId) {
        if let Some(here) = self.connections.get_mut(&connection) {
            here.channel = Channel::Open;
        }
    }

    pub(crate) const fn awareness(&self) -> &AwarenessRelay {
        &self.awareness
    }

    pub(crate) const fn awareness_mut(&mut self) -> &mut AwarenessRelay {
        &mut self.awareness
    }

    /// Bytes of messages that wait for a contested client id.
    pub(crate) fn contested_bytes(&self) -> usize {
        self.claims.bytes()
    }

    /// Notes that bytes came over a connection which are no message: a pong, or a ping.
    pub(crate) fn heard(&mut self, connection: ConnectionId, now: Time) {
        match self.session_of(connection) {
            Some(session) => self.detector.heard(session, now),
            None => self.greeting.heard(connection),
        }
    }

    /// Notes that the page of a session answered a beat.
    pub(crate) fn answered(&mut self, session: SessionId, n: u64, idle: Duration, now: Time) {
        // A late answer still proves that the connection is alive, and that was noted. An answer to
        // a beat of this connection proves that the welcome before it has arrived.
        if self.detector.answered(session, n, idle, now) == BeatVerdict::Counts {
            self.unproven.remove(&session);
        }
    }

    /// Follows the lock state after a presence record.
    pub(crate) fn follow(&mut self, state: &ReplicatedState, changes: &[Change], now: Time) {
        self.detector.follow(state.locks(), changes, now);
        for change in changes {
            if let Change::Gone { session } = change {
                self.unproven.remove(session);
            }
        }
    }

    /// Gives a connection the session that its record made. Returns `None` if there is no session:
    /// it was forgotten between the check and the record.
    pub(crate) fn attach(
        &mut self,
        connection: ConnectionId,
        changes: &[Change],
        now: Time,
    ) -> Option<Attachment> {
        let (session, resumed) = changes.iter().find_map(|change| match change {
            Change::Joined { session } => Some((*session, false)),
            Change::Attached { session } => Some((*session, true)),
            _ => None,
        })?;
        self.greeting.forget(connection);
        let before = self.attached.remove(&session);
        let superseded = before.filter(|older| *older != connection);
        let here = self.connections.get_mut(&connection);
        let channel = here.map(|here| {
            here.stage = ConnectionStage::In(session);
            here.channel
        });
        if let Some(channel) = channel {
            self.attached.insert(session, connection);
            if let Some(older) = superseded {
                self.awareness.transfer(older, connection);
            }
            let client_kind = match channel {
                Channel::Closed => ClientKind::LockUnaware,
                Channel::Opening | Channel::Open => ClientKind::LockAware,
            };
            self.detector.attached(session, client_kind, now);
        }
        Some(Attachment {
            session,
            resumed,
            superseded,
            channel,
        })
    }

    /// Keeps the token that was shown, until something proves that the one after it has arrived.
    pub(crate) fn keep_unproven(&mut self, session: SessionId, shown: TokenHash) {
        self.unproven.insert(session, shown);
    }

    /// Returns the next time at which [`Sessions::handle_timeout`] has something to do.
    pub(crate) fn due(&self) -> Option<Time> {
        let all = [
            self.detector.poll_timeout(),
            self.awareness.due(),
            self.claims_due(),
            self.greeting.due(),
        ];
        all.into_iter().flatten().min()
    }

    /// Returns the time at which a connection that does not answer for its client id is given up.
    /// Its answer may lie in the sockets of a server that stalled.
    fn claims_due(&self) -> Option<Time> {
        let due = self.claims.due()?;
        Some(due.max(self.reads_backlog_until()))
    }

    /// Asks the failure detector for its proposals. All records up to `durable` were announced.
    /// `intake_due` is the next time at which the intake judges a client.
    pub(crate) fn handle_timeout(
        &mut self,
        state: &ReplicatedState,
        durable: u64,
        intake_due: Option<Time>,
        now: Time,
    ) -> Vec<Proposal> {
        let due = [self.claims_due(), intake_due].into_iter().flatten().min();
        if let Some(due) = due {
            self.detector.met_deadline(due, now);
        }
        let mut proposals = Vec::new();
        self.detector
            .handle_timeout(now, state.locks(), durable, &mut proposals);
        proposals
    }

    /// Looks after the connections that have no session.
    pub(crate) fn look_at_greeting(&mut self, now: Time) -> GreetingLook {
        self.greeting.look(now)
    }

    /// Returns the connections that did not answer for their client id in time.
    pub(crate) fn silent_owners(&self, now: Time) -> Vec<ConnectionId> {
        if now < self.reads_backlog_until() {
            return Vec::new();
        }
        self.claims.silent(now)
    }

    /// Returns the health of a session that is present. That of one on another host is not known
    /// here, until its host declares it lost.
    pub(crate) fn health(&self, session: SessionId, now: Time) -> SessionHealth {
        if self.is_hosted && !self.attached.contains_key(&session) {
            return SessionHealth::Online;
        }
        self.detector.health(session, now)
    }

    /// Returns the time up to which messages from before a stall of the server may still be read.
    pub(crate) fn reads_backlog_until(&self) -> Time {
        self.detector.reads_backlog_until()
    }

    /// The failure detector, to be asked about timers.
    pub(crate) const fn detector(&self) -> &FailureDetector {
        &self.detector
    }
}
