//! Counters of the work of a log, for monitoring.
//!
//! Owns numbers only. The commit thread writes them, and reading them never waits for the store.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Upper bounds of the buckets of the commit time histogram, in microseconds. One more bucket has
/// no bound.
pub const COMMIT_BUCKETS_US: [u64; 11] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000,
];

/// Measures a commit until it is dropped.
pub(crate) struct CommitTimer<'a> {
    counts: &'a LogMetrics,
    pub(crate) began: Instant,
}

impl Drop for CommitTimer<'_> {
    fn drop(&mut self) {
        *self.counts.committing.lock() = None;
    }
}

#[derive(Debug, Default)]
pub(crate) struct LogMetrics {
    pub(crate) commits: TimeHistogram,
    /// Start of the commit that is under way.
    committing: Mutex<Option<Instant>>,
    pub(crate) failures: AtomicU64,
    pub(crate) recoveries: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    disk: Mutex<DiskUsage>,
    full: AtomicBool,
}

/// Disk space of the store, compared with its limit.
#[derive(Debug, Default)]
struct DiskUsage {
    /// Net growth of the rows when the store went over its limit, in bytes. Space that was freed
    /// since is used again before the file grows.
    went_over_at: Option<i64>,
}

/// A histogram of times.
#[derive(Debug, Default)]
pub(crate) struct TimeHistogram {
    buckets: [AtomicU64; COMMIT_BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl TimeHistogram {
    pub(crate) fn add(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = COMMIT_BUCKETS_US.partition_point(|bound| *bound < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took, Ordering::Relaxed);
    }
}

impl LogMetrics {
    /// Starts to measure a commit.
    pub(crate) fn commits(&self) -> CommitTimer<'_> {
        let began = Instant::now();
        *self.committing.lock() = Some(began);
        CommitTimer {
            counts: self,
            began,
        }
    }

    pub(crate) fn committed(&self, records: usize, bytes: usize, took: Duration) {
        self.commits.add(took);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Updates the disk space of the store, and the net growth of its rows since the start, in
    /// bytes.
    pub(crate) fn stored(&self, on_disk: Option<u64>, grown: i64, limit: u64) {
        let mut disk = self.disk.lock();
        let over = on_disk.is_some_and(|bytes| bytes > limit);
        let full = over && grown >= *disk.went_over_at.get_or_insert(grown);
        if !over {
            disk.went_over_at = None;
        }
        self.full.store(full, Ordering::Relaxed);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, queued_bytes: usize) -> LogStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogStats {
            commit_buckets: std::array::from_fn(|at| read(&self.commits.buckets[at])),
            commit_time: Duration::from_micros(read(&self.commits.sum_us)),
            committing: self.committing.lock().map(|began| began.elapsed()),
            failures: read(&self.failures),
            recoveries: read(&self.recoveries),
            records: read(&self.records),
            bytes: read(&self.bytes),
            queued_bytes,
        }
    }
}

/// Counters of a log since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Number of commits by their time: at most each of [`COMMIT_BUCKETS_US`] and more than the one
    /// before; last, commits that took longer than all of them.
    pub commit_buckets: [u64; COMMIT_BUCKETS_US.len() + 1],
    /// Time spent in all commits together.
    pub commit_time: Duration,
    /// Time since the start of the commit that is under way.
    pub committing: Option<Duration>,
    /// Number of failed commits.
    pub failures: u64,
    /// Number of times that the store was opened again after a failure.
    pub recoveries: u64,
    /// Number of records made durable.
    pub records: u64,
    /// Bytes of those records.
    pub bytes: u64,
    /// Bytes reserved or appended, and not yet durable.
    pub queued_bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_over_its_limit_is_full_until_something_was_freed_and_not_used_again() {
        let counts = LogMetrics::default();
        let full = |on_disk, grown| {
            counts.stored(on_disk, grown, 100);
            counts.is_full()
        };
        assert!(!full(Some(100), 50));
        assert!(full(Some(101), 60));
        assert!(full(Some(101), 61));
        // The file keeps its size; space inside it is free.
        assert!(!full(Some(101), 20));
        assert!(!full(Some(101), 59));
        assert!(full(Some(101), 60));
        assert!(!full(Some(99), 70));
        assert!(full(Some(101), 70));
        assert!(!full(None, 70), "a store that is on no disk");
    }
}
