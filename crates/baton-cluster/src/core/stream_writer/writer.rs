//! The writer of one stream.

use std::collections::VecDeque;

use baton_presence::Time;
use bytes::Bytes;

use super::super::delivered::Delivered;
use super::super::document_key::{DocumentKey, Subject};
use super::super::envelope::{MAX_HEAD_BYTES, MessageContent, MessageEnvelope, Part};
use super::super::record_id::{BootId, RecordId};
use super::batch::{BatchAnswer, OutgoingBatch, OutgoingMessage};
use super::flight::{Flight, Item};
use super::options::{AppendRefusal, Pace, WriterOptions};

/// A batch that is stored for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchAcknowledged {
    /// Number of the batch.
    pub number: u64,
    /// Counters of its records and marks, in order.
    pub counters: Vec<u64>,
    /// Sequence of its first message, if it was stored by the attempt that was answered.
    pub first_sequence: Option<u64>,
    /// Time at which its first record was sent first: the engine has stored the batch after it.
    pub first_sent: Time,
    /// Highest sequence that was delivered before the first attempt. A first sequence that is not
    /// above it proves that the stream has lost its end.
    pub floor: u64,
}

/// An effect of a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterOutput {
    /// The shell publishes the batch and says what came of it by [`StreamWriter::answered`].
    Send(OutgoingBatch),
    /// The batch is stored.
    Acknowledged(BatchAcknowledged),
}

/// Appends to one stream under the ids of one boot.
///
/// At most one batch is in flight. A batch whose answer is unknown is sent again with the same
/// ids, so the order of this node's records is the order in which they were appended. The writer
/// never gives up: back-pressure tells the rooms.
#[derive(Debug)]
pub struct StreamWriter {
    boot: BootId,
    options: WriterOptions,
    last_counter: u64,
    last_batch: u64,
    queue: VecDeque<Item>,
    /// Time at which the queue becomes a batch, if nothing is in flight.
    due: Option<Time>,
    pending_bytes: usize,
    /// Highest sequence that was delivered.
    delivered: u64,
    flight: Option<Flight>,
    /// Probe whose delivery shows that the batch in flight is not stored, after the engine may
    /// have forgotten its ids; and the counters of all such probes.
    looking: Option<(Flight, Vec<u64>)>,
    outputs: VecDeque<WriterOutput>,
}

