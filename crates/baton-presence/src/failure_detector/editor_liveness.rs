//! Liveness of one session's editor: only answers to beats count.
//!
//! A browser answers protocol pings for a frozen tab too, so a pong does not prove that a user can
//! edit. Beats are answered by the page's own JavaScript.

use std::time::Duration;

use super::health::{BeatVerdict, SilenceLimits};
use super::server_stall::{MAX_FORGIVEN_STALLS, forgive};
use super::stop_notices::StopNotices;
use crate::{Change, ClientKind, Fence, SessionId, Time, Timings};

/// Frequency of the beats to one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cadence {
    /// For the parties of locks and the next in line: [`Timings::beat_every`].
    Frequent,
    /// For all other sessions: [`Timings::beat_every_idle`].
    Idle,
}

/// Beats and answers of one session, and the lease that follows from them.
#[derive(Debug, Clone)]
pub(crate) struct EditorLiveness {
    client_kind: ClientKind,
    cadence: Cadence,
    next_beat: Time,
    last_beat: Option<Time>,
    last_answer: Time,
    /// Sending time of the first beat that is still unanswered.
    unanswered_since: Option<Time>,
    newest_beat: u64,
    newest_answer: u64,
    /// Newest beat of the connections before. Answers must name a larger one.
    floor: u64,
    /// Newest answer that a beat has confirmed to the client.
    confirmed: u64,
    /// Notices that hold confirmations back until they are sent.
    stop_notices: StopNotices,
    /// Receipt of the newest answer that counted.
    counted_at: Time,
    /// Receipt of the message that prolonged the client's lease last: see [`Timings::lease`].
    leased: Time,
    /// Stalls of the server that shortened the present silence.
    forgiven: u32,
}

impl EditorLiveness {
    pub(crate) fn away(now: Time) -> Self {
        Self {
            client_kind: ClientKind::LockUnaware,
            cadence: Cadence::Idle,
            next_beat: now,
            last_beat: None,
            last_answer: now,
            unanswered_since: None,
            newest_beat: 0,
            newest_answer: 0,
            floor: 0,
            confirmed: 0,
            stop_notices: StopNotices::default(),
            counted_at: now,
            leased: now,
            forgiven: 0,
        }
    }

    /// Begins a new connection. `first_idle_beat` is the time of its first beat in the idle
    /// cadence.
    pub(crate) fn attach(
        &mut self,
        client_kind: ClientKind,
        cadence: Cadence,
        now: Time,
        first_idle_beat: Time,
    ) {
        self.client_kind = client_kind;
        self.cadence = cadence;
        self.last_answer = now;
        self.last_beat = None;
        self.unanswered_since = None;
        self.forgiven = 0;
        self.floor = self.newest_beat.max(now.micros().saturating_sub(1));
        self.newest_beat = self.floor;
        self.newest_answer = self.floor;
        self.confirmed = self.floor;
        // The hello may have prolonged the lease.
        self.prolong_lease(now);
        self.stop_notices.reconnected();
        self.next_beat = match cadence {
            Cadence::Frequent => now,
            Cadence::Idle => first_idle_beat,
        };
    }

    /// Judges an answer to a beat, and counts it.
    pub(crate) fn answered(&mut self, beat: u64, now: Time, timings: &Timings) -> BeatVerdict {
        let age = now.micros().saturating_sub(beat);
        let in_time = u128::from(age) <= timings.answer_within.as_micros();
        if beat <= self.newest_answer || beat > self.newest_beat || !in_time {
            return BeatVerdict::Stale;
        }
        self.newest_answer = beat;
        self.counted_at = now;
        self.spoke(now);
        BeatVerdict::Counts
    }

    /// Counts a message that the page sends only while it lives: an answer, a claim.
    pub(crate) fn spoke(&mut self, now: Time) {
        self.last_answer = self.last_answer.max(now);
        self.unanswered_since = None;
        self.forgiven = 0;
    }

