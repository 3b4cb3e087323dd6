//! The life of a server's process: opening the document from what is stored, snapshots, clean stops and crashes.
//!
//! Owns what is compared when: at each opening and each snapshot the room that the log makes stands beside the live one.

use baton_presence::Event;
use baton_room::{Decision, Ending, Record, Room, ToClose};
use bytes::Bytes;

use crate::book::Book;
use crate::flaw::Flaw;
use crate::net::{End, Packet};
use crate::seen::Seen;
use crate::world::{Action, World};

impl World {
    /// Reads the log and opens the document.
    pub(crate) fn start(&mut self) {
        if self.room.is_some() {
            return;
        }
        self.started = self.now;
        self.stalled = self.now;
        let Some(room) = self.open() else {
            return;
        };
        let whole = self.open_whole();
        self.note("opens log", 0, room.state().position());
        if let Some(whole) = &whole {
            self.see(&Seen::Opened {
                room: &room,
                whole,
                lived: None,
            });
        }
        self.book = Book::read(self.disk.history(), self.now);
        self.contents = None;
        self.room = Some(room);
        self.serve(|_, _| ());
    }

    /// The room as an opening makes it of what is stored.
    pub(crate) fn open(&mut self) -> Option<Room> {
        let (snapshot, mut tail) = self.disk.load();
        match self.options.flaw {
            Flaw::SnapshotAhead if snapshot.is_some() && !tail.is_empty() => {
                tail.remove(0);
            }
            Flaw::ForgetHolder => forget_claim(&mut tail),
            _ => {}
        }
        let now = self.server_now();
        match Room::open(self.room_options(), snapshot.as_ref(), &tail, now) {
            Ok(room) => Some(room),
            Err(error) => {
                self.violate("what was stored can be read", error.to_string());
                None
            }
        }
    }

    /// The room as every record from the first makes it.
    fn open_whole(&mut self) -> Option<Room> {
        let now = self.server_now();
        let opened = Room::open(self.room_options(), None, self.disk.history(), now);
        opened.ok()
    }

    /// Writes a snapshot, and looks whether what is stored makes the same room.
    pub(crate) fn compact(&mut self) {
        if !self.quiet {
            self.after(5_000, 40_000, Action::Compact);
        }
        if self.now < self.stalled {
            return;
        }
        if let Some(copy) = self.open()
            && let Some(room) = self.room.take()
        {
            self.see(&Seen::Compared {
                room: &room,
                copy: &copy,
            });
            self.room = Some(room);
        }
        let Some(room) = &self.room else {
            return;
        };
        let position = room.state().position();
        match room.state().snapshot() {
            Ok(snapshot) => {
                self.note_bytes("snapshot", 0, position, &Bytes::new());
                self.disk.offer_snapshot(position, snapshot);
            }
            Err(error) => self.violate("a snapshot can be made", error.to_string()),
        }
        self.serve(|_, _| ());
    }

    /// The server stops in good order, and comes again.
    pub(crate) fn restart(&mut self) {
        self.serve(|room, now| {
            let reason = "the server goes away".to_owned();
            room.close(ToClose::All, Ending::GoingAway, reason, now);
        });
        let Some(lived) = self.room.take() else {
            return;
        };
        self.note("stops", 0, lived.state().position());
        self.disk.shut_down();
        self.see_durable(lived.state().position());
        if let (Some(room), Some(whole)) = (self.open(), self.open_whole()) {
            self.see(&Seen::Opened {
                room: &room,
                whole: &whole,
                lived: Some(&lived),
            });
        }
        self.go_down();
    }

    /// The machine dies, with what was not synced.
    pub(crate) fn crash(&mut self) {
        if self.room.take().is_none() {
            return;
        }
        let mut kept = self.disk.crash(&mut self.random);
        if self.options.flaw == Flaw::LoseAtCrash {
            kept = self.disk.lose_newest();
        }
        self.note("crash", 0, kept);
        // What survived is durable now, though nobody was told.
        self.see_durable(kept);
        for lost in self.undurable.drain(..) {
            // A merge brings a park's edits into the document as an update does.
            let brought_edits = matches!(
                lost.record,
                Record::Update { .. }
                    | Record::ParkDecided {
                        decision: Decision::Merge,
                        ..
                    }
            );
            self.edits_lost += u64::from(brought_edits);
        }
        self.book = Book::read(self.disk.history(), self.now);
        self.go_down();
    }

    fn go_down(&mut self) {
        self.driver = None;
        for conn in 0..self.conns.len() {
            if self.conns[conn].server == End::Open {
                self.conns[conn].server = End::Closed;
                // The reset may be lost with the machine.
                if self.random.chance(80) {
                    self.send_down(conn, Packet::Close(None));
                }
            }
        }
        self.after(50, 6_000, Action::Start);
    }
}

/// Planted: the newest claim is gone from what is read.
fn forget_claim(tail: &mut Vec<(u64, Bytes)>) {
    let claim = |(_, bytes): &(u64, Bytes)| {
        matches!(
            Record::decode(bytes),
            Ok(Record::Presence(Event::Claim { .. }))
        )
    };
    if let Some(at) = tail.iter().rposition(claim) {
        tail.remove(at);
    }
}
