//! Notices that the engine does not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::Time;

/// Time without an answer after which a node counts as isolated.
pub const ISOLATED_AFTER: Duration = Duration::from_secs(2);

/// Something that was sent to the engine and awaits an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// A batch of the stream's writer, by its number.
    Batch(u64),
    /// A renewal of the own lease, by its number.
    Renewal(u64),
}

/// Tells if this node is isolated in one stream: what was sent is not acknowledged for 2 s, or the
/// stream has lost its end and the next incarnation has not begun.
///
/// An acknowledgement says that the engine answers, not that this node has read what others wrote
/// meanwhile, such as that it is lost. So an isolated node heals with the delivery of an own probe
/// that was appended once nothing was late any more, if nothing is late until then.
///
/// A process that stood still has nothing late when it goes on. So a stream is isolated as well
/// when what was answered last was sent longer ago than a renewal and 2 s.
///
/// The shell keeps one for each stream and tells each of the renewals, so that a node without
/// edits notices, too. While a stream is isolated, its documents say `unsaved` and grant nothing.
#[derive(Debug)]
pub struct Isolation {
    open: BTreeMap<Question, Time>,
    frozen: bool,
    state: IsolationState,
    /// The caller knows that it is isolated.
    told: bool,
    /// Time at which the newest of what was answered was sent.
    heard: Time,
    /// The same when the present isolation began.
    heard_before: Time,
    /// Longest time since `heard` of a stream that is not isolated.
    gap: Duration,
    /// Time for which no other node takes this one for lost.
    lease: Duration,
}

/// A change of a stream's isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationChange {
    /// It is isolated.
    Began,
    /// It is no longer isolated.
    Healed {
        /// True if the isolation outlasted the lease: others may have called this node lost, or
        /// may be about to. Its sessions are to go on by a record of their own before a holder
        /// among them is confirmed.
        outlasted: bool,
    },
}

/// The state of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsolationState {
    Connected,
    Isolated,
    /// Isolated until the delivery of the own probe with this counter.
    Healing(u64),
    /// The probe was delivered.
    Healed,
}

impl Isolation {
    /// Makes one that is not isolated, of a node that renews its lease at this interval. For the
    /// time of the lease no other node takes it for lost.
    #[must_use]
    pub fn new(renewal: Duration, lease: Duration, now: Time) -> Self {
        Self {
            open: BTreeMap::new(),
            frozen: false,
            state: IsolationState::Connected,
            told: false,
            heard: now,
            heard_before: now,
            gap: renewal + ISOLATED_AFTER,
            lease,
        }
    }

