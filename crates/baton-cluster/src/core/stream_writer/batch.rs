//! Batches on their way to the engine, and what the engine says to them.

use std::sync::Arc;

use bytes::Bytes;

use super::super::document_key::Subject;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Subject within the stream.
    pub subject: Subject,
    /// The engine stores messages with the same id once, within its window.
    pub message_id: String,
    /// Bytes to store.
    pub payload: Bytes,
}

/// Messages that the engine stores all or none: an atomic batch, or an ordinary publication if it
/// is only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingBatch {
    /// Number of the batch in this writer. Attempts of one batch have the same messages.
    pub number: u64,
    /// Number of the attempt, from 0.
    pub attempt: u32,
    /// The messages, in order.
    pub messages: Arc<[OutgoingMessage]>,
}

/// The engine's answer to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAnswer {
    /// Stored just now, at these sequences.
    Stored {
        /// Sequence of the first message.
        first: u64,
        /// Sequence of the last message.
        last: u64,
    },
    /// The engine has a message with one of these ids: an earlier attempt was stored.
    Duplicate,
    /// Every other end: no answer in time, a broken connection, error 10158, "no stream found",
    /// an election, an engine that is full. The batch may be stored or not.
    Unknown,
}
