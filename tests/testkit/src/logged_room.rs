//! A room with its log in memory, a disk that may be late, and a clock that its caller moves.

use std::time::Duration;

use baton_presence::Time;
use baton_room::{Awaited, LoadError, Output, Record, RecordError, Room, RoomOptions};
use bytes::Bytes;

/// Calls of one room within one [`LoggedRoom::next_deadline`] loop, after which it never ends.
const MAX_DEADLINES: u32 = 100_000;

/// Says if what is appended is durable at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// All that is appended is durable.
    Quick,
    /// Nothing becomes durable.
    Stalled,
}

/// Drives a room as the server does: it appends what the room proposes, and tells it what is durable.
///
/// The caller calls the room, then [`LoggedRoom::settle`], and carries out the outputs.
pub struct LoggedRoom {
    /// The room, as it runs now.
    pub room: Room,
    /// Options for the next start of the server.
    pub options: RoomOptions,
    /// Time on the server.
    pub now: Time,
    snapshot: Option<(u64, Bytes)>,
    records: Vec<(u64, Bytes)>,
    durable: u64,
    disk: Disk,
    deadlines: u32,
}

impl LoggedRoom {
    /// Opens a document that is new, with a quick disk.
    ///
    /// # Panics
    /// If the room does not open.
    #[must_use]
    pub fn new(options: RoomOptions) -> Self {
        Self::open(options, None, Vec::new(), Time::ZERO).expect("a new document opens")
    }

    /// Opens a document from a snapshot and the records after it, with a quick disk.
    ///
    /// # Errors
    /// The stored bytes cannot be read.
    pub fn open(
        options: RoomOptions,
        snapshot: Option<(u64, Bytes)>,
        records: Vec<(u64, Bytes)>,
        now: Time,
    ) -> Result<Self, LoadError> {
        let room = Room::open(options.clone(), snapshot.as_ref(), &records, now)?;
        Ok(Self {
            durable: room.state().position(),
            room,
            options,
            now,
            snapshot,
            records,
            disk: Disk::Quick,
            deadlines: 0,
        })
    }

    /// Appends what the room proposes and reports what is durable, until neither leads to more.
    /// Returns the outputs, in order.
    ///
    /// # Panics
    /// If a record does not encode.
    pub fn settle(&mut self) -> Vec<Output> {
        self.append();
        while self.disk == Disk::Quick {
            self.durable = self.position();
            self.room.durable(self.durable, self.now);
            // A client that is told something may be closed for it, and that is a record again.
            self.append();
            if self.position() == self.durable {
                break;
            }
        }
        std::iter::from_fn(|| self.room.next_output()).collect()
    }

    fn append(&mut self) {
        let (records, mut position) = (&mut self.records, self.room.state().position());
        let settled = self.room.settle(self.now, |record: &Record, _: Awaited| {
            position += 1;
            records.push((position, record.encode()?));
            Ok::<_, RecordError>(position)
        });
        settled.expect("a record encodes");
        assert_eq!(self.position(), position, "each record took effect");
    }

    fn position(&self) -> u64 {
        self.room.state().position()
    }

    /// Moves the clock to the next time at which the room wants to be called, if that is not after
    /// `end`, and calls it. Else moves it to `end`, and returns false.
    ///
    /// # Panics
    /// If the room wants to be called again and again.
    pub fn next_deadline(&mut self, end: Time) -> bool {
        let Some(next) = self.room.poll_timeout().filter(|next| *next <= end) else {
            self.now = end;
            self.deadlines = 0;
            return false;
        };
        self.deadlines += 1;
        assert!(
            self.deadlines < MAX_DEADLINES,
            "the room wants to be called at {next:?} again and again"
        );
        self.now = self.now.max(next);
        self.room.handle_timeout(self.now);
        true
    }

    /// Returns the time after this much has passed.
    #[must_use]
    pub fn after(&self, time: Duration) -> Time {
        self.now + time
    }

    /// From now on the disk is like this. To be settled.
    pub fn set_disk(&mut self, disk: Disk) {
        self.disk = disk;
    }

    /// Returns the position up to which all is durable.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// Returns the records after the snapshot, with their positions.
    #[must_use]
    pub fn records(&self) -> &[(u64, Bytes)] {
        &self.records
    }

    /// Returns the stored snapshot, with its position.
    #[must_use]
    pub const fn snapshot(&self) -> Option<&(u64, Bytes)> {
        self.snapshot.as_ref()
    }

    /// Stores a snapshot in the place of all records.
    ///
    /// # Panics
    /// If the snapshot cannot be written.
    pub fn compact(&mut self) {
        let snapshot = self.room.state().snapshot().expect("a snapshot is written");
        self.store(snapshot);
    }

    /// Stores this snapshot, as of the room's position, in the place of all records.
    pub fn store(&mut self, snapshot: Bytes) {
        self.snapshot = Some((self.position(), snapshot));
        self.records.clear();
        self.durable = self.position();
    }

    /// Starts the server again, with all that was appended. To be settled.
    ///
    /// # Panics
    /// If the room does not open.
    pub fn restart(&mut self) {
        let (options, snapshot) = (self.options.clone(), self.snapshot.as_ref());
        let room = Room::open(options, snapshot, &self.records, self.now);
        self.room = room.expect("what was stored opens");
        self.durable = self.position();
    }

    /// Kills the server, which loses what is not durable, and starts it again with a quick disk. To
    /// be settled.
    pub fn crash(&mut self) {
        let durable = self.durable;
        self.records.retain(|(position, _)| *position <= durable);
        self.disk = Disk::Quick;
        self.restart();
        assert_eq!(self.position(), durable, "all that was durable is there");
    }
}
