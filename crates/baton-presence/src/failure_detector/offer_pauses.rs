//! Pauses of waiters that missed an offer, until each may be offered the lock again (L5).
//!
//! A pause is over once its time is *and* nothing is in the waiter's way, so that all other waiters
//! have had their turn. Its end is a proposal, and the lock state ignores an overtaken one.

use std::time::Duration;

use super::proposal::{PROPOSE_AGAIN_AFTER, Proposal};
use super::session_table::SessionTable;
use crate::{Event, Fence, LockState, SessionId, Time, Timings};

/// Pause of one waiter.
#[derive(Debug, Clone, Copy)]
struct Pause {
    session: SessionId,
    /// Fence of the missed offer.
    fence: Fence,
    until: Time,
}

impl Pause {
    /// Returns true if nothing is in the way of the waiter, and no other server watches it.
    fn is_free(&self, lock_state: &LockState, sessions: &SessionTable) -> bool {
        lock_state.others_had_their_turn(self.session)
            && !sessions.is_elsewhere(self.session, lock_state)
    }
}

/// All present pauses: few at any time, of waiters that are live and missed an offer.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfferPauses {
    pauses: Vec<Pause>,
}

/// Returns the pause after this many missed offers: twice as long each time, up to the longest.
fn pause_after(missed: u32, timings: &Timings) -> Duration {
    let doubled = 1_u32.checked_shl(missed.saturating_sub(1));
    let factor = doubled.unwrap_or(u32::MAX);
    let pause = timings.offer_again.saturating_mul(factor);
    pause.min(timings.offer_again_most)
}

impl OfferPauses {
    /// Returns true if this waiter has a pause.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.pauses.iter().any(|pause| pause.session == session)
    }

    /// Begins the pause of a session that missed this offer, as the `missed`-th in a row.
    pub(crate) fn begin(
        &mut self,
        session: SessionId,
        fence: Fence,
        missed: u32,
        now: Time,
        timings: &Timings,
    ) {
        let until = now + pause_after(missed, timings);
        self.pauses.retain(|pause| pause.session != session);
        self.pauses.push(Pause {
            session,
            fence,
            until,
        });
    }

    /// Drops the pauses that the lock state has ended.
    ///
    /// A waiter may have missed an offer before the newest. If only the newest is forgiven, the
    /// pause goes on for the earlier one, and ends when it would have ended.
    pub(crate) fn follow(&mut self, lock_state: &LockState) {
        self.pauses.retain_mut(|pause| {
            let missed = lock_state.pauses_since(pause.session);
            pause.fence = missed.unwrap_or(pause.fence);
            missed.is_some()
        });
    }

    /// Returns the end of the next pause, among the waiters with nothing in their way.
    pub(crate) fn next(&self, lock_state: &LockState, sessions: &SessionTable) -> Option<Time> {
        let free = |pause: &&Pause| pause.is_free(lock_state, sessions);
        let free = self.pauses.iter().filter(free);
        free.map(|pause| pause.until).min()
    }

    /// Proposes the end of the pauses that are over.
    pub(crate) fn check(
        &mut self,
        now: Time,
        lock_state: &LockState,
        sessions: &SessionTable,
        out: &mut Vec<Proposal>,
    ) {
        for pause in &mut self.pauses {
            if pause.until > now || !pause.is_free(lock_state, sessions) {
                continue;
            }
            let (session, fence) = (pause.session, pause.fence);
            out.push(Proposal::Record(Event::PauseOver { session, fence }));
            pause.until = now + PROPOSE_AGAIN_AFTER;
        }
    }
}
