//! Timers of the locks: the end of an offer, grace, recovery or drain, of a request, and of the
//! patience with an idle holder.
//!
//! A timer decides nothing. It proposes until the lock state has left the timed state (L3), and the
//! lock state ignores an overtaken proposal.

use std::time::Duration;

use super::proposal::{PROPOSE_AGAIN_AFTER, Proposal};
use super::server_stall::MAX_FORGIVEN_STALLS;
use super::session_liveness::SessionLiveness;
use super::session_table::SessionTable;
use crate::{Event, Fence, Grant, GrantState, Lateness, LockState, SessionId, Time, Timings};

/// State of a lock as far as it concerns its timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimedState {
    Offered,
    Held,
    Suspect,
    Recovering,
    Draining,
    /// No timed state; or the present state is to be timed anew.
    Untimed,
}

/// End of a time span.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Time,
    /// Length of the whole span.
    lasts: Duration,
    /// Stalls of the server that extended it.
    forgiven: u32,
}

impl Limit {
    fn from(now: Time, lasts: Duration) -> Self {
        Self {
            at: now + lasts,
            lasts,
            forgiven: 0,
        }
    }

    /// Extends the span by a stall of the server. The rest never exceeds the whole span.
    fn extend(&mut self, late: Duration, now: Time) {
        if self.forgiven < MAX_FORGIVEN_STALLS {
            self.forgiven += 1;
            self.at = (self.at + late).min(now + self.lasts);
        }
    }
}

/// Timer of one lock.
#[derive(Debug, Clone, Copy)]
struct LockTimer {
    fence: Fence,
    party: SessionId,
    /// The party has its connection to another server, whose timer counts.
    elsewhere: bool,
    state: TimedState,
    /// Earliest end of the state; see [`LockTimer::ends`] for what may delay it.
    ends: Option<Limit>,
    /// End of the holder's lease, if the end of the state waits for it.
    lease_ends: Option<Time>,
    /// True once the holder was told to stop, and its answers show that it has.
    stopped: bool,
    /// End of the holder's time to answer a request.
    request: Option<Limit>,
    /// Time of the holder's last idle warning.
    warned: Option<Time>,
    /// Earliest time to propose an idle holder's yield again.
    yield_again: Time,
}

/// One timer for each lock, ascending by fence.
#[derive(Debug, Clone, Default)]
pub(crate) struct LockTimers {
    timers: Vec<LockTimer>,
}

impl LockTimers {
    fn get(&self, fence: Fence) -> Option<&LockTimer> {
        let index = self
            .timers
            .binary_search_by_key(&fence, |timer| timer.fence)
            .ok()?;
        self.timers.get(index)
    }

    fn get_mut(&mut self, fence: Fence) -> Option<&mut LockTimer> {
        let index = self
            .timers
            .binary_search_by_key(&fence, |timer| timer.fence)
            .ok()?;
        self.timers.get_mut(index)
    }

    /// Returns true if a lock of this session has a timer.
    pub(crate) fn has_party(&self, session: SessionId) -> bool {
        self.timers.iter().any(|timer| timer.party == session)
    }

    /// Returns true if this lock was in an open offer at the last look at the lock state.
    pub(crate) fn is_offered(&self, fence: Fence) -> bool {
        self.get(fence)
            .is_some_and(|timer| timer.state == TimedState::Offered)
    }

    /// Returns the earliest end of the lock's present state, as its party is told.
    pub(crate) fn state_ends(&self, fence: Fence) -> Option<Time> {
        self.get(fence)?.ends.map(|limit| limit.at)
    }

    /// Returns the end of the holder's time to answer a request.
    pub(crate) fn request_ends(&self, fence: Fence) -> Option<Time> {
        self.get(fence)?.request_ends()
    }

