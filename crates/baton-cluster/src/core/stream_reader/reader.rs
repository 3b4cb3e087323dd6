//! The reader of one stream.

mod lost_end;

use std::collections::VecDeque;

use baton_presence::Time;
use bytes::Bytes;

use super::super::delivered::Delivered;
use super::super::document_key::Subject;
use super::super::envelope::{MessageContent, MessageEnvelope};
use super::super::record_id::{BootId, RecordId};
use super::super::stream_position::{Incarnations, StreamPosition};
use super::delivery_journal::DeliveryJournal;
use super::mode::{Mode, Suspicion};
use super::options::{ConsumerScope, ReaderOptions, ReaderOutput};

/// Delivered messages that a consumer brings again. One of them alone could be the same although
/// the end before it was lost: its node sends it again, and it may get the sequence that it had.
const OVERLAP: u64 = 64;

/// Delivers all messages of one stream in order, without a gap.
///
/// A consumer numbers what it sends, so a lost message shows in the next one, and the reader reads
/// again from the last ones that were delivered. Sequences of the stream may leave numbers out only
/// where messages were purged.
///
/// Only an own acknowledgement decides that the stream has lost its end: each other answer may come
/// from a server that is behind.
#[derive(Debug)]
pub struct StreamReader {
    boot: BootId,
    options: ReaderOptions,
    mode: Mode,
    history: Incarnations,
    /// Sequences of the messages that said the history, in order.
    proclaimed: Vec<u64>,
    /// Sequence of the last message that was delivered or skipped.
    position: u64,
    journal: DeliveryJournal,
    generation: u64,
    /// Number that the consumer's next message has.
    next_number: u64,
    /// Sequence from which this consumer reads.
    from: u64,
    /// Highest sequence that this consumer has brought again, with the message that was delivered.
    matched: u64,
    /// True if this consumer has brought the message of `position`.
    joined: bool,
    /// Time at which the consumer is made again.
    due: Time,
    /// Time of the next probe, while a server said that the stream is shorter than it was and
    /// nothing was delivered since.
    doubt: Option<Time>,
    outputs: VecDeque<ReaderOutput>,
}

impl StreamReader {
    /// Begins to read. `probe` is one that the caller has appended by the stream's writer: all that
    /// was stored before it is known when it comes, whichever server answers.
    #[must_use]
    pub fn new(probe: RecordId, options: ReaderOptions, now: Time) -> Self {
        let mut reader = Self {
            options,
            boot: probe.boot,
            mode: Mode::Starting {
                probe,
                after: 0,
                matched: 0,
                loss: None,
            },
            history: Incarnations::default(),
            proclaimed: Vec::new(),
            position: 0,
            journal: DeliveryJournal::default(),
            generation: 0,
            next_number: 1,
            from: 0,
            matched: 0,
            joined: false,
            due: now,
            doubt: None,
            outputs: VecDeque::new(),
        };
        reader.subscribe(now);
        reader
    }

