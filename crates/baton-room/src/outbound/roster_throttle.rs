//! News of sessions that came, went or fell silent, coalesced in a crowd.
//!
//! Owns the news that wait, of each session only the newest. If hundreds go at once, telling every
//! client of each of them would delay the passing of their locks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_presence::{SessionId, Time};
use baton_sync::control_channel::ServerMessage;

/// With no more connections than this, all are told at once.
const MAX_TOLD_AT_ONCE: usize = 32;

/// Time that news wait for more of them, for each connection that they go to: some hundred times
/// the time of one message.
const WAIT_PER_CONNECTION: Duration = Duration::from_millis(2);

/// Longest time that news wait.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Default)]
pub(super) struct RosterThrottle {
    waiting: BTreeMap<SessionId, Arc<ServerMessage>>,
    due: Option<Time>,
}

impl RosterThrottle {
    pub(super) const fn due(&self) -> Option<Time> {
        self.due
    }

    /// Takes the place of the waiting news of this session, if there are any. Else returns the
    /// message.
    pub(super) fn replace(
        &mut self,
        session: SessionId,
        message: Arc<ServerMessage>,
    ) -> Option<Arc<ServerMessage>> {
        match self.waiting.get_mut(&session) {
            Some(waiting) => {
                *waiting = message;
                None
            }
            None => Some(message),
        }
    }

    /// Returns the message if it goes to few connections. In a crowd it waits for more news.
    pub(super) fn add(
        &mut self,
        session: SessionId,
        message: Arc<ServerMessage>,
        connections: usize,
        now: Time,
    ) -> Option<Arc<ServerMessage>> {
        if connections <= MAX_TOLD_AT_ONCE && self.due.is_none() {
            return Some(message);
        }
        let wait =
            WAIT_PER_CONNECTION.saturating_mul(u32::try_from(connections).unwrap_or(u32::MAX));
        self.due.get_or_insert(now + wait.min(MAX_WAIT));
        self.waiting.insert(session, message);
        None
    }

    /// Returns all news that wait, if their time has come.
    pub(super) fn take_due(
        &mut self,
        now: Time,
    ) -> impl Iterator<Item = Arc<ServerMessage>> + use<> {
        let is_due = self.due.is_some_and(|due| due <= now);
        let mut taken = BTreeMap::new();
        if is_due {
            self.due = None;
            taken = std::mem::take(&mut self.waiting);
        }
        taken.into_values()
    }
}
