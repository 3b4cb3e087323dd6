//! Ledger of a connection's sync messages: the number of them that are saved.
//!
//! Owns the count of messages and the log positions at which they are settled, in bounded memory.
//! It never looks at an update, and never announces a message as saved before all earlier ones are.

use std::collections::BTreeMap;

/// Most runs of settled messages, beside those that an unsettled message separates. Beyond it,
/// neighbouring runs are joined, and announced when the later one is durable. A stock client is
/// never told, so its ledger grows to this number, of 40 bytes each.
const RUNS: usize = 64;

/// Consecutive messages that are all durable once `position` is; the first one is the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    to: u64,
    position: u64,
}

/// The ledger of one connection.
#[derive(Debug, Default)]
pub(super) struct SavedLedger {
    /// Messages that came.
    count: u64,
    /// All messages up to this one are announced.
    announced: u64,
    /// Settled messages that are not announced: disjoint. The messages in between are not settled.
    runs: BTreeMap<u64, Run>,
    /// The first message that is never settled, so that nothing from it on is announced.
    lost: Option<u64>,
}

impl SavedLedger {
    /// Counts the next message and returns its number, from 1.
    pub(super) fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Settles one message at a position.
    pub(super) fn settle(&mut self, number: u64, position: u64) {
        let before = self.runs.range(..=number).next_back();
        let known = before.is_some_and(|(_, run)| run.to >= number);
        let never = self.lost.is_some_and(|lost| number >= lost);
        if number <= self.announced || known || never {
            return;
        }
        let run = Run {
            to: number,
            position,
        };
        let touching = before.filter(|(_, run)| run.to + 1 == number);
        let before = touching.map(|(from, _)| *from);
        self.runs.insert(number, run);
        self.join(number);
        if let Some(before) = before {
            self.join(before);
        }
    }

    /// Notes that a message is never taken.
    pub(super) fn lose(&mut self, number: u64) {
        if number > self.announced && self.lost.is_none_or(|lost| number < lost) {
            self.lost = Some(number);
            drop(self.runs.split_off(&number));
        }
    }

    /// Notes that the log is durable up to a position. Returns the number of saved messages if it
    /// grew.
    pub(super) fn durable(&mut self, position: u64) -> Option<u64> {
        let before = self.announced;
        while let Some(first) = self.runs.first_entry()
            && *first.key() == self.announced + 1
            && first.get().position <= position
        {
            self.announced = first.remove().to;
        }
        (self.announced > before).then_some(self.announced)
    }

    /// Returns true if a message is not announced.
    pub(super) const fn has_unsaved(&self) -> bool {
        self.announced < self.count
    }

    /// Joins a run with the one behind it where that loses nothing, or where there are too many.
    fn join(&mut self, from: u64) {
        let Some(&run) = self.runs.get(&from) else {
            return;
        };
        let Some(&next) = self.runs.get(&(run.to + 1)) else {
            return;
        };
        if run.position == next.position || self.runs.len() > RUNS {
            self.runs.remove(&(run.to + 1));
            let position = run.position.max(next.position);
            let to = next.to;
            self.runs.insert(from, Run { to, position });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_announced_together_up_to_the_first_that_is_not_durable() {
        let mut ledger = SavedLedger::default();
        for position in [10, 11, 12] {
            let number = ledger.next();
            ledger.settle(number, position);
        }
        assert_eq!(ledger.durable(9), None);
        assert_eq!(ledger.durable(11), Some(2));
        assert_eq!(ledger.durable(11), None);
        assert_eq!(ledger.durable(50), Some(3));
        assert!(!ledger.has_unsaved());
    }

    #[test]
    fn nothing_but_itself_settles_a_message() {
        let mut ledger = SavedLedger::default();
        (0..4).for_each(|_| assert!(ledger.next() > 0));
        ledger.settle(1, 10);
        ledger.settle(3, 12);
        ledger.settle(4, 13);
        assert_eq!(ledger.durable(100), Some(1));
        ledger.settle(2, 200);
        assert_eq!(ledger.durable(199), None);
        assert_eq!(ledger.durable(200), Some(4));
    }

    #[test]
    fn what_is_lost_holds_back_all_that_follows_and_costs_nothing() {
        let mut ledger = SavedLedger::default();
        for position in 1..=100 {
            let number = ledger.next();
            ledger.settle(number, position);
        }
        ledger.lose(51);
        assert_eq!(ledger.durable(1000), Some(50));
        for position in 101..=10_000 {
            let number = ledger.next();
            ledger.settle(number, position);
        }
        assert!(ledger.runs.is_empty());
        assert_eq!(ledger.durable(20_000), None);
        assert!(ledger.has_unsaved());
    }

    #[test]
    fn memory_is_bounded_and_what_is_joined_is_announced_later_not_earlier() {
        let mut ledger = SavedLedger::default();
        for position in 1..=10_000 {
            let number = ledger.next();
            ledger.settle(number, position);
        }
        assert!(ledger.runs.len() <= RUNS);
        assert_eq!(ledger.durable(20), Some(20));
        assert_eq!(ledger.durable(5000), Some(RUNS as u64 - 1));
        assert_eq!(ledger.durable(10_000), Some(10_000));
    }

    #[test]
    fn thousands_that_are_settled_in_reverse_order_are_all_announced() {
        let mut ledger = SavedLedger::default();
        (0..8000).for_each(|_| assert!(ledger.next() > 0));
        for (position, number) in (1..=8000).rev().enumerate() {
            ledger.settle(number, position as u64);
        }
        assert!(ledger.runs.len() <= RUNS);
        assert_eq!(ledger.durable(8000), Some(8000));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Settle { back: u64 },
        Skip,
        Lose { back: u64 },
        Durable { behind: u64 },
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            12 => (0..5_u64).prop_map(|back| Op::Settle { back }),
            4 => Just(Op::Skip),
            1 => (0..3_u64).prop_map(|back| Op::Lose { back }),
            6 => (0..6_u64).prop_map(|behind| Op::Durable { behind }),
        ]
    }

    proptest! {
        /// Against the plain account: the first position at which each message was settled.
        #[test]
        fn the_runs_say_what_a_plain_list_says(ops in proptest::collection::vec(op(), 0..60)) {
            let mut ledger = SavedLedger::default();
            let mut plain: Vec<Option<u64>> = Vec::new();
            let (mut announced, mut position) = (0, 0);
            for op in ops {
                position += 1;
                if !matches!(op, Op::Durable { .. }) {
                    ledger.next();
                    plain.push(None);
                }
                let at = |back: u64| (plain.len() as u64).saturating_sub(back).max(1);
                match op {
                    Op::Skip => {}
                    Op::Settle { back } => {
                        let number = at(back);
                        ledger.settle(number, position);
                        plain[number as usize - 1].get_or_insert(position);
                    }
                    Op::Lose { back } => {
                        let number = at(back);
                        ledger.lose(number);
                        if number as usize > announced {
                            plain[number as usize - 1] = Some(u64::MAX);
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
                prop_assert_eq!(ledger.has_unsaved(), announced < plain.len());
            }
        }
    }
}
