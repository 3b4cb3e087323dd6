//! The statuses of a connection whose wire answers each sync message.
//!
//! Owns the next message that gets a status, and the messages of which the status is false whatever
//! their position. The published provider only counts: it adds one for each edit and for each Step1
//! that it sends, and takes one off for each status that is true. For an answer to a Step1 of ours
//! that it did not ask for, it added none: a true status would stand for one of its edits. So that
//! status is false, which the provider ignores.
//!
//! With each Step1 the provider sets its count to one, for its answer to the Step1 that it gets
//! back: whatever it wrote before does not count any more. That is more than the messages that came
//! before. Edits made offline wait in a queue of the provider, which it sends after its Step1, once
//! it has heard something ([`Statuses::queue_was_sent`]). Their statuses are false as well.

use std::collections::{BTreeMap, VecDeque};

use crate::StateVector;
use crate::scan::{IdRange, Scan};

/// Most runs of messages with a false status. Beyond it, the newest run and the one before it are
/// joined, and the status of the messages between them is false as well.
const FALSE_RUNS: usize = 64;

/// Most of our Step1 messages without an answer of which is known if the client asked for them. Of
/// a further one it is taken to have done so.
const ASKED: usize = 64;

/// The statuses of one connection; see the module.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    /// All messages up to this one have had their status.
    told: u64,
    /// First and last message of each run with a false status. Those that were told are gone.
    falses: BTreeMap<u64, u64>,
    /// Our Step1 messages without an answer: true if the client asked for it.
    asked: VecDeque<bool>,
    counted: CountedUpdates,
}

/// The updates that a client counts.
#[derive(Debug, PartialEq, Eq)]
enum CountedUpdates {
    /// None: it has not sent a Step1. True if it has sent its queue.
    None { queue_sent: bool },
    /// Those that it wrote after this state. Others come from its queue.
    Since(StateVector),
    /// All.
    All,
}

impl Default for CountedUpdates {
    fn default() -> Self {
        Self::None { queue_sent: false }
    }
}

impl Statuses {
    /// Returns the number of the next message that gets a status.
    pub(super) const fn next(&self) -> u64 {
        self.told + 1
    }

    /// Returns true if the status of a message is false whatever its position.
    pub(super) fn is_false(&self, number: u64) -> bool {
        let before = self.falses.range(..=number).next_back();
        before.is_some_and(|(_, to)| *to >= number)
    }

    /// Notes that a message has had its status.
    pub(super) fn told(&mut self, number: u64) {
        self.told = number;
        if let Some(first) = self.falses.first_entry()
            && *first.get() <= number
        {
            first.remove();
        }
    }

    /// Makes the status of a message false, unless it has had one.
    pub(super) fn deny(&mut self, number: u64) {
        if number <= self.told || self.is_false(number) {
            return;
        }
        let (mut from, mut to) = (number, number);
        if let Some(last) = self.falses.remove(&(number + 1)) {
            to = last;
        }
        if let Some((&first, &last)) = self.falses.range(..number).next_back()
            && (last + 1 == number || self.falses.len() >= FALSE_RUNS)
        {
            from = first;
        }
        self.falses.insert(from, to);
    }

    /// Notes a Step1 of the client, with its vector. `last` is the last message that came before.
    pub(super) fn count_anew(&mut self, vector: &StateVector, last: u64) {
        // All that came and was not told is one run: no later message is denied yet.
        if self.told < last {
            self.falses = BTreeMap::from([(self.next(), last)]);
        }
        self.asked.iter_mut().for_each(|counted| *counted = false);
        self.counted = match self.counted {
            CountedUpdates::All | CountedUpdates::None { queue_sent: true } => CountedUpdates::All,
            _ => CountedUpdates::Since(vector.clone()),
        };
    }

    /// Notes that the client has sent all that it had queued while it was offline.
    pub(super) fn queue_was_sent(&mut self) {
        self.counted = match self.counted {
            CountedUpdates::None { .. } => CountedUpdates::None { queue_sent: true },
            CountedUpdates::Since(_) | CountedUpdates::All => CountedUpdates::All,
        };
    }

    /// Notes an update that came. One that only deletes does not tell when it was written: it is
    /// taken for one of the queue until that was sent.
    pub(super) fn came(&mut self, number: u64, update: &Scan<'_>) {
        let is_counted = match &self.counted {
            CountedUpdates::None { .. } => false,
            CountedUpdates::Since(vector) => {
                let is_new = |range: IdRange| range.end > vector.get(range.client);
                update.inserts().any(is_new)
            }
            CountedUpdates::All => true,
        };
        if !is_counted {
            self.deny(number);
        }
    }

    #[cfg(test)]
    pub(super) fn runs_of_falses(&self) -> usize {
        self.falses.len()
    }

    /// Notes that our Step1 is on its way.
    pub(super) fn asked(&mut self, awaited: bool) {
        if self.asked.len() < ASKED {
            self.asked.push_back(awaited);
        }
    }

    /// Notes that this message answers the oldest of our Step1 messages. A client answers each in
    /// turn.
    pub(super) fn answered(&mut self, number: u64) {
        if self.asked.pop_front() == Some(false) {
            self.deny(number);
        }
    }
}
