//! The deadlines of locks and of those who wait for them, as opposed to those of single sessions.

use super::lock_timers::LockTimers;
use super::offer_pauses::OfferPauses;
use super::proposal::Proposal;
use super::requester_timers::RequesterTimers;
use super::session_table::SessionTable;
use crate::{Change, LockState, SessionId, Time, Timings};

/// Timers of locks, pauses of waiters, and the patience with requesters that are gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct LockDeadlines {
    pub(super) timers: LockTimers,
    pub(super) pauses: OfferPauses,
    requesters: RequesterTimers,
}

impl LockDeadlines {
    /// Notes a change of the last record, before [`LockDeadlines::follow`].
    pub(crate) fn note(&mut self, change: &Change) {
        match *change {
            // Their time begins again, even if the lock was in the same state before.
            Change::Suspected { fence, .. } | Change::Recovering { fence, .. } => {
                self.timers.restart(fence);
            }
            Change::Requested { fence, .. } | Change::RequestVoid { fence, .. } => {
                self.timers.restart_request(fence);
            }
            Change::Draining { fence, .. } => self.timers.asked_to_stop(fence),
            _ => {}
        }
    }

    /// Returns true if a deadline depends on the connection of this session.
    pub(crate) fn concern(&self, session: SessionId) -> bool {
        self.timers.has_party(session) || self.pauses.has(session)
    }

    /// Sets the deadlines by the present lock state.
    pub(crate) fn follow(
        &mut self,
        lock_state: &LockState,
        sessions: &SessionTable,
        timings: &Timings,
        now: Time,
    ) {
        self.timers.follow(lock_state, sessions, timings, now);
        self.pauses.follow(lock_state);
        self.requesters.follow(lock_state, sessions, timings, now);
    }

    /// Returns the next deadline.
    pub(crate) fn next(
        &self,
        lock_state: &LockState,
        sessions: &SessionTable,
        timings: &Timings,
    ) -> Option<Time> {
        let next = [
            self.timers.next(lock_state, sessions, timings),
            self.pauses.next(lock_state, sessions),
            self.requesters.next(),
        ];
        next.into_iter().flatten().min()
    }

    /// Proposes what is due.
    pub(crate) fn check(
        &mut self,
        now: Time,
        lock_state: &LockState,
        sessions: &SessionTable,
        timings: &Timings,
        out: &mut Vec<Proposal>,
    ) {
        self.timers.check(now, lock_state, sessions, timings, out);
        self.pauses.check(now, lock_state, sessions, out);
        self.requesters.check(now, out);
    }
}
