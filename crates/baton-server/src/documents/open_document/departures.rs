//! Connections that have ended, until the room is told.
//!
//! Owns the list. A connection ends in a destructor, which cannot wait for the document's turn.

use std::sync::atomic::{AtomicBool, Ordering};

use baton_room::{ConnectionId, Departure};
use parking_lot::Mutex;

/// Connections that have ended and that the room still counts.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Every step reads this flag, so that only the few that have departures take the lock.
    any: AtomicBool,
    all: Mutex<Vec<(ConnectionId, Departure)>>,
}

impl Departures {
    /// Adds a connection, with the way in which it ended.
    pub(super) fn add(&self, connection: ConnectionId, departure: Departure) {
        let mut all = self.all.lock();
        all.push((connection, departure));
        self.any.store(true, Ordering::Release);
    }

    /// Returns true if the room has to be told of a departure.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Returns the connections without taking them.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        if !self.any() {
            return Vec::new();
        }
        self.all.lock().iter().map(|(id, _)| *id).collect()
    }

    /// Takes all departures; the caller tells the room.
    pub(super) fn take(&self) -> Vec<(ConnectionId, Departure)> {
        let mut all = self.all.lock();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *all)
    }
}
