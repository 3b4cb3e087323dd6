//! The timed half of presence: heartbeats and time in, proposals out.
//!
//! [`FailureDetector`] looks only at the connections of this server and decides nothing. Its
//! proposals become records, and the lock state ignores an overtaken one. It has **one next
//! deadline** ([`FailureDetector::poll_timeout`]); heartbeats in between only move times and wake
//! no task.
//!
//! Proposals follow from the difference between what the detector sees and what the lock state
//! says, not from the moment of a change. A proposal that is lost on its way is made again.

mod connection_liveness;
mod deadlines;
mod editor_liveness;
mod frequent_beats;
mod health;
mod heartbeat_rounds;
mod lock_deadlines;
mod lock_timers;
mod offer_pauses;
mod proposal;
mod requester_timers;
mod server_stall;
mod session_liveness;
mod session_table;
mod stop_notices;
mod take_over_cooldown;
mod timeouts;
mod watched_sessions;

use std::time::Duration;

use deadlines::DeadlineKey;
use frequent_beats::FrequentBeats;
pub use health::{BeatVerdict, SessionHealth};
use lock_deadlines::LockDeadlines;
pub use proposal::Proposal;
use server_stall::ServerStall;
pub use stop_notices::StopNotices;
use take_over_cooldown::TakeOverCooldown;
use timeouts::{Check, check_session};
pub use watched_sessions::DetectorLoad;
use watched_sessions::WatchedSessions;

use crate::{
    Change, ClientKind, Fence, LockState, Presence, SessionId, Time, Timings, TimingsError,
};

/// With more locks than this the sessions with frequent beats are not computed with every record.
/// During the handover of hundreds of locks that would be most of the work.
const FEW_LOCKS: usize = 16;

/// Longest delay of that computation: too short to matter to a beat, a lease or an idle user.
const BEATS_DELAY: Duration = Duration::from_millis(50);

/// Detects silent sessions, and the end of each lock's time limits.
#[derive(Debug, Clone)]
pub struct FailureDetector {
    timings: Timings,
    sessions: WatchedSessions,
    locks: LockDeadlines,
    frequent_beats: FrequentBeats,
    stall: ServerStall,
    cooldown: TakeOverCooldown,
}

impl FailureDetector {
    /// Creates a failure detector that watches no session yet.
    ///
    /// # Errors
    /// The timings do not fit each other. The configuration is at fault.
    pub fn new(timings: Timings) -> Result<Self, TimingsError> {
        timings.validate()?;
        Ok(Self {
            timings,
            sessions: WatchedSessions::new(),
            locks: LockDeadlines::default(),
            frequent_beats: FrequentBeats::default(),
            stall: ServerStall::default(),
            cooldown: TakeOverCooldown::default(),
        })
    }

    /// Returns the time limits that it works by.
    #[must_use]
    pub const fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Notes that the session has a connection to this server: its first, or one instead of
    /// another.
    pub fn attached(&mut self, session: SessionId, client_kind: ClientKind, now: Time) {
        self.notice_stall(now);
        let cadence = self.frequent_beats.cadence(session);
        self.sessions
            .attach(session, client_kind, cadence, now, &self.timings);
        // Its timers were those of another server until now.
        if self.locks.concern(session) {
            self.sessions.arm(DeadlineKey::Locks, now);
        }
    }

    /// Notes that the session's connection is gone. The remaining life of its ticket begins.
    pub fn detached(&mut self, session: SessionId, now: Time) {
        self.notice_stall(now);
        self.sessions.set_away(session, now, &self.timings);
    }

    /// Stops watching the session; no proposal names it any more.
    pub fn removed(&mut self, session: SessionId) {
        self.sessions.remove(session);
    }

    /// Notes that anything came on the session's connection.
    ///
    /// Takes constant time and no allocation. Sets no deadline, unless the session was shown as
    /// shaky or offline.
    pub fn heard(&mut self, session: SessionId, now: Time) {
        self.sessions.heard(session, now, &self.timings);
    }

    /// Notes that the session's program answered the beat of this number. Counts as heard, too.
    ///
    /// `idle` is the time for which the user had done nothing then. Takes constant time and no
    /// allocation, as [`FailureDetector::heard`].
    pub fn answered(
        &mut self,
        session: SessionId,
        beat: u64,
        idle: Duration,
        now: Time,
    ) -> BeatVerdict {
        let timings = &self.timings;
        let answer = self.sessions.answered(session, beat, idle, now, timings);
        while let Some(fence) = self.sessions.take_stopped(session) {
            self.locks.timers.stopped(fence);
            self.sessions.arm(DeadlineKey::Locks, now);
        }
        answer
    }

