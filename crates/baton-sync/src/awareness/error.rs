//! Faults in awareness payloads, and reasons for which a state is not shown.

use crate::ClientId;
use crate::lib0::DecodeError;

/// Reason for which a payload was refused. The sender is at fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwarenessError {
    /// The bytes are not an awareness payload.
    #[error("the awareness message was not understood: {0}")]
    Malformed(#[from] DecodeError),
    /// A state is not JSON, or nests too deep.
    #[error("the awareness state of client {client} is not JSON that others could read")]
    NotJson {
        /// Client of the state.
        client: ClientId,
    },
}

/// Reason for which a newer state is not taken. Other clients still see the last state that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AwarenessRefusal {
    /// A state is longer than
    /// [`AwarenessLimits::entry_bytes`](super::AwarenessLimits::entry_bytes).
    #[error(
        "the awareness state of client {client} has {bytes} bytes, more than {limit} \
         (max_awareness_entry); others still see its last one within the limit: send less, or put it \
         into the document"
    )]
    TooLarge {
        /// Client of the state.
        client: ClientId,
        /// Its length, in bytes of JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A connection states more ids than
    /// [`AwarenessLimits::entries_per_owner`](super::AwarenessLimits::entries_per_owner).
    #[error(
        "this connection states the awareness of {0} clients, which is all it may (max_awareness_entries)"
    )]
    Owned(usize),
    /// The document has as many clients as
    /// [`AwarenessLimits::entries`](super::AwarenessLimits::entries).
    #[error("this document has {0} awareness states, which is all it may; come again later")]
    Entries(usize),
    /// The document has as many bytes as [`AwarenessLimits::bytes`](super::AwarenessLimits::bytes).
    #[error(
        "the awareness states of this document have {0} bytes, which is all they may: send less"
    )]
    Document(usize),
    /// All documents have as many bytes as they may; see
    /// [`Awareness::allow`](super::Awareness::allow).
    #[error(
        "the awareness states of all documents have all the bytes they may (max_awareness); others \
         still see your last one: send less, or come again later"
    )]
    All,
    /// The clock leaves no room, or is one that strangers may not state.
    #[error("the clock {clock} of client {client} is out of range")]
    Clock {
        /// Client of the state.
        client: ClientId,
        /// The clock that it stated.
        clock: u64,
    },
}
