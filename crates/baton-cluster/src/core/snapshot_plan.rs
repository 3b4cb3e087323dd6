//! Stores a snapshot, makes it the newest, and purges what it replaces.

mod options;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use baton_presence::Time;
use bytes::Bytes;

use super::envelope::{MessageContent, MessageEnvelope};
use super::record_id::{BootId, RecordId};
use super::snapshot_envelope::SnapshotEnvelope;
use super::stream_position::StreamPosition;
pub use options::{MarkAnswer, PutAnswer, SnapshotOptions, SnapshotOutcome, SnapshotOutput};

/// Makes one snapshot of a document the newest.
///
/// Nothing is purged before a quorum has the mark, this node has seen it in the log, and the
/// object was read back. Of several nodes that snapshot a document at the same time, one stores
/// its mark; the others see it in the log and stop. The shell drops all plans of a stream when its
/// reader reports a lost end or a new incarnation.
///
/// The mark follows a claim that was delivered after all that is in the snapshot. A node that has
/// a snapshot of an end which the stream has lost cannot mark it: the claim was lost, too, and the
/// subject's last message is another one.
#[derive(Debug)]
pub struct SnapshotPlan {
    options: SnapshotOptions,
    boot: BootId,
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
    Claim,
    /// The claim was stored or refused, or another's is newer; the log tells.
    AwaitClaim,
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
            boot,
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
        matches!(
            self.step,
            Step::Delay { .. } | Step::Probing { .. } | Step::Purge { .. } | Step::Done
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
    /// it is whole and has the same records. It has not if one of the two comes of an end that the
    /// stream has lost, which the node did not know.
    pub fn read_back(&mut self, stored: Option<&Bytes>, now: Time) {
        let Step::ReadBack { left } = self.step else {
            return;
        };
        let whole = stored.is_some_and(|stored| {
            let decoded = |stored| SnapshotEnvelope::decode(stored).ok();
            *stored == self.stored
                || decoded(stored)
                    .zip(decoded(&self.stored))
                    .is_some_and(|(other, own)| {
                        other.position == own.position && other.table == own.table
                    })
        });
        if whole {
            self.claim(now);
        } else if left == 0 || stored.is_some() {
            self.finish(SnapshotOutcome::NotReadable);
        } else {
            self.step = Step::ReadBack { left: left - 1 };
            self.again = Some(now + self.options.retry);
        }
    }

    /// Takes the answer to the publication of the claim or the mark.
    pub fn mark_answered(&mut self, answer: MarkAnswer, now: Time) {
        if answer == MarkAnswer::Unknown {
            return;
        }
        // A conflict may be with an own attempt whose answer was lost: the log tells.
        self.step = match self.step {
            Step::Claim => Step::AwaitClaim,
            Step::Mark => Step::AwaitMark,
            _ => return,
        };
        self.again = Some(now + 20 * self.options.retry);
    }

    /// Takes note of a claim of this document that the reader delivers: the node that made it, the
    /// position that it names, and its own sequence.
    pub fn claim_delivered(
        &mut self,
        boot: BootId,
        position: StreamPosition,
        sequence: u64,
        now: Time,
    ) {
        self.expected = self.expected.max(sequence);
        if !self.is_marking() {
            return;
        }
        if boot == self.boot && position == self.position {
            self.append_mark(now);
        } else if position < self.position {
            self.claim(now);
        } else {
            // The other is as good; it marks its own, or its node has died.
            self.step = Step::AwaitClaim;
            self.again = Some(now + 20 * self.options.retry);
        }
    }

    fn is_marking(&self) -> bool {
        matches!(
            self.step,
            Step::Claim | Step::AwaitClaim | Step::Mark | Step::AwaitMark
        )
    }

    /// Takes note of a mark of this document that the reader delivers: the position that it names,
    /// and its own sequence.
    pub fn mark_delivered(&mut self, position: StreamPosition, sequence: u64, now: Time) {
        match self.step {
            Step::Done => {}
            _ if position > self.position => {
                let before_mark =
                    self.is_marking() || matches!(self.step, Step::Put | Step::ReadBack { .. });
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
                if self.is_marking() {
                    self.claim(now);
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
            Step::Mark => self.append_mark(now),
            Step::Claim | Step::AwaitClaim | Step::AwaitMark => self.claim(now),
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

    fn claim(&mut self, now: Time) {
        self.step = Step::Claim;
        self.again = Some(now + 4 * self.options.retry);
        let (boot, position, expected) = (self.boot, self.position, self.expected);
        let content = MessageContent::SnapshotClaimed { position };
        let id = RecordId { boot, counter: 0 };
        let at = position.number();
        self.outputs.push_back(SnapshotOutput::AppendMark {
            expected,
            // A claim that was overtaken is made again, as another message.
            message_id: format!("{:x}-c-{at:x}-{expected:x}", boot.0),
            payload: MessageEnvelope { id, content }.encode(),
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
