//! Owns the step from time to proposals: who is silent, whose claim, grace or recovery has run out.
//!
//! It looks only at the connections that are here, and decides nothing: what it proposes becomes a
//! record, and the fold may find that it has been overtaken. It sets itself **one next deadline**
//! ([`Watch::poll_timeout`]); what is heard in the meantime only moves times and wakes nobody.
//!
//! Proposals follow from the difference between what the watch sees and what the fold says, not from
//! the moment at which something changed: one that got lost on its way is made again.

use std::time::Duration;

use crate::deadlines::Deadlines;
use crate::seat::{Answer, Cadence, Confirming, Health, Link, Seat};
use crate::seats::Seats;
use crate::{
    Change, Due, Event, Fence, Fold, LockState, Presence, Refusal, SessionId, Time, Timings,
    TimingsError, Voice,
};

/// What the watch wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proposal {
    /// Append this as a record and apply it.
    Record(Event),
    /// Send a protocol ping on its connection.
    Ping {
        /// To whom.
        session: SessionId,
    },
    /// Send a beat, to be answered from the editor. The client should also be told which answer
    /// counted last: [`Watch::confirmed`].
    Beat {
        /// To whom.
        session: SessionId,
        /// Its number, to be repeated in the answer. Grows, below 2^53 for any sane origin.
        n: u64,
    },
    /// Show it as shaky, or as steady again. (Offline and back are records.)
    Health {
        /// Who.
        session: SessionId,
        /// `Online` or `Shaky`.
        health: Health,
    },
    /// Nothing at all came on its connection for the offline time: close it, then report
    /// [`Watch::detached`] and [`Event::Disconnected`]. Said once a connection.
    Dead {
        /// Who.
        session: SessionId,
    },
}

/// How much a watch holds; for gauges and for the proof that a heartbeat allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchLoad {
    /// Sessions that are watched, those without a connection included.
    pub sessions: usize,
    /// Room for sessions.
    pub session_capacity: usize,
    /// Deadlines in the heap, overtaken ones included.
    pub deadlines: usize,
    /// Room in the heap.
    pub deadline_capacity: usize,
}

/// The lock's key among the deadlines; a seat's key is its place plus one.
pub(crate) const LOCK: u32 = 0;

/// The state of the lock that must end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    pub(crate) state: LockState,
    pub(crate) at: Time,
    /// Its whole time.
    pub(crate) lasts: Duration,
}

/// The timed half of presence: heartbeats and time in, proposals out.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(crate) timings: Timings,
    pub(crate) seats: Seats,
    pub(crate) deadlines: Deadlines,
    /// The state of the lock that must end, and when.
    pub(crate) timer: Option<Timer>,
    /// Who is beaten often: the lock's party and the next in line.
    hot: [Option<SessionId>; 2],
}

impl Watch {
    /// A watch that sees nobody yet.
    ///
    /// # Errors
    /// The timings do not fit each other.
    pub fn new(timings: Timings) -> Result<Self, TimingsError> {
        timings.validate()?;
        let mut deadlines = Deadlines::default();
        deadlines.make_room(LOCK);
        Ok(Self {
            timings,
            seats: Seats::default(),
            deadlines,
            timer: None,
            hot: [None; 2],
        })
    }

    /// The limits that it works by.
    #[must_use]
    pub const fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The session has a connection here (its first, a new one, or one instead of an older one).
    pub fn attached(&mut self, session: SessionId, voice: Voice, now: Time) {
        let place = self.seats.seat_of(session, || Seat::away(session, now));
        let cadence = if self.hot.contains(&Some(session)) {
            Cadence::Hot
        } else {
            Cadence::Idle
        };
        let key = place + 1;
        self.deadlines.make_room(key);
        if let Some(seat) = self.seats.at_mut(place) {
            seat.attach(voice, cadence, now, &self.timings);
            let look = seat.next_look(now, &self.timings);
            self.deadlines.arm(key, look);
        }
    }

    /// The session's connection is gone. From here on its ticket's life runs.
    pub fn detached(&mut self, session: SessionId, now: Time) {
        self.set_away(session, now);
    }

