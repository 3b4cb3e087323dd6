//! One document's end of the log: appending, snapshots, and watching what is durable.
//!
//! Owns the document's last position, which no one else assigns. Never blocks and never touches the
//! store: it only pushes to the queue.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::commit_queue::{QueuedRecord, QueuedSnapshot};
use crate::document_watch::DocumentWatch;
use crate::error::LogError;
use crate::format::rows::BaseKind;
use crate::position::Position;
use crate::queue_room::{DocumentShare, Reservation};
use crate::running_log::RunningLog;
use crate::types::{Durability, Loaded, Urgency};

/// Reserves room in the log's queue for the records of one document. Clones share the same room.
#[derive(Clone, Debug)]
pub struct Share {
    log: Arc<RunningLog>,
    part: Arc<DocumentShare>,
    generation: u64,
}

impl Share {
    /// Waits until the queue has room for a record of this many bytes of this document. Never await it under a lock.
    /// First come is first served, among those who ask for this document.
    ///
    /// A document holds at most [`LogOptions::document_queue_bytes`](crate::LogOptions::document_queue_bytes) of the
    /// queue, and a quarter of what is kept for small records.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], [`LogError::Failed`], [`LogError::Closed`]. Nothing was reserved.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, LogError> {
        let limit = self.part.room.limit();
        if bytes > limit {
            return Err(LogError::RecordTooLarge { len: bytes, limit });
        }
        match self.part.reserve(bytes).await {
            Ok(reservation) => Ok(reservation),
            Err(_) => {
                self.log.state().queue.check_generation(self.generation)?;
                Err(LogError::Closed)
            }
        }
    }

    /// A reservation of nothing. What is appended with it is overdrawn, in the lane of a record of `about` bytes.
    #[must_use]
    pub fn nothing(&self, about: usize) -> Reservation {
        self.part.nothing(about)
    }
}

/// The only writer of one document's log. Dropping it gives the document back; what it appended
/// becomes durable all the same.
#[derive(Debug)]
pub struct DocumentLog {
    log: Arc<RunningLog>,
    watch: Arc<DocumentWatch>,
    /// Where reservations for this document come from.
    part: Arc<DocumentShare>,
    /// 0 until something is appended, so that a name that was only looked at leaves no trace.
    id: u64,
    base: u64,
    last: u64,
    /// Of the records after `base`.
    lengths: VecDeque<u32>,
    tail_bytes: u64,
    snapshot_bytes: u64,
}

impl DocumentLog {
    pub(crate) fn new(
        log: Arc<RunningLog>,
        watch: Arc<DocumentWatch>,
        id: u64,
        base: u64,
        loaded: &Loaded,
    ) -> DocumentLog {
        let lengths: VecDeque<u32> = loaded
            .tail
            .iter()
            .map(|(_, record)| length(record))
            .collect();
        DocumentLog {
            part: Arc::new(DocumentShare::new(log.state().room())),
            log,
            watch,
            id,
            base,
            last: base + lengths.len() as u64,
            tail_bytes: lengths.iter().map(|&len| u64::from(len)).sum(),
            lengths,
            snapshot_bytes: loaded
                .snapshot
                .as_ref()
                .map_or(0, |(_, bytes)| bytes.len() as u64),
        }
    }

    /// Returns the handle that reserves room for this document's records.
    #[must_use]
    pub fn share(&self) -> Share {
        Share {
            log: Arc::clone(&self.log),
            part: Arc::clone(&self.part),
            generation: self.watch.generation(),
        }
    }

