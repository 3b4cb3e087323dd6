//! The way of a proposal through a room to its position.

use baton_presence::Time;

use super::framing::{framed, with_session};
use super::in_flight::Proposed;
use super::placed_record::PlacedRecord;
use super::{Room, incoming};
use crate::message::ConnectionId;
use crate::reaction::Origin;
use crate::replica::Record;

/// Bytes of one connection that may wait until its caller is asked to read no more from it.
const MOST_WAITING: usize = 64 * 1024;

/// Tells whether a client waits for a record to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Yes.
    Yes,
    /// No: no client is told when it is.
    No,
}

/// The position of a record in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPlacement {
    /// It has this position.
    At(u64),
    /// It gets its position later. [`Room::commit`] is told of it under this number, which the
    /// journal has given to no other record of this room.
    Later(u64),
}

impl From<u64> for RecordPlacement {
    fn from(position: u64) -> Self {
        Self::At(position)
    }
}

/// The log, as [`Room::settle`] sees it. A closure that takes a record and [`Awaited`], and returns
/// the position or the [`RecordPlacement`], is one.
pub trait Journal {
    /// The error of a failed append.
    type Error;

    /// Appends a record and returns its placement. A journal may first let the room
    /// [take](Room::commit) records that others appended, and may replace this one: a simulation
    /// plants faults so. If it places records later, it places them in the order in which they
    /// came.
    ///
    /// # Errors
    /// The log takes nothing more.
    fn append(
        &mut self,
        room: &mut Room,
        record: &mut Record,
        awaited: Awaited,
        now: Time,
    ) -> Result<RecordPlacement, Self::Error>;

    /// The record at `position` took effect, which it had from [`Journal::append`].
    fn applied(&mut self, room: &mut Room, position: u64, now: Time) {
        let _ = (room, position, now);
    }
}

impl<E, P: Into<RecordPlacement>, A: FnMut(&Record, Awaited) -> Result<P, E>> Journal for A {
    type Error = E;

    fn append(
        &mut self,
        _: &mut Room,
        record: &mut Record,
        awaited: Awaited,
        _: Time,
    ) -> Result<RecordPlacement, E> {
        self(record, awaited).map(Into::into)
    }
}

impl Room {
    /// Gives each proposed record its position, in order, and applies it; one that gets it later
    /// stays in flight. To be called after every input; then [`Room::next_output`] until it is
    /// empty. The journal is told whether a client waits for a record to be durable.
    ///
    /// # Errors
    /// The first error of the journal. The room cannot go on then: open it again from its log.
    pub fn settle<J: Journal>(&mut self, now: Time, mut journal: J) -> Result<(), J::Error> {
        while let Some(proposal) = self.proposals.pop_front() {
            let Some((record, checked, origin)) = with_session(self, proposal) else {
                continue;
            };
            let mut record = match self.options.host {
                Some(host) => framed(record, &origin, host, &self.state, &self.sessions),
                None => record,
            };
            // A timer that comes up again, or another host's record, asks for it once more.
            if origin == Origin::Unanswered && self.in_flight.has_alike(&record) {
                continue;
            }
            let awaited = if self.awaits_durability() {
                Awaited::Yes
            } else {
                Awaited::No
            };
            match journal.append(self, &mut record, awaited, now)? {
                RecordPlacement::At(position) => {
                    PlacedRecord {
                        position,
                        record,
                        checked,
                        origin,
                        left: None,
                    }
                    .apply_to(self, now);
                    journal.applied(self, position, now);
                }
                RecordPlacement::Later(counter) => {
                    self.in_flight.push(counter, &record, checked, origin);
                }
            }
        }
        Ok(())
    }

    /// Applies the record at `position` of the log: one that this room has proposed, under its
    /// number, or one of another host. Records come in the order of their positions. To be followed
    /// by [`Room::settle`], as every input.
    pub fn commit(&mut self, position: u64, own: Option<u64>, mut record: Record, now: Time) {
        let proposed = own.and_then(|counter| self.in_flight.take(counter));
        let Some(Proposed {
            origin,
            checked,
            left,
            ..
        }) = proposed
        else {
            return PlacedRecord::of_another(position, record).apply_to(self, now);
        };
        if let (Some(update), Some(checked)) = (record.update_mut(), &checked)
            && update == checked.bytes()
        {
            // These bytes were scanned.
            *update = checked.bytes().clone();
        }
        let connection = origin.operator().or_else(|| origin.author());
        PlacedRecord {
            position,
            record,
            checked,
            origin,
            left,
        }
        .apply_to(self, now);
        if let Some(connection) = connection {
            incoming::take_up(self, connection, now);
        }
    }

    /// Returns true if the caller should read no more from this connection for the time being:
    /// messages of it wait until a record has its position. A further message is kept as well, and
    /// taken up in its order. So a caller that obeys bounds the memory for a connection to 64 KiB
    /// and one message, and no message is too large to wait.
    #[must_use]
    pub fn awaits_placement(&self, connection: ConnectionId) -> bool {
        self.in_flight.bytes_of(connection) > MOST_WAITING
    }
}
