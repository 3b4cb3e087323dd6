//! The times at which an open document gets a snapshot.
//!
//! Owns the rule that one snapshot is written at a time, and the retry after a failure. A snapshot
//! stands for the log position at which it was drafted, however late it is stored. Until then the
//! log keeps the records that it replaces: a snapshot that is lost costs only space, and time at
//! the next opening.

/// Bytes of records after the last snapshot, from which on an idle document gets another one before
/// it leaves memory, so that it can be opened quickly.
const UNLOAD_SNAPSHOT_BYTES: u64 = 16 * 1024;

/// Number of records for the same rule.
const UNLOAD_SNAPSHOT_RECORDS: u64 = 64;

/// State of a document's snapshots. The tail is the part of its log after the last one.
#[derive(Debug, Default)]
pub(super) struct SnapshotSchedule {
    /// True while a snapshot is written outside of the document's turn.
    writing: bool,
    /// Bytes of the last snapshot: a large document is not written again after every few edits.
    last_bytes: u64,
    /// Bytes of the tail at which to try again after a failure: neither commits nor unloading may
    /// cause attempt after attempt.
    retry_at_bytes: u64,
    /// True if one is wanted however short the tail is.
    wanted: bool,
}

impl SnapshotSchedule {
    /// Returns true while a snapshot is being written.
    pub(super) const fn is_writing(&self) -> bool {
        self.writing
    }

    /// Returns true if the tail of a document in use is long enough for a snapshot.
    pub(super) fn is_due(&self, tail_bytes: u64, compact_after: u64) -> bool {
        self.wanted || tail_bytes >= compact_after.max(self.last_bytes).max(self.retry_at_bytes)
    }

    /// Notes that the log holds something that has to leave it soon.
    pub(super) const fn want(&mut self) {
        self.wanted = true;
    }

    /// Returns true if the tail of an idle document is long enough for a snapshot.
    pub(super) const fn is_due_before_unloading(&self, tail_bytes: u64, tail_records: u64) -> bool {
        let is_long =
            tail_bytes >= UNLOAD_SNAPSHOT_BYTES || tail_records >= UNLOAD_SNAPSHOT_RECORDS;
        is_long && tail_bytes >= self.retry_at_bytes
    }

    /// Notes that a snapshot is begun. Returns false if one is being written already.
    pub(super) const fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.writing, true)
    }

    /// Notes that a snapshot of so many bytes was stored.
    pub(super) const fn stored(&mut self, bytes: u64) {
        *self = Self {
            writing: false,
            last_bytes: bytes,
            retry_at_bytes: 0,
            wanted: false,
        };
    }

    /// Notes that the snapshot could not be made or stored: the next one waits for twice the tail.
    pub(super) const fn failed(&mut self, tail_bytes: u64) {
        self.writing = false;
        self.wanted = false;
        self.retry_at_bytes = tail_bytes.saturating_mul(2).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_snapshot_is_written_at_a_time() {
        let mut schedule = SnapshotSchedule::default();
        assert!(schedule.begin());
        assert!(schedule.is_writing() && !schedule.begin());
        schedule.stored(10);
        assert!(!schedule.is_writing() && schedule.begin());
        schedule.failed(10);
        assert!(!schedule.is_writing() && schedule.begin());
    }

    #[test]
    fn a_large_document_waits_for_a_tail_as_long_as_its_last_snapshot() {
        let mut schedule = SnapshotSchedule::default();
        assert!(!schedule.is_due(999, 1000) && schedule.is_due(1000, 1000));
        schedule.stored(5000);
        assert!(!schedule.is_due(4999, 1000) && schedule.is_due(5000, 1000));
    }

    #[test]
    fn one_that_is_wanted_is_due_once_however_short_the_tail_is() {
        for fails in [false, true] {
            let mut schedule = SnapshotSchedule::default();
            schedule.want();
            assert!(schedule.is_due(0, 1000) && schedule.begin());
            if fails {
                schedule.failed(5);
            } else {
                schedule.stored(5);
            }
            assert!(!schedule.is_due(5, 1000));
        }
    }

    #[test]
    fn a_failure_is_retried_at_twice_the_tail_and_forgotten_after_a_success() {
        let mut schedule = SnapshotSchedule::default();
        schedule.failed(20_000);
        assert!(!schedule.is_due(40_000, 1000) && schedule.is_due(40_001, 1000));
        assert!(!schedule.is_due_before_unloading(40_000, 100));
        assert!(schedule.is_due_before_unloading(40_001, 100));
        schedule.stored(0);
        assert!(schedule.is_due_before_unloading(1, UNLOAD_SNAPSHOT_RECORDS));
        assert!(schedule.is_due_before_unloading(UNLOAD_SNAPSHOT_BYTES, 1));
        assert!(!schedule.is_due_before_unloading(100, 1));
    }
}
