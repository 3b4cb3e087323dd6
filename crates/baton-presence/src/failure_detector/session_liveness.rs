//! Liveness of one session, from its connection and its editor.
//!
//! Every function takes the time; none arms a deadline or makes a proposal.

use std::time::Duration;

use super::connection_liveness::{ConnectionLiveness, Link};
use super::editor_liveness::{Cadence, EditorLiveness};
use super::health::{BeatVerdict, SessionHealth};
use super::server_stall::forgive;
use crate::{Change, ClientKind, Fence, SessionId, Time, Timings};

/// The most that [`Timings::offline_after`] is lengthened by, in multiples: to three times in all.
const MAX_STRETCHED: u32 = 2;

/// Everything that the failure detector knows of one session.
#[derive(Debug, Clone)]
pub(crate) struct SessionLiveness {
    session: SessionId,
    connection: ConnectionLiveness,
    editor: EditorLiveness,
    /// Health that was last shown to others, or that a new connection begins with.
    shown: SessionHealth,
    /// Last action of the user, as far as the answers tell.
    last_input: Time,
    /// Offers missed since the session was last granted a lock, or connected.
    missed_offers: u32,
    /// Multiples of the offline time by which the patience was lengthened, because many sessions
    /// were silent at once.
    stretched: u32,
}

impl SessionLiveness {
    pub(crate) fn away(session: SessionId, now: Time) -> Self {
        Self {
            session,
            connection: ConnectionLiveness::away(now),
            editor: EditorLiveness::away(now),
            shown: SessionHealth::Offline,
            last_input: now,
            missed_offers: 0,
            stretched: 0,
        }
    }

    /// Begins a new connection, with all silences counted from now. `first_beat` is the time of the
    /// first beat in the idle cadence.
    pub(crate) fn attach(
        &mut self,
        client_kind: ClientKind,
        cadence: Cadence,
        now: Time,
        first_ping: Time,
        first_beat: Time,
    ) {
        self.shown = SessionHealth::Online;
        self.last_input = now;
        self.missed_offers = 0;
        self.stretched = 0;
        self.connection = ConnectionLiveness::connected(now, first_ping);
        self.editor.attach(client_kind, cadence, now, first_beat);
    }

