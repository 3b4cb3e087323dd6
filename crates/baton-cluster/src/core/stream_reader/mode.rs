//! The modes of a reader: between its start, the loss of an end, and the next incarnation.

use baton_presence::Time;

use super::super::record_id::RecordId;

/// A mode of a reader.
#[derive(Debug)]
pub(super) enum Mode {
    /// The past of the stream is read until an own probe comes that is not older than `probe`, at
    /// a sequence above `after`. Up to `matched` the journal is as the stream is.
    Starting {
        probe: RecordId,
        after: u64,
        matched: u64,
        /// The loss for which a proclamation is looked for, below what the journal reaches.
        loss: Option<Loss>,
    },
    /// Messages are delivered.
    Live,
    /// The journal is compared with what the stream has now.
    Comparing { from: u64, reason: Suspicion },
    /// The end was lost; messages are skipped up to the next incarnation, which this node
    /// proclaims at `due` if none came.
    Frozen { end: u64, due: Time },
    /// A message was not understood.
    Stopped,
}

/// A lost end without a proclamation that this node has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    /// The last sequence that the stream still has, as far as the journal tells.
    pub(super) end: u64,
    /// The incarnation that this node knows.
    pub(super) known: u16,
}

/// The reason for a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// This sequence was given again: it is proven that the end was lost.
    Reused { at: u64 },
    /// Another node has proclaimed the next incarnation; it is accepted after the comparison.
    Proclaimed,
    /// A hole was found; the reader starts again after the comparison.
    Hole,
}
