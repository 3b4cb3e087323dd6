//! The statuses of a connection whose wire answers each sync message.
//!
//! Owns the next message that gets a status, and the messages with a status that no position
//! decides. The client only counts: it adds one for each message that it sends, and takes one off
//! for each status. So a message for which it did not add one gets none.

use std::collections::{BTreeMap, VecDeque};

/// Most runs of messages whose status is fixed. Beyond it, the newest run and the one before it are
/// joined, and the messages between them count as failed.
const FIXED: usize = 64;

/// Most of our Step1 messages without an answer of which is known if the client asked for them. Of
/// a further one it is taken to have done so.
const ASKED: usize = 64;

/// A status that does not depend on a position of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fixed {
    /// The message, or a part of it, is not in the document.
    Failed,
    /// The client does not count on a status.
    NotAwaited,
}

/// The statuses of one connection; see the module.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    /// All messages up to this one have had their status.
    told: u64,
    /// Messages with a fixed status, and the last one of each run. Those that were told are gone.
    fixed: BTreeMap<u64, (u64, Fixed)>,
    /// Our Step1 messages without an answer: true if the client asked for it.
    asked: VecDeque<bool>,
}

impl Statuses {
    /// Returns the number of the next message that gets a status.
    pub(super) const fn next(&self) -> u64 {
        self.told + 1
    }

    /// Returns the fixed status of a message.
    pub(super) fn fixed(&self, number: u64) -> Option<Fixed> {
        let (_, (to, fixed)) = self.fixed.range(..=number).next_back()?;
        (*to >= number).then_some(*fixed)
    }

    /// Notes that a message has had its status.
    pub(super) fn told(&mut self, number: u64) {
        self.told = number;
        if let Some(first) = self.fixed.first_entry()
            && first.get().0 <= number
        {
            first.remove();
        }
    }

    /// Fixes the status of a message, unless it has had one.
    pub(super) fn fix(&mut self, number: u64, status: Fixed) {
        if number <= self.told || self.fixed(number).is_some() {
            return;
        }
        let before = self.fixed.range(..number).next_back();
        let before = before.map(|(from, (to, fixed))| (*from, *to, *fixed));
        let after = self.fixed.get(&(number + 1)).copied();
        let mut run = (number, number, status);
        if let Some((to, fixed)) = after
            && fixed == status
        {
            self.fixed.remove(&(number + 1));
            run.1 = to;
        }
        if let Some((from, to, fixed)) = before {
            if fixed == status && to + 1 == number {
                run.0 = from;
            } else if self.fixed.len() >= FIXED {
                run = (from, run.1, Fixed::Failed);
            }
        }
        let (from, to, status) = run;
        self.fixed.insert(from, (to, status));
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
            self.fix(number, Fixed::NotAwaited);
        }
    }
}