    /// Ends the connection.
    pub(crate) fn detach(&mut self, now: Time) {
        self.connection.detach(now);
        self.shown = SessionHealth::Offline;
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the time since which the session has no connection here, if it has none.
    pub(crate) const fn away_since(&self) -> Option<Time> {
        match self.connection.link() {
            Link::Away(since) => Some(since),
            Link::Connected | Link::Condemned => None,
        }
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.away_since().is_none()
    }

    /// Returns true if the session is shown as silent but not given up. If many are, the server is
    /// more likely at fault than they are.
    pub(crate) fn is_shaky(&self) -> bool {
        self.is_connected() && self.shown == SessionHealth::Shaky
    }

    pub(crate) const fn shown(&self) -> SessionHealth {
        self.shown
    }

    pub(crate) fn show(&mut self, health: SessionHealth) {
        self.shown = health;
    }

    pub(crate) const fn last_input(&self) -> Time {
        self.last_input
    }

    /// Returns the time until which the client may believe that it holds its locks.
    pub(crate) fn lease_ends(&self, timings: &Timings) -> Time {
        self.editor.lease_ends(timings)
    }

    pub(crate) fn heard(&mut self, now: Time) {
        self.connection.heard(now);
    }

    /// Counts an answer to a beat. `idle` is the time for which the user had done nothing then.
    pub(crate) fn answered(
        &mut self,
        beat: u64,
        idle: Duration,
        now: Time,
        timings: &Timings,
    ) -> BeatVerdict {
        self.heard(now);
        let answer = self.editor.answered(beat, now, timings);
        if answer == BeatVerdict::Counts {
            self.last_input = self.last_input.max(Time(now.0.saturating_sub(idle)));
        }
        answer
    }

    /// Takes one fence at which the client has stopped, as its answers show.
    pub(crate) fn take_stopped(&mut self) -> Option<Fence> {
        self.editor.take_stopped()
    }

    /// Notes a lock that was granted to the session, or granted again.
    pub(crate) fn granted(&mut self) {
        self.missed_offers = 0;
    }

    /// Notes that the session claimed an open offer. The page made the claim a moment ago, so it
    /// counts like an answer, and as an action of the user.
    pub(crate) fn claimed(&mut self, now: Time) {
        self.editor.prolong_lease(now);
        if self.is_connected() {
            self.editor.spoke(now);
            self.last_input = self.last_input.max(now);
        }
    }

    /// Counts a missed offer. Returns the number missed in a row.
    pub(crate) fn missed_offer(&mut self) -> u32 {
        self.missed_offers = self.missed_offers.saturating_add(1);
        self.missed_offers
    }

    /// Notes the notices that a change of the record at `position` sends to the session.
    pub(crate) fn note(&mut self, change: &Change, position: u64) {
        self.editor.note(self.session, change, position);
    }

    /// Returns true if a ping is due, and schedules the next one.
    pub(crate) fn take_ping(&mut self, now: Time, timings: &Timings) -> bool {
        self.connection.take_ping(now, timings)
    }

    /// Returns the number of the beat that is due, and the answer that it confirms. The notices of
    /// all records up to the position `told` are sent.
    pub(crate) fn take_beat(
        &mut self,
        now: Time,
        timings: &Timings,
        told: u64,
    ) -> Option<(u64, u64)> {
        self.editor.take_beat(now, timings, told)
    }

    pub(crate) fn set_cadence(&mut self, cadence: Cadence, now: Time, timings: &Timings) {
        self.editor.set_cadence(cadence, now, timings);
    }

    /// Time of silence after which the session is offline.
    const fn patience(&self, timings: &Timings) -> Duration {
        timings.offline_after.saturating_mul(1 + self.stretched)
    }

    /// Returns true, once a connection, if nothing at all came on it for the offline time.
    pub(crate) fn take_dead(&mut self, now: Time, timings: &Timings) -> bool {
        self.connection.take_dead(now, self.patience(timings))
    }

    /// Judges the session by its silences at `now`.
    pub(crate) fn judge(&self, now: Time, timings: &Timings) -> SessionHealth {
        if !self.is_connected() {
            return SessionHealth::Offline;
        }
        let patience = self.patience(timings);
        let connection = self.connection.limits(timings, patience).judge(now);
        let editor = self.editor.limits(timings, patience);
        editor.map_or(connection, |editor| connection.max(editor.judge(now)))
    }

    /// Judges the session, with a longer patience if `many_are_silent`.
    ///
    /// Only a session that is not given up yet gets more patience, and only up to three times.
    pub(crate) fn judge_in_crowd(
        &mut self,
        many_are_silent: bool,
        now: Time,
        timings: &Timings,
    ) -> SessionHealth {
        let mut health = self.judge(now, timings);
        while health == SessionHealth::Offline
            && self.shown == SessionHealth::Shaky
            && many_are_silent
            && self.stretched < MAX_STRETCHED
        {
            self.stretched += 1;
            health = self.judge(now, timings);
        }
        if health == SessionHealth::Online {
            self.stretched = 0;
        }
        health
    }

    /// Returns the time of the next check; after `now`, once due pings and beats are sent.
    pub(crate) fn next_look(&self, now: Time, timings: &Timings) -> Time {
        let patience = self.patience(timings);
        let connection = self.connection.limits(timings, patience).ahead(now);
        let editor = self.editor.limits(timings, patience);
        let editor = editor.into_iter().flat_map(|limits| limits.ahead(now));
        let beat = self.editor.next_beat();
        let others = connection.chain(editor).chain(beat);
        others.fold(self.connection.next_ping(), Time::min)
    }

    /// Shortens the present silence, or absence, by a stall of the server. A silence for which the
    /// session was given up before stays as it is: only a sign of life ends it.
    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        self.last_input = forgive(self.last_input, late, now);
        if self.is_connected() && self.shown == SessionHealth::Offline {
            return;
        }
        self.connection.forgive(late, now);
        self.editor.forgive(late, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn attached(cadence: Cadence, timings: &Timings) -> SessionLiveness {
        let mut liveness = SessionLiveness::away(SessionId(7), at(0));
        let (ping, beat) = (at(0) + timings.ping_every, at(0) + timings.beat_every_idle);
        liveness.attach(ClientKind::LockAware, cadence, at(0), ping, beat);
        liveness
    }

    /// The trap of a change of cadence: an idle session was asked seldom, so its last answer is old
    /// when it becomes the holder. It must get its time to answer a beat that was really sent.
    #[test]
    fn a_session_is_not_judged_by_a_beat_that_was_not_sent() {
        let timings = Timings::default();
        let mut liveness = attached(Cadence::Frequent, &timings);
        let asked = 9_500;
        liveness.heard(at(asked));
        assert_eq!(liveness.judge(at(asked), &timings), SessionHealth::Online);
        assert!(liveness.take_beat(at(asked), &timings, 0).is_some());
        liveness.heard(at(asked + 4_999));
        assert_ne!(
            liveness.judge(at(asked + 4_999), &timings),
            SessionHealth::Offline
        );
        assert_eq!(
            liveness.judge(at(asked + 5_000), &timings),
            SessionHealth::Offline
        );
    }

    #[test]
    fn an_unanswered_editor_is_offline_ten_seconds_after_its_last_answer() {
        let timings = Timings::default();
        let mut liveness = attached(Cadence::Frequent, &timings);
        let (first, _) = liveness
            .take_beat(at(0), &timings, 0)
            .expect("a beat is due");
        assert_eq!(
            liveness.answered(first, Duration::ZERO, at(100), &timings),
            BeatVerdict::Counts
        );
        for beat in 1..6 {
            assert!(liveness.take_beat(at(beat * 2_000), &timings, 0).is_some());
            liveness.heard(at(beat * 2_000));
        }
        assert_eq!(liveness.judge(at(6_099), &timings), SessionHealth::Online);
        assert_eq!(liveness.judge(at(6_100), &timings), SessionHealth::Shaky);
        assert_eq!(liveness.judge(at(10_099), &timings), SessionHealth::Shaky);
        assert_eq!(liveness.judge(at(10_100), &timings), SessionHealth::Offline);
    }

    #[test]
    fn a_session_that_becomes_hot_is_asked_at_once_but_never_faster_than_the_hot_beat() {
        let timings = Timings::default();
        let mut liveness = attached(Cadence::Idle, &timings);
        liveness.set_cadence(Cadence::Frequent, at(10), &timings);
        assert_eq!(liveness.editor.next_beat(), Some(at(10)));
        assert!(liveness.take_beat(at(10), &timings, 0).is_some());
        liveness.set_cadence(Cadence::Idle, at(500), &timings);
        liveness.set_cadence(Cadence::Frequent, at(1_000), &timings);
        assert_eq!(liveness.editor.next_beat(), Some(at(2_010)));
    }

    #[test]
    fn the_next_look_is_after_now_once_what_is_due_is_out() {
        let timings = Timings::default();
        let mut liveness = attached(Cadence::Frequent, &timings);
        for step in 0..3_000 {
            let now = at(step * 10);
            liveness.take_ping(now, &timings);
            liveness.take_beat(now, &timings, 0);
            assert!(liveness.next_look(now, &timings) > now);
        }
    }

    #[test]
    fn numbers_of_beats_grow_even_within_one_microsecond() {
        let timings = Timings::default();
        let mut liveness = attached(Cadence::Frequent, &timings);
        let first = liveness.take_beat(at(0), &timings, 0);
        liveness.attach(
            ClientKind::LockAware,
            Cadence::Frequent,
            at(0),
            at(1),
            at(1),
        );
        assert!(liveness.take_beat(at(0), &timings, 0) > first);
    }
}
