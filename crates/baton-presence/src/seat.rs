//! Owns what the watch knows of one session: when it was heard, which beats it answered, and the
//! judgement that follows.
//!
//! Every function takes the time; none arms a deadline, none proposes.

use std::time::Duration;

use crate::visits::MOST_FORGIVEN;
use crate::words::Words;
use crate::{Fence, SessionId, Time, Timings, Voice};

/// How a session is doing, as far as it can be seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Health {
    /// Answers.
    Online,
    /// Has missed something; not given up.
    Shaky,
    /// Silent for the offline time, or without a connection.
    Offline,
}

/// Whether an answer to a beat counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It shows that the editor lives. The client is told by the next beat.
    Counts,
    /// It came too late, for a beat of another connection, or a second time. It shows that the
    /// connection lives, no more.
    Stale,
}

/// How often a session is beaten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cadence {
    /// The holder, the one offered, the next in line.
    Hot,
    Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// The connection is here, and has not been called dead.
    Here,
    /// The connection is here, and the caller was asked to close it.
    Condemned,
    /// No connection here, since then.
    Away(Time),
}

#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) session: SessionId,
    pub(crate) voice: Voice,
    pub(crate) link: Link,
    pub(crate) cadence: Cadence,
    /// What was last said of it, or is true of a new connection.
    pub(crate) shown: Health,
    pub(crate) next_ping: Time,
    pub(crate) next_beat: Time,
    last_heard: Time,
    last_answer: Time,
    last_beat: Option<Time>,
    /// When the first beat that is still unanswered was sent.
    unanswered_since: Option<Time>,
    newest_beat: u64,
    newest_answer: u64,
    /// Answers must name a larger beat than this; the beats of the connections before.
    floor: u64,
    /// The newest answer that a beat has confirmed to the client.
    confirmed: u64,
    /// What it has to hear before its answers are confirmed.
    pub(crate) words: Words,
    /// The receipt of the newest answer that counted.
    counted_at: Time,
    /// The receipt of what prolonged the lease of its client last: see [`Timings::lease`].
    pub(crate) leased: Time,
    /// When its user did something last, as far as its answers say.
    pub(crate) last_input: Time,
    /// How many offers it let pass since it was granted something last, or came.
    pub(crate) missed: u32,
    /// How often the silence of its connection, and of its editor, was made shorter because the server had slept.
    forgiven: (u32, u32),
    /// How often the time after which it is lost was lengthened, because many were silent at once.
    pub(crate) stretched: u32,
}

/// The most that the time after which somebody is lost is lengthened by: to three times.
pub(crate) const MAX_STRETCHED: u32 = 2;

impl Seat {
    pub(crate) fn away(session: SessionId, now: Time) -> Self {
        Self {
            session,
            voice: Voice::Stock,
            link: Link::Away(now),
            cadence: Cadence::Idle,
            shown: Health::Offline,
            next_ping: now,
            next_beat: now,
            last_heard: now,
            last_answer: now,
            last_beat: None,
            unanswered_since: None,
            newest_beat: 0,
            newest_answer: 0,
            floor: 0,
            confirmed: 0,
            words: Words::default(),
            counted_at: now,
            leased: now,
            last_input: now,
            missed: 0,
            forgiven: (0, 0),
            stretched: 0,
        }
    }

    /// A new connection: everything starts from its being here.
    pub(crate) fn attach(&mut self, voice: Voice, cadence: Cadence, now: Time, timings: &Timings) {
        self.voice = voice;
        self.link = Link::Here;
        self.cadence = cadence;
        self.shown = Health::Online;
        self.last_heard = now;
        self.last_answer = now;
        self.last_beat = None;
        self.unanswered_since = None;
        self.last_input = now;
        self.missed = 0;
        self.forgiven = (0, 0);
        self.stretched = 0;
        self.floor = self.newest_beat.max(now.micros().saturating_sub(1));
        self.newest_beat = self.floor;
        self.newest_answer = self.floor;
        self.confirmed = self.floor;
        // Its hello may have prolonged the lease.
        self.leased = self.leased.max(now);
        self.words.reconnected();
        self.next_ping = now + self.spread(timings.ping_every);
        self.next_beat = match cadence {
            Cadence::Hot => now,
            Cadence::Idle => now + self.spread(timings.beat_every_idle),
        };
    }

    /// A part of `period` that differs from session to session, so that a thousand sessions that came
    /// at once are not all asked at once. Never zero.
    fn spread(&self, period: Duration) -> Duration {
        const PARTS: u32 = 1024;
        let mixed = self.session.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let part = u32::try_from(mixed).unwrap_or(0) % PARTS + 1;
        period.saturating_mul(part) / PARTS
    }

    pub(crate) const fn is_here(&self) -> bool {
        !matches!(self.link, Link::Away(_))
    }

    /// Whether it is silent and not given up: a sign, if many are so, that it is not their fault.
    pub(crate) fn is_shaky(&self) -> bool {
        self.is_here() && self.shown == Health::Shaky
    }

