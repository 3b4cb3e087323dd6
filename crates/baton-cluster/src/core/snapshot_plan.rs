//! Stores a snapshot, makes it the newest, and purges what it replaces.

use std::collections::VecDeque;
use std::time::Duration;

use baton_presence::Time;
use bytes::Bytes;

use super::envelope::{MessageContent, MessageEnvelope};
use super::record_id::{BootId, RecordId};
use super::snapshot_envelope::SnapshotEnvelope;
use super::stream_position::StreamPosition;

/// Times of a [`SnapshotPlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Pause before a step is tried again.
    pub retry: Duration,
    /// Time from the delivery of the mark to the purge. Nodes that are away for less find all that
    /// they have missed in the stream.
    pub purge_delay: Duration,
    /// Reads of what was put before the plan gives up.
    pub reads: u32,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self {
            retry: Duration::from_millis(500),
            purge_delay: Duration::from_secs(60),
            reads: 20,
        }
    }
}

/// An effect of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotOutput {
    /// The shell stores the bytes under the document and the position, unless something is there.
    Put {
        /// Position in the name of the object.
        position: StreamPosition,
        /// Bytes to store.
        stored: Bytes,
    },
    /// The shell reads the object with this position.
    ReadBack(StreamPosition),
    /// The shell publishes the mark under `Subject::Snapshots`, outside of the writer's batches.
    AppendMark {
        /// Sequence that the subject's last message must have; 0 if there must be none.
        expected: u64,
        /// Message id, the same for each attempt.
        message_id: String,
        /// Bytes to store.
        payload: Bytes,
    },
    /// The shell appends a probe by the stream's writer and says its id by
    /// [`SnapshotPlan::probing`]. Its delivery shows that the stream still has the mark.
    Probe,
    /// The shell purges the document's records up to this sequence, included, and the marks of
    /// snapshots below the other one.
    Purge {
        /// Last sequence of `Subject::Records` to purge.
        records: u64,
        /// First sequence of `Subject::Snapshots` to keep.
        marks: u64,
    },
    /// The shell deletes the document's snapshots with lower positions.
    DeleteBelow(StreamPosition),
    /// The shell deletes the own snapshot: another node's is newer.
    Delete(StreamPosition),
    /// The plan is done.
    Done(SnapshotOutcome),
}

/// The end of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// The snapshot is the newest, and what it replaces is purged.
    Purged,
    /// Another node has made a newer one.
    Superseded,
    /// The store does not give back what was put. Nothing was purged.
    NotReadable,
}

/// Answer to a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutAnswer {
    /// The object is stored, or was there before.
    Present,
    /// Everything else.
    Unknown,
}

/// Answer to the publication of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkAnswer {
    /// Stored now, or a duplicate of an earlier attempt.
    Stored,
    /// The subject's last message has another sequence.
    Conflict,
    /// Everything else.
    Unknown,
}

/// Makes one snapshot of a document the newest.
///
/// Nothing is purged before a quorum has the mark, this node has seen it in the log, and the
/// object was read back. Of several nodes that snapshot a document at the same time, one stores
/// its mark; the others see it in the log and stop. The shell drops all plans of a stream when its
/// reader reports a lost end or a new incarnation.
#[derive(Debug)]
pub struct SnapshotPlan {
    options: SnapshotOptions,
    position: StreamPosition,
    message_id: String,
    stored: Bytes,
    mark: Bytes,
    expected: u64,
    step: Step,
    again: Option<Time>,
    outputs: VecDeque<SnapshotOutput>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Put,
    ReadBack {
        left: u32,
    },
    Mark,
    /// The mark was stored or refused; the log tells.
    AwaitMark,
    /// The mark was delivered.
    Delay {
        mark: u64,
    },
    Probing {
        mark: u64,
        probe: Option<RecordId>,
    },
    Purge {
        mark: u64,
    },
    Done,
}

