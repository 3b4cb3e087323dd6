//! Connections that ended, until the room is told.
//!
//! Owns the list. A connection ends in a destructor, which can wait for nothing, and the document may be at long work then.

use std::sync::atomic::{AtomicBool, Ordering};

use baton_room::{ConnectionId, Departure};
use parking_lot::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Read by every step, so that the list is not locked by each.
    any: AtomicBool,
    all: Mutex<Vec<(ConnectionId, Departure)>>,
}

impl Departures {
    pub(super) fn add(&self, connection: ConnectionId, how: Departure) {
        let mut all = self.all.lock();
        all.push((connection, how));
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn are_there(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Which, without taking them.
    pub(super) fn peek(&self) -> Vec<ConnectionId> {
        if !self.are_there() {
            return Vec::new();
        }
        self.all.lock().iter().map(|(id, _)| *id).collect()
    }

    /// Takes all, for the room to be told of.
    pub(super) fn take(&self) -> Vec<(ConnectionId, Departure)> {
        let mut all = self.all.lock();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *all)
    }
}