    pub(crate) fn heard(&mut self, now: Time) {
        self.last_heard = self.last_heard.max(now);
        self.forgiven.0 = 0;
    }

    /// `idle`: how long its user had done nothing when it answered.
    pub(crate) fn answered(
        &mut self,
        beat: u64,
        idle: Duration,
        now: Time,
        timings: &Timings,
    ) -> Answer {
        self.heard(now);
        let age = now.micros().saturating_sub(beat);
        let in_time = u128::from(age) <= timings.answer_within.as_micros();
        if beat <= self.newest_answer || beat > self.newest_beat || !in_time {
            return Answer::Stale;
        }
        self.newest_answer = beat;
        self.counted_at = now;
        self.last_input = self.last_input.max(Time(now.0.saturating_sub(idle)));
        self.editor_spoke(now);
        Answer::Counts
    }

    /// Its page said something that it says only while it lives: an answer, a claim.
    pub(crate) fn editor_spoke(&mut self, now: Time) {
        self.last_answer = self.last_answer.max(now);
        self.unanswered_since = None;
        self.forgiven.1 = 0;
    }

    /// Takes out one fence at which its client has stopped, as its answers show.
    pub(crate) fn take_stopped(&mut self) -> Option<Fence> {
        self.words.take_stopped(self.newest_answer)
    }

    /// Returns the newest answer that the newest beat may confirm; 0 if there is none on this
    /// connection. `told` is the position up to which every word of the records is on its way.
    fn confirm(&mut self, told: u64) -> u64 {
        if self.words.beat(self.newest_beat, told) {
            self.confirmed = self.newest_answer;
            self.leased = self.leased.max(self.counted_at);
        }
        if self.confirmed > self.floor {
            self.confirmed
        } else {
            0
        }
    }

    /// Sends a ping if it is time.
    pub(crate) fn take_ping(&mut self, now: Time, timings: &Timings) -> bool {
        if self.next_ping > now {
            return false;
        }
        // In step with the clock it began with, unless it fell a whole period behind.
        self.next_ping = (self.next_ping + timings.ping_every).max(now);
        if self.next_ping <= now {
            self.next_ping = now + timings.ping_every;
        }
        true
    }

    /// Sends a beat if it is time: its number, which carries the time of its sending, and the answer
    /// that it confirms. See [`Seat::confirm`] for `told`.
    pub(crate) fn take_beat(
        &mut self,
        now: Time,
        timings: &Timings,
        told: u64,
    ) -> Option<(u64, u64)> {
        if self.voice == Voice::Stock || self.next_beat > now {
            return None;
        }
        self.next_beat = now + self.period(timings);
        self.last_beat = Some(now);
        self.unanswered_since.get_or_insert(now);
        self.newest_beat = now.micros().max(self.newest_beat + 1);
        Some((self.newest_beat, self.confirm(told)))
    }

    const fn period(&self, timings: &Timings) -> Duration {
        match self.cadence {
            Cadence::Hot => timings.beat_every,
            Cadence::Idle => timings.beat_every_idle,
        }
    }

    /// From here on beaten as `cadence` says. A session that becomes hot is beaten at once, or when
    /// the new period since its last beat is over.
    pub(crate) fn set_cadence(&mut self, cadence: Cadence, now: Time, timings: &Timings) {
        self.cadence = cadence;
        let next = self
            .last_beat
            .map_or(now, |last| (last + self.period(timings)).max(now));
        if cadence == Cadence::Hot {
            self.next_beat = self.next_beat.min(next);
        }
    }

    /// After how long a silence it is lost.
    const fn patience(&self, timings: &Timings) -> Duration {
        timings.offline_after.saturating_mul(1 + self.stretched)
    }

    /// When the connection, if nothing comes, is shaky and offline.
    fn connection_limits(&self, timings: &Timings) -> (Time, Time) {
        (
            self.last_heard + timings.shaky_after,
            self.last_heard + self.patience(timings),
        )
    }

    /// When the editor, if no answer comes, is shaky and offline. `None` while no beat is out: who was
    /// not asked is not judged. However long the last answer is ago, the first unanswered beat gets
    /// its time to be answered; with beats sent in time that changes nothing, since
    /// `beat_every_idle + answer_within <= offline_after`.
    fn editor_limits(&self, timings: &Timings) -> Option<(Time, Time)> {
        if self.voice == Voice::Stock {
            return None;
        }
        let asked = self.unanswered_since?;
        let patience = timings.shaky_after.saturating_sub(timings.beat_every_idle);
        Some((
            (self.last_answer + timings.shaky_after).max(asked + patience),
            (self.last_answer + self.patience(timings)).max(asked + timings.answer_within),
        ))
    }

    /// Whether the connection is dead: nothing at all came for the offline time.
    pub(crate) fn is_dead(&self, now: Time, timings: &Timings) -> bool {
        self.connection_limits(timings).1 <= now
    }

    pub(crate) fn judge(&self, now: Time, timings: &Timings) -> Health {
        if !self.is_here() {
            return Health::Offline;
        }
        let connection = judge_by(Some(self.connection_limits(timings)), now);
        connection.max(judge_by(self.editor_limits(timings), now))
    }