    /// Returns true if messages are delivered: documents can be opened.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live)
    }

    /// Returns the incarnations of the stream.
    #[must_use]
    pub fn history(&self) -> &Incarnations {
        &self.history
    }

    /// Returns the position of the last message that was delivered.
    #[must_use]
    pub fn position(&self) -> StreamPosition {
        self.history.position(self.position)
    }

    /// Takes a message of a consumer. `number` is its number in the consumer, from 1.
    pub fn received(
        &mut self,
        generation: u64,
        number: u64,
        sequence: u64,
        subject: Subject,
        stored: &Bytes,
        now: Time,
    ) {
        if generation != self.generation || matches!(self.mode, Mode::Stopped) {
            return;
        }
        if number != self.next_number {
            self.subscribe(now);
            return;
        }
        self.next_number += 1;
        self.due = now + self.options.silence;
        let envelope = match MessageEnvelope::decode(stored) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.mode = Mode::Stopped;
                let unreadable = ReaderOutput::Unreadable { sequence, error };
                self.outputs.push_back(unreadable);
                return;
            }
        };
        let message = Delivered {
            sequence,
            subject,
            envelope,
        };
        self.take(message, stored.len(), now);
    }

    /// Takes a consumer's heartbeat, which has the number of the last message that it has sent.
    pub fn heartbeat(&mut self, generation: u64, number: u64, now: Time) {
        if generation != self.generation || matches!(self.mode, Mode::Stopped) {
            return;
        }
        if number + 1 == self.next_number {
            self.due = now + self.options.silence;
        } else {
            self.subscribe(now);
        }
    }

    /// Takes note that a consumer could not be made, or has ended.
    pub fn consumer_failed(&mut self, generation: u64, now: Time) {
        if generation == self.generation {
            self.due = self.due.min(now + self.options.retry);
        }
    }

    /// Takes note that a server has said which is the last sequence of the stream, such as when a
    /// consumer was made. The answer may be old. It is doubted until something new is delivered:
    /// the answer to a probe can be lost, and nothing comes of a stream that is shorter. From there
    /// on all is read again: what comes in its place is compared, whatever else happens.
    pub fn stream_ends_at(&mut self, last: u64, now: Time) {
        if last >= self.position || !self.is_live() {
            return;
        }
        self.doubt(now);
        let from = self.journal.first().unwrap_or(self.position).max(last);
        if from < self.from {
            self.subscribe_from(from, ConsumerScope::Everything, now);
        }
    }

    fn doubt(&mut self, now: Time) {
        self.doubt = Some(now + 8 * self.options.retry);
        self.outputs.push_back(ReaderOutput::Doubt);
    }

    /// Takes an acknowledgement of the own writer: the first sequence of a batch that was stored
    /// just now, and the highest sequence that was delivered before it was sent.
    pub fn acknowledged(&mut self, first_sequence: Option<u64>, floor: u64, now: Time) {
        let proof = first_sequence.filter(|first| *first <= floor && floor <= self.position);
        let compares = matches!(self.mode, Mode::Live | Mode::Starting { .. });
        if let Some(first) = proof.filter(|_| compares) {
            self.compare(first, Suspicion::Reused { at: first }, now);
        }
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.mode {
            Mode::Stopped => None,
            Mode::Frozen { due, .. } => Some(due.min(self.due)),
            _ => Some(self.doubt.map_or(self.due, |doubt| doubt.min(self.due))),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Mode::Frozen { end, due } = self.mode
            && due <= now
        {
            self.look_for_proclamation(end, now);
        }
        if self.doubt.is_some_and(|doubt| doubt <= now) {
            self.doubt(now);
        }
        if self.due <= now && !matches!(self.mode, Mode::Stopped) {
            if matches!(self.mode, Mode::Starting { .. } | Mode::Comparing { .. }) {
                self.outputs.push_back(ReaderOutput::Doubt);
            }
            self.subscribe(now);
        }
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<ReaderOutput> {
        self.outputs.pop_front()
    }

    fn subscribe(&mut self, now: Time) {
        let (from, scope) = match self.mode {
            // From the beginning: a message that was skipped by a consumer may say the history.
            Mode::Starting { .. } => (1, ConsumerScope::Control),
            Mode::Comparing { from, .. } => (from, ConsumerScope::Everything),
            // The stream may lose more before the next incarnation.
            Mode::Frozen { end, .. } => {
                let first = self.journal.first().unwrap_or(end);
                (first, ConsumerScope::Everything)
            }
            // The last messages again: another one in their place shows that the end was lost.
            _ => {
                let first = self.journal.first().unwrap_or(self.position);
                let from = first.max(self.position.saturating_sub(OVERLAP));
                (from.min(self.position), ConsumerScope::Everything)
            }
        };
        self.subscribe_from(from, scope, now);
    }

    fn subscribe_from(&mut self, from: u64, scope: ConsumerScope, now: Time) {
        self.from = from;
        self.generation += 1;
        self.next_number = 1;
        self.matched = 0;
        self.joined = false;
        self.due = now + self.options.silence;
        self.outputs.push_back(ReaderOutput::Subscribe {
            generation: self.generation,
            from,
            scope,
        });
    }

    fn take(&mut self, message: Delivered, bytes: usize, now: Time) {
        let again = message.sequence <= self.position;
        let is_same = again && self.journal.contains(&message);
        if is_same {
            self.matched = self.matched.max(message.sequence);
            self.joined |= message.sequence == self.position;
        }
        match &self.mode {
            Mode::Starting {
                probe,
                after,
                matched,
                loss,
            } => {
                let (matched, loss) = (*matched, *loss);
                // A later one is as good: the first may be lost with an end.
                let id = message.envelope.id;
                let is_probe = id.boot == probe.boot
                    && id.counter >= probe.counter
                    && message.sequence > *after
                    && matches!(message.envelope.content, MessageContent::Probe);
                self.learn_at_start(&message, matched);
                if let Some(loss) = loss.filter(|loss| is_probe && !self.has_begun_since(*loss)) {
                    self.proclaim(loss.end, now);
                    self.subscribe(now);
                } else if is_probe {
                    // Messages in between are not in the journal, and cannot be compared.
                    self.journal.clear();
                    self.keep(&message, bytes);
                    self.mode = Mode::Live;
                    self.subscribe(now);
                }
                // The writer waits for its probes: with them it learns if the first is stored.
                self.outputs.push_back(ReaderOutput::Skip(message));
            }
            Mode::Live => self.deliver(message, bytes, now),
            Mode::Comparing { reason, .. } => {
                let reason = *reason;
                if !again {
                    self.compared(message, bytes, reason, now);
                } else if !is_same {
                    self.freeze(message.sequence, reason == Suspicion::Proclaimed, now);
                    self.skip(message, bytes);
                }
            }
            Mode::Frozen { .. } => {
                if again && !is_same {
                    self.freeze(message.sequence, false, now);
                }
                self.skip(message, bytes);
            }
            Mode::Stopped => {}
        }
    }

    fn deliver(&mut self, message: Delivered, bytes: usize, now: Time) {
        if message.sequence <= self.position {
            let first = self.journal.first().unwrap_or(self.position);
            if message.sequence >= first && !self.journal.contains(&message) {
                let at = message.sequence;
                self.compare(at, Suspicion::Reused { at }, now);
            }
            return;
        }
        if let MessageContent::Incarnations(history) = &message.envelope.content
            && history.current() > self.history.current()
        {
            // This node may have delivered messages that the stream has lost without noticing.
            self.compare(self.position, Suspicion::Proclaimed, now);
            return;
        }
        // A consumer brings the last message that was delivered. If that is not there, it was
        // purged, or lost: then others may be, too, although the numbers go on.
        if !self.joined || message.sequence > self.position + 1 {
            self.compare(self.position, Suspicion::Hole, now);
            return;
        }
        self.keep(&message, bytes);
        self.outputs.push_back(ReaderOutput::Deliver(message));
    }

    fn keep(&mut self, message: &Delivered, bytes: usize) {
        self.position = message.sequence;
        self.joined = true;
        self.doubt = None;
        let limits = (self.options.journal_messages, self.options.journal_bytes);
        self.journal.push(message.clone(), bytes, limits);
    }
}
