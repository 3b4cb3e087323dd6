//! Owns what happens when a deadline comes up: look at one session, or at the lock, and say what is
//! due.
//!
//! A look is always harmless: it compares what is seen with what the fold says, and arms the next one.

use std::time::Duration;

use crate::seat::{Health, Link, MAX_STRETCHED, Seat};
use crate::timers::{BEATS, LOCKS, SEATS};
use crate::watch::{Proposal, Watch, key_of};
use crate::{Event, Fold, Presence, SessionId, Time, Timings};

/// A call of [`Watch::handle_timeout`] that comes later than this after its deadline tells that the
/// server itself slept.
const LATE: Duration = Duration::from_secs(1);

/// After the server slept nobody is judged, and nothing of a lock ends, before this long: what lies in its sockets is read
/// first.
const LISTEN: Duration = Duration::from_millis(500);

/// A connection that ends while the server reads what came while it slept was given up by its client because of that; the
/// client tries again after 2.5 s at the latest. So long is it waited for, also where a lost connection is not.
const COME_BACK: Duration = Duration::from_secs(3);

/// One silence, and one end of a lock's state, is put off by the server's own sleep this often. A server that sleeps again
/// and again does not keep the dead for ever.
pub(crate) const MOST_FORGIVEN: u32 = 3;

/// A proposal that the fold has not followed is made again after this long.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

/// A watch with fewer connections than this tells nothing from how many of them are silent.
const CROWD: usize = 5;

/// Fewer than this that are silent at once say nothing either: one laptop with two tabs was closed.
const MANY: usize = 3;

impl Watch {
    /// Says what is due at `now`. An early call says nothing.
    ///
    /// `told`: everything that follows from the records up to this position has been put on its way,
    /// before whatever this call proposes. Without a log, that is [`Fold::position`]; with one, the
    /// position up to which it is durable, once the caller has sent what waited for that. Beats confirm
    /// answers by it ([`Proposal::Beat`]): too large a value lets two clients edit at once, too small a
    /// value leaves a holder unconfirmed.
    ///
    /// A call that comes more than a second after its deadline means that the server slept, and that
    /// heartbeats may lie unread in its sockets. Then every silence, and every timer of the lock, is
    /// pushed by that lateness and half a second more (at most until it is as long as it was in the
    /// beginning, and at most three times) before anybody is judged: a sick observer does not evict the
    /// healthy. It is noticed by whatever comes first after the sleep, a call of this or a record.
    pub fn handle_timeout(&mut self, now: Time, fold: &Fold, told: u64, out: &mut Vec<Proposal>) {
        self.notice_sleep(now);
        while let Some(key) = self.deadlines.pop_due(now) {
            match key {
                LOCKS => self.visit_locks(now, fold, out),
                BEATS => {
                    self.beat_by(fold, now);
                    self.arm_locks(fold, now);
                }
                _ => self.visit(key - SEATS, now, fold, told, out),
            }
        }
    }

    fn visit_locks(&mut self, now: Time, fold: &Fold, out: &mut Vec<Proposal>) {
        // A caller that does not follow after every record must not make this come up again at once, for ever.
        let timings = self.present_timings(now);
        self.timers.follow(fold, &self.seats, &timings, now);
        self.timers
            .visit(now, fold, &self.seats, &self.timings, out);
        self.pauses.visit(now, fold, out);
        self.arm_locks(fold, now);
    }

    /// Whether so many are silent at once, a fifth of those who are here and at least [`MANY`], that
    /// it is rather the server's fault than theirs. Those who were given up before do not count: tabs
    /// may lie frozen for days.
    const fn many_are_silent(&self) -> bool {
        self.here >= CROWD && self.shaky >= MANY && self.shaky * 5 >= self.here
    }

    fn visit(&mut self, place: u32, now: Time, fold: &Fold, told: u64, out: &mut Vec<Proposal>) {
        let many = self.many_are_silent();
        let mut away = None;
        self.change(place, |seat, timings| {
            ask(seat, now, timings, told, out);
            away = look(seat, many, now, timings, fold, out);
        });
        let Some(seat) = self.seats.at(place) else {
            return;
        };
        if let Some(since) = away {
            self.visit_away(seat.session, since, now, fold, out);
            return;
        }
        let look = seat.next_look(now, &self.timings);
        self.deadlines.arm(key_of(place), look);
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
        } else if fold.grants().any(|grant| grant.party == session) {
            now + self.timings.ticket_life
        } else {
            out.push(Proposal::Record(Event::Forgotten { session }));
            now + AGAIN
        };
        self.deadlines.arm(key_of(place), again);
    }

    /// Compares the clock with what should have happened by now.
    pub(crate) fn notice_sleep(&mut self, now: Time) {
        let Some(deadline) = self.deadlines.next_live() else {
            return;
        };
        // What was put off already is not put off twice.
        let late = now.since(deadline.max(self.awake_since));
        if late <= LATE {
            return;
        }
        self.awake_since = now;
        let late = late + LISTEN;
        for seat in self.seats.iter_mut() {
            seat.forgive(late, now);
        }
        self.timers.forgive(late, now);
    }

    /// Until when what came while the server slept is still being read; in the past, if it did not sleep.
    #[must_use]
    pub fn listens_until(&self) -> Time {
        if self.awake_since == Time::ZERO {
            return Time::ZERO;
        }
        self.awake_since + LISTEN
    }

    /// The limits as they are while that is read.
    pub(crate) fn present_timings(&self, now: Time) -> Timings {
        let grace = if now < self.listens_until() {
            self.timings.grace.max(COME_BACK)
        } else {
            self.timings.grace
        };
        Timings {
            grace,
            ..self.timings
        }
    }
}

/// Pings and beats one session, if it is here and the time has come.
fn ask(seat: &mut Seat, now: Time, timings: &Timings, told: u64, out: &mut Vec<Proposal>) {
    if !seat.is_here() {
        return;
    }
    let session = seat.session;
    if seat.take_ping(now, timings) {
        out.push(Proposal::Ping { session });
    }
    if let Some((n, confirmed)) = seat.take_beat(now, timings, told) {
        out.push(Proposal::Beat {
            session,
            n,
            confirmed,
        });
    }
}

/// Looks at one session. Since when it has no connection, if it has none.
fn look(
    seat: &mut Seat,
    many_are_silent: bool,
    now: Time,
    timings: &Timings,
    fold: &Fold,
    out: &mut Vec<Proposal>,
) -> Option<Time> {
    let session = seat.session;
    if let Link::Away(since) = seat.link {
        return Some(since);
    }
    let mut health = seat.judge(now, timings);
    while health == Health::Offline
        && seat.shown == Health::Shaky
        && many_are_silent
        && seat.stretched < MAX_STRETCHED
    {
        seat.stretched += 1;
        health = seat.judge(now, timings);
    }
    if health == Health::Online {
        seat.stretched = 0;
    }
    if health == Health::Offline || seat.shown != health {
        say(seat, health, fold, out);
    }
    if seat.link == Link::Here && seat.is_dead(now, timings) {
        seat.link = Link::Condemned;
        out.push(Proposal::Dead { session });
    }
    None
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
