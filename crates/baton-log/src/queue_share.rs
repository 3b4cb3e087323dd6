//! One document's part of the room in a log's queue, as its writers use it.
//!
//! Owns no counts; those are [`QueueRoom`]'s.

use std::sync::Arc;

use crate::error::LogError;
use crate::queue_room::{DocumentShare, QueueRoom, Reservation};

/// Reserves room in the log's queue for the records of one document. Clones share the same room.
#[derive(Clone, Debug)]
pub struct QueueShare {
    part: Arc<DocumentShare>,
}

impl QueueShare {
    /// Returns the part of one more document.
    #[must_use]
    pub fn of(room: Arc<QueueRoom>) -> QueueShare {
        QueueShare {
            part: Arc::new(DocumentShare::new(room)),
        }
    }

    /// Waits until the queue has room for a record of this many bytes of this document. Callers for
    /// one document are served in the order of their calls. Never await this while holding a lock.
    ///
    /// A document holds at most
    /// [`LogOptions::document_queue_bytes`](crate::LogOptions::document_queue_bytes) of the queue,
    /// and a quarter of the room for small records.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], or the reason for which the log takes no more records. Nothing
    /// was reserved.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, LogError> {
        let limit = self.part.room.limit();
        if bytes > limit {
            return Err(LogError::RecordTooLarge { len: bytes, limit });
        }
        let reserved = self.part.reserve(bytes).await;
        reserved.map_err(|_closed| self.part.room.closed())
    }

    /// Returns an empty reservation. A record appended with it is overdrawn, in the lane of a
    /// record of `about` bytes.
    #[must_use]
    pub fn nothing(&self, about: usize) -> Reservation {
        self.part.nothing(about)
    }

    /// Changes a reservation to the charge of a record of this length, which a log keeps until the
    /// record is stored. A surplus is given back, a shortage overdrawn.
    ///
    /// # Errors
    /// [`LogError::ForeignReservation`]. The reservation is given back.
    pub fn charge(&self, reservation: Reservation, len: usize) -> Result<Reservation, LogError> {
        if reservation.is_of(&self.part.room) {
            Ok(reservation.spend(len))
        } else {
            Err(LogError::ForeignReservation)
        }
    }
}
