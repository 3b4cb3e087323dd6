//! The lease of a holder: it may edit for `client_stop` after it *sent* the last message that the
//! server has confirmed.
//!
//! Counting from the sending, not from the arrival of the confirmation, makes a client stop before
//! the server passes the lock on, however long the messages took. Each grant has its own lease: a
//! claim or a resume that proves the session alive for one grant says nothing of another. Owns the
//! answers under way; reads no clock and sets no timer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dual_clock::Moment;

/// Most answers remembered until they are confirmed. Older ones could extend no lease any more.
const MAX_ANSWERS: usize = 64;

/// Answers to beats that were sent and are not confirmed yet, by the number of the beat.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<u64, Moment>);

impl Answers {
    /// Notes that the answer to beat `n` was sent.
    pub(crate) fn sent(&mut self, n: u64, at: Moment) {
        self.0.insert(n, at);
        while self.0.len() > MAX_ANSWERS {
            self.0.pop_first();
        }
    }

    /// Notes that the server received the answer to beat `n` in time, and forgets the older ones.
    /// Returns the moment at which that answer was sent.
    pub(crate) fn confirmed(&mut self, n: u64) -> Option<Moment> {
        let later = self.0.split_off(&(n.saturating_add(1)));
        let sent = self.0.get(&n).copied();
        self.0 = later;
        sent
    }
}

/// The lease of one grant.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    since: Option<Moment>,
}

impl Lease {
    /// Extends the lease: a message sent at this moment proves the holder alive. That is a
    /// confirmed answer, a hello that was welcomed, or a claim that was granted.
    pub(crate) fn renew(&mut self, sent: Moment) {
        if self
            .since
            .is_none_or(|since| sent.monotonic >= since.monotonic)
        {
            self.since = Some(sent);
        }
    }

    /// Returns the rest of a lease of length `stop`; zero if it has run out or never began.
    pub(crate) fn left(&self, now: Moment, stop: Duration) -> Duration {
        self.since.map_or(Duration::ZERO, |since| {
            stop.saturating_sub(now.since(&since))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Duration = Duration::from_secs(7);

    fn at(seconds: u64) -> Moment {
        Moment {
            monotonic: Duration::from_secs(seconds),
            wall: Duration::from_secs(1000 + seconds),
        }
    }

    #[test]
    fn the_lease_counts_from_the_sending() {
        let (mut answers, mut lease) = (Answers::default(), Lease::default());
        assert_eq!(lease.left(at(0), STOP), Duration::ZERO);
        answers.sent(1, at(1));
        answers.sent(2, at(3));
        lease.renew(answers.confirmed(1).unwrap());
        assert_eq!(lease.left(at(5), STOP), Duration::from_secs(3));
        lease.renew(answers.confirmed(2).unwrap());
        assert_eq!(lease.left(at(5), STOP), Duration::from_secs(5));
        assert_eq!(lease.left(at(10), STOP), Duration::ZERO);
    }

    #[test]
    fn an_older_answer_never_shortens_it_and_an_unknown_one_never_lengthens_it() {
        let (mut answers, mut lease) = (Answers::default(), Lease::default());
        lease.renew(at(5));
        answers.sent(1, at(2));
        lease.renew(answers.confirmed(1).unwrap());
        assert_eq!(answers.confirmed(99), None);
        assert_eq!(lease.left(at(6), STOP), Duration::from_secs(6));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut answers = Answers::default();
        for n in 0..10_000 {
            answers.sent(n, at(n));
        }
        assert_eq!(answers.0.len(), MAX_ANSWERS);
    }
}