impl StreamWriter {
    /// Makes the writer of a stream for this boot. A boot has one writer for each stream.
    #[must_use]
    pub fn new(boot: BootId, options: WriterOptions) -> Self {
        Self {
            boot,
            options,
            last_counter: 0,
            last_batch: 0,
            queue: VecDeque::new(),
            due: None,
            pending_bytes: 0,
            delivered: 0,
            flight: None,
            looking: None,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the bytes that wait or are in flight.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Appends a record to a document.
    ///
    /// # Errors
    /// If too much waits, or the record is too long for a batch.
    pub fn append(
        &mut self,
        document: &DocumentKey,
        record: &Bytes,
        pace: Pace,
        now: Time,
    ) -> Result<RecordId, AppendRefusal> {
        let content = |part, bytes| MessageContent::Record { part, bytes };
        self.append_parts(document, record, content, pace, now)
    }

    /// Appends a record that the stream has lost, from this node's journal.
    ///
    /// # Errors
    /// If too much waits.
    pub fn offer(
        &mut self,
        document: &DocumentKey,
        original: RecordId,
        record: &Bytes,
        now: Time,
    ) -> Result<RecordId, AppendRefusal> {
        let content = |part, bytes| MessageContent::Offered {
            original,
            part,
            bytes,
        };
        self.append_parts(document, record, content, Pace::Soon, now)
    }

    /// Appends the mark that this node opens a document. It is taken even if too much waits.
    pub fn open(&mut self, document: &DocumentKey, name: &str, now: Time) -> RecordId {
        let name = name.to_owned();
        let subject = Subject::Records(document.clone());
        self.push(
            &subject,
            vec![MessageContent::Opened { name }],
            Pace::Now,
            now,
        )
    }

    /// Appends a probe. It is taken even if too much waits.
    pub fn probe(&mut self, now: Time) -> RecordId {
        self.push(
            &Subject::Probes,
            vec![MessageContent::Probe],
            Pace::Now,
            now,
        )
    }

    fn append_parts(
        &mut self,
        document: &DocumentKey,
        record: &Bytes,
        content: impl Fn(Part, Bytes) -> MessageContent,
        pace: Pace,
        now: Time,
    ) -> Result<RecordId, AppendRefusal> {
        let room = self
            .options
            .max_message_bytes
            .saturating_sub(MAX_HEAD_BYTES);
        let (bytes, room) = (record.len(), room.max(1));
        let most = self.options.max_messages.min(usize::from(u16::MAX));
        let limit = room.saturating_mul(most).min(self.options.capacity_bytes);
        if bytes > limit {
            return Err(AppendRefusal::TooLarge { bytes, limit });
        }
        let (pending, capacity) = (self.pending_bytes, self.options.capacity_bytes);
        if pending > 0 && pending + bytes > capacity {
            return Err(AppendRefusal::Full { pending, capacity });
        }
        let parts = bytes.div_ceil(room).max(1);
        let contents = (0..parts).map(|index| {
            // `limit` bounds the number of parts.
            let number = |count| u16::try_from(count).unwrap_or(u16::MAX);
            let part = Part {
                index: number(index),
                following: number(parts - 1 - index),
            };
            content(
                part,
                record.slice(index * room..bytes.min((index + 1) * room)),
            )
        });
        let subject = Subject::Records(document.clone());
        Ok(self.push(&subject, contents.collect(), pace, now))
    }

    fn push(
        &mut self,
        subject: &Subject,
        contents: Vec<MessageContent>,
        pace: Pace,
        now: Time,
    ) -> RecordId {
        let item = self.item(subject, contents);
        let counter = item.counter;
        self.pending_bytes += item.bytes;
        self.queue.push_back(item);
        let wait = match pace {
            Pace::Now => now,
            Pace::Soon => now + self.options.idle,
        };
        self.due = Some(self.due.map_or(wait, |due| due.min(wait)));
        self.handle_timeout(now);
        RecordId {
            boot: self.boot,
            counter,
        }
    }

    /// Makes the messages of a record or mark, under the next counter.
    fn item(&mut self, subject: &Subject, contents: Vec<MessageContent>) -> Item {
        self.last_counter += 1;
        let id = RecordId {
            boot: self.boot,
            counter: self.last_counter,
        };
        let message = |(index, content)| OutgoingMessage {
            subject: subject.clone(),
            message_id: id.message_id(index),
            payload: MessageEnvelope { id, content }.encode(),
        };
        let messages: Vec<_> = (0..).zip(contents).map(message).collect();
        Item {
            counter: id.counter,
            bytes: messages.iter().map(|message| message.payload.len()).sum(),
            messages,
            first_sent: None,
        }
    }

    /// Takes the answer to an attempt. Answers that come late or twice do no harm.
    pub fn answered(&mut self, number: u64, attempt: u32, answer: BatchAnswer, now: Time) {
        let next = now + self.options.retry;
        if let Some(flight) = self.flight.as_mut().filter(|f| f.number() == number) {
            match answer {
                BatchAnswer::Unknown => flight.unknown(attempt, next),
                BatchAnswer::Stored { first, .. } => self.finish(Some(first), now),
                BatchAnswer::Duplicate => self.finish(None, now),
            }
        } else if let Some((probe, _)) = self.looking.as_mut().filter(|l| l.0.number() == number) {
            let first_sequence = match answer {
                BatchAnswer::Unknown => return probe.unknown(attempt, next),
                BatchAnswer::Stored { first, .. } => Some(first),
                BatchAnswer::Duplicate => None,
            };
            // Its delivery tells; should the stream lose it, another probe follows.
            probe.wait(now + self.options.dedupe_window / 2);
            let acknowledged = acknowledged(probe, first_sequence);
            self.outputs.push_back(acknowledged);
        }
    }

    /// Takes note of a message that the reader delivered or skipped, own or not.
    pub fn delivered(&mut self, message: &Delivered, now: Time) {
        self.delivered = self.delivered.max(message.sequence);
        let id = message.envelope.id;
        if id.boot != self.boot || !message.ends_its_record() {
            return;
        }
        let flight = self.flight.as_mut();
        if flight.is_some_and(|flight| flight.delivered(id.counter)) {
            self.finish(None, now);
        } else if let Some((_, probes)) = &self.looking
            && probes.contains(&id.counter)
            && let Some(flight) = self.flight.take()
        {
            // All that was stored before the probe was delivered: these items were not.
            self.looking = None;
            let bytes = flight.bytes;
            let items = flight.into_missing();
            let left: usize = items.iter().map(|item| item.bytes).sum();
            self.pending_bytes -= bytes - left;
            self.send(items, now);
        }
    }

    /// Takes note that the stream ends after this sequence: all beyond was lost.
    pub fn rewound(&mut self, end: u64) {
        self.delivered = self.delivered.min(end);
        if let Some(flight) = &mut self.flight {
            flight.floor = flight.floor.min(end);
        }
        if let Some((probe, _)) = &mut self.looking {
            probe.floor = probe.floor.min(end);
        }
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match (&self.looking, &self.flight) {
            (Some((probe, _)), _) => Some(probe.due()),
            (None, Some(flight)) => Some(flight.due()),
            (None, None) => self.due,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        let until = now + self.options.answer_timeout;
        let half = self.options.dedupe_window / 2;
        if let Some((probe, _)) = &mut self.looking {
            if probe.due() > now {
                return;
            }
            if now.since(probe.first_sent) < half {
                let batch = probe.repeat(until);
                self.outputs.push_back(WriterOutput::Send(batch));
            } else {
                self.look(now);
            }
        } else if let Some(flight) = &mut self.flight {
            if flight.due() > now {
                return;
            }
            if now.since(flight.first_sent) < half {
                let batch = flight.repeat(until);
                self.outputs.push_back(WriterOutput::Send(batch));
            } else {
                self.look(now);
            }
        } else if self.due.is_some_and(|due| due <= now) || self.is_full() {
            self.send_queue(now);
        }
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<WriterOutput> {
        self.outputs.pop_front()
    }

    /// Returns true if waiting longer would not make the next batch larger.
    fn is_full(&self) -> bool {
        let queued: usize = self.queue.iter().map(|item| item.messages.len()).sum();
        queued >= self.options.max_messages || self.pending_bytes >= self.options.max_batch_bytes
    }

    /// Sends a probe to learn if the batch in flight is stored.
    fn look(&mut self, now: Time) {
        let item = self.item(&Subject::Probes, vec![MessageContent::Probe]);
        let mut probes = self.looking.take().map_or(Vec::new(), |(_, probes)| probes);
        probes.push(item.counter);
        let probe = self.launch(vec![item], now);
        self.looking = Some((probe, probes));
    }

    fn finish(&mut self, first_sequence: Option<u64>, now: Time) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        self.looking = None;
        self.pending_bytes -= flight.bytes;
        self.outputs
            .push_back(acknowledged(&flight, first_sequence));
        if !self.queue.is_empty() {
            self.send_queue(now);
        }
    }

    /// Makes a batch of as much of the queue as it may hold.
    fn send_queue(&mut self, now: Time) {
        let (mut messages, mut bytes, mut count) = (0, 0, 0);
        for item in &self.queue {
            messages += item.messages.len();
            bytes += item.bytes;
            let fits =
                messages <= self.options.max_messages && bytes <= self.options.max_batch_bytes;
            if count > 0 && !fits {
                break;
            }
            count += 1;
        }
        let items = self.queue.drain(..count).collect();
        self.due = (!self.queue.is_empty()).then_some(now);
        self.send(items, now);
    }

    fn send(&mut self, items: Vec<Item>, now: Time) {
        if !items.is_empty() {
            self.flight = Some(self.launch(items, now));
        }
    }

    fn launch(&mut self, items: Vec<Item>, now: Time) -> Flight {
        self.last_batch += 1;
        let until = now + self.options.answer_timeout;
        let flight = Flight::new(self.last_batch, items, now, until, self.delivered);
        self.outputs.push_back(WriterOutput::Send(flight.batch()));
        flight
    }
}

fn acknowledged(flight: &Flight, first_sequence: Option<u64>) -> WriterOutput {
    WriterOutput::Acknowledged(BatchAcknowledged {
        number: flight.number(),
        counters: flight.items.iter().map(|item| item.counter).collect(),
        first_sequence,
        first_sent: flight.oldest_sent(),
        floor: flight.floor,
    })
}
