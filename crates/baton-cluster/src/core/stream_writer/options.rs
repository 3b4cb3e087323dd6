//! Limits and times of a writer.

use std::time::Duration;

/// Limits and times of a [`StreamWriter`](super::StreamWriter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterOptions {
    /// Time that the first record of a batch waits for others, if no batch is in flight.
    pub idle: Duration,
    /// Most messages of a batch. The engine takes at most 1,000.
    pub max_messages: usize,
    /// Most bytes of a batch that has more than one record.
    pub max_batch_bytes: usize,
    /// Longest payload of a message, in bytes: the engine's limit less what its headers need.
    /// Longer records are stored in parts.
    pub max_message_bytes: usize,
    /// Most bytes that wait or are in flight; beyond them the writer takes no record.
    pub capacity_bytes: usize,
    /// Time for which the engine knows message ids, as the stream is configured.
    pub dedupe_window: Duration,
    /// Time after which an attempt without an answer counts as unknown.
    pub answer_timeout: Duration,
    /// Pause before the next attempt.
    pub retry: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            idle: Duration::from_millis(10),
            max_messages: 1_000,
            max_batch_bytes: 4 << 20,
            max_message_bytes: (1 << 20) - (16 << 10),
            capacity_bytes: 128 << 20,
            dedupe_window: Duration::from_secs(120),
            answer_timeout: Duration::from_secs(5),
            retry: Duration::from_millis(250),
        }
    }
}

/// The time that a record may wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// With all that waits, as soon as no batch is in flight.
    Now,
    /// At most [`WriterOptions::idle`] longer.
    Soon,
}

/// The reason why a writer did not take a record. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefusal {
    /// Too much waits for the engine. The caller waits until some of it is acknowledged.
    #[error("{pending} bytes wait for the engine, at most {capacity} may")]
    Full {
        /// Bytes that wait or are in flight.
        pending: usize,
        /// The limit.
        capacity: usize,
    },
    /// No batch can hold the record. The client's update is refused.
    #[error("a record has {bytes} bytes, a batch of the cluster holds at most {limit}")]
    TooLarge {
        /// Bytes of the record.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}
