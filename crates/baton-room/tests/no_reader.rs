//! A room builds no document of the CRDT library while people join, edit, lock, leave and come again.
//! Alone in its program, because what is counted is counted for the whole process.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use baton_presence::{Rights, Time};
use baton_room::{ConnectionId, Departure, Incoming, ResumeToken, Room, RoomOptions, SyncKind};
use baton_sync::document::docs_built;
use baton_testkit::{LoggedRoom, TextAuthor};

#[test]
fn people_who_only_edit_cost_no_document_of_the_library() {
    let mut host = LoggedRoom::new(RoomOptions::default());
    let mut sent = 0;
    for person in 1..=3 {
        host.room.connect(ConnectionId(person), Rights::ALL);
        sent += host.settle().len();
    }
    let mut people = [1, 2, 3].map(|person| (ConnectionId(person), TextAuthor::new(person, "t")));
    for _ in 0..50 {
        for (person, author) in &mut people {
            let update = Incoming::Sync(SyncKind::Update, author.append("x"));
            let token = ResumeToken::new([0; 16]);
            host.room.receive(*person, update, token, Time::ZERO);
            sent += host.settle().len();
        }
    }
    // One broadcast for each edit.
    assert!(sent > 150, "{sent}");
    // One comes again with nothing, one with something; a snapshot; the document is opened again.
    for step1 in [&[0][..], &[1, 1, 7]] {
        let token = ResumeToken::new([0; 16]);
        host.room
            .disconnect(ConnectionId(3), Departure::Dropped, Time::ZERO);
        host.room.connect(ConnectionId(3), Rights::ALL);
        host.room
            .receive(ConnectionId(3), Incoming::Step1(step1), token, Time::ZERO);
        assert!(!host.settle().is_empty());
    }
    let snapshot = (
        host.room.state().position(),
        host.room.snapshots().draft().write().unwrap().bytes,
    );
    let room = &host.room;
    let again = Room::open(RoomOptions::default(), None, host.records(), Time::ZERO).unwrap();
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
