//! One document's end of the log: appending, snapshots, and watching what is durable.

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::LogError;
use crate::types::{Durability, Position, Urgency};

/// Room in the log's queue, got from [`Log::reserve`](crate::Log::reserve). Dropped unused, it goes
/// back at once; spent on a record, it goes back when the record is durable.
#[derive(Debug)]
pub struct Reservation {
    bytes: usize,
}

impl Reservation {
    /// The bytes that this still covers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` off into a reservation of their own; `None` if this holds fewer.
    pub fn split(&mut self, bytes: usize) -> Option<Reservation> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(Reservation { bytes })
    }
}

/// The only writer of one document's log. Dropping it gives the document back; what it appended
/// becomes durable all the same.
#[derive(Debug)]
pub struct DocumentLog {
    last: Position,
    watch: watch::Sender<Durability>,
}

impl DocumentLog {
    /// Appends a record and gives its position. Never blocks; log order is call order.
    ///
    /// # Errors
    /// [`LogError::ReservationTooSmall`], [`LogError::RecordTooLarge`], [`LogError::Poisoned`],
    /// [`LogError::Closed`]. In every case nothing was appended and the reservation is given back.
    #[expect(clippy::needless_pass_by_value, reason = "first signature")]
    pub fn append(
        &mut self,
        reservation: Reservation,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Position, LogError> {
        let _ = (reservation, record, urgency);
        Err(LogError::Closed)
    }

    /// Appends a record of at most 4 KiB without a reservation, for records made by timers.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`LogError::QueueFull`] when
    /// [`LogOptions::small_queue_bytes`](crate::LogOptions::small_queue_bytes) wait already.
    #[expect(clippy::needless_pass_by_value, reason = "first signature")]
    pub fn append_small(&mut self, record: Bytes, urgency: Urgency) -> Result<Position, LogError> {
        let _ = (record, urgency);
        Err(LogError::Closed)
    }

    /// Stores a snapshot that stands for every record up to and including `at`.
    ///
    /// # Errors
    /// [`LogError::SnapshotOutOfRange`], [`LogError::Poisoned`], [`LogError::Closed`].
    #[expect(clippy::needless_pass_by_value, reason = "first signature")]
    pub fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        let _ = (at, bytes);
        Err(LogError::Closed)
    }

    /// Drops everything stored up to [`last`](Self::last). The name and the position stay, so that
    /// the next record still comes after all that ever was.
    ///
    /// # Errors
    /// [`LogError::Poisoned`], [`LogError::Closed`].
    pub fn erase(&mut self) -> Result<(), LogError> {
        Err(LogError::Closed)
    }

    /// The document's name.
    #[must_use]
    pub fn name(&self) -> &str {
        ""
    }

    /// The position of the last appended record, durable or not.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// The position up to which everything is durable. Stays where it was once the log is poisoned.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.last
    }

    /// Tells each advance of [`durable`](Self::durable), and the failure of the log.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Durability> {
        self.watch.subscribe()
    }

    /// Bytes of the records since the last snapshot.
    #[must_use]
    pub fn tail_bytes(&self) -> u64 {
        0
    }

    /// Number of the records since the last snapshot.
    #[must_use]
    pub fn tail_records(&self) -> u64 {
        0
    }
}
