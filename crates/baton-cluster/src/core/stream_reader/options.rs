//! Limits, times and effects of a reader.

use std::time::Duration;

use super::super::delivered::Delivered;
use super::super::envelope::EnvelopeError;
use super::super::stream_position::Incarnations;
use super::delivery_journal::LostRecord;

/// Limits and times of a [`StreamReader`](super::StreamReader).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Time without a message or heartbeat after which a consumer counts as dead.
    pub silence: Duration,
    /// Pause before a consumer that failed is made again.
    pub retry: Duration,
    /// Most messages in the journal of what was delivered last.
    pub journal_messages: usize,
    /// Most bytes in that journal.
    pub journal_bytes: usize,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(12),
            retry: Duration::from_millis(250),
            journal_messages: 50_000,
            journal_bytes: 16 << 20,
        }
    }
}

/// The part of a stream that a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerScope {
    /// All messages.
    Everything,
    /// Probes and incarnations: the past that a node needs when it starts.
    Control,
}

/// An effect of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReaderOutput {
    /// The shell drops its consumer of this stream and makes an ordered one, which begins at the
    /// first message whose sequence is at least `from`.
    Subscribe {
        /// Number that the shell returns with all that this consumer says.
        generation: u64,
        /// Sequence at which to begin.
        from: u64,
        /// Subjects to read.
        scope: ConsumerScope,
    },
    /// The next message. The shell hands it to the stream's writer and to the document.
    Deliver(Delivered),
    /// A message of the time before the reader is live, or between the loss of the end and the
    /// next incarnation. The shell hands it to the writer alone; documents read it when they are
    /// opened.
    Skip(Delivered),
    /// Messages were purged before this node has read them: it was away for longer than the delay
    /// of purges. The reader passes over all up to a new probe, for which it has asked before. The
    /// shell opens all documents of the stream again, and drops their snapshot plans.
    Hole {
        /// Last sequence that was delivered.
        after: u64,
        /// First sequence that is there.
        before: u64,
        /// Records that were delivered behind the last message that the stream still has. They were
        /// purged, or lost together with all that shows it: the shell offers them.
        missing: Vec<LostRecord>,
    },
    /// The engine says that the stream ends below what was delivered, which may be an old answer;
    /// or a probe does not come. The shell appends a probe by the stream's writer.
    Doubt,
    /// The stream has lost its end. The shell lets the documents of the stream grant nothing, and
    /// calls [`StreamWriter::rewound`](super::super::StreamWriter::rewound).
    TailLost {
        /// Last sequence that is as it was.
        end: u64,
        /// The records that were delivered after it. The shell keeps them, and offers them by
        /// [`StreamWriter::offer`](super::super::StreamWriter::offer) when the next incarnation
        /// has begun.
        lost: Vec<LostRecord>,
        /// True if the journal reaches back to the end. If not, more was lost than this node has.
        whole: bool,
    },
    /// The shell appends this history to [`Subject::Incarnations`](super::super::Subject), with
    /// `expected` as the expected last sequence of that subject. Of several nodes one succeeds;
    /// an answer is not needed.
    Proclaim {
        /// The history to append.
        history: Incarnations,
        /// Sequence of the subject's last message, 0 if it has none.
        expected: u64,
    },
    /// A later incarnation has begun, on all nodes at this message; or one that was new to this
    /// node at its start, when no document is open yet. The shell opens all documents
    /// of the stream again, drops their snapshot plans, and offers what it has kept.
    IncarnationBegan(Incarnations),
    /// The reader has stopped: it cannot pass over a message that it does not understand.
    Unreadable {
        /// Sequence of the message.
        sequence: u64,
        /// The reason.
        error: EnvelopeError,
    },
}
