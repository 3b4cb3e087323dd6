//! Room in the queue: the bytes that may wait for the disk, and their division among documents.
//!
//! Owns the counts. There are two lanes, so that a record of 30 MiB does not delay a keystroke: one
//! lane is for small reservations only. In each lane a document may hold a part, so that one
//! document does not delay others. Reservations of one lane, and of one document, are served in
//! order.
//!
//! The owner of a reservation may append more than it reserved. The record is in memory already, so
//! a refusal would save nothing and lose an edit. The excess is an *overdraft*: the lane's count
//! goes below zero, and later reservations wait until it is paid back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{AcquireError, Semaphore};

use crate::error::LogError;
use crate::options::LogOptions;

/// Largest reservation of the small lane, in bytes.
pub(crate) const SMALL_BYTES: usize = 64 << 10;

/// A document may hold one part in this many of the small lane.
const SMALL_PARTS: usize = 4;

/// Least bytes counted for a record, so that a flood of empty records is bounded, too.
const LEAST_CHARGE: usize = 64;

/// A budget of bytes that can be overdrawn.
#[derive(Debug)]
struct ByteBudget {
    free: Semaphore,
    /// Overdrawn bytes that are not paid back.
    debt: AtomicUsize,
    size: usize,
}

/// The room of the whole queue, for one generation of the log. Every kind of log bounds by it what
/// it has accepted and not stored yet.
#[derive(Debug)]
pub struct QueueRoom {
    small: ByteBudget,
    large: ByteBudget,
    /// Most bytes of each lane that one document may hold.
    small_part: usize,
    large_part: usize,
    /// Bytes of the largest reservation.
    limit: usize,
    /// The reason for which the room was closed.
    closed: Mutex<Option<LogError>>,
}

/// The part of the room that one document may hold.
#[derive(Debug)]
pub(crate) struct DocumentShare {
    pub(crate) room: Arc<QueueRoom>,
    small: ByteBudget,
    large: ByteBudget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Small,
    Large,
}

/// Room in the log's queue, from [`QueueShare::reserve`](crate::QueueShare::reserve) or
/// [`Log::reserve`](crate::Log::reserve). Dropped unused, it returns at once; spent on a record, it
/// returns once the record is durable.
#[derive(Debug)]
pub struct Reservation {
    room: Arc<QueueRoom>,
    /// `None` for a reservation that counts for no document.
    part: Option<Arc<DocumentShare>>,
    lane: Lane,
    bytes: usize,
    /// Bytes taken from the lane, and from the document's part of it.
    charge: usize,
}

impl ByteBudget {
    fn new(size: usize) -> ByteBudget {
        let size = size.clamp(1, Semaphore::MAX_PERMITS);
        ByteBudget {
            free: Semaphore::new(size),
            debt: AtomicUsize::new(0),
            size,
        }
    }

    /// Takes `bytes` bytes, also if they are not free.
    fn overdraw(&self, bytes: usize) {
        let there = self.free.forget_permits(bytes);
        self.debt.fetch_add(bytes - there, Ordering::Relaxed);
    }

    /// Returns bytes to the budget. A debt is paid first.
    fn give_back(&self, bytes: usize) {
        let paid = |debt: usize| Some(debt.saturating_sub(bytes));
        let debt = self
            .debt
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid)
            .unwrap_or_default();
        let rest = bytes.saturating_sub(debt);
        if rest > 0 {
            self.free.add_permits(rest);
        }
    }

    fn used(&self) -> usize {
        let free = self.free.available_permits();
        self.size.saturating_sub(free) + self.debt.load(Ordering::Relaxed)
    }
}

impl QueueRoom {
    /// Returns the room that these options give: the bytes of the queue, of its part for small
    /// records, of one document's part, and of the largest record.
    #[must_use]
    pub fn new(options: &LogOptions) -> QueueRoom {
        let large_part = options.document_queue_bytes.max(options.max_record_bytes);
        QueueRoom {
            small: ByteBudget::new(options.small_queue_bytes),
            large: ByteBudget::new(options.queue_bytes),
            small_part: options.small_queue_bytes / SMALL_PARTS,
            large_part: large_part.min(options.queue_bytes),
            limit: options.max_record_bytes,
            closed: Mutex::new(None),
        }
    }

    /// Returns the bytes of the largest reservation.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the bytes that are reserved, or accepted and not stored yet.
    #[must_use]
    pub fn used(&self) -> usize {
        self.small.used() + self.large.used()
    }