    /// When to look at it again; always after `now`, if pings and beats that were due are out.
    pub(crate) fn next_look(&self, now: Time, timings: &Timings) -> Time {
        let mut next = self.next_ping;
        if self.voice == Voice::Lock {
            next = next.min(self.next_beat);
        }
        let (shaky, offline) = self.connection_limits(timings);
        let limits = [Some((shaky, offline)), self.editor_limits(timings)];
        for limit in limits.into_iter().flatten().flat_map(|(a, b)| [a, b]) {
            if limit > now {
                next = next.min(limit);
            }
        }
        next
    }

    /// The watch itself was late: nobody's silence counts for the time that it slept through.
    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        let push = |time: Time| (time + late).min(now);
        if self.forgiven.0 < MOST_FORGIVEN {
            self.forgiven.0 += 1;
            self.last_heard = push(self.last_heard).max(self.last_heard);
            if let Link::Away(since) = self.link {
                self.link = Link::Away(push(since));
            }
        }
        if self.forgiven.1 < MOST_FORGIVEN {
            self.forgiven.1 += 1;
            self.last_answer = push(self.last_answer).max(self.last_answer);
            self.unanswered_since = self.unanswered_since.map(push);
        }
        self.last_input = push(self.last_input).max(self.last_input);
    }
}

fn judge_by(limits: Option<(Time, Time)>, now: Time) -> Health {
    match limits {
        Some((_, offline)) if offline <= now => Health::Offline,
        Some((shaky, _)) if shaky <= now => Health::Shaky,
        _ => Health::Online,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn attached(cadence: Cadence, timings: &Timings) -> Seat {
        let mut seat = Seat::away(SessionId(7), at(0));
        seat.attach(Voice::Lock, cadence, at(0), timings);
        seat
    }

    /// The trap of a change of cadence: an idle session was asked seldom, so its last answer is old
    /// when it becomes the holder. It must get its time to answer a beat that was really sent.
    #[test]
    fn nobody_is_judged_by_a_beat_that_was_not_sent() {
        let timings = Timings::default();
        let mut seat = attached(Cadence::Hot, &timings);
        let asked = 9_500;
        seat.heard(at(asked));
        assert_eq!(seat.judge(at(asked), &timings), Health::Online);
        assert!(seat.take_beat(at(asked), &timings, 0).is_some());
        seat.heard(at(asked + 4_999));
        assert_ne!(seat.judge(at(asked + 4_999), &timings), Health::Offline);
        assert_eq!(seat.judge(at(asked + 5_000), &timings), Health::Offline);
    }

    #[test]
    fn an_unanswered_editor_is_offline_ten_seconds_after_its_last_answer() {
        let timings = Timings::default();
        let mut seat = attached(Cadence::Hot, &timings);
        let (first, _) = seat.take_beat(at(0), &timings, 0).expect("a beat is due");
        assert_eq!(
            seat.answered(first, Duration::ZERO, at(100), &timings),
            Answer::Counts
        );
        for beat in 1..6 {
            assert!(seat.take_beat(at(beat * 2_000), &timings, 0).is_some());
            seat.heard(at(beat * 2_000));
        }
        assert_eq!(seat.judge(at(6_099), &timings), Health::Online);
        assert_eq!(seat.judge(at(6_100), &timings), Health::Shaky);
        assert_eq!(seat.judge(at(10_099), &timings), Health::Shaky);
        assert_eq!(seat.judge(at(10_100), &timings), Health::Offline);
    }

    #[test]
    fn a_session_that_becomes_hot_is_asked_at_once_but_never_faster_than_the_hot_beat() {
        let timings = Timings::default();
        let mut seat = attached(Cadence::Idle, &timings);
        seat.set_cadence(Cadence::Hot, at(10), &timings);
        assert_eq!(seat.next_beat, at(10));
        assert!(seat.take_beat(at(10), &timings, 0).is_some());
        seat.set_cadence(Cadence::Idle, at(500), &timings);
        seat.set_cadence(Cadence::Hot, at(1_000), &timings);
        assert_eq!(seat.next_beat, at(2_010));
    }

    #[test]
    fn the_next_look_is_after_now_once_what_is_due_is_out() {
        let timings = Timings::default();
        let mut seat = attached(Cadence::Hot, &timings);
        for step in 0..3_000 {
            let now = at(step * 10);
            seat.take_ping(now, &timings);
            seat.take_beat(now, &timings, 0);
            assert!(seat.next_look(now, &timings) > now);
        }
    }

    #[test]
    fn numbers_of_beats_grow_even_within_one_microsecond() {
        let timings = Timings::default();
        let mut seat = attached(Cadence::Hot, &timings);
        let first = seat.take_beat(at(0), &timings, 0);
        seat.attach(Voice::Lock, Cadence::Hot, at(0), &timings);
        assert!(seat.take_beat(at(0), &timings, 0) > first);
    }
}
