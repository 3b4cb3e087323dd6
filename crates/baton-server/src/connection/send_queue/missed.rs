//! Updates that a slow client is not sent, and the note of what it misses.

use std::cell::OnceCell;

use baton_room::MissedUpdates;

use crate::connection::ws_frame::Frame;

/// An update for many connections, with what a connection misses that is not sent it.
#[derive(Debug)]
pub(crate) struct BroadcastUpdate {
    pub(crate) frame: Frame,
    missed: OnceCell<MissedUpdates>,
}

impl BroadcastUpdate {
    pub(crate) fn new(frame: Frame) -> Self {
        Self {
            frame,
            missed: OnceCell::new(),
        }
    }

    /// Returns the ranges of the update; computed once for all connections.
    pub(crate) fn missed(&self) -> &MissedUpdates {
        self.missed
            .get_or_init(|| MissedUpdates::update(self.frame.payload()))
    }
}

/// The updates and awareness that a connection was not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Dropped updates.
    pub(crate) missed: MissedUpdates,
    /// True if awareness was dropped.
    pub(crate) awareness: bool,
}
