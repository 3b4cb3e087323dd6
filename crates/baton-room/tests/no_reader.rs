//! A room builds no document of the CRDT library while people join, edit, lock, leave and come again.
//! Alone in its program, because what is counted is counted for the whole process.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use baton_presence::{Rights, Time};
use baton_room::{
    Awaited, ConnectionId, Departure, Incoming, Record, ResumeToken, Room, RoomOptions, SyncKind,
};
use baton_sync::document::docs_built;
use baton_sync::lib0::{write_var_string, write_var_uint};
use bytes::Bytes;

/// The letters that a client types behind what it has typed so far.
fn typed(client: u64, clock: u64, text: &str) -> Bytes {
    let mut update = vec![1, 1];
    write_var_uint(&mut update, client);
    write_var_uint(&mut update, clock);
    if clock == 0 {
        update.extend_from_slice(&[4, 1]);
        write_var_string(&mut update, "t");
    } else {
        update.push(0x84);
        write_var_uint(&mut update, client);
        write_var_uint(&mut update, clock - 1);
    }
    write_var_string(&mut update, text);
    update.push(0);
    update.into()
}

/// Carries out what the room wants, and says how many messages it sent.
fn settle(room: &mut Room, log: &mut Vec<(u64, Bytes)>) -> usize {
    let appended = room.settle(Time::ZERO, |record: &Record, _: Awaited| {
        let position = log.last().map_or(0, |(position, _)| *position) + 1;
        log.push((position, record.encode()?));
        Ok::<u64, baton_room::RecordError>(position)
    });
    appended.unwrap();
    room.durable(room.state().position(), Time::ZERO);
    std::iter::from_fn(|| room.next_output()).count()
}

#[test]
fn people_who_only_edit_cost_no_document_of_the_library() {
    let mut log = Vec::new();
    let mut room = Room::open(RoomOptions::default(), None, &[], Time::ZERO).unwrap();
    let mut sent = 0;
    for person in 1..=3 {
        room.connect(ConnectionId(person), Rights::ALL);
        sent += settle(&mut room, &mut log);
    }
    for clock in 0..50 {
        for person in 1..=3 {
            let update = Incoming::Sync(SyncKind::Update, typed(person, clock, "x"));
            let token = ResumeToken::new([0; 16]);
            room.receive(ConnectionId(person), update, token, Time::ZERO);
            sent += settle(&mut room, &mut log);
        }
    }
    // One broadcast for each edit.
    assert!(sent > 150, "{sent}");
    // One comes again with nothing, one with something; a snapshot; the document is opened again.
    for step1 in [&[0][..], &[1, 1, 7]] {
        let token = ResumeToken::new([0; 16]);
        room.disconnect(ConnectionId(3), Departure::Dropped, Time::ZERO);
        room.connect(ConnectionId(3), Rights::ALL);
        room.receive(ConnectionId(3), Incoming::Step1(step1), token, Time::ZERO);
        assert!(settle(&mut room, &mut log) > 0);
    }
    let snapshot = (room.state().position(), room.draft().write().unwrap().bytes);
    let again = Room::open(RoomOptions::default(), None, &log, Time::ZERO).unwrap();
    let stored = Room::open(RoomOptions::default(), Some(&snapshot), &[], Time::ZERO).unwrap();
    for other in [&again, &stored] {
        assert_eq!(
            other.state().document().state().vector(),
            room.state().document().state().vector()
        );
    }
    assert_eq!(room.state().document().state().vector().len(), 3);
    assert_eq!(docs_built(), 0);
    // The count does count.
    drop(baton_sync::Document::to_read(room.state().document()).read(|_| ()));
    assert_eq!(docs_built(), 1);
}
