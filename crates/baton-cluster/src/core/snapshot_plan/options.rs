//! Times, effects and answers of a plan.

use std::time::Duration;

use bytes::Bytes;

use super::super::stream_position::StreamPosition;

/// Times of a [`SnapshotPlan`](super::SnapshotPlan).
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
    /// The shell publishes the claim or the mark under `Subject::Snapshots`, outside of the
    /// writer's batches.
    AppendMark {
        /// Sequence that the subject's last message must have; 0 if there must be none.
        expected: u64,
        /// Message id, the same for each attempt.
        message_id: String,
        /// Bytes to store.
        payload: Bytes,
    },
    /// The shell appends a probe by the stream's writer and says its id by
    /// [`SnapshotPlan::probing`](super::SnapshotPlan::probing). Its delivery shows
    /// that the stream still has the mark.
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
