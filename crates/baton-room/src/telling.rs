//! How something is told: at once, or when everything up to now is durable.
//!
//! Owns the ways out of a room and the queue of what waits for the disk. What is told, and to whom, is decided elsewhere
//! (`announce`, `receive`).

use std::sync::Arc;

use baton_presence::Time;
use baton_sync::channel::{ErrorCode, Outcome, ServerMessage};

use crate::connection::{Channel, Connection, Held};
use crate::output::{ConnectionId, Outgoing, Output, ViewOf};
use crate::room::Room;

impl Room {
    /// The log is durable up to `position`: what waited for it is told.
    pub fn durable(&mut self, position: u64, now: Time) {
        self.durable = self.durable.max(position);
        self.let_go_durable(now);
        self.tell_saved();
    }

    /// Tells what waited for something that is durable by now.
    pub(crate) fn let_go_durable(&mut self, now: Time) {
        while self.held.front().is_some_and(|(at, _)| *at <= self.durable) {
            if let Some((at, held)) = self.held.pop_front() {
                self.let_go(at, held, now);
            }
        }
    }

    /// Whether somebody waits for the disk. If nobody does, [`Room::durable`] need not be called until somebody does.
    #[must_use]
    pub fn awaits_durability(&self) -> bool {
        !self.held.is_empty() || !self.unsaved.is_empty()
    }

    fn let_go(&mut self, position: u64, held: Held, now: Time) {
        match held {
            Held::Output(output) => self.outputs.push_back(output),
            Held::To(to, message) => self.send_channel(to, &message),
            Held::Channel(message) => self.send_to_channel(&message),
            Held::View(of) => {
                if let Some(message) = self.views.take(of, position, self.durable) {
                    match of {
                        ViewOf::Locks => self.locks_turn(&message, now),
                        ViewOf::Park(_) => self.send_to_channel(&message),
                    }
                }
            }
            Held::Welcome(to, message) => {
                if let Some(here) = self.connections.get_mut(&to) {
                    here.channel = Channel::Open;
                    self.send_channel(to, &message);
                }
            }
            Held::Close(to, why, reason) => self.close(to, why, reason, now),
        }
    }

    /// Tells each connection in the channel how many of its updates are durable, if that grew.
    fn tell_saved(&mut self) {
        let waiting: Vec<ConnectionId> = self.unsaved.iter().copied().collect();
        for connection in waiting {
            self.tell_saved_to(connection);
        }
    }

    pub(crate) fn tell_saved_to(&mut self, connection: ConnectionId) {
        let durable = self.durable;
        let Some(here) = self.connections.get_mut(&connection) else {
            return;
        };
        // Before its welcome nothing is told, so nothing is counted as told.
        if here.channel != Channel::Open {
            return;
        }
        let saved = here.handshake.durable(durable);
        if !here.handshake.has_unsaved() {
            self.unsaved.remove(&connection);
        }
        if let Some(updates) = saved {
            self.send_channel(connection, &Arc::new(ServerMessage::Saved { updates }));
        }
    }

    pub(crate) fn send(&mut self, to: ConnectionId, message: Outgoing) {
        self.note_told(to);
        self.outputs.push_back(Output::Send { to, message });
    }

    pub(crate) fn broadcast(&mut self, except: Option<ConnectionId>, message: Outgoing) {
        if !self.connections.is_empty() {
            if except.is_none() {
                self.note_everybody_told();
            }
            self.outputs
                .push_back(Output::Broadcast { except, message });
        }
    }

    /// Lets something wait until everything up to now is durable.
    pub(crate) fn hold(&mut self, held: Held) {
        self.held.push_back((self.state.position, held));
    }

    /// Lets a view wait until it is durable.
    pub(crate) fn hold_view(&mut self, message: ServerMessage) {
        if let Some(of) = ViewOf::of(&message) {
            let position = self.state.position;
            self.views.keep(of, position, Arc::new(message));
            self.hold(Held::View(of));
        }
    }

    /// Answers an operation that no record came of, at once.
    pub(crate) fn answer_operation(
        &mut self,
        connection: ConnectionId,
        nonce: u64,
        outcome: Outcome,
        message: Option<String>,
    ) {
        let result = ServerMessage::Result {
            nonce,
            outcome,
            message,
        };
        self.tell(connection, Arc::new(result));
    }

    /// To one connection, at once, or behind its welcome if that waits for the disk.
    pub(crate) fn tell(&mut self, to: ConnectionId, message: Arc<ServerMessage>) {
        let here = self.connections.get(&to);
        if here.is_some_and(|here| here.channel == Channel::Opening) {
            self.hold(Held::To(to, message));
        } else {
            self.send_channel(to, &message);
        }
    }

    /// To one connection, if it has its welcome.
    pub(crate) fn send_channel(&mut self, to: ConnectionId, message: &Arc<ServerMessage>) {
        if self.is_open(to) {
            self.send(to, Outgoing::Channel(Arc::clone(message)));
        }
    }

    /// To every connection that has its welcome.
    pub(crate) fn send_to_channel(&mut self, message: &Arc<ServerMessage>) {
        let open = |here: &Connection| here.channel == Channel::Open;
        let to: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, here)| open(here))
            .map(|(id, _)| *id)
            .collect();
        if !to.is_empty() {
            let message = Outgoing::Channel(Arc::clone(message));
            self.outputs.push_back(Output::Multicast { to, message });
        }
    }

    pub(crate) fn is_stock(&self, connection: ConnectionId) -> bool {
        self.connections
            .get(&connection)
            .is_some_and(|here| here.channel == Channel::Closed)
    }

    fn is_open(&self, connection: ConnectionId) -> bool {
        self.connections
            .get(&connection)
            .is_some_and(|here| here.channel == Channel::Open)
    }

    pub(crate) fn complain(
        &mut self,
        to: ConnectionId,
        code: ErrorCode,
        message: String,
        retry: bool,
    ) {
        let error = ServerMessage::Error {
            code,
            message,
            retry,
        };
        self.tell(to, Arc::new(error));
    }
}
