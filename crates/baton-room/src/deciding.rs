//! What becomes of parks.
//!
//! Owns nothing yet: every decision is answered as one about an unknown park.

use baton_presence::{SessionId, Time};
use baton_sync::channel::Outcome;

use crate::output::ConnectionId;
use crate::record::Decision;
use crate::room::Room;
use crate::state::{Broken, Effect, State};

impl State {
    pub(crate) fn decide_park(
        &mut self,
        _position: u64,
        id: u64,
        _by: Option<SessionId>,
        _decision: Decision,
        _at_ms: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Broken> {
        effects.push(Effect::Denied(
            Outcome::Unknown,
            format!("there is no park {id}"),
        ));
        Ok(())
    }

    pub(crate) fn close_parks(&mut self, _effects: &mut Vec<Effect>) {
        self.parks.close_merged(self.document.state());
    }
}

impl Room {
    pub(crate) fn decide_park(
        &mut self,
        connection: ConnectionId,
        _session: SessionId,
        nonce: u64,
        _decision: Decision,
        id: u64,
        _now: Time,
    ) {
        let message = format!("there is no park {id}");
        self.answer_operation(connection, nonce, Outcome::Unknown, Some(message));
    }

    pub(crate) fn merge_own_parks(&mut self, _session: SessionId, _now: Time) {}

    pub(crate) fn purge_parks(&mut self, _now: Time) {}

    pub(crate) fn parks_due(&self) -> Option<Time> {
        None
    }
}
