//! Awareness of the room: names, cursors, selections, which are no part of the document.
//!
//! Owns when old entries are asked for again. Who may say what about whom is decided by the table
//! ([`baton_sync::awareness`]).

use std::time::Duration;

use baton_presence::Time;
use baton_sync::awareness::AwarenessError;

use crate::output::{ConnectionId, Outgoing};
use crate::room::Room;

/// Soonest look for awareness entries that want to be said again.
const ROLL_CALL_CHECK: Duration = Duration::from_secs(1);

/// Latest look for them, while there are any: not at every message, since it goes through all of them.
const AWARENESS_CHECK: Duration = Duration::from_secs(5);

impl Room {
    /// A connection said something about awareness.
    pub(crate) fn aware(&mut self, connection: ConnectionId, payload: &[u8], now: Time) {
        match self.awareness.apply(connection, payload, now.0) {
            Ok(applied) => {
                self.awareness_moved(applied.answer.is_some(), now);
                if let Some(changed) = applied.broadcast {
                    self.broadcast(None, Outgoing::Awareness(changed));
                }
                if let Some(answer) = applied.answer {
                    self.send(connection, Outgoing::Awareness(answer));
                }
                if let Some(why) = applied.refusal {
                    self.refuse_awareness(connection, why);
                }
            }
            Err(AwarenessError::Malformed(error)) => {
                self.malformed(connection, &format!("awareness is wrong: {error}"), now);
            }
            Err(error @ AwarenessError::NotJson { .. }) => {
                self.tell_limit(connection, error.to_string());
            }
        }
    }

    pub(crate) fn send_awareness(&mut self, to: ConnectionId) {
        if !self.awareness.is_empty() {
            let all = self.awareness.encode_all();
            self.send(to, Outgoing::Awareness(all));
        }
    }

    /// Has the owners of old awareness entries say them again; see docs/protocol.md.
    pub(crate) fn refresh_awareness(&mut self, now: Time) {
        if self.refresh_at.is_none_or(|at| now < at) {
            return;
        }
        let stale = self.awareness.stale(now.0);
        for (owner, removal) in stale.ask {
            self.send(owner, Outgoing::Awareness(removal));
        }
        if let Some(removal) = stale.broadcast {
            self.broadcast(None, Outgoing::Awareness(removal));
        }
        self.arm_refresh(now);
    }

    fn arm_refresh(&mut self, now: Time) {
        let next = self.awareness.next_stale().map(Time);
        self.refresh_at = next.map(|at| at.clamp(now + ROLL_CALL_CHECK, now + AWARENESS_CHECK));
    }

    /// Somebody spoke: entries may grow old, or after a rejoin everybody may have to be asked soon.
    fn awareness_moved(&mut self, rejoined: bool, now: Time) {
        let soon = now
            + if rejoined {
                ROLL_CALL_CHECK
            } else {
                AWARENESS_CHECK
            };
        self.refresh_at = Some(self.refresh_at.map_or(soon, |at| at.min(soon)));
    }
}