    /// Returns the time left to the party of this lock until its offer, grace, recovery or drain
    /// ends; `None` if the state has no end.
    ///
    /// The state may last longer than its party is told: see [`Timings::wait_out_lease`].
    #[must_use]
    pub fn state_left(&self, fence: Fence, now: Time) -> Option<Duration> {
        Some(self.locks.timers.state_ends(fence)?.since(now))
    }

    /// Returns the time left to the holder to answer the request for this lock, if there is one.
    #[must_use]
    pub fn request_left(&self, fence: Fence, now: Time) -> Option<Duration> {
        Some(self.locks.timers.request_ends(fence)?.since(now))
    }

    /// Checks the cooldown before the session takes a lock over. The session that took over last
    /// may do so again at once.
    ///
    /// # Errors
    /// The time that the session still has to wait.
    pub fn take_over_ready(&self, session: SessionId, now: Time) -> Result<(), Duration> {
        self.cooldown
            .ready(session, now, self.timings.take_over_cooldown)
    }

    /// Returns the session's health at `now`; offline if it has no connection to this server.
    #[must_use]
    pub fn health(&self, session: SessionId, now: Time) -> SessionHealth {
        let Some(liveness) = self.sessions.get(session) else {
            return SessionHealth::Offline;
        };
        let health = liveness.judge(now, &self.timings);
        if now < self.reads_backlog_until() {
            health.min(liveness.shown())
        } else {
            health
        }
    }

    /// Sets timers and beats by what the lock state has decided.
    ///
    /// Must be called after every record, with the changes of that record. After a replay call it
    /// with the changes of [`Event::Restarted`](crate::Event::Restarted), or call
    /// [`FailureDetector::adopt`].
    pub fn follow(&mut self, lock_state: &LockState, changes: &[Change], now: Time) {
        self.notice_stall(now);
        for change in changes {
            self.note(change, lock_state);
            self.locks.note(change);
            match *change {
                Change::Gone { session } => self.removed(session),
                Change::Detached { session } if self.sessions.get(session).is_none() => {
                    self.sessions.set_away(session, now, &self.timings);
                }
                Change::Lost { session } => self.sessions.show_lost(session, now),
                Change::TakenOver { by, .. } => self.cooldown.taken_over(by, now),
                Change::OfferEnded { to, fence, .. } => {
                    self.begin_pause(to, fence, lock_state, now);
                }
                Change::Granted { to, fence, .. } => {
                    // Only the claim of an open offer shows that the page lives now. The lock state
                    // also repeats a grant to a session that asks again.
                    let claimed = self.locks.timers.is_offered(fence);
                    self.sessions.granted(to, claimed, now);
                }
                Change::Restarted => self.adopt(lock_state, now),
                _ => {}
            }
        }
        self.time_locks(lock_state, now);
        if lock_state.lock_count() <= FEW_LOCKS {
            self.choose_beats(lock_state, now);
        } else {
            let at = (self.frequent_beats.computed() + BEATS_DELAY).max(now);
            self.sessions.arm(DeadlineKey::Beats, at);
        }
    }

    /// Takes up a lock state that this detector has not followed: from a snapshot, after a replay.
    pub fn adopt(&mut self, lock_state: &LockState, now: Time) {
        self.locks = LockDeadlines::default();
        for peer in lock_state.peers() {
            if peer.presence == Presence::Away && self.sessions.get(peer.session).is_none() {
                self.sessions.set_away(peer.session, now, &self.timings);
            }
            if let Some(fence) = peer.pauses_since() {
                self.begin_pause(peer.session, fence, lock_state, now);
            }
        }
        self.time_locks(lock_state, now);
        self.choose_beats(lock_state, now);
    }

