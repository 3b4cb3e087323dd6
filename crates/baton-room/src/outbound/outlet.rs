//! The ways out of a room: at once, or behind everything up to a position of the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use baton_presence::{DrainReason, Fence, SessionId, Time};
use baton_sync::StateVector;
use baton_sync::awareness;
use baton_sync::compressed_update::Compression;
use baton_sync::control_channel::ServerMessage;
use baton_sync::replica::SyncPieces;
use bytes::Bytes;

use super::access_news;
use super::durability_gate::{DueMessage, DurabilityGate, Held, Released};
use super::first_sync::{FirstSync, next_message};
use super::keepalive::Keepalive;
use super::lock_view_throttle::LockViewThrottle;
use super::roster_throttle::RosterThrottle;
use super::withheld::Withheld;
use crate::context::Context;
use crate::intake::Inboxes;
use crate::message::{AccessNews, ConnectionId, Ending, Outgoing, Receipts, ViewOf};
use crate::options::RoomOptions;
use crate::output::Output;
use crate::replica::ReplicatedState;
use crate::sessions::{Channel, Sessions};

/// One thing that goes out of a room.
enum Queued {
    Output(Output),
    /// A first sync. Its pieces are made one by one, so that the first is sent at once.
    FirstSync(ConnectionId, Box<SyncPieces>),
}

/// Everything that goes out of a room.
pub(crate) struct Outbound {
    outputs: VecDeque<Queued>,
    gate: DurabilityGate,
    keepalive: Keepalive,
    lock_views: LockViewThrottle,
    pub(super) roster: RosterThrottle,
    first_sync: FirstSync,
    /// Reason of each drain, told again when its holder has the lock no more.
    pub(super) draining: BTreeMap<Fence, DrainReason>,
    /// Notes of the sessions that request something.
    pub(super) notes: BTreeMap<SessionId, String>,
    pub(super) withheld: Withheld,
}

impl Outbound {
    /// Everything up to `durable` is durable.
    pub(crate) fn new(durable: u64, now: Time) -> Self {
        Self {
            outputs: VecDeque::new(),
            gate: DurabilityGate::new(durable),
            keepalive: Keepalive::default(),
            lock_views: LockViewThrottle::default(),
            roster: RosterThrottle::default(),
            first_sync: FirstSync::new(now),
            draining: BTreeMap::new(),
            notes: BTreeMap::new(),
            withheld: Withheld::default(),
        }
    }

