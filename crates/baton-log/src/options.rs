//! The limits of a log, each with a name, a unit and a default.
//!
//! Checked once, when the log starts; nothing else decides a limit.

use std::time::Duration;

use crate::error::LogError;

/// Limits and delays of a [`Log`](crate::Log).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogOptions {
    /// Longest wait of an [`Urgency::Soon`](crate::Urgency::Soon) record for others, at most an
    /// hour. Default 25 ms: a commit costs as much as some forty deliveries, and a person does not
    /// notice.
    pub commit_delay: Duration,
    /// The same for an [`Urgency::Unawaited`](crate::Urgency::Unawaited) record. Default 50 ms: its
    /// author still has an edit that a crash takes, and sends it again.
    pub unawaited_delay: Duration,
    /// Waiting bytes that start a commit before the delay is over. Default 256 KiB.
    pub commit_bytes: usize,
    /// Most bytes that are reserved or appended and not yet durable, not counting the small lane.
    /// Default 64 MiB.
    pub queue_bytes: usize,
    /// The same for reservations of at most 64 KiB, beside `queue_bytes`, so that large records do
    /// not delay small ones. One document may hold a quarter of it; a reservation above that
    /// quarter counts in `queue_bytes`. Default 16 MiB.
    pub small_queue_bytes: usize,
    /// Most of `queue_bytes` that one document may hold, in bytes; at least `max_record_bytes`
    /// counts. Default 32 MiB.
    pub document_queue_bytes: usize,
    /// Largest record, in bytes; at most `queue_bytes`. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Size from which the journal is tidied, in bytes. If over half of a larger journal is no
    /// longer needed, the rest is moved together. Default 8 MiB.
    pub relocate_bytes: u64,
    /// Bytes of disk above which [`Log::is_full`](crate::Log::is_full) returns true. The log itself
    /// refuses nothing then. A file that is larger at the start is compacted first. Default: no
    /// limit.
    pub store_bytes: u64,
    /// Delay before the store is opened again after a failure. Default 0.5 s.
    pub reopen_after: Duration,
    /// Longest such delay; each failed attempt doubles it. Default 10 s.
    pub reopen_at_most: Duration,
    /// Bytes of the embedded store's page cache. Default 16 MiB: documents are read once, when they
    /// are opened, and written rows are not read again.
    pub cache_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            commit_delay: Duration::from_millis(25),
            unawaited_delay: Duration::from_millis(50),
            commit_bytes: 256 << 10,
            queue_bytes: 64 << 20,
            small_queue_bytes: 16 << 20,
            document_queue_bytes: 32 << 20,
            max_record_bytes: 64 << 20,
            relocate_bytes: 8 << 20,
            store_bytes: u64::MAX,
            reopen_after: Duration::from_millis(500),
            reopen_at_most: Duration::from_secs(10),
            cache_bytes: 16 << 20,
        }
    }
}

impl LogOptions {
    /// Checks the limits against each other.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let wrong = |what| Err(LogError::InvalidOptions { what });
        if self.queue_bytes == 0 || self.queue_bytes > u32::MAX as usize {
            return wrong("queue_bytes must be between 1 byte and 4 GiB - 1");
        }
        if self.max_record_bytes == 0 || self.max_record_bytes > self.queue_bytes {
            return wrong("max_record_bytes must be between 1 and queue_bytes");
        }
        if self.commit_delay.max(self.unawaited_delay) > Duration::from_secs(3600) {
            return wrong("commit_delay and unawaited_delay must be at most an hour");
        }
        if self.commit_bytes == 0 {
            return wrong("commit_bytes must be at least 1");
        }
        Ok(())
    }
}