    /// The session is gone; nothing more will be said of it.
    pub fn removed(&mut self, session: SessionId) {
        if let Some(place) = self.seats.remove(session) {
            self.deadlines.disarm(place + 1);
        }
    }

    /// Something came on the session's connection, whatever it was. Constant time, no allocation, and
    /// no new deadline, unless the session was shown shaky or offline.
    pub fn heard(&mut self, session: SessionId, now: Time) {
        let Some(place) = self.seats.place(session) else {
            return;
        };
        if let Some(seat) = self.seats.at_mut(place)
            && seat.is_here()
        {
            seat.heard(now);
            if seat.shown != Health::Online && seat.shown != seat.judge(now, &self.timings) {
                self.deadlines.arm(place + 1, now);
            }
        }
    }

    /// The session's editor answered the beat of that number. Counts as heard, too.
    pub fn answered(&mut self, session: SessionId, beat: u64, now: Time) -> Answer {
        let Some(place) = self.seats.place(session) else {
            return Answer::Stale;
        };
        let Some(seat) = self.seats.at_mut(place) else {
            return Answer::Stale;
        };
        if !seat.is_here() {
            return Answer::Stale;
        }
        let answer = seat.answered(beat, now, &self.timings);
        if seat.shown != Health::Online && seat.shown != seat.judge(now, &self.timings) {
            self.deadlines.arm(place + 1, now);
        }
        answer
    }

    /// The newest beat of the session's present connection whose answer the client may be told to
    /// have counted. Its own stop ([`Timings::client_stop`]) counts from its sending of that answer,
    /// or of the claim, or of the hello of a resume, that gave it the lock.
    ///
    /// It stands still from the moment at which the fold took the lock from this session, or refused
    /// its fence, until the fold gives it the lock again: the word of the loss waits for its record to
    /// be durable, and a confirmation that overtook it would let the loser go on while the next one
    /// begins.
    #[must_use]
    pub fn confirmed(&self, session: SessionId) -> Option<u64> {
        self.seats.get(session)?.confirmed()
    }

    /// How the session is doing at `now`; offline when it has no connection here.
    #[must_use]
    pub fn health(&self, session: SessionId, now: Time) -> Health {
        self.seats
            .get(session)
            .map_or(Health::Offline, |seat| seat.judge(now, &self.timings))
    }

    /// Sets timers and beats by what the fold has decided. Call it after every record, with the
    /// changes of that record; after a replay with those of [`Event::Restarted`], or call
    /// [`Watch::adopt`].
    pub fn follow(&mut self, fold: &Fold, changes: &[Change], now: Time) {
        for change in changes {
            match *change {
                Change::Gone { session } => self.removed(session),
                Change::Detached { session } if self.seats.get(session).is_none() => {
                    self.set_away(session, now);
                }
                Change::Lost { session } => self.called_lost(session, now),
                // Their time begins again, even if the fold was in the same state before.
                Change::Suspected { .. } | Change::Recovering { .. } => self.timer = None,
                Change::Granted { to, fence } => self.granted(to, fence, now),
                Change::Resumed { by, .. } => self.confirm(by, Confirming::Answers),
                Change::LockLost { by, .. } => self.confirm(by, Confirming::Nothing),
                Change::Refused {
                    session,
                    why: Refusal::StaleFence { .. },
                } => self.confirm(session, Confirming::Nothing),
                Change::Restarted => self.adopt(fold, now),
                _ => {}
            }
        }
        self.time_lock(fold, now);
        self.beat_by(fold, now);
    }

    /// Takes up a fold that this watch has not followed: from a snapshot, after a replay.
    pub fn adopt(&mut self, fold: &Fold, now: Time) {
        for peer in fold.peers() {
            if peer.presence == Presence::Away && self.seats.get(peer.session).is_none() {
                self.set_away(peer.session, now);
            }
        }
        self.timer = None;
        self.time_lock(fold, now);
        self.beat_by(fold, now);
    }

