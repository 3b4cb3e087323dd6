//! Sessions that requested a lock and are gone: a holder is not bound by them for long.
//!
//! Owns the time since which each of them is gone. The lock state keeps the ticket of one that
//! comes back; only the clock that runs against the holder stops. That it stopped is a record, so a
//! replay stops it at the same position.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::{LockState, Presence, SessionId, Time};

/// A record that did not change anything is proposed again after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// The sessions that request something and are not live, with the time at which their requests are
/// void.
#[derive(Debug, Default)]
pub(super) struct RequesterLiveness {
    due: BTreeMap<SessionId, Time>,
}

impl RequesterLiveness {
    /// Follows the lock state after a presence record. A silent session is given up at once, for
    /// its silence has lasted `patience` already; one without a connection after `patience`.
    pub(super) fn follow(&mut self, locks: &LockState, now: Time, patience: Duration) {
        let before = std::mem::take(&mut self.due);
        for session in locks.grants().filter_map(|grant| grant.requested_by) {
            let due = match locks.peer(session).map(|peer| peer.presence) {
                Some(Presence::Live) => continue,
                Some(Presence::Away) => now + patience,
                Some(Presence::Silent) | None => now,
            };
            let earlier = before.get(&session).map_or(due, |before| due.min(*before));
            self.due.insert(session, earlier);
        }
    }

    /// Returns the time at which the first request of a session that is gone is void.
    pub(super) fn due(&self) -> Option<Time> {
        self.due.values().min().copied()
    }

    /// Returns the sessions whose requests are void now.
    pub(super) fn void(&mut self, now: Time) -> Vec<SessionId> {
        let mut over = Vec::new();
        for (session, due) in &mut self.due {
            if *due <= now {
                *due = now + AGAIN;
                over.push(*session);
            }
        }
        over
    }
}
