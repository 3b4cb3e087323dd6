//! The limits of a log, each with a name, a unit and a default.
//!
//! Checked once, when the log starts; nothing else decides a limit.

use std::time::Duration;

use crate::error::LogError;

/// Limits and delays of a [`Log`](crate::Log).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogOptions {
    /// How long an [`Urgency::Soon`](crate::Urgency::Soon) record may wait for company, at most an
    /// hour. Default 25 ms: a commit costs as much as some forty deliveries, and a person cannot tell.
    pub commit_delay: Duration,
    /// The same for an [`Urgency::Unawaited`](crate::Urgency::Unawaited) record. Default 50 ms: what a crash takes is
    /// what its author still has and brings again.
    pub unawaited_delay: Duration,
    /// Waiting bytes that start a commit before the delay is over. Default 256 KiB.
    pub commit_bytes: usize,
    /// Bound on the bytes that are reserved or appended and not yet durable, but for small ones. Default 64 MiB.
    pub queue_bytes: usize,
    /// The same for reservations of at most 64 KiB, beyond `queue_bytes`: large records do not delay small ones. One
    /// document may hold a quarter of it. Default 16 MiB. When a quarter is less than a reservation, that counts in
    /// `queue_bytes`.
    pub small_queue_bytes: usize,
    /// Most of `queue_bytes` that one document may hold; at least `max_record_bytes` counts. Default 32 MiB.
    pub document_queue_bytes: usize,
    /// The largest record. At most `queue_bytes`. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Journals smaller than this are left as they are; in a larger one of which over half is no
    /// longer needed, what is still needed is moved together. Default 8 MiB.
    pub relocate_bytes: u64,
    /// Bytes that the store may take of its disk before [`Log::is_full`](crate::Log::is_full) says that it is full.
    /// Nothing is refused for it here. A file that is larger at the start is compacted first. Default: no limit.
    pub store_bytes: u64,
    /// How long after a failure the store is opened again. Default 0.5 s.
    pub reopen_after: Duration,
    /// Each attempt in vain doubles that, up to this. Default 10 s.
    pub reopen_at_most: Duration,
    /// The embedded store's page cache. Default 16 MiB: documents are read once, when they are opened, and what is written is not read again.
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
