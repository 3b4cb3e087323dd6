//! The queue of messages that wait until everything up to their position is durable.

use std::collections::VecDeque;
use std::sync::Arc;

use baton_sync::control_channel::ServerMessage;

use super::latest_only::LatestOnly;
use crate::message::{ConnectionId, Ending, ViewOf};
use crate::output::Output;

/// A message, or an end, that waits until everything up to its position is durable.
pub(super) enum Held {
    /// Goes to the output queue as it is.
    Output(Output),
    /// To one connection, if it is in Baton's channel by then.
    To(ConnectionId, Arc<ServerMessage>),
    /// To all connections that are in Baton's channel by then: the welcome of a later one holds it.
    Channel(Arc<ServerMessage>),
    /// A view for all connections that are in Baton's channel by then.
    View(ViewOf),
    /// Opens the channel of this connection.
    Welcome(ConnectionId, Arc<ServerMessage>),
    Close(ConnectionId, Ending, String),
}

/// A message, or an end, that is durable by now.
pub(super) enum DueMessage {
    Output(Output),
    To(ConnectionId, Arc<ServerMessage>),
    Channel(Arc<ServerMessage>),
    View(ViewOf, Arc<ServerMessage>),
    Released(Released),
}

/// A durable message that changes more than the output queue.
pub(crate) enum Released {
    /// The channel of this connection opens with this welcome.
    Welcome(ConnectionId, Arc<ServerMessage>),
    Close(ConnectionId, Ending, String),
}

/// See the module.
pub(super) struct DurabilityGate {
    held: VecDeque<(u64, Held)>,
    latest: LatestOnly,
    durable: u64,
}

impl DurabilityGate {
    /// Everything up to `durable` is durable.
    pub(super) fn new(durable: u64) -> Self {
        Self {
            held: VecDeque::new(),
            latest: LatestOnly::default(),
            durable,
        }
    }

    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Notes that the log is durable up to `position`.
    pub(super) fn raise(&mut self, position: u64) {
        self.durable = self.durable.max(position);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Lets a message wait until everything up to `position` is durable.
    pub(super) fn hold(&mut self, position: u64, held: Held) {
        self.held.push_back((position, held));
    }

    /// Lets a view wait until everything up to `position` is durable.
    pub(super) fn hold_view(&mut self, position: u64, message: ServerMessage) {
        if let Some(of) = ViewOf::of(&message) {
            self.latest.keep(of, position, Arc::new(message));
            self.hold(position, Held::View(of));
        }
    }

    /// Returns the next message that is durable.
    pub(super) fn next_due(&mut self) -> Option<DueMessage> {
        while self.held.front().is_some_and(|(at, _)| *at <= self.durable) {
            let (position, held) = self.held.pop_front()?;
            return Some(match held {
                Held::Output(output) => DueMessage::Output(output),
                Held::To(to, message) => DueMessage::To(to, message),
                Held::Channel(message) => DueMessage::Channel(message),
                Held::View(of) => match self.latest.take(of, position, self.durable) {
                    Some(message) => DueMessage::View(of, message),
                    None => continue,
                },
                Held::Welcome(to, message) => DueMessage::Released(Released::Welcome(to, message)),
                Held::Close(to, why, reason) => {
                    DueMessage::Released(Released::Close(to, why, reason))
                }
            });
        }
        None
    }
}
