//! The way of a reader through the loss of an end: comparison, freeze, proclamation.

use baton_presence::Time;

use super::super::mode::Loss;
use super::{Delivered, MessageContent, Mode, ReaderOutput, RecordId, StreamReader, Suspicion};

impl StreamReader {
    /// Compares the journal with the stream, from `changed` on if the journal begins later.
    pub(super) fn compare(&mut self, changed: u64, reason: Suspicion, now: Time) {
        let from = self
            .journal
            .first()
            .map_or(changed, |first| first.min(changed));
        self.mode = Mode::Comparing { from, reason };
        self.doubt = None;
        self.subscribe(now);
    }

    /// Goes on with the first message after a journal that is as the stream is.
    pub(super) fn compared(
        &mut self,
        message: Delivered,
        bytes: usize,
        reason: Suspicion,
        now: Time,
    ) {
        if let Suspicion::Reused { at } = reason {
            // It is proven, although what came in its place was purged meanwhile.
            self.freeze(at, false, now);
            self.skip(message, bytes);
            return;
        }
        self.mode = Mode::Live;
        let after = self.position;
        let known = self.history.bases().len();
        if reason == Suspicion::Proclaimed && self.learn(&message) {
            self.lose_unmatched(known, self.matched);
            self.begin_incarnation(message, bytes);
        } else if reason == Suspicion::Hole
            && (message.sequence > after + 1 || self.matched < after)
        {
            let before = message.sequence;
            let missing = self.journal.cut(self.matched);
            self.start_again(after, now);
            self.outputs.push_back(ReaderOutput::Hole {
                after,
                before,
                missing,
            });
        } else {
            self.deliver(message, bytes, now);
        }
    }

    /// Passes over all up to a new probe. Documents are opened after it was appended, so their
    /// marks follow it.
    fn start_again(&mut self, after: u64, now: Time) {
        self.read_past(after, self.matched, None, now);
    }

    /// Reads the past of the stream again, for another node may have proclaimed the next
    /// incarnation below all that this journal can be compared with: the own proclamation fails
    /// then, and the other one is nowhere on this reader's way. If there is none, this node
    /// proclaims again.
    pub(super) fn look_for_proclamation(&mut self, end: u64, now: Time) {
        // Those that were skipped since are in the stream.
        drop(self.journal.cut(end));
        let after = std::mem::replace(&mut self.position, end);
        let known = self.history.current();
        self.read_past(after, 0, Some(Loss { end, known }), now);
    }

    /// Returns true if the next incarnation has begun since an end was lost.
    pub(super) fn has_begun_since(&self, loss: Loss) -> bool {
        self.history.current() > loss.known
    }

    fn read_past(&mut self, after: u64, matched: u64, loss: Option<Loss>, now: Time) {
        let probe = RecordId {
            boot: self.boot,
            counter: 0,
        };
        self.mode = Mode::Starting {
            probe,
            after,
            matched,
            loss,
        };
        self.outputs.push_back(ReaderOutput::Doubt);
        self.subscribe(now);
    }

    /// Takes note that the stream has now another message at this sequence. The end begins after
    /// the last message that is as it was: what is missing between them was purged, or lost.
    pub(super) fn freeze(&mut self, sequence: u64, is_proclaimed: bool, now: Time) {
        let first = self.journal.first().unwrap_or(sequence);
        let mut end = self.matched.max(first - 1).min(sequence - 1);
        self.lose(end);
        self.proclaimed.retain(|sequence| *sequence <= end);
        self.history.rewound(end);
        if let Mode::Frozen { end: former, .. } = self.mode {
            end = end.min(former);
        }
        if is_proclaimed {
            let due = now + self.options.silence;
            self.mode = Mode::Frozen { end, due };
        } else {
            self.proclaim(end, now);
        }
    }

    pub(super) fn proclaim(&mut self, end: u64, now: Time) {
        let due = now + 4 * self.options.retry;
        self.mode = Mode::Frozen { end, due };
        // After the last incarnation that a position can have, the stream stays frozen.
        if let Some(history) = self.history.with(end) {
            let expected = self.proclaimed.last().copied().unwrap_or(0);
            self.outputs
                .push_back(ReaderOutput::Proclaim { history, expected });
        }
    }

    pub(super) fn skip(&mut self, message: Delivered, bytes: usize) {
        if message.sequence <= self.position {
            return;
        }
        if self.learn(&message) {
            self.mode = Mode::Live;
            self.begin_incarnation(message, bytes);
            return;
        }
        if matches!(message.envelope.content, MessageContent::Incarnations(_)) {
            self.note_proclaimed(message.sequence);
        }
        self.keep(&message, bytes);
        self.outputs.push_back(ReaderOutput::Skip(message));
    }

    fn begin_incarnation(&mut self, message: Delivered, bytes: usize) {
        self.keep(&message, bytes);
        let began = ReaderOutput::IncarnationBegan(self.history.clone());
        self.outputs.push_back(began);
        self.outputs.push_back(ReaderOutput::Deliver(message));
    }

    /// Takes the history that a message says, if it is a later one.
    fn learn(&mut self, message: &Delivered) -> bool {
        let MessageContent::Incarnations(history) = &message.envelope.content else {
            return false;
        };
        let later = history.current() > self.history.current();
        if later {
            self.history = history.begun_at(message.sequence, &self.history);
            self.note_proclaimed(message.sequence);
        }
        later
    }

    /// Takes note of a proclamation, which the own next one must follow. It may be of a node that
    /// did not know the last one, for the stream has lost that.
    fn note_proclaimed(&mut self, sequence: u64) {
        if let Err(place) = self.proclaimed.binary_search(&sequence) {
            self.proclaimed.insert(place, sequence);
        }
    }

    /// Takes the history that a message of the past says. After a hole this node may have delivered
    /// records that were lost since.
    pub(super) fn learn_at_start(&mut self, message: &Delivered, matched: u64) {
        let known = self.history.bases().len();
        if !self.learn(message) {
            if matches!(message.envelope.content, MessageContent::Incarnations(_)) {
                self.note_proclaimed(message.sequence);
            }
            return;
        }
        self.lose_unmatched(known, matched);
        let began = ReaderOutput::IncarnationBegan(self.history.clone());
        self.outputs.push_back(began);
    }

    /// Gives up what was delivered beyond the ends that are new in the history, after the last
    /// message that the stream still has. Whether the rest was lost or purged cannot be seen: to
    /// offer it once too often is better than not at all.
    fn lose_unmatched(&mut self, known: usize, matched: u64) {
        let end = self.history.bases().iter().skip(known).min().copied();
        if let Some(end) = end
            .map(|end| end.max(matched))
            .filter(|end| *end < self.position)
        {
            self.lose(end);
        }
    }

    fn lose(&mut self, end: u64) {
        let whole = self.journal.first().is_some_and(|first| first <= end);
        let lost = self.journal.cut(end);
        self.position = end;
        self.outputs
            .push_back(ReaderOutput::TailLost { end, lost, whole });
    }
}