    /// Times the present state of this lock from the next look at the lock state.
    pub(crate) fn restart(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.state = TimedState::Untimed;
        }
    }

    /// Times the request for this lock from the next look at the lock state.
    pub(crate) fn restart_request(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.request = None;
        }
    }

    /// Notes that the holder is told to stop, perhaps again.
    pub(crate) fn asked_to_stop(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.stopped = false;
        }
    }

    /// Notes that the holder's answers show that it has stopped.
    pub(crate) fn stopped(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.stopped = true;
        }
    }

    /// Starts timers for what is new in the lock state, and drops those of ended locks.
    pub(crate) fn follow(
        &mut self,
        lock_state: &LockState,
        sessions: &SessionTable,
        timings: &Timings,
        now: Time,
    ) {
        let before = std::mem::take(&mut self.timers);
        let mut before = before.into_iter().peekable();
        for grant in lock_state.grants() {
            while before.next_if(|old| old.fence < grant.fence).is_some() {}
            let old = before.next_if(|old| old.fence == grant.fence);
            self.timers
                .push(timer_of(grant, old, sessions, timings, now));
            if let Some(timer) = self.timers.last_mut() {
                timer.elsewhere = sessions.is_elsewhere(grant.party, lock_state);
            }
        }
    }

    /// Returns the next end of a state of a lock.
    fn first_end(&self) -> Option<Time> {
        let here = self.timers.iter().filter(|timer| !timer.elsewhere);
        here.filter_map(LockTimer::ends).min()
    }

    /// Returns the next time at which a proposal is due.
    pub(crate) fn next(
        &self,
        lock_state: &LockState,
        sessions: &SessionTable,
        timings: &Timings,
    ) -> Option<Time> {
        let mut next = self.first_end();
        let held = |timer: &&LockTimer| timer.state == TimedState::Held && !timer.elsewhere;
        for timer in self.timers.iter().filter(held) {
            let earlier = timer.waiters_turn(sessions, timings);
            let earlier = earlier.filter(|at| next.is_none_or(|next| *at < next));
            // The costly question comes last: few of hundreds of holders are next.
            if earlier.is_some() && lock_state.is_waited_for(timer.fence) {
                next = earlier;
            }
        }
        next
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
        for timer in &mut self.timers {
            let Some(grant) = lock_state.grant(timer.fence) else {
                continue;
            };
            if state_of(grant) != timer.state || timer.elsewhere {
                continue;
            }
            timer.end(now, out);
            let turn = timer.waiters_turn(sessions, timings);
            if timer.state == TimedState::Held
                && turn.is_some_and(|turn| turn <= now)
                && lock_state.is_waited_for(timer.fence)
            {
                timer.end_request(now, out);
                let holder = sessions.get(timer.party);
                if let Some(holder) = holder.filter(|holder| holder.is_connected()) {
                    timer.end_idleness(holder, timings, now, out);
                }
            }
        }
    }

    /// Extends all limits by a stall of the server.
    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        for timer in &mut self.timers {
            // An offer may have waited in the server through the whole stall, which began at some
            // time before the deadline that was missed: it gets its whole time again.
            let late = match timer.state {
                TimedState::Offered => Duration::MAX,
                _ => late,
            };
            for limit in [&mut timer.ends, &mut timer.request].into_iter().flatten() {
                limit.extend(late, now);
            }
        }
    }
}

impl LockTimer {
    /// Returns the end of the present state.
    ///
    /// A state does not end while its holder may believe that it holds the lock (S5): one that
    /// cannot be told to stop, or may not have read that it has to.
    fn ends(&self) -> Option<Time> {
        let limit = self.ends?.at;
        let lease_ends = self.lease_ends.filter(|_| !self.stopped);
        Some(lease_ends.map_or(limit, |lease_ends| limit.max(lease_ends)))
    }

    /// Returns the time of the next proposal to this holder in favour of a waiter, if there is one.
    fn waiters_turn(&self, sessions: &SessionTable, timings: &Timings) -> Option<Time> {
        let holder = sessions.get(self.party);
        let holder = holder.filter(|holder| holder.is_connected());
        let idle = holder.map(|holder| self.patience(holder, timings));
        [self.request_ends(), idle].into_iter().flatten().min()
    }

    fn request_ends(&self) -> Option<Time> {
        self.request.map(|limit| limit.at)
    }

    fn end(&mut self, now: Time, out: &mut Vec<Proposal>) {
        if self.ends().is_none_or(|end| end > now) {
            return;
        }
        let (session, fence) = (self.party, self.fence);
        let event = match self.state {
            TimedState::Offered => Event::OfferExpired { session, fence },
            TimedState::Suspect => Event::GraceOver { session, fence },
            TimedState::Recovering => Event::RecoveryOver { session, fence },
            TimedState::Draining => Event::DrainOver { session, fence },
            TimedState::Held | TimedState::Untimed => return,
        };
        propose(&mut self.ends, event, now, out);
    }

