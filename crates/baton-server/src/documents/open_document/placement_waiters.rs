//! Connections whose next message waits until the log has placed more of what they sent.
//!
//! Owns the list. On one machine the log places at once, and no connection ever waits.

use baton_room::ConnectionId;
use tokio::sync::oneshot;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PlacementWaiters {
    waiting: Vec<(ConnectionId, oneshot::Sender<()>)>,
}

impl PlacementWaiters {
    /// Adds a connection. The receiver gets something, or is closed, once it waits no longer.
    pub(super) fn add(&mut self, connection: ConnectionId) -> oneshot::Receiver<()> {
        let (placed, waiting) = oneshot::channel();
        self.waiting.push((connection, placed));
        waiting
    }

    /// Wakes each connection that no longer has to wait.
    pub(super) fn wake(&mut self, must_wait: impl Fn(ConnectionId) -> bool) {
        // A closed sender wakes its receiver as well.
        self.waiting
            .retain(|(connection, placed)| !placed.is_closed() && must_wait(*connection));
    }
}