impl SnapshotPlan {
    /// Begins to store a snapshot. `expected` is the sequence of the newest mark that the
    /// document's feed has seen, 0 if none.
    #[must_use]
    pub fn new(
        boot: BootId,
        snapshot: &SnapshotEnvelope,
        expected: u64,
        options: SnapshotOptions,
        now: Time,
    ) -> Self {
        let position = snapshot.position;
        let content = MessageContent::SnapshotAt {
            position,
            name: snapshot.name.clone(),
        };
        // A mark is known by its position; it is outside of the order of the writer's counters.
        let id = RecordId { boot, counter: 0 };
        let mut plan = Self {
            options,
            position,
            message_id: format!("{:x}-s-{:x}", boot.0, position.number()),
            stored: snapshot.encode(),
            mark: MessageEnvelope { id, content }.encode(),
            expected,
            step: Step::Put,
            again: None,
            outputs: VecDeque::new(),
        };
        plan.put(now);
        plan
    }

    /// Returns true if the log has the mark of this snapshot or of a newer one, or the plan was
    /// given up.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !matches!(
            self.step,
            Step::Put | Step::ReadBack { .. } | Step::Mark | Step::AwaitMark
        )
    }

    /// Takes the answer to a put.
    pub fn put_answered(&mut self, answer: PutAnswer) {
        if self.step == Step::Put && answer == PutAnswer::Present {
            let left = self.options.reads;
            self.step = Step::ReadBack { left };
            self.again = None;
            self.outputs
                .push_back(SnapshotOutput::ReadBack(self.position));
        }
    }

    /// Takes note that the store gave no answer to the read: nothing is known, so it asks again,
    /// however long that takes.
    pub fn read_unanswered(&mut self, now: Time) {
        if matches!(self.step, Step::ReadBack { .. }) {
            self.again = Some(now + 10 * self.options.retry);
        }
    }

    /// Takes the object as it was read, `None` if the store did not have it.
    ///
    /// Another node may have stored its snapshot of the same position before: that is as good, if
    /// it is whole.
    pub fn read_back(&mut self, stored: Option<&Bytes>, now: Time) {
        let Step::ReadBack { left } = self.step else {
            return;
        };
        let whole = stored.is_some_and(|stored| {
            let other = || SnapshotEnvelope::decode(stored).ok();
            *stored == self.stored || other().is_some_and(|s| s.position == self.position)
        });
        if whole {
            self.append_mark(now);
        } else if left == 0 || stored.is_some() {
            self.finish(SnapshotOutcome::NotReadable);
        } else {
            self.step = Step::ReadBack { left: left - 1 };
            self.again = Some(now + self.options.retry);
        }
    }

    /// Takes the answer to the publication of the mark.
    pub fn mark_answered(&mut self, answer: MarkAnswer, now: Time) {
        if self.step == Step::Mark && answer != MarkAnswer::Unknown {
            // A conflict may be with an own attempt whose answer was lost: the log tells.
            self.step = Step::AwaitMark;
            self.again = Some(now + 20 * self.options.retry);
        }
    }

    /// Takes note of a mark of this document that the reader delivers: the position that it names,
    /// and its own sequence.
    pub fn mark_delivered(&mut self, position: StreamPosition, sequence: u64, now: Time) {
        match self.step {
            Step::Done => {}
            _ if position > self.position => {
                let before_mark = matches!(
                    self.step,
                    Step::Put | Step::ReadBack { .. } | Step::Mark | Step::AwaitMark
                );
                // With a mark, it goes when the newer plan deletes all below.
                if before_mark {
                    let delete = SnapshotOutput::Delete(self.position);
                    self.outputs.push_back(delete);
                }
                self.finish(SnapshotOutcome::Superseded);
            }
            _ if position == self.position => {
                self.step = Step::Delay { mark: sequence };
                self.again = Some(now + self.options.purge_delay);
            }
            _ => {
                self.expected = self.expected.max(sequence);
                if matches!(self.step, Step::Mark | Step::AwaitMark) {
                    self.append_mark(now);
                }
            }
        }
    }

    /// Takes the id of the probe.
    pub fn probing(&mut self, id: RecordId) {
        if let Step::Probing { probe, .. } = &mut self.step {
            *probe = Some(id);
        }
    }

    /// Takes note of a probe that the reader delivers.
    pub fn probe_delivered(&mut self, id: RecordId, now: Time) {
        if let Step::Probing { mark, probe } = self.step
            && probe == Some(id)
        {
            self.purge(mark, now);
        }
    }

    /// Takes note that the purge is done.
    pub fn purged(&mut self) {
        if matches!(self.step, Step::Purge { .. }) {
            self.outputs
                .push_back(SnapshotOutput::DeleteBelow(self.position));
            self.finish(SnapshotOutcome::Purged);
        }
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.again
    }

    /// Goes on, or tries the present step again.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.again.is_none_or(|again| again > now) {
            return;
        }
        match self.step {
            Step::Put => self.put(now),
            Step::ReadBack { .. } => {
                self.again = None;
                self.outputs
                    .push_back(SnapshotOutput::ReadBack(self.position));
            }
            Step::Mark | Step::AwaitMark => self.append_mark(now),
            // A purge that was not answered was done or not: the probe before it is old by now.
            // A probe that does not come was passed over by the reader, or lost with an end.
            Step::Delay { mark } | Step::Purge { mark } | Step::Probing { mark, .. } => {
                self.step = Step::Probing { mark, probe: None };
                self.again = Some(now + self.options.purge_delay);
                self.outputs.push_back(SnapshotOutput::Probe);
            }
            Step::Done => self.again = None,
        }
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<SnapshotOutput> {
        self.outputs.pop_front()
    }

    fn purge(&mut self, mark: u64, now: Time) {
        self.step = Step::Purge { mark };
        self.again = Some(now + 10 * self.options.retry);
        self.outputs.push_back(SnapshotOutput::Purge {
            records: self.position.sequence,
            marks: mark,
        });
    }

    fn put(&mut self, now: Time) {
        self.again = Some(now + 10 * self.options.retry);
        self.outputs.push_back(SnapshotOutput::Put {
            position: self.position,
            stored: self.stored.clone(),
        });
    }

    fn append_mark(&mut self, now: Time) {
        self.step = Step::Mark;
        self.again = Some(now + 4 * self.options.retry);
        self.outputs.push_back(SnapshotOutput::AppendMark {
            expected: self.expected,
            message_id: self.message_id.clone(),
            payload: self.mark.clone(),
        });
    }

    fn finish(&mut self, outcome: SnapshotOutcome) {
        self.step = Step::Done;
        self.again = None;
        self.outputs.push_back(SnapshotOutput::Done(outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::super::duplicate_table::DuplicateTable;
    use super::*;

    fn outputs(plan: &mut SnapshotPlan) -> Vec<SnapshotOutput> {
        std::iter::from_fn(|| plan.next_output()).collect()
    }

    /// The store of the snapshots was killed after it had taken one. The plan gave it up after
    /// twenty reads without an answer, and a document at rest kept its records for ever.
    #[test]
    fn a_store_that_does_not_answer_gives_no_snapshot_up() {
        let position = StreamPosition {
            incarnation: 0,
            sequence: 7,
        };
        let snapshot = SnapshotEnvelope {
            position,
            name: "minutes".to_owned(),
            table: DuplicateTable::default(),
            content: Bytes::from_static(b"content"),
        };
        let options = SnapshotOptions::default();
        let reads = options.reads;
        let mut now = Time::from_millis(0);
        let mut plan = SnapshotPlan::new(BootId(1), &snapshot, 0, options, now);
        plan.put_answered(PutAnswer::Present);
        for _ in 0..10 * reads {
            assert!(outputs(&mut plan).contains(&SnapshotOutput::ReadBack(position)));
            plan.read_unanswered(now);
            now = plan.poll_timeout().expect("it asks again");
            plan.handle_timeout(now);
        }
        assert_eq!(outputs(&mut plan), [SnapshotOutput::ReadBack(position)]);
        plan.read_back(Some(&snapshot.encode()), now);
        let marks = outputs(&mut plan);
        assert!(
            matches!(marks[..], [SnapshotOutput::AppendMark { .. }]),
            "{marks:?}"
        );
    }
}
