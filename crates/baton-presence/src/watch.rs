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
use crate::pauses::{self, Pauses};
use crate::seat::{Answer, Cadence, Health, Link, Seat};
use crate::seats::Seats;
use crate::timers::{BEATS, LOCKS, Phase, SEATS, Timers};
use crate::{Change, Event, Fence, Fold, Presence, SessionId, Time, Timings, TimingsError, Voice};

/// What the watch wants done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proposal {
    /// Append this as a record and apply it.
    Record(Event),
    /// Send a protocol ping on its connection.
    Ping {
        /// To whom.
        session: SessionId,
    },
    /// Send a beat at once, to be answered from the editor.
    Beat {
        /// To whom.
        session: SessionId,
        /// Its number, to be repeated in the answer. Grows, below 2^53 for any sane origin.
        n: u64,
        /// Goes with it: the newest beat of this connection whose answer counted, as far as the client
        /// may know; 0 for none. The client's own stop ([`Timings::client_stop`]) counts from its
        /// sending of that answer, or of the claim, or of the hello of a resume, that gave it the lock.
        ///
        /// It stands still from the record by which the fold takes a lock from this session, refuses
        /// its fence or lets it drain, until that record's word is told (see
        /// [`Watch::handle_timeout`]): a confirmation that overtook the word would let the loser go on
        /// while the next one begins.
        confirmed: u64,
    },
    /// Show it as shaky, or as steady again. (Offline and back are records.)
    Health {
        /// Who.
        session: SessionId,
        /// `Online` or `Shaky`.
        health: Health,
    },
    /// Tell the holder that it will have to give this lock up unless its user does something.
    IdleWarning {
        /// The holder.
        session: SessionId,
        /// The fence of its grant.
        fence: Fence,
        /// How long it has left.
        left: Duration,
    },
    /// Nothing at all came on its connection for the offline time: close it, then report
    /// [`Watch::detached`] and [`Event::Disconnected`]. Said once a connection.
    Dead {
        /// Who.
        session: SessionId,
    },
}

/// With more locks than this, who is beaten often, and who was idle for too long, is not found out anew with every record:
/// when hundreds pass on at once that would be most of the work.
const FEW_LOCKS: usize = 16;

/// But after this long, which no beat, no lease and no idle user notices.
const HOT_FOR: Duration = Duration::from_millis(50);

/// The key of a seat among the deadlines.
pub(crate) const fn key_of(place: u32) -> u32 {
    place + SEATS
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

/// The timed half of presence: heartbeats and time in, proposals out.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(crate) timings: Timings,
    pub(crate) seats: Seats,
    pub(crate) deadlines: Deadlines,
    /// What of the locks must end, and when.
    pub(crate) timers: Timers,
    /// Who is offered a lock again, and when.
    pub(crate) pauses: Pauses,
    /// Who is beaten often: the parties of the locks and those next in line, ascending.
    hot: Vec<SessionId>,
    /// When that was found out last.
    hot_since: Time,
    /// How many have a connection here.
    pub(crate) here: usize,
    /// How many of those are shaky.
    pub(crate) shaky: usize,
    /// When it was noticed last that the server had slept.
    pub(crate) awake_since: Time,
    /// By whom something was taken over last, and when.
    taken_over: Option<(SessionId, Time)>,
}

impl Watch {
    /// A watch that sees nobody yet.
    ///
    /// # Errors
    /// The timings do not fit each other.
    pub fn new(timings: Timings) -> Result<Self, TimingsError> {
        timings.validate()?;
        let mut deadlines = Deadlines::default();
        deadlines.make_room(BEATS);
        Ok(Self {
            timings,
            seats: Seats::default(),
            deadlines,
            timers: Timers::default(),
            pauses: Pauses::default(),
            hot: Vec::new(),
            hot_since: Time::ZERO,
            here: 0,
            shaky: 0,
            awake_since: Time::ZERO,
            taken_over: None,
        })
    }

    /// The limits that it works by.
    #[must_use]
    pub const fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The session has a connection here (its first, a new one, or one instead of an older one).
    pub fn attached(&mut self, session: SessionId, voice: Voice, now: Time) {
        self.notice_sleep(now);
        let place = self.seats.seat_of(session, || Seat::away(session, now));
        let cadence = if self.hot.binary_search(&session).is_ok() {
            Cadence::Hot
        } else {
            Cadence::Idle
        };
        let key = key_of(place);
        self.deadlines.make_room(key);
        self.change(place, |seat, timings| {
            seat.attach(voice, cadence, now, timings);
        });
        if let Some(seat) = self.seats.at(place) {
            let look = seat.next_look(now, &self.timings);
            self.deadlines.arm(key, look);
        }
    }

