//! The log of one document: appending records, snapshots, and their durability.
//!
//! Owns the document's last position, which no other code assigns. Never blocks and never touches
//! the store: it only pushes to the queue.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::commit_queue::{QueuedRecord, QueuedSnapshot};
use crate::document_watch::DocumentWatch;
use crate::error::LogError;
use crate::format::rows::BaseKind;
use crate::position::Position;
use crate::queue_room::Reservation;
use crate::queue_share::QueueShare;
use crate::running_log::RunningLog;
use crate::types::{Durability, LoadedDocument, MovedContent, Urgency};

/// The highest position of a document that comes from another log. Positions stay below 2^53, so
/// that they are exact in JavaScript.
const HIGHEST: Position = Position::new((1 << 53) - 1);

/// The only writer of one document's log. Dropping it closes the document; the records that it
/// appended still become durable.
#[derive(Debug)]
pub struct DocumentLog {
    log: Arc<RunningLog>,
    watch: Arc<DocumentWatch>,
    /// This document's share of the room in the queue.
    share: QueueShare,
    /// 0 until something is appended, so that a name that was only looked up leaves no trace.
    id: u64,
    base: u64,
    last: u64,
    /// Lengths of the records after `base`.
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
        loaded: &LoadedDocument,
    ) -> DocumentLog {
        let lengths: VecDeque<u32> = loaded
            .tail
            .iter()
            .map(|(_, record)| length(record))
            .collect();
        DocumentLog {
            share: QueueShare::of(log.state().room()),
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
    pub fn share(&self) -> QueueShare {
        self.share.clone()
    }

    /// Appends a record and returns its position. Never blocks; the order of the log is the order
    /// of the calls. The record is durable once [`durable`](Self::durable) has reached the
    /// position.
    ///
    /// A record is never refused for its size. Bytes that the reservation does not cover are
    /// overdrawn: later reservations wait until they are paid back.
    ///
    /// # Errors
    /// [`LogError::ForeignReservation`], [`LogError::Failed`], [`LogError::Closed`]. Nothing was
    /// appended, and the reservation is given back.
    pub fn append(
        &mut self,
        reservation: Reservation,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Position, LogError> {
        let charge = self.share.charge(reservation, record.len());
        let charge = charge.or_else(|foreign| self.check().and(Err(foreign)))?;
        self.push(record, charge, urgency)
    }

    /// Appends a record without a reservation, for callers that cannot wait: all of it is
    /// overdrawn.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]. Nothing was appended.
    pub fn append_overdrawn(
        &mut self,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Position, LogError> {
        let nothing = self.share.nothing(record.len());
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

    /// Stores a snapshot that replaces every record up to and including `at`. Never blocks. It is
    /// written once `at` is durable: after a crash there is either this snapshot or the records
    /// that it replaces.
    ///
    /// The bytes wait in memory outside the queue's bound, at most one snapshot for each document:
    /// a newer one replaces one that still waits. After [`Log::flush`](crate::Log::flush) it is
    /// durable. A snapshot at the position of the last one replaces that one.
    ///
    /// # Errors
    /// [`LogError::SnapshotOutOfRange`] unless `at` is between the last snapshot and
    /// [`last`](Self::last); [`LogError::Failed`], [`LogError::Closed`]. Nothing was stored.
    pub fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        let (from, to) = (Position::new(self.base), self.last());
        if at < from || at > to {
            return Err(LogError::SnapshotOutOfRange { at, from, to });
        }
        self.push_snapshot(at, Some(bytes), BaseKind::Snapshot)
    }

    /// Drops everything stored up to [`last`](Self::last) and stores a snapshot of what must
    /// remain, in one step. The document counts as erased
    /// ([`DocumentInfo::erased`](crate::DocumentInfo::erased)) until something is appended.
    ///
    /// # Errors
    /// Those of [`erase`](Self::erase).
    pub fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError> {
        if self.id == 0 {
            return self.check();
        }
        self.push_snapshot(self.last(), Some(remains), BaseKind::Remnant)
    }

    /// Drops everything stored up to [`last`](Self::last). The name and the position stay, so that
    /// the next record comes after all that ever were.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]. Nothing was dropped.
    pub fn erase(&mut self) -> Result<(), LogError> {
        if self.id == 0 {
            return self.check();
        }
        self.push_snapshot(self.last(), None, BaseKind::Erased)
    }

    /// Puts the content that another log has of this document in the place of everything stored, at
    /// `above` or at [`last`](Self::last), whichever is higher. Later positions come after it.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`], [`LogError::PositionTooHigh`]. Nothing was
    /// changed.
    pub fn replace(&mut self, above: Position, content: MovedContent) -> Result<(), LogError> {
        if above > HIGHEST {
            return Err(LogError::PositionTooHigh { at: above });
        }
        let (bytes, base_kind) = match content {
            MovedContent::Document(bytes) => (Some(bytes), BaseKind::Snapshot),
            MovedContent::Remains(bytes) => (Some(bytes), BaseKind::Remnant),
            MovedContent::Erased => (None, BaseKind::Erased),
        };
        let at = self.last().max(above);
        self.push_snapshot(at, bytes, base_kind)?;
        self.last = at.get();
        Ok(())
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
        // A snapshot of another log may stand beyond the last record.
        let gone = usize::try_from(at - self.base).unwrap_or(usize::MAX);
        let gone = self.lengths.drain(..gone.min(self.lengths.len()));
        self.tail_bytes -= gone.map(u64::from).sum::<u64>();
        if self.lengths.is_empty() {
            self.lengths = VecDeque::new();
        }
        (self.id, self.base) = (id, at);
        Ok(())
    }

    /// Returns an error if this handle accepts nothing more.
    fn check(&self) -> Result<(), LogError> {
        let queue = &self.log.state().queue;
        queue.check_generation(self.watch.generation())
    }

    fn known_id(&self) -> u64 {
        if self.id == 0 {
            self.log.state().new_id()
        } else {
            self.id
        }
    }

    /// Returns the document's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.watch.name()
    }

    /// Returns the position of the last appended record, durable or not.
    #[must_use]
    pub fn last(&self) -> Position {
        Position::new(self.last)
    }

    /// Returns the failure because of which this handle accepts nothing more. Drop the handle, and
    /// open the document again once the log is [`LogHealth::Good`](crate::LogHealth::Good).
    #[must_use]
    pub fn failure(&self) -> Option<Arc<LogError>> {
        self.watch.failure()
    }

    /// Returns the position up to which everything is durable. It no longer moves once the store
    /// has failed.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.watch.durable()
    }

    /// Reports each advance of [`durable`](Self::durable), and the failure of the store. A slow
    /// receiver misses steps in between, never the latest.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Durability> {
        self.watch.subscribe()
    }

    /// Returns the bytes of the records since the last snapshot, durable or not.
    #[must_use]
    pub fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// Returns the bytes of the last snapshot and of the records since, durable or not.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.snapshot_bytes + self.tail_bytes
    }

    /// Returns the number of the records since the last snapshot, durable or not.
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

/// No record reaches 4 GiB: one that is overdrawn came over a connection, whose messages are
/// smaller.
fn length(record: &Bytes) -> u32 {
    u32::try_from(record.len()).unwrap_or(u32::MAX)
}
