//! When people are told who came, went or fell silent.
//!
//! Owns what waits to be told where many would have to be: of each session only the newest. When hundreds go at once, telling
//! everybody of each of them would hold up what is to be done about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_presence::{SessionId, Time};
use baton_sync::channel::ServerMessage;

use crate::connection::Held;
use crate::room::Room;

/// Up to so many connections are told at once.
const FEW: usize = 32;

/// How long news wait for more of them, for each connection that they go to: some hundred times of what one message takes.
const EACH: Duration = Duration::from_millis(2);

/// They never wait for longer.
const MOST: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Default)]
pub(crate) struct RosterNews {
    waiting: BTreeMap<SessionId, Arc<ServerMessage>>,
    due: Option<Time>,
}

impl RosterNews {
    pub(crate) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Takes the place of what waits to be told of this session, if anything does; else gives it back.
    pub(crate) fn replace(
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
}

impl Room {
    /// Tells everybody, when the record is durable; in a crowd a little later.
    pub(crate) fn tell_of(&mut self, session: SessionId, message: Arc<ServerMessage>) {
        let others = self.connections.len();
        if others <= FEW && self.roster_news.due.is_none() {
            self.hold(Held::Channel(message));
            return;
        }
        let wait = EACH.saturating_mul(u32::try_from(others).unwrap_or(u32::MAX));
        self.roster_news
            .due
            .get_or_insert(self.now + wait.min(MOST));
        self.roster_news.waiting.insert(session, message);
    }

    /// Time has come to `now`.
    pub(crate) fn tell_due_news(&mut self, now: Time) {
        if self.roster_news.due.is_none_or(|due| due > now) {
            return;
        }
        self.roster_news.due = None;
        for message in std::mem::take(&mut self.roster_news.waiting).into_values() {
            self.hold(Held::Channel(message));
        }
    }
}
