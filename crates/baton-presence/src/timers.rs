//! Owns what of each lock must end, and when: an offer, a grace, a recovery, a drain; the clock of a
//! request; the patience with a holder whose user does nothing.
//!
//! It decides nothing: it proposes, and the fold may find that it has been overtaken.

use std::time::Duration;

use crate::seat::Seat;
use crate::seats::Seats;
use crate::visits::{AGAIN, MOST_FORGIVEN};
use crate::watch::Proposal;
use crate::{Due, Event, Fence, Fold, Grant, GrantState, SessionId, Time, Timings};

/// The key of all locks among the deadlines.
pub(crate) const LOCKS: u32 = 0;

/// The key of finding out anew who is beaten often.
pub(crate) const BEATS: u32 = 1;

/// The key of the first seat.
pub(crate) const SEATS: u32 = 2;

/// Where a lock is, as far as its timer minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Offered,
    Held,
    Suspect,
    Recovering,
    Draining,
    /// Nothing that is timed; or what the fold says is to be timed anew.
    Untimed,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Time,
    /// Its whole time.
    lasts: Duration,
    /// How often it was put off because the server slept.
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

    /// The watch was late: at most until it is as long as it was in the beginning.
    fn forgive(&mut self, late: Duration, now: Time) {
        if self.forgiven < MOST_FORGIVEN {
            self.forgiven += 1;
            self.at = (self.at + late).min(now + self.lasts);
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    fence: Fence,
    party: SessionId,
    pub(crate) phase: Phase,
    /// Not before this does its state end; see [`Timer::ends`] for what else is waited for.
    ends: Option<Limit>,
    /// Until when its holder may believe that it holds it, where that is waited for.
    believes_until: Option<Time>,
    /// Whether its holder was asked to stop, and has shown since that it read that.
    stopped: bool,
    request: Option<Limit>,
    /// When its holder was warned, since its user's last input.
    warned: Option<Time>,
    /// Not before this is an idle holder's yield proposed again.
    yield_again: Time,
}

/// One timer for each lock, ascending by fence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    timers: Vec<Timer>,
}

impl Timers {
    pub(crate) fn get(&self, fence: Fence) -> Option<&Timer> {
        let index = self
            .timers
            .binary_search_by_key(&fence, |timer| timer.fence)
            .ok()?;
        self.timers.get(index)
    }

    fn get_mut(&mut self, fence: Fence) -> Option<&mut Timer> {
        let index = self
            .timers
            .binary_search_by_key(&fence, |timer| timer.fence)
            .ok()?;
        self.timers.get_mut(index)
    }

    /// The present state of this lock is timed from the next look at the fold.
    pub(crate) fn restart(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.phase = Phase::Untimed;
        }
    }

    pub(crate) fn restart_request(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.request = None;
        }
    }

    /// Its holder is told to stop, perhaps again.
    pub(crate) fn asked_to_stop(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.stopped = false;
        }
    }

    /// Its holder's answers show that it has stopped.
    pub(crate) fn stopped(&mut self, fence: Fence) {
        if let Some(timer) = self.get_mut(fence) {
            timer.stopped = true;
        }
    }

    /// Times what is new in the fold, and forgets what is over.
    pub(crate) fn follow(&mut self, fold: &Fold, seats: &Seats, timings: &Timings, now: Time) {
        let before = std::mem::take(&mut self.timers);
        let mut before = before.into_iter().peekable();
        for grant in fold.grants() {
            while before.next_if(|old| old.fence < grant.fence).is_some() {}
            let old = before.next_if(|old| old.fence == grant.fence);
            self.timers.push(timer_of(grant, old, seats, timings, now));
        }
    }

    /// When a state of a lock ends next.
    fn first_end(&self) -> Option<Time> {
        self.timers.iter().filter_map(Timer::ends).min()
    }

    /// When something is due next.
    pub(crate) fn next(&self, fold: &Fold, seats: &Seats, timings: &Timings) -> Option<Time> {
        let mut next = self.first_end();
        for timer in self
            .timers
            .iter()
            .filter(|timer| timer.phase == Phase::Held)
        {
            let earlier = timer.waiters_turn(seats, timings);
            let earlier = earlier.filter(|at| next.is_none_or(|next| *at < next));
            // Asked last: of hundreds of holders few are next.
            if earlier.is_some() && fold.is_waited_for(timer.fence) {
                next = earlier;
            }
        }
        next
    }

    /// Says what is due.
    pub(crate) fn visit(
        &mut self,
        now: Time,
        fold: &Fold,
        seats: &Seats,
        timings: &Timings,
        out: &mut Vec<Proposal>,
    ) {
        for timer in &mut self.timers {
            let Some(grant) = fold.grant(timer.fence) else {
                continue;
            };
            if phase_of(grant) != timer.phase {
                continue;
            }
            timer.end(now, out);
            let turn = timer.waiters_turn(seats, timings);
            if timer.phase == Phase::Held
                && turn.is_some_and(|turn| turn <= now)
                && fold.is_waited_for(timer.fence)
            {
                timer.end_request(now, out);
                if let Some(seat) = seats.get(timer.party).filter(|seat| seat.is_here()) {
                    timer.end_idleness(seat, timings, now, out);
                }
            }
        }
    }

    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        for timer in &mut self.timers {
            for limit in [&mut timer.ends, &mut timer.request].into_iter().flatten() {
                limit.forgive(late, now);
            }
        }
    }
}

