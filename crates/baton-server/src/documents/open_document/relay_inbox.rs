//! Awareness that other nodes sent, until the room takes it.
//!
//! Owns the messages, merged: however many come while the document is at work, one entry of each
//! client is kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use baton_room::HostId;
use baton_sync::awareness::LatestEntries;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::cluster::relay_message::RelayMessage;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RelayInbox {
    /// Every step reads this flag, so that only the few that find something take the lock.
    any: AtomicBool,
    waiting: Mutex<Relayed>,
}

/// The messages of other nodes.
#[derive(Debug, Default)]
pub(super) struct Relayed {
    entries: BTreeMap<HostId, LatestEntries>,
    /// True if a node asks for the awareness of the clients here.
    pub(super) is_asked: bool,
}

impl RelayInbox {
    /// Adds a message.
    pub(super) fn add(&self, from: HostId, message: &RelayMessage) {
        let mut waiting = self.waiting.lock();
        match message {
            RelayMessage::Ask => waiting.is_asked = true,
            RelayMessage::Awareness(entries) => {
                if let Err(error) = waiting.entries.entry(from).or_default().add(entries) {
                    tracing::warn!(from = from.0, %error, "another node sent awareness that cannot be read; see that all nodes run the same version");
                    return;
                }
            }
        }
        self.any.store(true, Ordering::Release);
    }

    /// Returns true if there is something to take.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Takes all messages.
    pub(super) fn take(&self) -> Relayed {
        let mut waiting = self.waiting.lock();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *waiting)
    }
}

impl Relayed {
    /// Returns the entries of each node as one payload.
    pub(super) fn payloads(self) -> impl Iterator<Item = (HostId, Bytes)> {
        let entries = self.entries.into_iter();
        entries.filter_map(|(from, mut entries)| Some((from, entries.take()?)))
    }
}