    /// Returns the time at which [`FailureDetector::handle_timeout`] wants to be called next.
    ///
    /// It may be earlier than needed, and any other call may make it earlier.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.sessions.next_deadline()
    }

    /// Returns the time until which the server reads what came while it did not run: up to half a
    /// second after a deadline that it met too late. It lies in the past if the server runs well.
    #[must_use]
    pub fn reads_backlog_until(&self) -> Time {
        self.stall.reads_backlog_until()
    }

    /// Returns the number of sessions and deadlines, and the room for more.
    #[must_use]
    pub fn load(&self) -> DetectorLoad {
        self.sessions.load()
    }

    /// Appends the proposals that are due at `now` to `out`. An early call proposes nothing.
    ///
    /// `told` is the position up to which the notices of all records are sent, before whatever this
    /// call proposes. Without a log that is [`LockState::position`]; with one, the durable
    /// position, once the caller has sent what waited for it. Beats confirm answers by it
    /// ([`Proposal::Beat`]): too large a value lets two clients edit at once, too small a value
    /// leaves a holder unconfirmed.
    ///
    /// A stalled server must not evict healthy clients, whose heartbeats lie unread in its sockets.
    /// A call more than a second after its deadline shows a stall. Then every silence and every
    /// timer of a lock is extended by the delay and half a second more: at most to its full length,
    /// and at most three times. Nothing is judged until [`FailureDetector::reads_backlog_until`].
    /// The first call after the stall notices it, this one or that for a record.
    pub fn handle_timeout(
        &mut self,
        now: Time,
        lock_state: &LockState,
        told: u64,
        out: &mut Vec<Proposal>,
    ) {
        self.notice_stall(now);
        while let Some(key) = self.sessions.pop_due(now) {
            match key {
                DeadlineKey::Locks => self.check_locks(lock_state, now, out),
                DeadlineKey::Beats => {
                    self.choose_beats(lock_state, now);
                    self.arm_locks(lock_state, now);
                }
                DeadlineKey::Session(slot) => {
                    let check = Check {
                        now,
                        timings: &self.timings,
                        lock_state,
                        told,
                        reads_backlog_until: self.stall.reads_backlog_until(),
                    };
                    check_session(&mut self.sessions, slot, &check, out);
                }
            }
        }
    }

    fn check_locks(&mut self, lock_state: &LockState, now: Time, out: &mut Vec<Proposal>) {
        // A caller that does not follow every record must not make this deadline come up for ever.
        self.follow_locks(lock_state, now);
        if now >= self.reads_backlog_until() {
            let sessions = self.sessions.table();
            self.locks
                .check(now, lock_state, sessions, &self.timings, out);
        }
        self.arm_locks(lock_state, now);
    }

    /// Begins a pause if the session of a failed offer is live and goes on waiting.
    fn begin_pause(&mut self, session: SessionId, fence: Fence, lock_state: &LockState, now: Time) {
        if lock_state.pauses_since(session) == Some(fence) {
            let missed = self.sessions.missed_offer(session);
            self.locks
                .pauses
                .begin(session, fence, missed, now, &self.timings);
        }
    }

    /// Notes the notice that a change of the last record sends to its session.
    fn note(&mut self, change: &Change, lock_state: &LockState) {
        let (Change::LockLost { by: of, .. }
        | Change::Draining { by: of, .. }
        | Change::Resumed { by: of, .. }
        | Change::Granted { to: of, .. }
        | Change::Refused { session: of, .. }) = *change
        else {
            return;
        };
        let position = lock_state.position().unwrap_or_default();
        self.sessions.note(of, change, position);
    }

    /// Sets the deadlines of the locks by the present lock state.
    fn time_locks(&mut self, lock_state: &LockState, now: Time) {
        self.follow_locks(lock_state, now);
        self.arm_locks(lock_state, now);
    }

    fn follow_locks(&mut self, lock_state: &LockState, now: Time) {
        let timings = self.present_timings(now);
        self.locks
            .follow(lock_state, self.sessions.table(), &timings, now);
    }

    fn arm_locks(&mut self, lock_state: &LockState, now: Time) {
        let next = self
            .locks
            .next(lock_state, self.sessions.table(), &self.timings);
        let earliest = now.max(self.reads_backlog_until());
        match next {
            Some(at) => self.sessions.arm(DeadlineKey::Locks, at.max(earliest)),
            None => self.sessions.disarm(DeadlineKey::Locks),
        }
    }

    /// Chooses the sessions with frequent beats by the present lock state.
    fn choose_beats(&mut self, lock_state: &LockState, now: Time) {
        self.sessions.disarm(DeadlineKey::Beats);
        for (session, cadence) in self.frequent_beats.compute(lock_state, now) {
            self.sessions
                .set_cadence(session, cadence, now, &self.timings);
        }
    }

    /// Notes that the caller meets a deadline of its own, at which it judges a client. A late one
    /// shows a stall, as a late call of [`FailureDetector::handle_timeout`] does.
    pub fn met_deadline(&mut self, deadline: Time, now: Time) {
        if let Some(late) = self.stall.notice(deadline, now) {
            self.sessions.forgive(late, now);
            self.locks.timers.forgive(late, now);
        }
    }

    /// Extends all limits if this call comes so late that the server must have stalled.
    fn notice_stall(&mut self, now: Time) {
        if let Some(deadline) = self.sessions.next_live_deadline() {
            self.met_deadline(deadline, now);
        }
    }

    /// Returns the time limits with the grace that holds while the server reads its backlog.
    fn present_timings(&self, now: Time) -> Timings {
        Timings {
            grace: self.stall.grace(self.timings.grace, now),
            ..self.timings
        }
    }
}
