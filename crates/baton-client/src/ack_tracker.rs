//! Tracks the edits of this copy that are durable on the server, by counting sync messages.
//!
//! Each sync message carries all edits made until then. So "the first n messages are durable" means
//! "all edits made before message n was sent are durable". Owns that account; sends nothing.

use std::collections::VecDeque;

/// Most messages under way that are remembered one by one. Beyond that, the newest entries are
/// merged: their edits are reported as durable later, never too early.
const MAX_UNDER_WAY: usize = 4096;

/// The account of one copy.
#[derive(Debug, Default)]
pub(crate) struct AckTracker {
    edits: u64,
    durable: u64,
    /// Clock of this copy's own content after all edits.
    clock: u32,
    /// The same after the durable edits.
    durable_clock: u32,
    /// Sync messages sent on this connection.
    sent: u64,
    /// Messages without acknowledgement, oldest first.
    under_way: VecDeque<UnderWay>,
}

/// The edits carried by a message and those before it.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    edits: u64,
    clock: u32,
}

impl AckTracker {
    /// Counts an edit, after which the own content has this clock. Returns the number of edits.
    pub(crate) fn edited(&mut self, clock: u32) -> u64 {
        self.edits += 1;
        self.clock = clock;
        self.edits
    }

    /// Counts a sync message that, with those before it, carries all edits.
    pub(crate) fn sent_all(&mut self) {
        self.sent += 1;
        if self.under_way.len() == MAX_UNDER_WAY {
            // The later message stands for the one that is dropped here.
            self.under_way.pop_back();
        }
        self.under_way.push_back(UnderWay {
            number: self.sent,
            edits: self.edits,
            clock: self.clock,
        });
    }

    /// Counts a sync message that carries no edit of this copy.
    pub(crate) fn sent_nothing(&mut self) {
        self.sent += 1;
    }

    /// Notes that the first `messages` sync messages of this connection are durable. Returns true
    /// if all edits are durable now and were not before.
    pub(crate) fn acknowledged(&mut self, messages: u64) -> bool {
        let before = self.all_durable();
        while let Some(of) = self.under_way.pop_front_if(|of| of.number <= messages) {
            self.durable = self.durable.max(of.edits);
            self.durable_clock = self.durable_clock.max(of.clock);
        }
        !before && self.all_durable()
    }

    /// Forgets the messages of a connection that is over. Their edits may be lost on the way; the
    /// next connection's Step2 carries them again.
    pub(crate) fn connection_over(&mut self) {
        self.sent = 0;
        self.under_way.clear();
    }

    /// Returns the number of sync messages sent on this connection.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of edits that are not known to be durable, and the clock where they
    /// begin.
    pub(crate) const fn pending(&self) -> (u64, u32) {
        (self.edits - self.durable, self.durable_clock)
    }

    /// Returns the number of edits.
    pub(crate) const fn edits(&self) -> u64 {
        self.edits
    }

    /// Returns true if the first `edits` edits are durable.
    pub(crate) const fn is_durable(&self, edits: u64) -> bool {
        self.durable >= edits
    }

    /// Returns true if all edits are durable.
    pub(crate) const fn all_durable(&self) -> bool {
        self.is_durable(self.edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_durable_when_the_message_that_carried_it_is() {
        let mut acks = AckTracker::default();
        acks.sent_all(); // the first Step2, of a copy without edits
        let first = acks.edited(1);
        acks.sent_all();
        let second = acks.edited(2);
        acks.sent_all();
        assert!(!acks.acknowledged(2));
        assert!(acks.is_durable(first) && !acks.is_durable(second));
        assert!(acks.acknowledged(3));
        assert!(!acks.acknowledged(3), "completed only once");
    }

    #[test]
    fn a_lost_connection_leaves_the_rest_to_the_next_step2() {
        let mut acks = AckTracker::default();
        acks.sent_all();
        acks.edited(3);
        acks.sent_all();
        acks.connection_over();
        assert!(!acks.acknowledged(2), "another connection's count");
        let last = acks.edited(4);
        acks.sent_all();
        assert!(acks.acknowledged(1));
        assert!(acks.is_durable(last));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_claims_too_much() {
        let mut acks = AckTracker::default();
        let total = 3 * MAX_UNDER_WAY as u64;
        for _ in 0..total {
            acks.edited(5);
            acks.sent_all();
        }
        assert_eq!(acks.under_way.len(), MAX_UNDER_WAY);
        acks.acknowledged(total - 1);
        assert!(!acks.is_durable(total - 1));
        acks.acknowledged(total);
        assert!(acks.all_durable());
    }

    #[test]
    fn a_message_without_content_is_counted_and_acks_nothing() {
        let mut acks = AckTracker::default();
        acks.edited(6);
        acks.sent_nothing();
        assert!(!acks.acknowledged(1));
        assert!(!acks.all_durable());
    }
}
