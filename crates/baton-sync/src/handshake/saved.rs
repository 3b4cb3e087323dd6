//! Which of a connection's sync messages are durable: the arithmetic behind `saved`.
//!
//! Owns the count of messages and the log positions at which they are settled, in bounded memory.
//! It never looks at an update, and never announces a message as saved before every one up to it is.

use std::collections::VecDeque;

/// How many stretches of settled messages are kept apart. Beyond it neighbours are taken together,
/// to be announced when the later of them is durable.
const RUNS: usize = 1024;

/// Consecutive messages that are all durable once `position` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: u64,
    to: u64,
    position: u64,
}

/// The account of one connection.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Messages that came.
    count: u64,
    /// All up to this one are announced.
    announced: u64,
    /// Settled messages that are not announced: ascending, disjoint. What lies between is not settled.
    runs: VecDeque<Run>,
}

impl Ledger {
    /// Counts the next message and returns its number, from 1.
    pub(super) fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// One message is settled at a position.
    pub(super) fn settle(&mut self, number: u64, position: u64) {
        let at = self.runs.partition_point(|run| run.from <= number);
        let known = at.checked_sub(1).is_some_and(|i| self.runs[i].to >= number);
        if number <= self.announced || known {
            return;
        }
        let run = Run {
            from: number,
            to: number,
            position,
        };
        self.runs.insert(at, run);
        self.join_equals(at);
        if self.runs.len() > RUNS {
            self.make_room();
        }
    }

    /// All messages up to this one are settled at a position, whatever became of each.
    pub(super) fn cover(&mut self, number: u64, position: u64) {
        // What was settled without a gap keeps its own positions, which are earlier.
        let mut next = self.announced + 1;
        let mut keep = 0;
        while let Some(run) = self.runs.get(keep)
            && run.from == next
        {
            next = run.to + 1;
            keep += 1;
        }
        if next > number {
            return;
        }
        let past = self.runs.partition_point(|run| run.to <= number);
        let covered = self.runs.drain(keep..past);
        let position = covered.map(|run| run.position).fold(position, u64::max);
        if let Some(run) = self.runs.get_mut(keep) {
            run.from = run.from.max(number + 1);
        }
        let run = Run {
            from: next,
            to: number,
            position,
        };
        self.runs.insert(keep, run);
        if self.runs.len() > RUNS {
            self.make_room();
        }
    }

    /// The log is durable up to a position: the new count of saved messages, if it grew.
    pub(super) fn durable(&mut self, position: u64) -> Option<u64> {
        let before = self.announced;
        while let Some(run) = self.runs.front()
            && run.from == self.announced + 1
            && run.position <= position
        {
            self.announced = run.to;
            self.runs.pop_front();
        }
        (self.announced > before).then_some(self.announced)
    }

    /// Whether a message is not announced.
    pub(super) fn has_unsaved(&self) -> bool {
        self.announced < self.count
    }

    /// Whether a message is not settled.
    pub(super) fn has_holes(&self) -> bool {
        let mut next = self.announced + 1;
        for run in &self.runs {
            if run.from != next {
                return true;
            }
            next = run.to + 1;
        }
        next <= self.count
    }

    /// Joins a run with its neighbours where that loses nothing.
    fn join_equals(&mut self, at: usize) {
        for left in [Some(at), at.checked_sub(1)].into_iter().flatten() {
            let (Some(a), Some(b)) = (self.runs.get(left), self.runs.get(left + 1)) else {
                continue;
            };
            if a.to + 1 == b.from && a.position == b.position {
                self.runs[left].to = b.to;
                self.runs.remove(left + 1);
            }
        }
    }

