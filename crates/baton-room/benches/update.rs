//! What an edit costs in a room, whatever the document's size: `cargo bench -p baton-room --bench update`.
//!
//! One call is all that the server does under the room's lock, apart from the log: the update is scanned, judged, proposed,
//! encoded as a record, applied, and its outputs taken; ten people are in the room.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

use std::hint::black_box;

use baton_presence::{Rights, Time};
use baton_room::{
    Awaited, ConnectionId, Incoming, Record, RecordError, ResumeToken, Room, RoomOptions, SyncKind,
};
use baton_testkit::TextAuthor;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const NOW: Time = Time::ZERO;
const WRITER: ConnectionId = ConnectionId(1);
const PEOPLE: u64 = 10;

/// A room, and what stands for its log.
struct Table {
    room: Room,
    position: u64,
}

impl Table {
    fn new() -> Self {
        let room = Room::open(RoomOptions::default(), None, &[], NOW).unwrap();
        let mut table = Self { room, position: 0 };
        for id in 1..=PEOPLE {
            table.room.connect(ConnectionId(id), Rights::ALL);
            table.receive(ConnectionId(id), Incoming::Step1(&[0]));
        }
        table
    }

    fn receive(&mut self, from: ConnectionId, message: Incoming<'_>) {
        let token = ResumeToken::new([from.0 as u8; 16]);
        self.room.receive(from, message, token, NOW);
        let position = &mut self.position;
        let settled = self.room.settle(NOW, |record: &Record, _: Awaited| {
            *position += 1;
            black_box(record.encode()?);
            Ok::<_, RecordError>(*position)
        });
        settled.unwrap();
        while let Some(output) = self.room.next_output() {
            black_box(&output);
        }
    }

    fn grow(&mut self, author: &mut TextAuthor, bytes: u64) {
        let line = "All work and no play makes Jack a dull boy. ".repeat(372);
        while author.clock() + line.len() as u64 <= bytes {
            let update = author.append(&line);
            self.receive(WRITER, Incoming::Sync(SyncKind::Update, update));
        }
    }
}

fn updates(c: &mut Criterion) {
    for (name, bytes) in [("1 KB", 1_000), ("1 MB", 1_000_000), ("50 MB", 50_000_000)] {
        let mut table = Table::new();
        let mut author = TextAuthor::new(7, "t");
        table.grow(&mut author, bytes);
        let mut typist = TextAuthor::new(1_234_567_890, "t");
        // A hundred keystrokes at a time, so that the documents of one size stay of that size.
        c.bench_function(&format!("update/{name}, 100 keystrokes"), |b| {
            let hundred = || (0..100).map(|_| typist.append("a")).collect::<Vec<_>>();
            let run = |updates: Vec<Bytes>| {
                for update in updates {
                    table.receive(WRITER, Incoming::Sync(SyncKind::Update, update));
                }
            };
            b.iter_batched(hundred, run, BatchSize::PerIteration);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_secs(1))
        .measurement_time(std::time::Duration::from_secs(3));
    targets = updates
}
criterion_main!(benches);