    /// Fails all reservations, also those that wait, with this reason: the log has failed, or was
    /// closed. The first reason stays.
    pub fn close(&self, why: LogError) {
        self.closed.lock().get_or_insert(why);
        self.small.free.close();
        self.large.free.close();
    }

    /// Returns the reason for which the room was closed.
    pub(crate) fn closed(&self) -> LogError {
        self.closed.lock().clone().unwrap_or(LogError::Closed)
    }

    /// Returns the lane of a reservation, and its charge there. The small lane is not used for a
    /// reservation that its part cannot hold.
    fn charge(&self, bytes: usize) -> (Lane, u32) {
        let charge = bytes.max(LEAST_CHARGE);
        let (lane, size) = if charge <= SMALL_BYTES && charge <= self.small_part {
            (Lane::Small, self.small.size)
        } else {
            (Lane::Large, self.large.size)
        };
        (lane, u32::try_from(charge.min(size)).unwrap_or(u32::MAX))
    }

    fn count(&self, lane: Lane) -> &ByteBudget {
        match lane {
            Lane::Small => &self.small,
            Lane::Large => &self.large,
        }
    }

    /// Waits for room that counts for no document.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        bytes: usize,
    ) -> Result<Reservation, AcquireError> {
        let (lane, charge) = self.charge(bytes);
        self.count(lane).free.acquire_many(charge).await?.forget();
        Ok(Reservation {
            room: Arc::clone(self),
            part: None,
            lane,
            bytes,
            charge: charge as usize,
        })
    }
}

impl DocumentShare {
    pub(crate) fn new(room: Arc<QueueRoom>) -> DocumentShare {
        DocumentShare {
            small: ByteBudget::new(room.small_part),
            large: ByteBudget::new(room.large_part),
            room,
        }
    }

    fn count(&self, lane: Lane) -> &ByteBudget {
        match lane {
            Lane::Small => &self.small,
            Lane::Large => &self.large,
        }
    }

    /// Waits for room in this document's part, and then for the document's turn in the lane.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        bytes: usize,
    ) -> Result<Reservation, AcquireError> {
        let (lane, charge) = self.room.charge(bytes);
        let own = self.count(lane).free.acquire_many(charge).await?;
        let of_all = &self.room.count(lane).free;
        of_all.acquire_many(charge).await?.forget();
        own.forget();
        Ok(Reservation {
            room: Arc::clone(&self.room),
            part: Some(Arc::clone(self)),
            lane,
            bytes,
            charge: charge as usize,
        })
    }

    /// Returns an empty reservation: all that is appended with it is overdrawn.
    pub(crate) fn nothing(self: &Arc<Self>, lane_of: usize) -> Reservation {
        let (lane, _) = self.room.charge(lane_of);
        Reservation {
            room: Arc::clone(&self.room),
            part: Some(Arc::clone(self)),
            lane,
            bytes: 0,
            charge: 0,
        }
    }
}

impl Reservation {
    /// Returns the bytes that this reservation still covers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Splits `bytes` off into a reservation of their own, or all there are if that is less.
    #[must_use]
    pub fn take(&mut self, bytes: usize) -> Reservation {
        let bytes = bytes.min(self.bytes);
        let charge = bytes.min(self.charge);
        self.bytes -= bytes;
        self.charge -= charge;
        Reservation {
            room: Arc::clone(&self.room),
            part: self.part.clone(),
            lane: self.lane,
            bytes,
            charge,
        }
    }

    pub(crate) fn is_of(&self, room: &Arc<QueueRoom>) -> bool {
        Arc::ptr_eq(&self.room, room)
    }

    /// Changes the reservation to the charge of a record of this length. A surplus is returned, a
    /// shortage overdrawn.
    pub(crate) fn spend(mut self, len: usize) -> Reservation {
        let needed = len.max(LEAST_CHARGE);
        let lane = self.room.count(self.lane);
        let own = self.part.as_ref().map(|part| part.count(self.lane));
        if needed > self.charge {
            lane.overdraw(needed - self.charge);
            if let Some(own) = own {
                own.overdraw(needed - self.charge);
            }
        } else {
            lane.give_back(self.charge - needed);
            if let Some(own) = own {
                own.give_back(self.charge - needed);
            }
        }
        (self.charge, self.bytes) = (needed, len);
        self
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.count(self.lane).give_back(self.charge);
        if let Some(part) = &self.part {
            part.count(self.lane).give_back(self.charge);
        }
    }
}

#[cfg(test)]
mod tests;
