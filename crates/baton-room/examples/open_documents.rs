//! Memory of an open document: prints the encoded size, and the memory that the room takes, after the
//! edits and once its encoding was asked for.
//! `cargo run --release -p baton-room --example open_documents -- text|paper|people|many|empty`.
//!
//! Counted are the bytes that the program asked the allocator for and did not give back. Resident
//! memory is printed beside them; for one small document it is mostly code.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it measures, prints, and ends where it fails"
)]

use baton_presence::{Rights, Time};
use baton_room::{
    Awaited, ConnectionId, Incoming, Record, ResumeToken, Room, RoomOptions, SyncKind,
};
use baton_sync::yrs::{Text, WriteTxn};
use baton_sync::{ClientId, Document, DocumentOptions, Replica};
use baton_testkit::{Random, TextAuthor};
use bytes::Bytes;
use peak_alloc::PeakAlloc;
use std::convert::Infallible;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const WRITER: ConnectionId = ConnectionId(1);

fn main() {
    let kind = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "paper".to_owned());
    let (rooms, updates) = match kind.as_str() {
        "text" => (1, long_text(50_000_000)),
        "paper" => (1, paper(260_000)),
        "people" => (1, people(10_000)),
        "empty" => (2_000, Vec::new()),
        "many" => (2_000, paper(5_000)),
        other => panic!("what is {other}?"),
    };
    let (resident_before, before) = (resident(), ALLOCATOR.current_usage());
    let mut open: Vec<Room> = Vec::with_capacity(rooms);
    let structs = size_of::<Room>();
    open.extend((0..rooms).map(|_| opened(&updates)));
    let edited = ALLOCATOR.current_usage() - before;
    let resident = resident() - resident_before;
    let encoded: usize = open
        .iter_mut()
        .map(|room| room.snapshots().draft().document_bytes())
        .sum();
    let asked = ALLOCATOR.current_usage() - before;
    let times = |bytes: usize| bytes as f64 / encoded as f64;
    let before = ALLOCATOR.current_usage();
    let alone: Vec<Replica> = (0..rooms).map(|_| replica(&updates)).collect();
    let document = (ALLOCATOR.current_usage() - before) / rooms;
    drop(alone);
    println!(
        "{kind}: {rooms} document(s), encoded {encoded} bytes; after the edits {edited} bytes ({:.2} x), \
         after a snapshot was drafted {asked} ({:.2} x); for each room {} and {}, of which {} are its struct, {document} the document alone; \
         resident after the edits {resident} ({:.2} x)",
        times(edited),
        times(asked),
        edited / rooms,
        asked / rooms,
        structs,
        times(resident)
    );
}

/// A room in which somebody sent these updates.
fn opened(updates: &[Bytes]) -> Room {
    let mut room = Room::open(RoomOptions::default(), None, &[], Time::ZERO).unwrap();
    room.connect(WRITER, Rights::ALL);
    let mut position = 0;
    for update in updates {
        // As if it came over a socket: its bytes are nobody else's.
        let update = Bytes::copy_from_slice(update);
        let token = ResumeToken::new([0; 16]);
        room.receive(
            WRITER,
            Incoming::Sync(SyncKind::Update, update),
            token,
            Time::ZERO,
        );
        let Ok(()) = room.settle(Time::ZERO, |_: &Record, _: Awaited| {
            position += 1;
            Ok::<_, Infallible>(position)
        });
        room.durable(position, Time::ZERO);
        while room.next_output().is_some() {}
    }
    room
}

/// The document alone, without a room, after its encoding was asked for.
fn replica(updates: &[Bytes]) -> Replica {
    let mut replica = Replica::new();
    for update in updates {
        replica.apply(update).unwrap();
    }
    replica.everything();
    replica
}

fn author(client: u64) -> Document {
    Document::new(&DocumentOptions::new(ClientId::new(client).unwrap()))
}

/// Appended in pieces of 16 KiB, written byte by byte: a document of yrs takes milliseconds for each
/// at the end of a long text.
fn long_text(bytes: usize) -> Vec<Bytes> {
    let piece = "All work and no play makes Jack a dull boy. ".repeat(372);
    let mut author = TextAuthor::new(1_234_567_890, "t");
    (0..bytes / piece.len())
        .map(|_| author.append(&piece))
        .collect()
}

/// Somebody writes a paper, deletes, and jumps back and forth: so many edits, a hundred in an update.
fn paper(edits: u32) -> Vec<Bytes> {
    let mut author = author(1_234_567_890);
    let (mut at, mut length, mut random) = (0_u32, 0_u32, Random::from_seed(1));
    let mut updates = Vec::new();
    for _ in 0..edits / 100 {
        let (jump, deletes) = (random.one_in(2), random.chance(30));
        if jump {
            at = random.below(length + 1);
        }
        let typed = author.transact(|txn| {
            let text = txn.get_or_insert_text("t");
            for _ in 0..100 {
                if deletes && at > 0 {
                    at -= 1;
                    length -= 1;
                    text.remove_range(txn, at, 1);
                } else {
                    text.insert(txn, at, "a");
                    at += 1;
                    length += 1;
                }
            }
        });
        updates.push(typed.unwrap().1.unwrap());
    }
    updates
}

/// So many people write a word each, behind one another.
fn people(count: u64) -> Vec<Bytes> {
    let mut all = author(1);
    let mut updates = Vec::new();
    for person in 0..count {
        let mut writer = Document::load(
            &all.snapshot().unwrap(),
            &DocumentOptions::new(ClientId::new(1_000_003 * (person + 1)).unwrap()),
        )
        .unwrap();
        let word = writer.transact(|txn| txn.get_or_insert_text("t").push(txn, "some words "));
        let word = word.unwrap().1.unwrap();
        if person % 100 == 0 {
            all.apply(&word).unwrap();
        }
        updates.push(word);
    }
    updates
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident = pages.split_whitespace().nth(1).unwrap();
    resident.parse::<usize>().unwrap() * 4096
}
