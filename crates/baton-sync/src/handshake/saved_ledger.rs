//! Ledger of a connection's sync messages: the log position at which each is settled, and the
//! messages that are not in the document.
//!
//! Owns the count of messages and their positions, in bounded memory. It never looks at an update.
//! Everything that a client is told about its own edits is read from here, in the way of its wire:
//!
//! - `saved` of Baton's channel, read with [`SavedLedger::durable`], is true of the messages that
//!   are in the document or in a park;
//! - the status of a message (Hocuspocus), read with [`SavedLedger::next_status`], is true of one
//!   message, if it is in the document;
//! - the answer to a barrier (y-sweet), read with [`SavedLedger::coverage`], is true of all
//!   messages before it, if they are in the document.
//!
//! None of them is told of a message before all earlier ones are decided and durable.

mod statuses;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::statuses::Statuses;
use super::verdict::SyncKind;
use crate::StateVector;
use crate::scan::Scan;

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

/// State of all messages before a mark; see [`SavedLedger::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of them are durable, in the document.
    Saved,
    /// One of them is not decided or not durable yet, or the client has not answered our first
    /// Step1, and may have edits that it has not sent.
    Open,
    /// One of them is parked, refused or dropped: they will not all be in the document.
    Failed,
}

/// The ledger of one connection; see the module.
#[derive(Debug, Default)]
pub struct SavedLedger {
    /// Messages that came.
    count: u64,
    /// All messages up to this one are announced.
    announced: u64,
    /// Settled messages that are not announced, or that still want a status: disjoint. The messages
    /// in between are not settled.
    runs: BTreeMap<u64, Run>,
    /// The first message that is never settled, so that nothing from it on is announced.
    lost: Option<u64>,
    /// The first message that was parked, refused or dropped.
    failed: Option<u64>,
    /// The first answer to our Step1.
    first_step2: Option<u64>,
    /// Present if each message gets a status.
    statuses: Option<Box<Statuses>>,
}

impl SavedLedger {
    /// Notes that the log is durable up to a position. Returns the number of saved messages, those
    /// in parks among them, if it grew.
    pub fn durable(&mut self, position: u64) -> Option<u64> {
        let before = self.announced;
        while let Some(first) = self.runs.first_entry()
            && *first.key() == self.announced + 1
            && self.lost.is_none_or(|lost| *first.key() < lost)
            && first.get().position <= position
        {
            self.announced = first.remove().to;
        }
        (self.announced > before).then_some(self.announced)
    }

    /// Returns the status of the next message in order, once, when the log is durable up to a
    /// position: true if the message is durable in the document, and if the client counts on it.
    /// `None` if it is not decided or not durable, or if no status is wanted.
    pub fn next_status(&mut self, position: u64) -> Option<bool> {
        let statuses = self.statuses.as_mut()?;
        let number = statuses.next();
        if number > self.count {
            return None;
        }
        let saved = !statuses.is_false(number);
        if saved && number > self.announced {
            let (_, run) = self.runs.range(..=number).next_back()?;
            if run.to < number || run.position > position {
                return None;
            }
        }
        statuses.told(number);
        if self.lost.is_some_and(|lost| number >= lost) {
            self.drop_run_ending_at(number);
        }
        Some(saved)
    }

    /// Returns a mark behind all messages that came, and behind `more` of the next ones.
    #[must_use]
    pub const fn mark(&self, more: u64) -> u64 {
        self.count + more
    }

    /// Returns the state of all messages before a mark, as [`SavedLedger::durable`] was told last.
    #[must_use]
    pub fn coverage(&self, mark: u64) -> Coverage {
        let last = mark.max(self.first_step2.unwrap_or(0));
        if self.failed.is_some_and(|failed| failed <= last) {
            Coverage::Failed
        } else if self.first_step2.is_some() && self.announced >= last {
            Coverage::Saved
        } else {
            Coverage::Open
        }
    }

