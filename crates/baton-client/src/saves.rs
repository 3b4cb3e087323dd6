//! What of this copy is on the server's disk, by counting.
//!
//! Each sync message that this client sends carries all that it has edited until then, so that "the first n messages
//! are durable" means "the first so many edits are". Owns that account; never sends.

use std::collections::VecDeque;

/// Messages under way that are remembered each for itself; later ones are told apart less finely.
const MAX_UNDER_WAY: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Saves {
    /// Edits of this copy, and how many of them are known to be durable.
    edits: u64,
    durable: u64,
    /// The clock of this copy's own content after all edits, and after the durable ones.
    clock: u32,
    durable_clock: u32,
    /// Sync messages of this connection.
    sent: u64,
    /// Message by message, oldest first.
    under_way: VecDeque<UnderWay>,
}

/// What a message and those before it carry.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    edits: u64,
    clock: u32,
}

impl Saves {
    /// This copy was edited, up to this clock of its own. Returns how many edits there are now.
    pub(crate) fn edited(&mut self, clock: u32) -> u64 {
        self.edits += 1;
        self.clock = clock;
        self.edits
    }

    /// A sync message was sent that, with those before it, carries all edits.
    pub(crate) fn sent_all(&mut self) {
        self.sent += 1;
        if self.under_way.len() == MAX_UNDER_WAY {
            // What this one had carried is then known with the later one.
            self.under_way.pop_back();
        }
        self.under_way.push_back(UnderWay {
            number: self.sent,
            edits: self.edits,
            clock: self.clock,
        });
    }

    /// A sync message was sent that carries nothing of this copy.
    pub(crate) fn sent_nothing(&mut self) {
        self.sent += 1;
    }

    /// The first so many sync messages of this connection are durable. Returns whether that completes the account:
    /// all edits are durable, and were not before.
    pub(crate) fn acknowledged(&mut self, messages: u64) -> bool {
        let before = self.all_durable();
        while let Some(of) = self.under_way.pop_front_if(|of| of.number <= messages) {
            self.durable = self.durable.max(of.edits);
            self.durable_clock = self.durable_clock.max(of.clock);
        }
        !before && self.all_durable()
    }

    /// The connection is over. What was under way may be lost; the next connection's Step2 carries it again.
    pub(crate) fn connection_over(&mut self) {
        self.sent = 0;
        self.under_way.clear();
    }

    /// How many sync messages went out on this connection.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// How many edits are not known to be durable, and the clock at which they begin.
    pub(crate) const fn pending(&self) -> (u64, u32) {
        (self.edits - self.durable, self.durable_clock)
    }

    /// How many edits there are.
    pub(crate) const fn edits(&self) -> u64 {
        self.edits
    }

    /// Whether the first so many edits are durable.
    pub(crate) const fn is_durable(&self, edits: u64) -> bool {
        self.durable >= edits
    }

    /// Whether all edits are.
    pub(crate) const fn all_durable(&self) -> bool {
        self.is_durable(self.edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_durable_when_the_message_that_carried_it_is() {
        let mut saves = Saves::default();
        saves.sent_all(); // the first Step2, of a copy without edits
        let first = saves.edited(1);
        saves.sent_all();
        let second = saves.edited(2);
        saves.sent_all();
        assert!(!saves.acknowledged(2));
        assert!(saves.is_durable(first) && !saves.is_durable(second));
        assert!(saves.acknowledged(3));
        assert!(!saves.acknowledged(3), "completed only once");
    }

    #[test]
    fn a_lost_connection_leaves_the_rest_to_the_next_step2() {
        let mut saves = Saves::default();
        saves.sent_all();
        saves.edited(3);
        saves.sent_all();
        saves.connection_over();
        assert!(!saves.acknowledged(2), "another connection's count");
        let last = saves.edited(4);
        saves.sent_all();
        assert!(saves.acknowledged(1));
        assert!(saves.is_durable(last));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_claims_too_much() {
        let mut saves = Saves::default();
        let total = 3 * MAX_UNDER_WAY as u64;
        for _ in 0..total {
            saves.edited(5);
            saves.sent_all();
        }
        assert_eq!(saves.under_way.len(), MAX_UNDER_WAY);
        saves.acknowledged(total - 1);
        assert!(!saves.is_durable(total - 1));
        saves.acknowledged(total);
        assert!(saves.all_durable());
    }

    #[test]
    fn a_message_without_content_is_counted_and_saves_nothing() {
        let mut saves = Saves::default();
        saves.edited(6);
        saves.sent_nothing();
        assert!(!saves.acknowledged(1));
        assert!(!saves.all_durable());
    }
}
