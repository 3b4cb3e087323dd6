//! Inputs of a stream's task: from journals, from the node, and from its own questions.

use std::sync::Arc;

use baton_log::{LogError, OpenedJournal, Reservation};
use baton_presence::Time;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::core::{
    BatchAnswer, Delivered, DocumentKey, DocumentOpening, FetchedSnapshot, Incarnations,
    MarkAnswer, OpeningOptions, Pace, PutAnswer, SnapshotEnvelope, StreamPosition,
};
use crate::engine::StreamState;

/// A record that is to be appended to an open document.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) key: DocumentKey,
    pub(super) handle: u64,
    pub(super) counter: u64,
    pub(super) record: Bytes,
    pub(super) pace: Pace,
    /// The record's room in the queue, kept until it is delivered.
    pub(super) charge: Reservation,
}

/// The reply to a request to open a document.
pub(super) type OpenReply = oneshot::Sender<Result<OpenedJournal, LogError>>;

/// A request to open a document.
#[derive(Debug)]
pub(super) struct OpenRequest {
    pub(super) name: Arc<str>,
    /// True if its content is not to be read.
    pub(super) unread: bool,
    pub(super) reply: OpenReply,
}

impl OpenRequest {
    /// Begins to open the document.
    pub(super) fn begin(
        &self,
        history: Incarnations,
        options: OpeningOptions,
        now: Time,
    ) -> DocumentOpening {
        if self.unread {
            DocumentOpening::unread(history, options, now)
        } else {
            DocumentOpening::new(history, options, now)
        }
    }
}

/// An input of a stream's task.
#[derive(Debug)]
pub(super) enum StreamInput {
    Open(OpenRequest),
    Propose(Proposal),
    Snapshot {
        key: DocumentKey,
        envelope: Box<SnapshotEnvelope>,
        /// True if a snapshot that is on its way is given up for this one.
        at_once: bool,
    },
    Close {
        key: DocumentKey,
        handle: u64,
    },
    /// The own lease is being renewed, or the watch has shown that it was.
    Renewal {
        number: u64,
        seen: bool,
    },
    /// A node's lease has lapsed.
    Lapsed,
    /// Replies once everything that was proposed before is delivered, and every erasure and
    /// content of another log is stored and marked.
    Flush(oneshot::Sender<()>),
    /// The node is shutting down: open documents get this error.
    End(Arc<LogError>),
    Answer(Answer),
}

/// An answer of the engine.
#[derive(Debug)]
pub(super) enum Answer {
    Appended {
        number: u64,
        attempt: u32,
        answer: BatchAnswer,
        /// True if the engine is full; `None` if the answer does not tell.
        full: Option<bool>,
    },
    ConsumerBegan {
        last: u64,
    },
    ConsumerFailed {
        generation: u64,
    },
    Opening(DocumentKey, OpeningAnswer),
    Plan(DocumentKey, PlanAnswer),
    Looked(Option<StreamState>),
    /// The documents that hold the oldest part of the stream.
    Oldest(Vec<(DocumentKey, Arc<str>)>),
}

/// An answer for the opening of a document.
#[derive(Debug)]
pub(super) enum OpeningAnswer {
    Listed(Vec<StreamPosition>),
    Fetched(StreamPosition, FetchedSnapshot),
    TailRead(Option<Vec<Delivered>>),
}

/// An answer for the snapshot of a document in the making.
#[derive(Debug)]
pub(super) enum PlanAnswer {
    Put(PutAnswer),
    /// `None` if there was no answer.
    ReadBack(Option<Option<Bytes>>),
    Marked(MarkAnswer),
    Purged,
}
