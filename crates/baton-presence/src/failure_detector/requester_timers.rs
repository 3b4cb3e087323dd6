//! Timers of sessions that requested locks and are gone: a holder is not bound by them for long.
//!
//! The ticket of such a session stays. Only the holder's time to answer stops, and that is a
//! record, so a replay stops it at the same position.

use std::collections::BTreeMap;

use super::proposal::{PROPOSE_AGAIN_AFTER, Proposal};
use super::session_table::SessionTable;
use crate::{Event, LockState, Presence, SessionId, Time, Timings};

/// The requesting sessions that are not live, each with the time at which its requests are void.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequesterTimers {
    void_at: BTreeMap<SessionId, Time>,
}

impl RequesterTimers {
    /// Starts timers for the requesters that are gone by the present lock state, and drops those
    /// of all others.
    ///
    /// A silent requester has no time left, because it was silent for the offline time already.
    /// One without a connection has the offline time to return. One that is silent on another
    /// server is judged there.
    pub(crate) fn follow(
        &mut self,
        lock_state: &LockState,
        sessions: &SessionTable,
        timings: &Timings,
        now: Time,
    ) {
        let before = std::mem::take(&mut self.void_at);
        let requesters = lock_state.grants().filter_map(|grant| grant.requested_by);
        for session in requesters {
            let void_at = match lock_state.peer(session).map(|peer| peer.presence) {
                Some(Presence::Live) => continue,
                Some(Presence::Silent) if sessions.is_elsewhere(session, lock_state) => continue,
                Some(Presence::Away) => now + timings.offline_after,
                Some(Presence::Silent) | None => now,
            };
            let void_at = before.get(&session).copied().unwrap_or(void_at);
            self.void_at.insert(session, void_at);
        }
    }

    /// Returns the time at which the next requests are void.
    pub(crate) fn next(&self) -> Option<Time> {
        self.void_at.values().min().copied()
    }

    /// Proposes to end the requests that are void at `now`.
    pub(crate) fn check(&mut self, now: Time, out: &mut Vec<Proposal>) {
        for (session, void_at) in &mut self.void_at {
            if *void_at <= now {
                let session = *session;
                out.push(Proposal::Record(Event::RequestsVoid { session }));
                *void_at = now + PROPOSE_AGAIN_AFTER;
            }
        }
    }
}