    /// Appends a record and gives its position. Never blocks; log order is call order. The record is
    /// durable when [`durable`](Self::durable) has reached the position, and not before.
    ///
    /// It is never refused for its size. What the reservation does not cover is overdrawn: later
    /// reservations wait until it is paid back.
    ///
    /// # Errors
    /// [`LogError::ForeignReservation`], [`LogError::Failed`], [`LogError::Closed`]. In every case
    /// nothing was appended and the reservation is given back.
    pub fn append(
        &mut self,
        reservation: Reservation,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Position, LogError> {
        if !reservation.is_of(&self.part.room) {
            self.log
                .state()
                .queue
                .check_generation(self.watch.generation())?;
            return Err(LogError::ForeignReservation);
        }
        let charge = reservation.spend(record.len());
        self.push(record, charge, urgency)
    }

    /// Appends a record without a reservation: all of it is overdrawn. For callers that cannot wait.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]. Nothing was appended.
    pub fn append_overdrawn(
        &mut self,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Position, LogError> {
        let nothing = self.part.nothing(record.len());
        self.append(nothing, record, urgency)
    }

    fn push(
        &mut self,
        record: Bytes,
        charge: Reservation,
        urgency: Urgency,
    ) -> Result<Position, LogError> {
        let len = length(&record);
        let (id, position) = (self.known_id(), self.last + 1);
        let watch = self.watch.clone();
        let waiting = QueuedRecord {
            id,
            position,
            bytes: record,
            watch,
            _charge: charge,
        };
        self.log.state().queue.push(waiting, urgency)?;
        (self.id, self.last) = (id, position);
        self.lengths.push_back(len);
        self.tail_bytes += u64::from(len);
        Ok(Position::new(position))
    }

    /// Stores a snapshot that stands for every record up to and including `at`, which are then no
    /// longer needed. Never blocks. It is written when `at` is durable, together with that fact:
    /// after a crash there is either this snapshot or all that it stands for.
    ///
    /// The bytes wait in memory outside the queue's bound, at most one snapshot for each document:
    /// a newer one takes the place of one that still waits. [`Log::flush`](crate::Log::flush) tells
    /// when it is durable. A snapshot at the position of the last one replaces that.
    ///
    /// # Errors
    /// [`LogError::SnapshotOutOfRange`] unless `at` is between the last snapshot and
    /// [`last`](Self::last); [`LogError::Failed`], [`LogError::Closed`]. In every case nothing was
    /// stored.
    pub fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        let (from, to) = (Position::new(self.base), self.last());
        if at < from || at > to {
            return Err(LogError::SnapshotOutOfRange { at, from, to });
        }
        self.push_snapshot(at, Some(bytes), BaseKind::Snapshot)
    }

    /// Drops everything stored up to [`last`](Self::last) but for a snapshot of what remains, in one step. The document
    /// counts as erased ([`DocumentInfo::erased`](crate::DocumentInfo::erased)) until something is appended.
    ///
    /// # Errors
    /// As [`erase`](Self::erase).
    pub fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError> {
        if self.id == 0 {
            return self
                .log
                .state()
                .queue
                .check_generation(self.watch.generation());
        }
        self.push_snapshot(self.last(), Some(remains), BaseKind::Remnant)
    }

    /// Drops everything stored up to [`last`](Self::last). The name and the position stay, so that
    /// the next record still comes after all that ever was.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]. Nothing was dropped.
    pub fn erase(&mut self) -> Result<(), LogError> {
        if self.id == 0 {
            return self
                .log
                .state()
                .queue
                .check_generation(self.watch.generation());
        }
        self.push_snapshot(self.last(), None, BaseKind::Erased)
    }

    fn push_snapshot(
        &mut self,
        at: Position,
        bytes: Option<Bytes>,
        base_kind: BaseKind,
    ) -> Result<(), LogError> {
        let (id, watch) = (self.known_id(), self.watch.clone());
        let (at, len) = (at.get(), bytes.as_ref().map_or(0, Bytes::len));
        let snapshot = QueuedSnapshot {
            at,
            bytes,
            base_kind,
            watch,
        };
        self.log.state().queue.push_snapshot(id, snapshot)?;
        self.snapshot_bytes = len as u64;
        let gone = self.lengths.drain(..(at - self.base) as usize);
        self.tail_bytes -= gone.map(u64::from).sum::<u64>();
        if self.lengths.is_empty() {
            self.lengths = VecDeque::new();
        }
        (self.id, self.base) = (id, at);
        Ok(())
    }

    fn known_id(&self) -> u64 {
        if self.id == 0 {
            self.log.state().new_id()
        } else {
            self.id
        }
    }

    /// The document's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.watch.name()
    }

    /// The position of the last appended record, durable or not.
    #[must_use]
    pub fn last(&self) -> Position {
        Position::new(self.last)
    }

    /// Why nothing more is accepted through this handle, once the store has failed: drop it, and open the document again
    /// when the log is [`Health::Good`](crate::Health::Good).
    #[must_use]
    pub fn failure(&self) -> Option<Arc<LogError>> {
        self.watch.failure()
    }

    /// The position up to which everything is durable. Stays where it was once the store has failed.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.watch.durable()
    }

    /// Tells each advance of [`durable`](Self::durable), and the failure of the store. A receiver
    /// that is slow misses steps in between, never the latest.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Durability> {
        self.watch.subscribe()
    }

    /// Bytes of the records since the last snapshot, whether or not that is durable yet.
    #[must_use]
    pub fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// Bytes of the last snapshot and of the records since, whether or not that is durable yet.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.snapshot_bytes + self.tail_bytes
    }

    /// Number of the records since the last snapshot, whether or not that is durable yet.
    #[must_use]
    pub fn tail_records(&self) -> u64 {
        self.last - self.base
    }
}

impl Drop for DocumentLog {
    fn drop(&mut self) {
        let state = self.log.state();
        state
            .documents
            .release(&self.watch, self.id, state.queue.pushed());
    }
}

/// No record reaches 4 GiB: what is overdrawn came over a connection, in pieces of at most `max_record_bytes`.
fn length(record: &Bytes) -> u32 {
    u32::try_from(record.len()).unwrap_or(u32::MAX)
}