    pub(crate) fn connect(&mut self, connection: ConnectionId, now: Time) {
        self.keepalive.starts(connection, now);
    }

    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        self.keepalive.forget(connection);
        self.withheld.forget(connection);
    }

    pub(crate) fn next_output(&mut self) -> Option<Output> {
        loop {
            match self.outputs.pop_front()? {
                Queued::Output(output) => return Some(output),
                Queued::FirstSync(to, mut pieces) => {
                    let Some(message) = next_message(&mut pieces) else {
                        continue;
                    };
                    if !pieces.is_done() {
                        self.outputs.push_front(Queued::FirstSync(to, pieces));
                    }
                    return Some(Output::Send { to, message });
                }
            }
        }
    }

    /// Queues an output that is no message.
    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push_back(Queued::Output(output));
    }

    /// Sends to one connection.
    pub(crate) fn send(&mut self, to: ConnectionId, message: Outgoing, now: Time) {
        self.keepalive.note(to, now);
        self.push(Output::Send { to, message });
    }

    /// Sends to every connection but one.
    pub(crate) fn broadcast(
        &mut self,
        except: Option<ConnectionId>,
        message: Outgoing,
        cx: Context<'_>,
    ) {
        if cx.sessions.connections() > 0 {
            if except.is_none() {
                self.keepalive.note_all(cx.now);
            }
            self.push(Output::Broadcast { except, message });
        }
    }

    /// Sends to one connection, if it has its welcome.
    pub(crate) fn send_channel(
        &mut self,
        to: ConnectionId,
        message: &Arc<ServerMessage>,
        cx: Context<'_>,
    ) {
        if cx.sessions.channel_of(to) == Some(Channel::Open) {
            self.send(to, Outgoing::Channel(Arc::clone(message)), cx.now);
        }
    }

    /// Sends to the connection of a session, if it has its welcome.
    pub(super) fn send_to(&mut self, session: SessionId, message: ServerMessage, cx: Context<'_>) {
        if let Some(to) = cx.sessions.connection_of(session) {
            self.send_channel(to, &Arc::new(message), cx);
        }
    }

    /// Sends to every connection that has its welcome.
    pub(super) fn send_to_channel(&mut self, message: &Arc<ServerMessage>, sessions: &Sessions) {
        let to: Vec<_> = sessions.open_ids().collect();
        if !to.is_empty() {
            let message = Outgoing::Channel(Arc::clone(message));
            self.push(Output::Multicast { to, message });
        }
    }

    /// Sends to one connection, at once, or behind its welcome if that waits for the disk.
    pub(crate) fn tell(&mut self, to: ConnectionId, message: Arc<ServerMessage>, cx: Context<'_>) {
        if cx.sessions.channel_of(to) == Some(Channel::Opening) {
            self.hold(Held::To(to, message), cx);
        } else {
            self.send_channel(to, &message, cx);
        }
    }

    /// Tells a client about its access.
    pub(crate) fn tell_access(&mut self, to: ConnectionId, news: AccessNews, cx: Context<'_>) {
        if matches!(news, AccessNews::Expiring { .. }) {
            // Not sent over each wire, so it is no sign of life.
            let message = Outgoing::TokenRequest;
            self.push(Output::Send { to, message });
        }
        if let Some(message) = access_news::message(to, news, cx) {
            self.tell(to, Arc::new(message), cx);
        }
    }

    /// Answers a Step1 with what the client lacks of the document: behind a Step1 of the room, if
    /// the wire wants it there; compressed, if the client asked for that. All of it is queued at
    /// once, so that later edits come behind it.
    pub(crate) fn send_lacking(
        &mut self,
        (to, since): (ConnectionId, &StateVector),
        compression: Option<Compression>,
        inboxes: &mut Inboxes,
        state: &mut ReplicatedState,
        options: &RoomOptions,
        now: Time,
    ) {
        if inboxes.receipts(to) == Receipts::EachUpdate {
            inboxes.asked(to);
            let step1 = Outgoing::Step1(state.document().encoded_vector());
            self.send(to, step1, now);
        }
        let pieces = self
            .first_sync
            .lacking(state, options, since, compression, now);
        self.keepalive.note(to, now);
        self.outputs
            .push_back(Queued::FirstSync(to, Box::new(pieces)));
    }

    /// Notes a change of the document.
    pub(super) const fn touch(&mut self, now: Time) {
        self.first_sync.touch(now);
    }

    /// Lets something wait until everything up to now is durable.
    pub(super) fn hold(&mut self, held: Held, cx: Context<'_>) {
        self.gate.hold(cx.state.position(), held);
    }

    /// Tells one session, when the record is durable, if it has a connection then.
    pub(super) fn hold_for(&mut self, session: SessionId, message: ServerMessage, cx: Context<'_>) {
        if let Some(to) = cx.sessions.connection_of(session) {
            self.hold(Held::To(to, Arc::new(message)), cx);
        }
    }

    /// Lets a view wait until it is durable.
    pub(super) fn hold_view(&mut self, message: ServerMessage, cx: Context<'_>) {
        self.gate.hold_view(cx.state.position(), message);
    }

    /// Denies a stock client, and closes it, when everything up to now is durable.
    pub(super) fn hold_denial(&mut self, to: ConnectionId, reason: String, cx: Context<'_>) {
        let message = Outgoing::Denied(reason.clone());
        self.hold(Held::Output(Output::Send { to, message }), cx);
        self.hold(Held::Close(to, Ending::Locked, reason), cx);
    }

    /// Notes that the locks changed.
    pub(crate) fn show_locks(&mut self, cx: Context<'_>) {
        if let Some(lock) = self.lock_views.changed(cx) {
            self.hold_view(ServerMessage::Lock { lock }, cx);
        }
    }

    /// Sends to all connections but one, when everything up to now is durable.
    pub(crate) fn hold_broadcast(
        &mut self,
        except: Option<ConnectionId>,
        message: Outgoing,
        cx: Context<'_>,
    ) {
        self.hold(Held::Output(Output::Broadcast { except, message }), cx);
    }

    /// Sends a client its own update back, when everything up to now is durable.
    pub(crate) fn hold_echo(&mut self, to: ConnectionId, update: Bytes, cx: Context<'_>) {
        let message = Outgoing::Echo(update);
        self.hold(Held::Output(Output::Send { to, message }), cx);
    }

    /// Tells a connection which of its updates are durable, in the ways of its wire.
    pub(crate) fn tell_receipts(
        &mut self,
        to: ConnectionId,
        inboxes: &mut Inboxes,
        cx: Context<'_>,
    ) {
        let durable = self.gate.durable();
        match cx.sessions.channel_of(to) {
            // Before its welcome a client is told nothing, so nothing is counted as told.
            Some(Channel::Opening) | None => return,
            Some(Channel::Open) => {
                if let Some(updates) = inboxes.take_saved(to, durable) {
                    self.send_channel(to, &Arc::new(ServerMessage::Saved { updates }), cx);
                }
            }
            Some(Channel::Closed) => {
                let _untold = inboxes.take_saved(to, durable);
            }
        }
        while let Some(saved) = inboxes.next_status(to, durable) {
            self.send(to, Outgoing::SyncStatus(saved), cx.now);
        }
        while let Some(version) = inboxes.next_barrier(to) {
            self.send(to, Outgoing::Barrier(version), cx.now);
        }
        inboxes.told(to);
    }

    /// Tells all connections which of their updates are durable.
    pub(crate) fn tell_all_receipts(&mut self, inboxes: &mut Inboxes, cx: Context<'_>) {
        for connection in inboxes.unsaved() {
            self.tell_receipts(connection, inboxes, cx);
        }
    }

    /// [`Outbound::tell_all_receipts`] for stock clients alone.
    pub(crate) fn tell_stock_receipts(&mut self, inboxes: &mut Inboxes, cx: Context<'_>) {
        for connection in inboxes.unsaved() {
            if cx.sessions.is_stock(connection) {
                self.tell_receipts(connection, inboxes, cx);
            }
        }
    }

    /// Position up to which the log is durable.
    pub(crate) const fn durable(&self) -> u64 {
        self.gate.durable()
    }

    /// Notes that the log is durable up to `position`.
    pub(crate) fn raise_durable(&mut self, position: u64) {
        self.gate.raise(position);
    }

    /// Returns true if a message waits for the disk.
    pub(crate) fn awaits_durability(&self) -> bool {
        !self.gate.is_empty()
    }

    /// Queues all messages that are durable and need not wait for the end of an isolation, up to
    /// the first that changes more than the queue.
    pub(crate) fn release(&mut self, cx: Context<'_>) -> Option<Released> {
        loop {
            match self.gate.next_due()? {
                DueMessage::Output(output) => self.push(output),
                DueMessage::To(to, message)
                | DueMessage::Released(Released::Welcome(to, message))
                    if self.withheld.keep(to, &message, cx) => {}
                DueMessage::To(to, message) => self.send_channel(to, &message, cx),
                DueMessage::Channel(message) => self.send_to_channel(&message, cx.sessions),
                DueMessage::View(ViewOf::Locks, message) => {
                    let turn = self.lock_views.turn(self.gate.durable(), cx);
                    if turn.shown {
                        self.send_to_channel(&message, cx.sessions);
                    }
                    if let Some(lock) = turn.next {
                        self.hold_view(ServerMessage::Lock { lock }, cx);
                    }
                }
                DueMessage::View(ViewOf::Park(_), message) => {
                    self.send_to_channel(&message, cx.sessions);
                }
                DueMessage::Released(released) => return Some(released),
            }
        }
    }

    /// Returns the next time at which [`Outbound::handle_timeout`] or [`Outbound::keep_alive`] has
    /// something to do.
    pub(crate) fn due(&self, state: &ReplicatedState, options: &RoomOptions) -> Option<Time> {
        let due = [
            self.lock_views.due(),
            self.roster.due(),
            self.keepalive.due(),
            self.first_sync.due(state, options),
        ];
        due.into_iter().flatten().min()
    }

    /// Lets coalesced news and views go whose time has come.
    pub(crate) fn handle_timeout(&mut self, cx: Context<'_>) {
        for message in self.roster.take_due(cx.now) {
            self.hold(Held::Channel(message), cx);
        }
        if let Some(lock) = self.lock_views.take_due(cx) {
            self.hold_view(ServerMessage::Lock { lock }, cx);
        }
    }

    /// Sends an awareness message of no entries to connections that were sent nothing for a while.
    pub(crate) fn keep_alive(&mut self, sessions: &Sessions, now: Time) {
        for connection in self.keepalive.quiet(sessions.ids(), now) {
            self.send(connection, Outgoing::Awareness(awareness::nothing()), now);
        }
    }

    /// Drops the encodings for newcomers if none has come for long enough.
    pub(crate) fn drop_answers(
        &self,
        state: &mut ReplicatedState,
        options: &RoomOptions,
        now: Time,
    ) {
        if self
            .first_sync
            .due(state, options)
            .is_some_and(|due| now >= due)
        {
            state.drop_answers();
        }
    }
}
