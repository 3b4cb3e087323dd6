use std::time::Duration;

use baton_presence::Time;
use bytes::Bytes;

use super::*;
use crate::core::{BootId, Delivered, DocumentKey, MessageContent, MessageEnvelope, Subject};

struct Story {
    writer: StreamWriter,
    key: DocumentKey,
    now: Time,
}

impl Story {
    fn new(options: WriterOptions) -> Self {
        Self {
            writer: StreamWriter::new(BootId(7), options),
            key: DocumentKey::new("minutes"),
            now: Time::from_millis(1_000),
        }
    }

    fn append(&mut self, length: usize) -> Result<u64, AppendRefusal> {
        let record = Bytes::from(vec![1; length]);
        let id = self
            .writer
            .append(&self.key, &record, Pace::Soon, self.now)?;
        Ok(id.counter)
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.writer.handle_timeout(self.now);
    }

    fn sent(&mut self) -> Option<OutgoingBatch> {
        while let Some(output) = self.writer.next_output() {
            if let WriterOutput::Send(batch) = output {
                return Some(batch);
            }
        }
        None
    }

    fn stored(&mut self, batch: &OutgoingBatch) {
        let answer = BatchAnswer::Stored { first: 1, last: 1 };
        self.writer
            .answered(batch.number, batch.attempt, answer, self.now);
    }

    fn unknown(&mut self, batch: &OutgoingBatch) {
        let (number, attempt) = (batch.number, batch.attempt);
        self.writer
            .answered(number, attempt, BatchAnswer::Unknown, self.now);
    }

    fn deliver(&mut self, message: &OutgoingMessage, sequence: u64) {
        let message = Delivered {
            sequence,
            subject: message.subject.clone(),
            envelope: MessageEnvelope::decode(&message.payload).expect("own"),
        };
        self.writer.delivered(&message, self.now);
    }
}

#[test]
fn a_batch_waits_ten_milliseconds_and_the_next_for_the_answer() {
    let mut story = Story::new(WriterOptions::default());
    assert_eq!(story.append(5), Ok(1));
    story.pass(9);
    assert_eq!(story.append(5), Ok(2));
    assert_eq!(story.sent(), None);
    story.pass(1);
    let first = story.sent().expect("10 ms are over");
    assert_eq!(first.messages.len(), 2);
    assert_eq!(story.append(5), Ok(3));
    story.pass(50);
    assert_eq!(story.sent(), None, "one is in flight");
    story.stored(&first);
    assert_eq!(story.sent().expect("at once").messages.len(), 1);
}

#[test]
fn limits_of_a_batch_and_of_what_waits_hold() {
    let mut story = Story::new(WriterOptions {
        max_messages: 3,
        max_message_bytes: 138,
        capacity_bytes: 900,
        ..WriterOptions::default()
    });
    for _ in 0..4 {
        story.append(10).expect("room");
    }
    let batch = story.sent().expect("a full batch does not wait");
    assert_eq!(batch.messages.len(), 3);
    assert_eq!(
        story.append(301),
        Err(AppendRefusal::TooLarge {
            bytes: 301,
            limit: 300
        })
    );
    story.append(300).expect("three parts");
    let refused = story.append(300).and_then(|_| story.append(300));
    assert!(matches!(
        refused,
        Err(AppendRefusal::Full { capacity: 900, .. })
    ));
    story.stored(&batch);
    assert_eq!(story.sent().expect("the fourth").messages.len(), 1);
}

#[test]
fn an_unknown_batch_is_sent_again_and_late_answers_do_no_harm() {
    let mut story = Story::new(WriterOptions::default());
    story.append(5).expect("room");
    story.pass(10);
    let first = story.sent().expect("due");
    story.unknown(&first);
    story.unknown(&first);
    story.pass(250);
    let again = story.sent().expect("after the pause");
    assert_eq!((again.number, again.attempt), (first.number, 1));
    assert_eq!(again.messages, first.messages);
    story.unknown(&first);
    assert_eq!(
        story.writer.poll_timeout(),
        Some(story.now + Duration::from_secs(5))
    );
    story.stored(&first);
    assert_eq!(story.writer.pending_bytes(), 0);
    story.stored(&again);
    assert_eq!(story.writer.poll_timeout(), None);
}

#[test]
fn past_half_of_the_window_a_probe_is_looked_for_first() {
    let mut story = Story::new(WriterOptions::default());
    story.append(5).expect("room");
    story.pass(10);
    let first = story.sent().expect("due");
    let mut probe = None;
    for _ in 0..20 {
        story.pass(5_000);
        probe = story.sent().or(probe);
    }
    let probe = probe.expect("sent after a minute");
    assert_eq!(probe.messages[0].subject, Subject::Probes);
    story.deliver(&probe.messages[0], 40);
    let again = story.sent().expect("the record was not before the probe");
    assert_eq!(again.messages, first.messages);
    assert!(again.number > probe.number);
    story.deliver(&again.messages[0], 41);
    assert_eq!(story.writer.pending_bytes(), 0, "delivered is stored");
}

#[test]
fn a_record_that_was_delivered_before_the_probe_is_not_sent_again() {
    let mut story = Story::new(WriterOptions::default());
    story.append(5).expect("room");
    story.pass(10);
    let first = story.sent().expect("due");
    for _ in 0..20 {
        story.pass(5_000);
    }
    story.deliver(&first.messages[0], 39);
    while let Some(batch) = story.sent() {
        let envelope = MessageEnvelope::decode(&batch.messages[0].payload).expect("own");
        let is_probe = matches!(envelope.content, MessageContent::Probe);
        assert!(is_probe || batch.number == first.number);
    }
    assert_eq!(story.writer.pending_bytes(), 0);
    assert_eq!(story.writer.poll_timeout(), None);
}