    /// When [`Watch::handle_timeout`] wants to be called next. May be earlier than needed; after any
    /// other call it may have become earlier.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// How much it holds.
    #[must_use]
    pub fn load(&self) -> WatchLoad {
        WatchLoad {
            sessions: self.seats.len(),
            session_capacity: self.seats.capacity(),
            deadlines: self.deadlines.len(),
            deadline_capacity: self.deadlines.capacity(),
        }
    }

    fn set_away(&mut self, session: SessionId, now: Time) {
        let place = self.seats.seat_of(session, || Seat::away(session, now));
        let key = place + 1;
        self.deadlines.make_room(key);
        if let Some(seat) = self.seats.at_mut(place) {
            seat.link = Link::Away(now);
            seat.shown = Health::Offline;
            self.deadlines.arm(key, now + self.timings.ticket_life);
        }
    }

    /// A claim of an open offer is as good as an answer: the page made it, a moment ago. (Being told
    /// again is not; nobody knows how long the question was under way.)
    fn granted(&mut self, to: SessionId, fence: Fence, now: Time) {
        let offer = LockState::Offered { to, fence };
        let claimed = self.timer.is_some_and(|timer| timer.state == offer);
        if let Some(place) = self.seats.place(to)
            && let Some(seat) = self.seats.at_mut(place)
        {
            seat.confirm(Confirming::Answers);
            if claimed && seat.is_here() {
                seat.editor_spoke(now);
            }
        }
    }

    fn confirm(&mut self, session: SessionId, confirming: Confirming) {
        if let Some(place) = self.seats.place(session)
            && let Some(seat) = self.seats.at_mut(place)
        {
            seat.confirm(confirming);
        }
    }

    /// The fold calls it silent. If it is seen alive here, that must be said.
    fn called_lost(&mut self, session: SessionId, now: Time) {
        let Some(place) = self.seats.place(session) else {
            return;
        };
        if let Some(seat) = self.seats.at_mut(place)
            && seat.is_here()
        {
            seat.shown = Health::Offline;
            self.deadlines.arm(place + 1, now);
        }
    }

    /// Arms the one timer of the lock, if its state is new and has one.
    fn time_lock(&mut self, fold: &Fold, now: Time) {
        let lock = fold.lock();
        let state = lock.state();
        let lasts = match state {
            LockState::Offered { .. } => Some(self.timings.offer),
            LockState::Suspect { .. } if lock.due == Due::InTime => Some(self.timings.grace),
            LockState::Recovering { .. } if lock.due == Due::InTime => Some(self.timings.recovery),
            _ => None,
        };
        let Some(lasts) = lasts else {
            self.timer = None;
            self.deadlines.disarm(LOCK);
            return;
        };
        if self.timer.is_none_or(|timer| timer.state != state) {
            let at = now + lasts;
            self.timer = Some(Timer { state, at, lasts });
            self.deadlines.disarm(LOCK);
            self.deadlines.arm(LOCK, at);
        }
    }

    /// Beats the party of the lock and the next in line often, everybody else seldom.
    fn beat_by(&mut self, fold: &Fold, now: Time) {
        let party = fold.lock().party().map(|(session, _)| session);
        let hot = [party, fold.next_in_line()];
        let before = std::mem::replace(&mut self.hot, hot);
        for session in before.into_iter().flatten() {
            if !hot.contains(&Some(session)) {
                self.set_cadence(session, Cadence::Idle, now);
            }
        }
        for session in hot.into_iter().flatten() {
            if !before.contains(&Some(session)) {
                self.set_cadence(session, Cadence::Hot, now);
            }
        }
    }

    fn set_cadence(&mut self, session: SessionId, cadence: Cadence, now: Time) {
        let Some(place) = self.seats.place(session) else {
            return;
        };
        if let Some(seat) = self.seats.at_mut(place)
            && seat.is_here()
        {
            seat.set_cadence(cadence, now, &self.timings);
            let look = seat.next_look(now, &self.timings);
            self.deadlines.arm(place + 1, look);
        }
    }
}
