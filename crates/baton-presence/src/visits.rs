//! Owns what happens when a deadline comes up: look at one session, or at the lock, and say what is
//! due.
//!
//! A look is always harmless: it compares what is seen with what the fold says, and arms the next one.

use std::time::Duration;

use crate::seat::{Health, Link, Seat};
use crate::watch::{LOCK, Proposal, Timer, Watch};
use crate::{Due, Event, Fold, LockState, Presence, SessionId, Time};

/// A call of [`Watch::handle_timeout`] that comes later than this after its deadline tells that the
/// server itself slept.
const LATE: Duration = Duration::from_secs(1);

/// A proposal that the fold has not followed is made again after this long.
const AGAIN: Duration = Duration::from_secs(1);

impl Watch {
    /// Says what is due at `now`. An early call says nothing.
    ///
    /// A call that comes more than a second after its deadline means that the server slept, and that
    /// heartbeats may lie unread in its sockets. Then every silence, and every timer of the lock, is
    /// pushed by that lateness (at most until it is as long as it was in the beginning) before anybody
    /// is judged: a sick observer does not evict the healthy.
    pub fn handle_timeout(&mut self, now: Time, fold: &Fold, out: &mut Vec<Proposal>) {
        if let Some(deadline) = self.deadlines.next_live() {
            let late = now.since(deadline);
            if late > LATE {
                self.forgive(late, now);
            }
        }
        while let Some(key) = self.deadlines.pop_due(now) {
            if key == LOCK {
                self.visit_lock(now, fold, out);
            } else {
                self.visit(key - 1, now, fold, out);
            }
        }
    }

    fn visit_lock(&mut self, now: Time, fold: &Fold, out: &mut Vec<Proposal>) {
        let Some(Timer { state, at, .. }) = self.timer else {
            return;
        };
        let lock = fold.lock();
        if lock.state() != state || lock.due == Due::Overdue {
            self.timer = None;
            return;
        }
        if now < at {
            self.deadlines.arm(LOCK, at);
            return;
        }
        let event = match state {
            LockState::Offered { to: session, fence } => Event::OfferExpired { session, fence },
            LockState::Suspect { by: session, fence } => Event::GraceOver { session, fence },
            LockState::Recovering { by: session, fence } => Event::RecoveryOver { session, fence },
            LockState::Free | LockState::Held { .. } => return,
        };
        out.push(Proposal::Record(event));
        self.deadlines.arm(LOCK, now + AGAIN);
    }

    fn visit(&mut self, place: u32, now: Time, fold: &Fold, out: &mut Vec<Proposal>) {
        let Some(seat) = self.seats.at_mut(place) else {
            return;
        };
        let session = seat.session;
        if let Link::Away(since) = seat.link {
            self.visit_away(session, since, now, fold, out);
            return;
        }
        if seat.take_ping(now, &self.timings) {
            out.push(Proposal::Ping { session });
        }
        if let Some(n) = seat.take_beat(now, &self.timings) {
            out.push(Proposal::Beat { session, n });
        }
        let health = seat.judge(now, &self.timings);
        if health == Health::Offline || seat.shown != health {
            say(seat, health, fold, out);
        }
        if seat.link == Link::Here && seat.is_dead(now, &self.timings) {
            seat.link = Link::Condemned;
            out.push(Proposal::Dead { session });
        }
        let look = seat.next_look(now, &self.timings);
        self.deadlines.arm(place + 1, look);
    }

    fn visit_away(
        &mut self,
        session: SessionId,
        since: Time,
        now: Time,
        fold: &Fold,
        out: &mut Vec<Proposal>,
    ) {
        let Some(peer) = fold.peer(session) else {
            self.removed(session);
            return;
        };
        if peer.presence != Presence::Away {
            // Its connection is at another place now, which watches it.
            self.removed(session);
            return;
        }
        let Some(place) = self.seats.place(session) else {
            return;
        };
        let over = since + self.timings.ticket_life;
        let again = if now < over {
            over
        } else if fold.lock().party().is_some_and(|(who, _)| who == session) {
            now + self.timings.ticket_life
        } else {
            out.push(Proposal::Record(Event::Forgotten { session }));
            now + AGAIN
        };
        self.deadlines.arm(place + 1, again);
    }

    fn forgive(&mut self, late: Duration, now: Time) {
        for seat in self.seats.iter_mut() {
            seat.forgive(late, now);
        }
        if let Some(timer) = &mut self.timer {
            timer.at = (timer.at + late).min(now + timer.lasts);
        }
    }
}

/// Says what is new about a session that is here.
fn say(seat: &mut Seat, health: Health, fold: &Fold, out: &mut Vec<Proposal>) {
    let session = seat.session;
    let presence = fold.peer(session).map(|peer| peer.presence);
    match (health, presence) {
        (Health::Offline, Some(Presence::Live)) => {
            out.push(Proposal::Record(Event::Lost { session }));
        }
        (Health::Online | Health::Shaky, Some(Presence::Silent)) => {
            // Shown as offline until the fold has followed.
            out.push(Proposal::Record(Event::Back { session }));
            return;
        }
        _ => {}
    }
    if health != seat.shown && health.max(seat.shown) == Health::Shaky {
        out.push(Proposal::Health { session, health });
    }
    seat.shown = health;
}
