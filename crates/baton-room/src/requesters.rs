//! Those who requested a lock and are gone: a holder is not bound by them for long.
//!
//! Owns since when each of them is gone. The ticket of one that comes back is kept by the fold;
//! only the clock that runs against the holder stops. That it stopped is a record, so a replay
//! stops it at the same position.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::{Event, LockState, Presence, SessionId, Time};

use crate::connection::Origin;
use crate::record::Record;
use crate::room::Room;

/// A record that did not change anything is proposed again after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// The sessions that request something and are not live, with the time at which their requests are
/// void.
#[derive(Debug, Default)]
pub(crate) struct Requesters {
    due: BTreeMap<SessionId, Time>,
}

impl Requesters {
    /// Follows the fold after a record about presence. A silent session is given up at once, for
    /// its silence has lasted `patience` already; one without a connection after `patience`.
    pub(crate) fn follow(&mut self, fold: &LockState, now: Time, patience: Duration) {
        let before = std::mem::take(&mut self.due);
        for session in fold.grants().filter_map(|grant| grant.requested_by) {
            let due = match fold.peer(session).map(|peer| peer.presence) {
                Some(Presence::Live) => continue,
                Some(Presence::Away) => now + patience,
                Some(Presence::Silent) | None => now,
            };
            let earlier = before.get(&session).map_or(due, |before| due.min(*before));
            self.due.insert(session, earlier);
        }
    }
}

impl Room {
    /// When the first request of a session that is gone is void.
    pub(crate) fn requesters_due(&self) -> Option<Time> {
        let first = self.requesters.due.values().min()?;
        // Its return may lie in the sockets of a server that slept.
        Some((*first).max(self.watch.reads_backlog_until()))
    }

    /// Stops the clocks of the requests whose sessions have been gone for too long.
    pub(crate) fn void_requests_of_the_gone(&mut self, now: Time) {
        if self.requesters_due().is_none_or(|due| due > now) {
            return;
        }
        let mut over = Vec::new();
        for (session, due) in &mut self.requesters.due {
            if *due <= now {
                *due = now + AGAIN;
                over.push(*session);
            }
        }
        for session in over {
            let event = Event::RequestsVoid { session };
            self.propose(Record::Presence(event), Origin::Nobody);
        }
    }
}
