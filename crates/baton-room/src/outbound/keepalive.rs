//! A frame now and then for connections on which nothing else comes.
//!
//! A y-websocket provider takes a connection for dead on which no message came for 30 s, and closes
//! it. Pings of the transport do not count, since no page sees them. In a room without awareness
//! states in which no one types, nothing else would come.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::Time;

use crate::message::ConnectionId;

/// Silence after which a connection is sent something. With [`CHECK`] twice, before and after:
/// within 20 s.
const QUIET: Duration = Duration::from_secs(10);

/// Time between two looks at all connections.
const CHECK: Duration = Duration::from_secs(5);

/// The times at which the connections of a room were sent something.
#[derive(Debug, Default)]
pub(super) struct Keepalive {
    /// The next look, while there are connections.
    due: Option<Time>,
    /// Time of the last message to all of them.
    sent_to_all: Option<Time>,
    /// Time of the last message to each one.
    sent: BTreeMap<ConnectionId, Time>,
}

impl Keepalive {
    pub(super) const fn due(&self) -> Option<Time> {
        self.due
    }

    /// Starts to watch a connection. Its caller may know no time, so the next look counts as the
    /// time of its first messages.
    pub(super) fn starts(&mut self, connection: ConnectionId, now: Time) {
        self.due.get_or_insert(now + CHECK);
        self.sent.remove(&connection);
    }

    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.sent.remove(&connection);
    }

    pub(super) fn note(&mut self, to: ConnectionId, now: Time) {
        self.sent.insert(to, now);
    }

    pub(super) const fn note_all(&mut self, now: Time) {
        self.sent_to_all = Some(now);
    }

    /// Returns those of these connections that were sent nothing for a while, at each look.
    pub(super) fn quiet(
        &mut self,
        connections: impl Iterator<Item = ConnectionId>,
        now: Time,
    ) -> Vec<ConnectionId> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let (mut quiet, mut sent) = (Vec::new(), BTreeMap::new());
        for connection in connections {
            let last = self.sent.get(&connection).copied().unwrap_or(now);
            sent.insert(connection, last);
            let last = self.sent_to_all.map_or(last, |to_all| last.max(to_all));
            if now >= last + QUIET {
                quiet.push(connection);
            }
        }
        self.sent = sent;
        self.due = (!self.sent.is_empty()).then(|| now + CHECK);
        quiet
    }
}
