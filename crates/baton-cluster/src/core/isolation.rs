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
/// The shell keeps one for each stream and tells each of the renewals, so that a node without
/// edits notices, too. While a stream is isolated, its documents say `unsaved` and grant nothing.
#[derive(Debug)]
pub struct Isolation {
    open: BTreeMap<Question, Time>,
    frozen: bool,
    state: IsolationState,
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

impl Default for Isolation {
    fn default() -> Self {
        Self::new()
    }
}

impl Isolation {
    /// Makes one that is not isolated.
    #[must_use]
    pub fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            frozen: false,
            state: IsolationState::Connected,
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
    pub fn answered(&mut self, question: Question) {
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
        let due = oldest.map(|asked| *asked + ISOLATED_AFTER);
        due.filter(|_| self.state != IsolationState::Isolated)
    }

    /// Returns the new state if it has changed. Called after each input and at the time of
    /// [`poll_timeout`](Self::poll_timeout).
    pub fn changed(&mut self, now: Time) -> Option<bool> {
        let was_isolated = self.is_isolated();
        if self.is_late(now) {
            self.state = IsolationState::Isolated;
        } else if self.state == IsolationState::Healed {
            self.state = IsolationState::Connected;
        }
        let isolated = self.is_isolated();
        (isolated != was_isolated).then_some(isolated)
    }

    fn is_late(&self, now: Time) -> bool {
        let late = |asked: &Time| now.since(*asked) >= ISOLATED_AFTER;
        self.frozen || self.open.values().any(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_isolated_after_two_seconds_without_an_answer_and_heals() {
        let at = Time::from_millis;
        let mut isolation = Isolation::new();
        assert_eq!(isolation.poll_timeout(), None, "nothing was asked");
        isolation.asked(Question::Batch(1), at(0));
        isolation.asked(Question::Batch(1), at(900));
        assert_eq!(isolation.poll_timeout(), Some(at(2_000)));
        assert_eq!(isolation.changed(at(1_999)), None);
        assert_eq!(isolation.changed(at(2_000)), Some(true));
        assert_eq!(isolation.changed(at(2_500)), None);
        isolation.answered(Question::Renewal(9));
        assert_eq!(isolation.changed(at(2_500)), None, "another's answer");
        isolation.answered(Question::Batch(1));
        heals(&mut isolation, at(2_500));
    }

    /// An own probe, with the counter 7, is delivered.
    fn heals(isolation: &mut Isolation, now: Time) {
        assert_eq!(isolation.changed(now), None, "an answer alone heals nothing");
        assert!(isolation.wants_probe(now));
        isolation.probing(7);
        isolation.delivered(6);
        assert_eq!(isolation.changed(now), None, "it was appended before");
        isolation.delivered(7);
        assert_eq!(isolation.changed(now), Some(false));
        assert!(!isolation.wants_probe(now));
    }

    #[test]
    fn a_probe_that_is_delivered_after_a_second_outage_heals_nothing() {
        let at = Time::from_millis;
        let mut isolation = Isolation::new();
        isolation.asked(Question::Renewal(1), at(0));
        assert_eq!(isolation.changed(at(2_000)), Some(true));
        isolation.answered(Question::Renewal(1));
        assert_eq!(isolation.changed(at(2_100)), None);
        assert!(isolation.wants_probe(at(2_100)));
        isolation.probing(3);
        assert!(!isolation.wants_probe(at(2_100)), "one at a time");

        isolation.asked(Question::Renewal(2), at(3_000));
        assert_eq!(isolation.poll_timeout(), Some(at(5_000)));
        assert_eq!(isolation.changed(at(5_000)), None, "isolated as before");
        isolation.delivered(3);
        isolation.answered(Question::Renewal(2));
        assert_eq!(isolation.changed(at(30_000)), None);
        heals(&mut isolation, at(30_000));
    }

    #[test]
    fn a_renewal_without_an_answer_isolates_a_node_that_writes_nothing() {
        let at = Time::from_millis;
        let mut isolation = Isolation::new();
        isolation.asked(Question::Renewal(1), at(0));
        isolation.asked(Question::Renewal(2), at(3_000));
        isolation.answered(Question::Renewal(2));
        assert_eq!(
            isolation.changed(at(9_000)),
            None,
            "the later answers the earlier"
        );
        isolation.asked(Question::Renewal(3), at(9_000));
        assert_eq!(isolation.changed(at(11_000)), Some(true));
    }

    #[test]
    fn a_stream_without_its_end_is_isolated_until_the_next_incarnation() {
        let mut isolation = Isolation::new();
        isolation.set_frozen(true);
        assert_eq!(isolation.changed(Time::ZERO), Some(true));
        assert!(!isolation.wants_probe(Time::ZERO));
        isolation.set_frozen(false);
        heals(&mut isolation, Time::ZERO);
    }
}