    pub(crate) fn prolong_lease(&mut self, now: Time) {
        self.leased = self.leased.max(now);
    }

    /// Returns the time until which the client may believe that it holds its locks.
    pub(crate) fn lease_ends(&self, timings: &Timings) -> Time {
        self.leased + timings.lease()
    }

    /// Notes the notices that a change of the record at `position` sends to the session.
    pub(crate) fn note(&mut self, session: SessionId, change: &Change, position: u64) {
        self.stop_notices.follow(session, change, position);
    }

    /// Takes one fence at which the client has stopped, as its answers show.
    pub(crate) fn take_stopped(&mut self) -> Option<Fence> {
        self.stop_notices.take_stopped(self.newest_answer)
    }

    /// Returns the newest answer that the newest beat may confirm (L6); 0 if this connection has
    /// none.
    /// The notices of all records up to the position `told` are sent.
    fn confirm(&mut self, told: u64) -> u64 {
        if self.stop_notices.beat(self.newest_beat, told) {
            self.confirmed = self.newest_answer;
            self.leased = self.leased.max(self.counted_at);
        }
        if self.confirmed > self.floor {
            self.confirmed
        } else {
            0
        }
    }

    /// Returns the next beat if it is due: its number, which carries its sending time, and the
    /// answer that it confirms (see [`EditorLiveness::confirm`]).
    pub(crate) fn take_beat(
        &mut self,
        now: Time,
        timings: &Timings,
        told: u64,
    ) -> Option<(u64, u64)> {
        if self.next_beat()? > now {
            return None;
        }
        self.next_beat = now + self.period(timings);
        self.last_beat = Some(now);
        self.unanswered_since.get_or_insert(now);
        self.newest_beat = now.micros().max(self.newest_beat + 1);
        Some((self.newest_beat, self.confirm(told)))
    }

    /// Returns the time of the next beat; `None` for a client without the lock protocol, which
    /// answers none.
    pub(crate) fn next_beat(&self) -> Option<Time> {
        (self.client_kind == ClientKind::LockAware).then_some(self.next_beat)
    }

    const fn period(&self, timings: &Timings) -> Duration {
        match self.cadence {
            Cadence::Frequent => timings.beat_every,
            Cadence::Idle => timings.beat_every_idle,
        }
    }

    /// Sets the frequency of the beats. A session that becomes frequent is beaten at once, or when
    /// the new period since its last beat is over.
    pub(crate) fn set_cadence(&mut self, cadence: Cadence, now: Time, timings: &Timings) {
        self.cadence = cadence;
        let next = self
            .last_beat
            .map_or(now, |last| (last + self.period(timings)).max(now));
        if cadence == Cadence::Frequent {
            self.next_beat = self.next_beat.min(next);
        }
    }

    /// Returns the limits of the present silence; `None` while no beat is unanswered, because a
    /// session that was not asked is not judged.
    ///
    /// However old the last answer is, the first unanswered beat gets its time to be answered. With
    /// beats sent in time that changes nothing: `beat_every_idle + answer_within <= offline_after`.
    pub(crate) fn limits(&self, timings: &Timings, patience: Duration) -> Option<SilenceLimits> {
        if self.client_kind == ClientKind::LockUnaware {
            return None;
        }
        let asked = self.unanswered_since?;
        let to_shaky = timings.shaky_after.saturating_sub(timings.beat_every_idle);
        Some(SilenceLimits {
            shaky: (self.last_answer + timings.shaky_after).max(asked + to_shaky),
            offline: (self.last_answer + patience).max(asked + timings.answer_within),
        })
    }

    /// Shortens the present silence by a stall of the server.
    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        if self.forgiven < MAX_FORGIVEN_STALLS {
            self.forgiven += 1;
            self.last_answer = forgive(self.last_answer, late, now);
            self.unanswered_since = self.unanswered_since.map(|since| forgive(since, late, now));
        }
    }
}