    /// Returns true if a message may still be announced, or gets a status.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        let end = self.lost.map_or(self.count, |lost| lost - 1);
        let told = self
            .statuses
            .as_ref()
            .is_none_or(|it| it.next() > self.count);
        self.announced < end || !told
    }

    /// From now on each message gets a status. To be called before the first one.
    pub(super) fn give_statuses(&mut self) {
        self.statuses = Some(Box::default());
    }

    /// Notes that our Step1 is on its way. `awaited` is true if the client asked for it, and counts
    /// on a status for its answer.
    pub(super) fn asked(&mut self, awaited: bool) {
        if let Some(statuses) = &mut self.statuses {
            statuses.asked(awaited);
        }
    }

    /// Notes a Step1 of the client, with its vector: a client that counts statuses sets its count to
    /// one, whatever it sent or wrote before.
    pub fn count_anew(&mut self, vector: &StateVector) {
        if let Some(statuses) = &mut self.statuses {
            statuses.count_anew(vector, self.count);
        }
    }

    /// Notes that a client that counts statuses has sent all that it had queued while it was
    /// offline: it counts all updates from here on.
    pub fn queue_was_sent(&mut self) {
        if let Some(statuses) = &mut self.statuses {
            statuses.queue_was_sent();
        }
    }

    /// Notes the content of an update that was counted.
    pub(super) fn came(&mut self, number: u64, kind: SyncKind, update: &Scan<'_>) {
        if let Some(statuses) = &mut self.statuses
            && kind == SyncKind::Update
        {
            statuses.came(number, update);
        }
    }

    /// Counts the next message and returns its number, from 1.
    pub(super) fn next(&mut self, kind: SyncKind) -> u64 {
        self.count += 1;
        if kind == SyncKind::Step2 {
            self.first_step2.get_or_insert(self.count);
            if let Some(statuses) = &mut self.statuses {
                statuses.answered(self.count);
            }
        }
        self.count
    }

    /// Settles one message at a position.
    pub(super) fn settle(&mut self, number: u64, position: u64) {
        let before = self.runs.range(..=number).next_back();
        let known = before.is_some_and(|(_, run)| run.to >= number);
        if number <= self.announced || known || self.is_of_no_use(number) {
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

    /// Notes that a message, or a part of it, is not in the document: it is in a park, or was
    /// refused for the time being. It may be settled all the same.
    pub(super) fn fail(&mut self, number: u64) {
        self.failed = Some(self.failed.map_or(number, |failed| failed.min(number)));
        if let Some(statuses) = &mut self.statuses {
            statuses.deny(number);
        }
    }

    /// Notes that a message is never taken.
    pub(super) fn lose(&mut self, number: u64) {
        self.fail(number);
        if number > self.announced && self.lost.is_none_or(|lost| number < lost) {
            self.lost = Some(number);
            if self.statuses.is_none() {
                drop(self.runs.split_off(&number));
            }
        }
    }

    /// Returns true if the position of a message that is not announced tells a client nothing.
    fn is_of_no_use(&self, number: u64) -> bool {
        let has_status = self.statuses.as_ref().is_none_or(|it| number < it.next());
        self.lost.is_some_and(|lost| number >= lost) && has_status
    }

    fn drop_run_ending_at(&mut self, number: u64) {
        let run = self.runs.range(..=number).next_back();
        if let Some((&from, run)) = run
            && run.to == number
        {
            self.runs.remove(&from);
        }
    }

    /// Joins a run with the one behind it where that loses nothing, or where there are too many.
    fn join(&mut self, from: u64) {
        let Some(&run) = self.runs.get(&from) else {
            return;
        };
        let Some(&next) = self.runs.get(&(run.to + 1)) else {
            return;
        };
        // Messages behind one that is never settled are not announced with those before it.
        let parted = self.lost == Some(run.to + 1);
        if !parted && (run.position == next.position || self.runs.len() > RUNS) {
            self.runs.remove(&(run.to + 1));
            let position = run.position.max(next.position);
            let to = next.to;
            self.runs.insert(from, Run { to, position });
        }
    }
}