    fn end_request(&mut self, now: Time, out: &mut Vec<Proposal>) {
        let (session, fence) = (self.party, self.fence);
        let event = Event::RequestOver { session, fence };
        propose(&mut self.request, event, now, out);
    }

    /// Returns the time of the next proposal to a holder whose user stays idle.
    fn patience(&self, holder: &SessionLiveness, timings: &Timings) -> Time {
        let last_input = holder.last_input();
        match self.warned.filter(|warned| *warned >= last_input) {
            Some(warned) => (last_input + timings.idle_yield)
                .max(warned + timings.idle_warning)
                .max(self.yield_again),
            None => last_input + timings.idle_yield.saturating_sub(timings.idle_warning),
        }
    }

    /// Proposes the warning, then the yield. A holder that was idle long before a waiter came is
    /// warned first as well.
    fn end_idleness(
        &mut self,
        holder: &SessionLiveness,
        timings: &Timings,
        now: Time,
        out: &mut Vec<Proposal>,
    ) {
        let (session, fence) = (self.party, self.fence);
        let last_input = holder.last_input();
        if self.patience(holder, timings) > now {
            return;
        }
        if self.warned.is_some_and(|warned| warned >= last_input) {
            let event = Event::IdleYield { session, fence };
            out.push(Proposal::Record(event));
            self.yield_again = now + PROPOSE_AGAIN_AFTER;
            return;
        }
        self.warned = Some(now);
        let left = (last_input + timings.idle_yield)
            .max(now + timings.idle_warning)
            .since(now);
        out.push(Proposal::IdleWarning {
            session,
            fence,
            left,
        });
    }
}

/// Proposes what is due, and again later if the lock state does not follow.
fn propose(limit: &mut Option<Limit>, event: Event, now: Time, out: &mut Vec<Proposal>) {
    if let Some(limit) = limit
        && limit.at <= now
    {
        out.push(Proposal::Record(event));
        limit.at = now + PROPOSE_AGAIN_AFTER;
    }
}

fn state_of(grant: &Grant) -> TimedState {
    match grant.state {
        GrantState::Offered => TimedState::Offered,
        GrantState::Held => TimedState::Held,
        GrantState::Draining { .. } => TimedState::Draining,
        _ if grant.lateness == Lateness::Overdue => TimedState::Untimed,
        GrantState::Suspect => TimedState::Suspect,
        GrantState::Recovering => TimedState::Recovering,
    }
}

/// Returns the timer of this grant. The old one goes on as far as nothing is new.
fn timer_of(
    grant: &Grant,
    old: Option<LockTimer>,
    sessions: &SessionTable,
    timings: &Timings,
    now: Time,
) -> LockTimer {
    let state = state_of(grant);
    let lasts = match state {
        TimedState::Offered => Some(timings.offer),
        TimedState::Suspect => Some(timings.grace),
        TimedState::Recovering => Some(timings.recovery),
        TimedState::Draining => Some(timings.drain),
        TimedState::Held | TimedState::Untimed => None,
    };
    let same = old.filter(|old| old.state == state);
    // A state without a time has no end, whatever state was timed anew before it.
    let ends = lasts.and_then(|lasts| match same {
        Some(old) => old.ends,
        None => Some(Limit::from(now, lasts)),
    });
    // Nothing prolongs the lease of a holder in these states: it has no connection, or reads the
    // notice to stop first, or its welcome shows that the lock drains.
    let lease_ends = match (same, state) {
        (Some(old), _) => old.lease_ends,
        (None, TimedState::Suspect | TimedState::Draining) if timings.wait_out_lease => {
            let holder = sessions.get(grant.party);
            holder.map(|holder| holder.lease_ends(timings))
        }
        _ => None,
    };
    let request = grant.requested_by.map(|_| {
        old.and_then(|old| old.request)
            .unwrap_or_else(|| Limit::from(now, timings.request))
    });
    LockTimer {
        fence: grant.fence,
        party: grant.party,
        elsewhere: false,
        state,
        ends,
        lease_ends,
        stopped: same.is_some_and(|old| old.stopped),
        request,
        warned: old.and_then(|old| old.warned),
        yield_again: old.map_or(Time::ZERO, |old| old.yield_again),
    }
}
