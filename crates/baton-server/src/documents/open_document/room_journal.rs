//! The log of one open document, as its room uses it: proposals go out, records come back.
//!
//! Owns the order between the two. What the log has placed is taken in before anything else, in
//! small portions, so that a room that fell behind takes no long step.

use baton_log::{Committed, DocumentJournal, LogError, Placement, Position, Reservation, Urgency};
use baton_presence::Time;
use baton_room::{Awaited, Record, Room};
use bytes::Bytes;

use super::error::StepError;

/// Bytes of records that one step takes in, unless the first one alone has more.
const TAKEN_AT_ONCE: usize = 16 * 1024;

/// Least bytes that a record counts for.
const LEAST_RECORD: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct RoomJournal {
    log: Box<dyn DocumentJournal>,
    /// True if other nodes write the same document, and all records are placed later.
    is_shared: bool,
    /// Number of records that were proposed so far.
    proposed: u64,
    /// A record that was delivered and did not fit into the step.
    next: Option<Committed>,
}

impl RoomJournal {
    /// Returns the journal of a document that was just opened.
    pub(super) fn new(log: Box<dyn DocumentJournal>, is_shared: bool) -> Self {
        Self {
            log,
            is_shared,
            proposed: 0,
            next: None,
        }
    }

    /// Returns the log, for what has nothing to do with records.
    pub(super) fn log(&self) -> &dyn DocumentJournal {
        &*self.log
    }

    /// Returns true if other nodes write the same document.
    pub(super) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Returns the bytes of the next record to be taken in; 0 without one.
    pub(super) fn next_bytes(&mut self) -> usize {
        if !self.is_shared {
            return 0;
        }
        if self.next.is_none() {
            self.next = self.log.next_committed();
        }
        self.next.as_ref().map_or(0, |next| next.record.len())
    }

    /// Returns true if the next record to be taken in erases the document.
    pub(super) fn next_erases(&self) -> bool {
        let next = self.next.as_ref();
        next.is_some_and(|next| Record::is_erasure(&next.record))
    }

    /// Returns true if every record is placed and durable, and the room has it.
    pub(super) fn is_settled(&self) -> bool {
        self.next.is_none() && self.log.is_settled()
    }

    /// Gives the room the records that the log has placed, up to a portion. Returns true if there
    /// was one. In a cluster a record that was delivered is durable. An erasure is a portion of its
    /// own: the room takes nothing after it.
    ///
    /// # Errors
    /// A record cannot be decoded, or the log takes no records. The room cannot go on.
    pub(super) fn take_in(
        &mut self,
        room: &mut Room,
        reservation: &mut Reservation,
        now: Time,
    ) -> Result<bool, StepError> {
        let mut taken = 0;
        let mut last = None;
        while self.next_bytes() > 0 || self.next.is_some() {
            let Some(next) = self.next.take() else {
                break;
            };
            let bytes = next.record.len().max(LEAST_RECORD);
            let erases = Record::is_erasure(&next.record);
            if taken > 0 && (erases || taken + bytes > TAKEN_AT_ONCE) {
                self.next = Some(next);
                break;
            }
            taken += bytes;
            let record = Record::decode(&next.record)?;
            room.commit(next.position.get(), next.own, record, now);
            self.settle(room, reservation, now)?;
            last = Some(next.position);
            if erases {
                break;
            }
        }
        if let Some(position) = last {
            room.durable(position.get(), now);
            self.settle(room, reservation, now)?;
        }
        Ok(last.is_some())
    }

    /// Gives the room's proposals to the log. The reservation pays for them; the log is overdrawn
    /// by what it does not cover. On one machine an erasure is no record: what remains takes the
    /// place of all.
    ///
    /// # Errors
    /// The log takes no records, or a record cannot be encoded. The room cannot go on.
    pub(super) fn settle(
        &mut self,
        room: &mut Room,
        reservation: &mut Reservation,
        now: Time,
    ) -> Result<(), StepError> {
        let (log, proposed, is_shared) = (&mut self.log, &mut self.proposed, &self.is_shared);
        room.settle(now, |record: &Record, awaited: Awaited| {
            if matches!(record, Record::Erased { .. }) && !*is_shared {
                let last = log.last().get();
                return Ok(baton_room::RecordPlacement::At(last));
            }
            let urgency = match awaited {
                _ if record.is_urgent() => Urgency::Now,
                Awaited::Yes => Urgency::Soon,
                Awaited::No => Urgency::Unawaited,
            };
            let encoded = record.encode()?;
            let paid = reservation.take(encoded.len());
            *proposed += 1;
            let placement = log.propose(paid, *proposed, encoded, urgency)?;
            Ok(match placement {
                Placement::At(position) => baton_room::RecordPlacement::At(position.get()),
                Placement::Later => baton_room::RecordPlacement::Later(*proposed),
            })
        })
    }

    /// Stores a snapshot; see [`DocumentJournal::snapshot`].
    pub(super) fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        self.log.snapshot(at, bytes)
    }

    /// Erases the document; see [`DocumentJournal::erase_leaving`].
    pub(super) fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError> {
        self.log.erase_leaving(remains)
    }
}
