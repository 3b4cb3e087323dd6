//! A batch between its first attempt and the certainty that it is stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use baton_presence::Time;

use super::batch::{OutgoingBatch, OutgoingMessage};

/// Messages that make up one record or mark.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) counter: u64,
    pub(super) messages: Vec<OutgoingMessage>,
    pub(super) bytes: usize,
    /// Time at which it was sent first, by whichever batch.
    pub(super) first_sent: Option<Time>,
}

/// A batch in flight.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) items: Vec<Item>,
    pub(super) bytes: usize,
    /// Time of the first attempt under this number.
    pub(super) first_sent: Time,
    /// Highest sequence that was delivered before the first attempt.
    pub(super) floor: u64,
    number: u64,
    attempt: u32,
    messages: Arc<[OutgoingMessage]>,
    /// Counters of the items that were not delivered yet.
    missing: BTreeSet<u64>,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// An attempt has no answer yet.
    Awaiting { until: Time },
    /// The next attempt waits.
    Paused { until: Time },
}

impl Flight {
    /// Makes a batch of at least one item, whose first attempt is under way.
    pub(super) fn new(
        number: u64,
        mut items: Vec<Item>,
        now: Time,
        until: Time,
        floor: u64,
    ) -> Self {
        for item in &mut items {
            item.first_sent.get_or_insert(now);
        }
        let messages = items.iter().flat_map(|item| item.messages.iter().cloned());
        Self {
            bytes: items.iter().map(|item| item.bytes).sum(),
            first_sent: now,
            floor,
            number,
            attempt: 0,
            messages: messages.collect(),
            missing: items.iter().map(|item| item.counter).collect(),
            step: Step::Awaiting { until },
            items,
        }
    }

    /// Returns the time at which the first of its items was sent first. Nothing of the batch was
    /// stored before, also not by a late copy from before a look.
    pub(super) fn oldest_sent(&self) -> Time {
        let sent = self.items.iter().filter_map(|item| item.first_sent);
        sent.min().unwrap_or(self.first_sent)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn batch(&self) -> OutgoingBatch {
        OutgoingBatch {
            number: self.number,
            attempt: self.attempt,
            messages: self.messages.clone(),
        }
    }

    /// Returns the time of the next attempt.
    pub(super) fn due(&self) -> Time {
        match self.step {
            Step::Awaiting { until } | Step::Paused { until } => until,
        }
    }

    /// Begins the next attempt.
    pub(super) fn repeat(&mut self, until: Time) -> OutgoingBatch {
        self.attempt += 1;
        self.step = Step::Awaiting { until };
        self.batch()
    }

    /// Waits until this time, whatever the answers say.
    pub(super) fn wait(&mut self, until: Time) {
        self.step = Step::Paused { until };
    }

    /// Takes note that this attempt has failed or may have; earlier ones say nothing new.
    pub(super) fn unknown(&mut self, attempt: u32, next: Time) {
        if attempt == self.attempt && matches!(self.step, Step::Awaiting { .. }) {
            self.step = Step::Paused { until: next };
        }
    }

    /// Takes note that an item was delivered; returns true if all were.
    pub(super) fn delivered(&mut self, counter: u64) -> bool {
        self.missing.remove(&counter) && self.missing.is_empty()
    }

    /// Returns the items that were not delivered.
    pub(super) fn into_missing(self) -> Vec<Item> {
        let missing = self.missing;
        let mut items = self.items;
        items.retain(|item| missing.contains(&item.counter));
        items
    }
}