impl Timer {
    /// Until when its party is waited for at least: what it is told.
    pub(crate) fn is_given_until(&self) -> Option<Time> {
        self.ends.map(|limit| limit.at)
    }

    /// When its present state ends: not while its holder cannot be told to stop, or may not have read
    /// that it is to, and may believe that it holds it.
    fn ends(&self) -> Option<Time> {
        let limit = self.ends?.at;
        let believes = self.believes_until.filter(|_| !self.stopped);
        Some(believes.map_or(limit, |until| limit.max(until)))
    }

    /// When something is to be said to this holder in favour of who waits, if somebody does.
    fn waiters_turn(&self, seats: &Seats, timings: &Timings) -> Option<Time> {
        let idle = seats.get(self.party).filter(|seat| seat.is_here());
        let idle = idle.map(|seat| self.patience(seat, timings));
        [self.request_ends(), idle].into_iter().flatten().min()
    }

    pub(crate) fn request_ends(&self) -> Option<Time> {
        self.request.map(|limit| limit.at)
    }

    fn end(&mut self, now: Time, out: &mut Vec<Proposal>) {
        if self.ends().is_none_or(|end| end > now) {
            return;
        }
        let (session, fence) = (self.party, self.fence);
        let event = match self.phase {
            Phase::Offered => Event::OfferExpired { session, fence },
            Phase::Suspect => Event::GraceOver { session, fence },
            Phase::Recovering => Event::RecoveryOver { session, fence },
            Phase::Draining => Event::DrainOver { session, fence },
            Phase::Held | Phase::Untimed => return,
        };
        propose(&mut self.ends, event, now, out);
    }

    fn end_request(&mut self, now: Time, out: &mut Vec<Proposal>) {
        let (session, fence) = (self.party, self.fence);
        let event = Event::RequestOver { session, fence };
        propose(&mut self.request, event, now, out);
    }

    /// When something is to be said to a holder whose user does nothing, if it goes on so.
    fn patience(&self, seat: &Seat, timings: &Timings) -> Time {
        match self.warned.filter(|warned| *warned >= seat.last_input) {
            Some(warned) => (seat.last_input + timings.idle_yield)
                .max(warned + timings.idle_warning)
                .max(self.yield_again),
            None => seat.last_input + timings.idle_yield.saturating_sub(timings.idle_warning),
        }
    }

    /// First the warning, then the yield; also to who was idle for long before anybody waited.
    fn end_idleness(&mut self, seat: &Seat, timings: &Timings, now: Time, out: &mut Vec<Proposal>) {
        let (session, fence) = (self.party, self.fence);
        if self.patience(seat, timings) > now {
            return;
        }
        if self.warned.is_some_and(|warned| warned >= seat.last_input) {
            let event = Event::IdleYield { session, fence };
            out.push(Proposal::Record(event));
            self.yield_again = now + AGAIN;
            return;
        }
        self.warned = Some(now);
        let left = (seat.last_input + timings.idle_yield)
            .max(now + timings.idle_warning)
            .since(now);
        out.push(Proposal::IdleWarning {
            session,
            fence,
            left,
        });
    }
}

/// Proposes what is due, and again later if the fold does not follow.
fn propose(limit: &mut Option<Limit>, event: Event, now: Time, out: &mut Vec<Proposal>) {
    if let Some(limit) = limit
        && limit.at <= now
    {
        out.push(Proposal::Record(event));
        limit.at = now + AGAIN;
    }
}

fn phase_of(grant: &Grant) -> Phase {
    match grant.state {
        GrantState::Offered => Phase::Offered,
        GrantState::Held => Phase::Held,
        GrantState::Draining { .. } => Phase::Draining,
        _ if grant.due == Due::Overdue => Phase::Untimed,
        GrantState::Suspect => Phase::Suspect,
        GrantState::Recovering => Phase::Recovering,
    }
}

/// The timer of this grant: the old one goes on as far as nothing is new.
fn timer_of(
    grant: &Grant,
    old: Option<Timer>,
    seats: &Seats,
    timings: &Timings,
    now: Time,
) -> Timer {
    let phase = phase_of(grant);
    let lasts = match phase {
        Phase::Offered => Some(timings.offer),
        Phase::Suspect => Some(timings.grace),
        Phase::Recovering => Some(timings.recovery),
        Phase::Draining => Some(timings.drain),
        Phase::Held | Phase::Untimed => None,
    };
    let same = old.filter(|old| old.phase == phase);
    let ends = match same {
        Some(old) => old.ends,
        None => lasts.map(|lasts| Limit::from(now, lasts)),
    };
    // Nothing prolongs the lease of a holder in these states: it has no connection, or reads the word to stop first, or
    // is shown by its welcome that the lock drains.
    let believes_until = match (same, phase) {
        (Some(old), _) => old.believes_until,
        (None, Phase::Suspect | Phase::Draining) if timings.wait_out_lease => {
            let seat = seats.get(grant.party);
            seat.map(|seat| seat.leased + timings.lease())
        }
        _ => None,
    };
    let request = grant.requested_by.map(|_| {
        old.and_then(|old| old.request)
            .unwrap_or_else(|| Limit::from(now, timings.request))
    });
    Timer {
        fence: grant.fence,
        party: grant.party,
        phase,
        ends,
        believes_until,
        stopped: same.is_some_and(|old| old.stopped),
        request,
        warned: old.and_then(|old| old.warned),
        yield_again: old.map_or(Time::ZERO, |old| old.yield_again),
    }
}
