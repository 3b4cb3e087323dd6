//! How long a holder may go on editing without news: `client_stop` after it *sent* the last thing that the server
//! has confirmed.
//!
//! Counting from the sending, not from the arrival of the confirmation, is what makes a client stop before the server
//! passes the lock on, however long the way took. Owns the answers under way; never reads a clock or sets a timer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Moment;

/// Answers that are remembered until they are confirmed; older ones would be past their time anyway.
const MAX_ANSWERS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Lease {
    answers: BTreeMap<u64, Moment>,
    since: Option<Moment>,
}

impl Lease {
    /// The answer to beat `n` was sent.
    pub(crate) fn answered(&mut self, n: u64, at: Moment) {
        self.answers.insert(n, at);
        while self.answers.len() > MAX_ANSWERS {
            self.answers.pop_first();
        }
    }

    /// The server says that the answer to beat `n` came in time, and with it all that it needs to know of older ones.
    pub(crate) fn confirmed(&mut self, n: u64) {
        let later = self.answers.split_off(&(n.saturating_add(1)));
        let sent = self.answers.get(&n).copied();
        self.answers = later;
        if let Some(sent) = sent {
            self.renew(sent);
        }
    }

    /// Something else that was sent then has been answered: a hello by its welcome, a claim by its grant.
    pub(crate) fn renew(&mut self, sent: Moment) {
        if self
            .since
            .is_none_or(|since| sent.monotonic >= since.monotonic)
        {
            self.since = Some(sent);
        }
    }

    /// A new session: nothing that an older one sent counts.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// What is left of `stop`; zero when it has run out or never began.
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
        let mut lease = Lease::default();
        assert_eq!(lease.left(at(0), STOP), Duration::ZERO);
        lease.answered(1, at(1));
        lease.answered(2, at(3));
        assert_eq!(lease.left(at(3), STOP), Duration::ZERO);
        lease.confirmed(1);
        assert_eq!(lease.left(at(5), STOP), Duration::from_secs(3));
        lease.confirmed(2);
        assert_eq!(lease.left(at(5), STOP), Duration::from_secs(5));
        assert_eq!(lease.left(at(10), STOP), Duration::ZERO);
    }

    #[test]
    fn an_older_answer_never_shortens_it_and_an_unknown_one_never_lengthens_it() {
        let mut lease = Lease::default();
        lease.renew(at(5));
        lease.answered(1, at(2));
        lease.confirmed(1);
        lease.confirmed(99);
        assert_eq!(lease.left(at(6), STOP), Duration::from_secs(6));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut lease = Lease::default();
        for n in 0..10_000 {
            lease.answered(n, at(n));
        }
        assert_eq!(lease.answers.len(), MAX_ANSWERS);
    }
}
