//! What people see of parks.
//!
//! Owns nothing yet.

use baton_presence::SessionId;
use baton_sync::channel::{Outcome, ParkView};

use crate::output::ConnectionId;
use crate::room::Room;

impl Room {
    pub(crate) fn show_park(
        &mut self,
        connection: ConnectionId,
        _session: SessionId,
        nonce: u64,
        id: u64,
    ) {
        let message = format!("there is no park {id}");
        self.answer_operation(connection, nonce, Outcome::Unknown, Some(message));
    }

    pub(crate) fn park_views(&self, _session: SessionId) -> Vec<ParkView> {
        Vec::new()
    }
}
