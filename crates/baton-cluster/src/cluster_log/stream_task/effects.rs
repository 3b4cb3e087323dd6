//! The effects of a stream's machines: what the task does when they ask for something.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use baton_log::{LogError, LogHealth};
use baton_presence::Time;

use super::super::document_errors::{damaged, gone};
use super::StreamTask;
use crate::core::{
    Content, Delivered, DocumentKey, Envelope, LostRecord, OpeningOutput, Question, ReaderOutput,
    RecordId, SnapshotOutput, Subject, WriterOutput,
};

impl StreamTask {
    pub(super) fn write(&mut self, output: WriterOutput, now: Time) {
        match output {
            WriterOutput::Send(batch) => {
                self.isolation.asked(Question::Batch(batch.number), now);
                self.questions.send(batch);
            }
            WriterOutput::Acknowledged(it) => {
                self.isolation.answered(Question::Batch(it.number), now);
                self.reader.acknowledged(it.first_sequence, it.floor, now);
                let mut leases = self.node.leases.lock();
                leases.acknowledged(self.index, it.first_sent);
                drop(leases);
                self.node.leases_changed.notify_one();
            }
        }
    }

    pub(super) fn read(&mut self, output: ReaderOutput, now: Time) {
        match output {
            ReaderOutput::Subscribe {
                generation,
                from,
                scope,
            } => {
                let said = self.saying.clone();
                self.consumer = Some(self.questions.consume(generation, from, scope, said));
            }
            ReaderOutput::Deliver(message) => self.deliver(&message, now),
            ReaderOutput::Skip(message) => self.pass(&message, now),
            ReaderOutput::Hole {
                after,
                before,
                missing,
            } => {
                tracing::warn!(
                    stream = self.index,
                    after,
                    before,
                    "records were purged unread"
                );
                self.plans.clear();
                self.restart("records were purged before this node had read them", now);
                self.offer(missing, now);
            }
            ReaderOutput::Doubt => {
                self.writer.probe(now);
            }
            ReaderOutput::TailLost { end, lost, whole } => {
                tracing::error!(
                    stream = self.index,
                    end,
                    whole,
                    "the stream has lost its end"
                );
                self.writer.rewound(end);
                self.isolation.set_frozen(true);
                self.plans.clear();
                self.lost.extend(lost);
            }
            ReaderOutput::Proclaim { history, expected } => {
                let id = format!(
                    "{:x}-i-{:x}-{expected:x}",
                    self.node.boot.0,
                    history.current()
                );
                let content = Content::Incarnations(history);
                // A proclamation is outside of the order of the writer's counters.
                let name = RecordId {
                    boot: self.node.boot,
                    counter: 0,
                };
                let payload = Envelope { id: name, content }.encode();
                self.questions.proclaim(id, payload, expected);
            }
            ReaderOutput::IncarnationBegan(history) => {
                self.node.set_incarnation(self.index, history.current());
                self.isolation.set_frozen(false);
                self.plans.clear();
                self.restart(
                    "the stream has lost its end and begins another incarnation",
                    now,
                );
                let lost = std::mem::take(&mut self.lost);
                self.offer(lost, now);
            }
            ReaderOutput::Unreadable { sequence, error } => {
                tracing::error!(stream = self.index, sequence, %error, "the reader has stopped");
                let reason = format!("{error} (sequence {sequence} of stream {})", self.index);
                let failed = Arc::new(LogError::Failed {
                    reason: reason.into(),
                });
                self.documents.end(&failed);
                self.node.health.send_replace(LogHealth::Failed(failed));
            }
        }
    }

    fn offer(&mut self, records: Vec<LostRecord>, now: Time) {
        for lost in records {
            let (document, record) = (&lost.document, &lost.record);
            if let Err(refusal) = self.writer.offer(document, lost.original, record, now) {
                tracing::error!(%document, %refusal, "a lost record cannot be offered");
            }
        }
    }

    fn restart(&mut self, why: &str, now: Time) {
        let error = Arc::new(LogError::Failed { reason: why.into() });
        let history = self.reader.history().clone();
        self.documents.restart(&error, &history, now);
    }

    /// Takes note that a message is in the stream.
    fn pass(&mut self, message: &Delivered, now: Time) {
        self.writer.delivered(message, now);
        let id = message.envelope.id;
        if id.boot != self.node.boot {
            return;
        }
        self.isolation.delivered(id.counter);
        if let Some(charge) = self.outstanding.remove(&id.counter) {
            let (counts, bytes) = (&self.node.counts, charge.bytes() as u64);
            counts.records.fetch_add(1, Ordering::Relaxed);
            counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn deliver(&mut self, message: &Delivered, now: Time) {
        self.pass(message, now);
        let id = message.envelope.id;
        if id.boot == self.node.boot && message.envelope.content == Content::Probe {
            self.plans.probe_delivered(id, now);
        }
        let Some(key) = message.subject.document() else {
            return;
        };
        if matches!(message.subject, Subject::Snapshots(_)) {
            let (plans, sequence) = (&mut self.plans, message.sequence);
            match &message.envelope.content {
                Content::SnapshotAt { position, .. } => {
                    plans.mark_delivered(key, *position, sequence, now);
                }
                Content::SnapshotClaimed { position } => {
                    plans.claim_delivered(key, id.boot, *position, sequence, now);
                }
                _ => {}
            }
        }
        self.documents.delivered(key, message, now);
    }

    pub(super) fn open(&mut self, key: &DocumentKey, output: OpeningOutput, now: Time) {
        match output {
            OpeningOutput::Mark => {
                if let Some(name) = self.documents.name(key) {
                    let mark = self.writer.open(key, name, now);
                    self.documents.marked(key, mark);
                }
            }
            OpeningOutput::ListSnapshots => self.questions.list(key.clone()),
            OpeningOutput::FetchSnapshot(at) => self.questions.fetch(key.clone(), at),
            OpeningOutput::ReadTail => self.questions.read_tail(key.clone()),
            OpeningOutput::Opened(opened) => self.documents.opened(key, *opened),
            OpeningOutput::Damaged(at) => {
                tracing::error!(document = %key, %at, "a snapshot that is needed is damaged");
                self.documents.refuse(key, damaged);
            }
            OpeningOutput::Gone(at) => {
                let place = self.questions.place_of(key.clone(), at);
                tracing::error!(document = %key, %place, "a snapshot that is needed is gone");
                self.documents.refuse(key, |name| gone(name, &place));
            }
        }
    }

    pub(super) fn snapshot(&mut self, key: DocumentKey, output: SnapshotOutput, now: Time) {
        match output {
            SnapshotOutput::Put { position, stored } => self.questions.put(key, position, stored),
            SnapshotOutput::ReadBack(at) => self.questions.read_back(key, at),
            SnapshotOutput::AppendMark {
                expected,
                message_id,
                payload,
            } => self
                .questions
                .append_mark(key, message_id, payload, expected),
            SnapshotOutput::Probe => {
                let probe = self.writer.probe(now);
                self.plans.probing(&key, probe);
            }
            SnapshotOutput::Purge { records, marks } => self.questions.purge(key, records, marks),
            SnapshotOutput::DeleteBelow(at) => self.questions.remove_below(key, at),
            SnapshotOutput::Delete(at) => self.questions.remove(key, at),
            SnapshotOutput::Done(outcome) => {
                tracing::debug!(document = %key, ?outcome, "a snapshot is done");
            }
        }
    }
}