    /// Joins the last two neighbours, at the later position. If there are none, every run has a gap
    /// before it, and only a later answer to a Step1 can cover those; it covers the last run, too.
    fn make_room(&mut self) {
        let touching = |left: &usize| self.runs[*left].to + 1 == self.runs[left + 1].from;
        match (0..self.runs.len() - 1).rev().find(touching) {
            Some(left) => {
                let right = self.runs[left + 1];
                self.runs[left].to = right.to;
                self.runs[left].position = self.runs[left].position.max(right.position);
                self.runs.remove(left + 1);
            }
            None => {
                self.runs.pop_back();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_announced_together_up_to_the_first_that_is_not_durable() {
        let mut ledger = Ledger::default();
        for position in [10, 11, 12] {
            let number = ledger.next();
            ledger.settle(number, position);
        }
        assert_eq!(ledger.durable(9), None);
        assert_eq!(ledger.durable(11), Some(2));
        assert_eq!(ledger.durable(11), None);
        assert_eq!(ledger.durable(50), Some(3));
        assert!(!ledger.has_holes());
    }

    #[test]
    fn a_hole_holds_back_what_follows_until_a_later_whole_answer_covers_it() {
        let mut ledger = Ledger::default();
        (0..4).for_each(|_| assert!(ledger.next() > 0));
        ledger.settle(1, 10);
        ledger.settle(3, 12);
        assert_eq!(ledger.durable(100), Some(1));
        assert!(ledger.has_holes());
        ledger.cover(4, 200);
        assert_eq!(ledger.durable(199), None);
        assert_eq!(ledger.durable(200), Some(4));
    }

    #[test]
    fn memory_is_bounded_and_what_is_joined_is_announced_later_not_earlier() {
        let mut ledger = Ledger::default();
        for position in 1..=10_000 {
            let number = ledger.next();
            ledger.settle(number, position);
        }
        assert!(ledger.runs.len() <= RUNS);
        assert_eq!(ledger.durable(1000), Some(1000));
        assert_eq!(ledger.durable(5000), Some(1023));
        assert_eq!(ledger.durable(10_000), Some(10_000));
    }

    #[test]
    fn a_thousand_holes_do_not_cost_more_than_their_share() {
        let mut ledger = Ledger::default();
        for position in 1..=10_000 {
            ledger.next();
            let number = ledger.next();
            ledger.settle(number, position);
        }
        assert!(ledger.runs.len() <= RUNS);
        assert_eq!(ledger.durable(20_000), None);
        ledger.cover(20_000, 30_000);
        assert_eq!(ledger.durable(30_000), Some(20_000));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Settle { back: u64 },
        Skip,
        Cover { back: u64 },
        Durable { behind: u64 },
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0..3_u64).prop_map(|back| Op::Settle { back }),
            2 => Just(Op::Skip),
            1 => (0..3_u64).prop_map(|back| Op::Cover { back }),
            2 => (0..6_u64).prop_map(|behind| Op::Durable { behind }),
        ]
    }

    proptest! {
        /// Against the plain account: the first position at which each message was settled.
        #[test]
        fn the_runs_say_what_a_plain_list_says(ops in proptest::collection::vec(op(), 0..60)) {
            let mut ledger = Ledger::default();
            let mut plain: Vec<Option<u64>> = Vec::new();
            let (mut announced, mut position) = (0, 0);
            for op in ops {
                position += 1;
                match op {
                    Op::Skip => {
                        ledger.next();
                        plain.push(None);
                    }
                    Op::Settle { back } => {
                        ledger.next();
                        plain.push(None);
                        let number = (plain.len() as u64).saturating_sub(back).max(1);
                        ledger.settle(number, position);
                        plain[number as usize - 1].get_or_insert(position);
                    }
                    Op::Cover { back } => {
                        ledger.next();
                        plain.push(None);
                        let number = (plain.len() as u64).saturating_sub(back).max(1);
                        ledger.cover(number, position);
                        // Behind the first hole, all of it is durable with the whole answer only.
                        if let Some(hole) = plain[..number as usize].iter().position(Option::is_none) {
                            plain[hole..number as usize].fill(Some(position));
                        }
                    }
                    Op::Durable { behind } => {
                        let durable = position.saturating_sub(behind);
                        let settled = |at: &&Option<u64>| at.is_some_and(|at| at <= durable);
                        let expected = plain.iter().take_while(settled).count().max(announced);
                        let grew = (expected > announced).then_some(expected as u64);
                        announced = expected;
                        prop_assert_eq!(ledger.durable(durable), grew);
                    }
                }
                let holes = plain.iter().skip(announced).any(Option::is_none);
                prop_assert_eq!(ledger.has_holes(), holes);
            }
        }
    }
}
