//! A frame now and then for connections on which nothing else comes.
//!
//! Owns the time of it. A y-websocket provider takes a connection for dead on which no message came for 30 s, and closes it;
//! pings of the transport do not count, since no page sees them. Where nobody has an awareness state, and nobody types,
//! nothing else would come.

use std::time::Duration;

use baton_presence::Time;
use baton_sync::awareness;

use crate::output::{ConnectionId, Outgoing};
use crate::room::Room;

/// A connection that was sent nothing for this long is sent something. With [`CHECK`] twice, before and after: within 20 s.
const QUIET: Duration = Duration::from_secs(10);

/// Time between two looks at all connections.
const CHECK: Duration = Duration::from_secs(5);

/// When the connections of a room were sent something.
#[derive(Debug, Default)]
pub(crate) struct Keepalive {
    /// The next look, while there are connections.
    due: Option<Time>,
    /// When all of them were.
    everybody: Option<Time>,
}

impl Room {
    pub(crate) fn keepalive_due(&self) -> Option<Time> {
        self.keepalive.due
    }

    /// A connection came in. No time comes with it, so that the next look counts as the time of its first messages.
    pub(crate) fn keepalive_starts(&mut self, connection: ConnectionId) {
        self.keepalive.due.get_or_insert(self.now + CHECK);
        if let Some(here) = self.connections.get_mut(&connection) {
            here.told_at = None;
        }
    }

    /// Something is sent to a connection.
    pub(crate) fn note_told(&mut self, to: ConnectionId) {
        let now = self.now;
        if let Some(here) = self.connections.get_mut(&to) {
            here.told_at = Some(now);
        }
    }

    /// Something is sent to all connections.
    pub(crate) fn note_everybody_told(&mut self) {
        self.keepalive.everybody = Some(self.now);
    }

    /// Sends an awareness message of no entries to those who were sent nothing for a while.
    pub(crate) fn keep_alive(&mut self, now: Time) {
        if self.keepalive.due.is_none_or(|due| now < due) {
            return;
        }
        let everybody = self.keepalive.everybody;
        let mut quiet = Vec::new();
        for (id, here) in &mut self.connections {
            let told = *here.told_at.get_or_insert(now);
            let told = everybody.map_or(told, |everybody| told.max(everybody));
            if now >= told + QUIET {
                quiet.push(*id);
            }
        }
        for connection in quiet {
            self.send(connection, Outgoing::Awareness(awareness::nothing()));
        }
        self.keepalive.due = (!self.connections.is_empty()).then(|| now + CHECK);
    }
}