    /// Returns true if the stream is isolated.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.state != IsolationState::Connected
    }

    /// Takes note of something that was sent. Sent again, it keeps its first time.
    pub fn asked(&mut self, question: Question, now: Time) {
        self.open.entry(question).or_insert(now);
    }

    /// Takes note of an acknowledgement. It answers all that was asked earlier of the same kind:
    /// a writer and a lease have one question open.
    pub fn answered(&mut self, question: Question, now: Time) {
        // A gap of which nothing was noticed must not be closed by its end.
        self.look(now);
        if let Some(asked) = self.open.get(&question) {
            self.heard = self.heard.max(*asked);
        }
        let kind = std::mem::discriminant(&question);
        let same = |other: &Question| std::mem::discriminant(other) == kind;
        self.open
            .retain(|other, _| !same(other) || *other > question);
    }

    /// Takes note that the stream has lost its end, or that the next incarnation has begun.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// Returns true if the caller is to append a probe, and to tell its counter by
    /// [`probing`](Self::probing). Asked after [`changed`](Self::changed).
    #[must_use]
    pub fn wants_probe(&self, now: Time) -> bool {
        self.state == IsolationState::Isolated && !self.is_late(now)
    }

    /// Takes note of the own probe that was appended for this stream to heal.
    pub fn probing(&mut self, counter: u64) {
        if self.state == IsolationState::Isolated {
            self.state = IsolationState::Healing(counter);
        }
    }

    /// Takes note that an own message with this counter was delivered.
    pub fn delivered(&mut self, counter: u64) {
        if let IsolationState::Healing(probe) = self.state
            && counter >= probe
        {
            self.state = IsolationState::Healed;
        }
    }

    /// Returns the time at which [`changed`](Self::changed) may have news.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let oldest = self.open.values().min();
        let late = oldest.map(|asked| *asked + ISOLATED_AFTER);
        let gap = self.heard + self.gap;
        let due = late.map_or(gap, |late| late.min(gap));
        (self.state != IsolationState::Isolated).then_some(due)
    }

    /// Returns the new state if it has changed. Called after each input and at the time of
    /// [`poll_timeout`](Self::poll_timeout).
    pub fn changed(&mut self, now: Time) -> Option<IsolationChange> {
        self.look(now);
        match self.state {
            IsolationState::Isolated if !self.told => {
                self.told = true;
                Some(IsolationChange::Began)
            }
            IsolationState::Healed => {
                self.state = IsolationState::Connected;
                self.told = false;
                let outlasted = now.since(self.heard_before) >= self.lease;
                Some(IsolationChange::Healed { outlasted })
            }
            _ => None,
        }
    }

    /// Isolates the stream if something is late.
    fn look(&mut self, now: Time) {
        if self.is_late(now) {
            if self.state == IsolationState::Connected {
                self.heard_before = self.heard;
            }
            self.state = IsolationState::Isolated;
        }
    }

    fn is_late(&self, now: Time) -> bool {
        let late = |asked: &Time| now.since(*asked) >= ISOLATED_AFTER;
        self.frozen || now.since(self.heard) >= self.gap || self.open.values().any(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn isolation() -> Isolation {
        Isolation::new(Duration::from_secs(3), Duration::from_secs(15), Time::ZERO)
    }

    /// An own probe, with the counter 7, is delivered.
    fn heals(isolation: &mut Isolation, now: Time, outlasted: bool) {
        assert_eq!(
            isolation.changed(now),
            None,
            "an answer alone heals nothing"
        );
        assert!(isolation.wants_probe(now));
        isolation.probing(7);
        isolation.delivered(6);
        assert_eq!(isolation.changed(now), None, "it was appended before");
        isolation.delivered(7);
        let healed = IsolationChange::Healed { outlasted };
        assert_eq!(isolation.changed(now), Some(healed));
        assert!(!isolation.is_isolated() && !isolation.wants_probe(now));
    }

    #[test]
    fn a_stream_is_isolated_after_two_seconds_without_an_answer_and_heals() {
        let mut isolation = isolation();
        isolation.asked(Question::Batch(1), at(0));
        isolation.asked(Question::Batch(1), at(900));
        assert_eq!(isolation.poll_timeout(), Some(at(2_000)));
        assert_eq!(isolation.changed(at(1_999)), None);
        let began = Some(IsolationChange::Began);
        assert_eq!(isolation.changed(at(2_000)), began);
        assert_eq!(isolation.changed(at(2_500)), None);
        isolation.answered(Question::Renewal(9), at(2_500));
        assert_eq!(isolation.changed(at(2_500)), None, "another's answer");
        assert!(!isolation.wants_probe(at(2_500)));
        isolation.answered(Question::Batch(1), at(2_500));
        heals(&mut isolation, at(2_500), false);
    }

    #[test]
    fn a_probe_that_is_delivered_after_a_second_outage_heals_nothing() {
        let mut isolation = isolation();
        isolation.asked(Question::Renewal(1), at(0));
        let began = Some(IsolationChange::Began);
        assert_eq!(isolation.changed(at(2_000)), began);
        isolation.answered(Question::Renewal(1), at(2_100));
        assert_eq!(isolation.changed(at(2_100)), None);
        assert!(isolation.wants_probe(at(2_100)));
        isolation.probing(3);
        assert!(!isolation.wants_probe(at(2_100)), "one at a time");

        isolation.asked(Question::Renewal(2), at(3_000));
        assert_eq!(isolation.poll_timeout(), Some(at(5_000)));
        assert_eq!(isolation.changed(at(5_000)), None, "isolated as before");
        isolation.delivered(3);
        isolation.asked(Question::Renewal(3), at(29_900));
        isolation.answered(Question::Renewal(3), at(30_000));
        assert_eq!(isolation.changed(at(30_000)), None);
        heals(&mut isolation, at(30_000), true);
    }

    #[test]
    fn a_renewal_without_an_answer_isolates_a_node_that_writes_nothing() {
        let mut isolation = isolation();
        isolation.asked(Question::Renewal(1), at(0));
        isolation.asked(Question::Renewal(2), at(1_000));
        isolation.answered(Question::Renewal(2), at(1_100));
        let quiet = isolation.changed(at(5_900));
        assert_eq!(quiet, None, "the later answers the earlier");
        isolation.asked(Question::Renewal(3), at(3_500));
        let began = Some(IsolationChange::Began);
        assert_eq!(isolation.changed(at(5_900)), began);
    }

    /// A process that was stopped with SIGSTOP confirmed a holder whose lock had passed on.
    #[test]
    fn a_node_that_stood_still_is_isolated_when_it_goes_on_although_nothing_is_late() {
        for answer_is_first in [true, false] {
            let mut isolation = isolation();
            isolation.asked(Question::Renewal(1), at(0));
            isolation.answered(Question::Renewal(1), at(10));
            assert_eq!(isolation.poll_timeout(), Some(at(5_000)));
            isolation.asked(Question::Renewal(2), at(20_500));
            if answer_is_first {
                isolation.answered(Question::Renewal(2), at(20_510));
            }
            let began = Some(IsolationChange::Began);
            assert_eq!(isolation.changed(at(20_510)), began);
            isolation.answered(Question::Renewal(2), at(20_520));
            heals(&mut isolation, at(20_520), true);
        }
    }

    #[test]
    fn a_stream_without_its_end_is_isolated_until_the_next_incarnation() {
        let mut isolation = isolation();
        isolation.set_frozen(true);
        let began = Some(IsolationChange::Began);
        assert_eq!(isolation.changed(Time::ZERO), began);
        assert!(!isolation.wants_probe(Time::ZERO));
        isolation.set_frozen(false);
        heals(&mut isolation, Time::ZERO, false);
    }
}
