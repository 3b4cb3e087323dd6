//! The awareness of the clients here, on its way to the other nodes of a cluster.
//!
//! Owns what is not sent yet. A message goes out at once if none did lately; what comes within
//! [`EVERY`] of it goes out as one.

use std::sync::Arc;
use std::time::Duration;

use baton_log::Journals;
use baton_presence::Time;
use baton_sync::awareness::LatestEntries;

use crate::cluster::relay_message::RelayMessage;

/// Least time between two messages of one document.
const EVERY: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct AwarenessRelay {
    journals: Arc<dyn Journals>,
    latest: LatestEntries,
    /// Earliest time of the next message.
    next: Time,
}

impl AwarenessRelay {
    /// Returns one that has nothing to send. Without a cluster it never sends anything.
    pub(super) fn new(journals: Arc<dyn Journals>) -> Self {
        Self {
            journals,
            latest: LatestEntries::default(),
            next: Time::ZERO,
        }
    }

    /// Adds an awareness payload of the room.
    pub(super) fn add(&mut self, payload: &[u8]) {
        if let Err(error) = self.latest.add(payload) {
            tracing::error!(%error, "an awareness payload of a room cannot be read");
        }
    }

    /// Returns the time at which something has to be sent.
    pub(super) fn due(&self) -> Option<Time> {
        (!self.latest.is_empty()).then_some(self.next)
    }

    /// Sends what is due.
    pub(super) fn send_due(&mut self, document: &str, now: Time) {
        if self.latest.is_empty() || now < self.next {
            return;
        }
        self.next = now + EVERY;
        if let (Some(entries), Some(node)) = (self.latest.take(), self.journals.node()) {
            node.relay(document, RelayMessage::Awareness(entries).encode());
        }
    }
}