    /// Changes where a seat is or how it is shown, and keeps count of that.
    pub(crate) fn change(&mut self, place: u32, change: impl FnOnce(&mut Seat, &Timings)) {
        if let Some(seat) = self.seats.at_mut(place) {
            self.here -= usize::from(seat.is_here());
            self.shaky -= usize::from(seat.is_shaky());
            change(seat, &self.timings);
            self.here += usize::from(seat.is_here());
            self.shaky += usize::from(seat.is_shaky());
        }
    }

    /// The session's connection is gone. From here on its ticket's life runs.
    pub fn detached(&mut self, session: SessionId, now: Time) {
        self.notice_sleep(now);
        self.set_away(session, now);
    }

    /// The session is gone; nothing more will be said of it.
    pub fn removed(&mut self, session: SessionId) {
        if let Some(place) = self.seats.place(session) {
            self.change(place, |seat, _| seat.link = Link::Away(Time::ZERO));
            self.seats.remove(session);
            self.deadlines.disarm(key_of(place));
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
                self.deadlines.arm(key_of(place), now);
            }
        }
    }

    /// The session's editor answered the beat of that number, and its user had done nothing for
    /// `idle` then. Counts as heard, too. Constant time and no allocation, as [`Watch::heard`].
    pub fn answered(&mut self, session: SessionId, beat: u64, idle: Duration, now: Time) -> Answer {
        let Some(place) = self.seats.place(session) else {
            return Answer::Stale;
        };
        let Some(seat) = self.seats.at_mut(place) else {
            return Answer::Stale;
        };
        if !seat.is_here() {
            return Answer::Stale;
        }
        let answer = seat.answered(beat, idle, now, &self.timings);
        while let Some(fence) = seat.take_stopped() {
            self.timers.stopped(fence);
            self.deadlines.arm(LOCKS, now);
        }
        if seat.shown != Health::Online && seat.shown != seat.judge(now, &self.timings) {
            self.deadlines.arm(key_of(place), now);
        }
        answer
    }

    /// What is left of the time that its party is given: until its offer, grace, recovery or drain is
    /// over. (The state may last longer, see [`Timings::wait_out_lease`].) `None` when it has no end.
    #[must_use]
    pub fn state_left(&self, fence: Fence, now: Time) -> Option<Duration> {
        Some(self.timers.get(fence)?.is_given_until()?.since(now))
    }

    /// What is left of the time of the request for this lock, if there is one.
    #[must_use]
    pub fn request_left(&self, fence: Fence, now: Time) -> Option<Duration> {
        Some(self.timers.get(fence)?.request_ends()?.since(now))
    }

    /// Whether this session may take something over now, as far as the cooldown goes: who took over
    /// last may at once.
    ///
    /// # Errors
    /// How long it has to wait yet.
    pub fn take_over_ready(&self, session: SessionId, now: Time) -> Result<(), Duration> {
        let Some((_, at)) = self.taken_over.filter(|(by, _)| *by != session) else {
            return Ok(());
        };
        let left = (at + self.timings.take_over_cooldown).since(now);
        if left.is_zero() { Ok(()) } else { Err(left) }
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
        self.notice_sleep(now);
        for change in changes {
            self.hear(change, fold);
            match *change {
                Change::Gone { session } => self.removed(session),
                Change::Detached { session } if self.seats.get(session).is_none() => {
                    self.set_away(session, now);
                }
                Change::Lost { session } => self.called_lost(session, now),
                // Their time begins again, even if the fold was in the same state before.
                Change::Suspected { fence, .. } | Change::Recovering { fence, .. } => {
                    self.timers.restart(fence);
                }
                Change::Requested { fence, .. } | Change::RequestVoid { fence, .. } => {
                    self.timers.restart_request(fence);
                }
                Change::TakenOver { by, .. } => self.taken_over = Some((by, now)),
                Change::OfferEnded { to, fence, .. } => self.missed(to, fence, fold, now),
                Change::Granted { to, fence, .. } => self.granted(to, fence, now),
                Change::Draining { fence, .. } => self.timers.asked_to_stop(fence),
                Change::Restarted => self.adopt(fold, now),
                _ => {}
            }
        }
        self.time_locks(fold, now);
        if fold.locks() <= FEW_LOCKS {
            self.beat_by(fold, now);
        } else {
            self.deadlines
                .arm(BEATS, (self.hot_since + HOT_FOR).max(now));
        }
    }

    /// Takes up a fold that this watch has not followed: from a snapshot, after a replay.
    pub fn adopt(&mut self, fold: &Fold, now: Time) {
        for peer in fold.peers() {
            if peer.presence == Presence::Away && self.seats.get(peer.session).is_none() {
                self.set_away(peer.session, now);
            }
        }
        self.timers = Timers::default();
        self.pauses = Pauses::default();
        for peer in fold.peers() {
            if let Some(fence) = peer.pauses_since() {
                self.missed(peer.session, fence, fold, now);
            }
        }
        self.time_locks(fold, now);
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
        let key = key_of(place);
        self.deadlines.make_room(key);
        self.change(place, |seat, _| {
            seat.link = Link::Away(now);
            seat.shown = Health::Offline;
        });
        self.deadlines.arm(key, now + self.timings.ticket_life);
    }

    /// A claim of an open offer is as good as an answer: the page made it, a moment ago. (Being told
    /// again is not; nobody knows how long the question was under way.)
    fn granted(&mut self, to: SessionId, fence: Fence, now: Time) {
        let before = self.timers.get(fence).map(|timer| timer.phase);
        let claimed = before == Some(Phase::Offered);
        if let Some(place) = self.seats.place(to)
            && let Some(seat) = self.seats.at_mut(place)
        {
            seat.missed = 0;
            if claimed {
                seat.leased = seat.leased.max(now);
            }
            if claimed && seat.is_here() {
                seat.editor_spoke(now);
                seat.last_input = seat.last_input.max(now);
            }
        }
    }

    /// An offer came to nothing. If its waiter is live and goes on waiting, a pause begins.
    fn missed(&mut self, session: SessionId, fence: Fence, fold: &Fold, now: Time) {
        if fold.pauses_since(session) != Some(fence) {
            return;
        }
        let seat = self.seats.place(session);
        let seat = seat.and_then(|place| self.seats.at_mut(place));
        let missed = seat.map_or(1, |seat| {
            seat.missed = seat.missed.saturating_add(1);
            seat.missed
        });
        let until = now + pauses::length(missed, &self.timings);
        self.pauses.begin(session, fence, until);
    }

    /// Notes what a change of the fold's last record has to tell its session.
    fn hear(&mut self, change: &Change, fold: &Fold) {
        let (Change::LockLost { by: of, .. }
        | Change::Draining { by: of, .. }
        | Change::Resumed { by: of, .. }
        | Change::Granted { to: of, .. }
        | Change::Refused { session: of, .. }) = *change
        else {
            return;
        };
        let position = fold.position().unwrap_or_default();
        if let Some(place) = self.seats.place(of)
            && let Some(seat) = self.seats.at_mut(place)
        {
            seat.words.follow(of, change, position);
        }
    }

    /// The fold calls it silent. If it is seen alive here, that must be said.
    fn called_lost(&mut self, session: SessionId, now: Time) {
        let Some(place) = self.seats.place(session) else {
            return;
        };
        if self.seats.at(place).is_some_and(Seat::is_here) {
            self.change(place, |seat, _| seat.shown = Health::Offline);
            self.deadlines.arm(key_of(place), now);
        }
    }

    /// Sets the timers of the locks by where the fold says that they are.
    fn time_locks(&mut self, fold: &Fold, now: Time) {
        let timings = self.present_timings(now);
        self.timers.follow(fold, &self.seats, &timings, now);
        self.pauses.follow(fold);
        self.arm_locks(fold, now);
    }

    /// Sees to it that the next thing that is due of the locks comes up.
    pub(crate) fn arm_locks(&mut self, fold: &Fold, now: Time) {
        let timers = self.timers.next(fold, &self.seats, &self.timings);
        let next = [timers, self.pauses.next(fold)].into_iter().flatten().min();
        match next {
            Some(at) => self.deadlines.arm(LOCKS, at.max(now)),
            None => self.deadlines.disarm(LOCKS),
        }
    }

    /// Beats the parties of the locks and those next in line often, everybody else seldom.
    pub(crate) fn beat_by(&mut self, fold: &Fold, now: Time) {
        self.hot_since = now;
        self.deadlines.disarm(BEATS);
        let mut hot: Vec<_> = fold
            .grants()
            .flat_map(|grant| [Some(grant.party), fold.next_in_line(grant.fence)])
            .flatten()
            .collect();
        hot.sort_unstable();
        hot.dedup();
        let before = std::mem::replace(&mut self.hot, hot);
        for session in &before {
            if self.hot.binary_search(session).is_err() {
                self.set_cadence(*session, Cadence::Idle, now);
            }
        }
        for index in 0..self.hot.len() {
            let Some(session) = self.hot.get(index).copied() else {
                continue;
            };
            if before.binary_search(&session).is_err() {
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
            self.deadlines.arm(key_of(place), look);
        }
    }
}
