//! What an edit costs a room: received, scanned, judged, given a position, applied, and told to the others. In a document of
//! a kilobyte and in one of megabytes: `cargo bench -p baton-room --bench apply`.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

use baton_presence::{Rights, Time};
use baton_room::{ConnectionId, Incoming, Kind, Outgoing, Output, ResumeToken, Room, RoomOptions};
use baton_sync::lib0::{write_var_string, write_var_uint};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};

/// The writer's Yjs client.
const CLIENT: u64 = 1_234_567_890;

/// Somebody who types at the end of a text, and the room.
struct Typing {
    room: Room,
    position: u64,
    clock: u64,
}

impl Typing {
    /// In a document of `bytes` already.
    fn after(bytes: usize) -> Self {
        let mut room = Room::open(RoomOptions::default(), None, &[], Time::ZERO).unwrap();
        for connection in [1, 2] {
            room.connect(ConnectionId(connection), Rights::ALL);
        }
        let mut typing = Self {
            room,
            position: 0,
            clock: 0,
        };
        while (typing.clock as usize) < bytes {
            typing.edit(bytes.min(16 * 1024));
        }
        typing
    }

    /// One edit of so many characters, the whole way; returns what is told to the others.
    fn edit(&mut self, length: usize) -> Bytes {
        let update = update(self.clock, length);
        self.clock += length as u64;
        let token = ResumeToken::new([7; 16]);
        let incoming = Incoming::Sync(Kind::Update, update);
        self.room
            .receive(ConnectionId(1), incoming, token, Time::ZERO);
        while let Some(proposal) = self.room.next_proposal() {
            self.position += 1;
            self.room
                .commit(self.position, proposal, Time::ZERO)
                .unwrap();
        }
        self.room.durable(self.position, Time::ZERO);
        let mut told = None;
        while let Some(output) = self.room.next_output() {
            if let Output::Broadcast {
                message: Outgoing::Update(update),
                ..
            } = output
            {
                told = Some(update);
            }
        }
        told.unwrap()
    }
}

/// The update of an edit at the end of the text.
fn update(clock: u64, length: usize) -> Bytes {
    let mut out = vec![1, 1];
    write_var_uint(&mut out, CLIENT);
    write_var_uint(&mut out, clock);
    if let Some(before) = clock.checked_sub(1) {
        out.push(0x84);
        write_var_uint(&mut out, CLIENT);
        write_var_uint(&mut out, before);
    } else {
        out.extend_from_slice(&[0x04, 1]);
        write_var_string(&mut out, "text");
    }
    write_var_string(&mut out, &"x".repeat(length));
    out.push(0);
    out.into()
}

fn apply(criterion: &mut Criterion) {
    for (name, bytes) in [("1 KB", 1024), ("1 MB", 1 << 20), ("20 MB", 20 << 20)] {
        let mut typing = Typing::after(bytes);
        criterion.bench_function(&format!("a keystroke in a document of {name}"), |bencher| {
            bencher.iter(|| typing.edit(1));
        });
    }
}

criterion_group!(benches, apply);
criterion_main!(benches);
