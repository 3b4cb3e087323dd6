//! Stories of two clients that write under one Yjs client id, and of what is kept aside.

use std::time::Duration;

use baton_room::{ConnectionId, Departure, Ending, Incoming, Outgoing, RoomOptions, SyncKind};
use baton_sync::StateVector;
use baton_sync::control_channel::{ClientMessage, ErrorCode, Resume, ServerMessage, User};
use bytes::Bytes;

use crate::table::{Peer, Seen, Table, insert, text};
use crate::{document, seconds};

fn hello(client: Option<u64>, resume: Option<Resume>) -> ClientMessage {
    ClientMessage::Hello {
        version: 1,
        resume,
        epoch: None,
        fences: Vec::new(),
        locks: None,
        user: User {
            name: "Ada".to_owned(),
            color: String::new(),
            ..User::default()
        },
        user_key: None,
        client,
        observer: false,
        encodings: Vec::new(),
    }
}

fn comes(table: &mut Table, hello: &ClientMessage) -> ConnectionId {
    let id = table.connect();
    table.say(id, hello);
    id
}

fn welcomed(table: &Table, who: ConnectionId) -> Option<Resume> {
    table.seen(who).iter().find_map(|seen| match seen {
        Seen::Message(Outgoing::Channel(message)) => match &**message {
            ServerMessage::Welcome { session, token, .. } => Some(Resume {
                session: *session,
                token: token.clone(),
            }),
            _ => None,
        },
        _ => None,
    })
}

fn complained(table: &Table, who: ConnectionId, expected: ErrorCode) -> bool {
    table.seen(who).iter().any(|seen| match seen {
        Seen::Message(Outgoing::Channel(message)) => {
            matches!(**message, ServerMessage::Error { code, .. } if code == expected)
        }
        _ => false,
    })
}

fn probe(table: &Table, who: ConnectionId) -> Option<u64> {
    table.seen(who).iter().find_map(|seen| match seen {
        Seen::Probe(mark) => Some(*mark),
        _ => None,
    })
}

fn closed(table: &Table, who: ConnectionId) -> Option<Ending> {
    table.seen(who).iter().find_map(|seen| match seen {
        Seen::Closed(ending) => Some(*ending),
        _ => None,
    })
}

fn saved(table: &Table, who: ConnectionId) -> u64 {
    let saved = |seen: &Seen| match seen {
        Seen::Message(Outgoing::Channel(told)) => match **told {
            ServerMessage::Saved { updates } => Some(updates),
            _ => None,
        },
        _ => None,
    };
    table.seen(who).iter().filter_map(saved).max().unwrap_or(0)
}

#[test]
fn a_second_session_with_an_id_is_refused_when_the_first_answers_the_probe() {
    let mut table = Table::new();
    let first = comes(&mut table, &hello(Some(7), None));
    assert!(welcomed(&table, first).is_some());
    let second = comes(&mut table, &hello(Some(7), None));
    assert_eq!(welcomed(&table, second), None);
    // What was under way before is no answer, and neither is a pong to another ping.
    table.pass(seconds(1), &[]);
    let now = table.now;
    table.room.heard(first, None, now);
    table.say(first, &ClientMessage::Cancel { nonce: 1 });
    let mark = probe(&table, first).expect("the first is probed");
    table.room.heard(first, Some(mark + 1), now);
    table.room.heard(second, Some(mark), now);
    table.pass(seconds(0), &[]);
    assert_eq!(closed(&table, second), None);
    let now = table.now;
    table.room.heard(first, Some(mark), now);
    // The table carries out what the room says with the next input.
    table.say(first, &ClientMessage::Cancel { nonce: 2 });
    assert!(complained(&table, second, ErrorCode::ClientId));
    assert_eq!(closed(&table, second), Some(Ending::ClientId));
    assert_eq!(closed(&table, first), None);
    // Another id is nobody's.
    let third = comes(&mut table, &hello(Some(8), None));
    assert!(welcomed(&table, third).is_some());
}

#[test]
fn a_half_open_connection_does_not_shut_its_own_client_out() {
    let mut table = Table::new();
    let first = comes(&mut table, &hello(Some(7), None));
    let second = comes(&mut table, &hello(Some(7), None));
    // What it sends meanwhile waits with it.
    let mut copy = document(7);
    let update = insert(&mut copy, "kept in order");
    table.receive(second, Incoming::Sync(SyncKind::Step2, update));
    assert_eq!(table.text(), "");
    assert!(table.room.load().aside_bytes > 0);
    table.pass(seconds(3), &[]);
    assert_eq!(closed(&table, first), Some(Ending::Superseded));
    assert!(welcomed(&table, second).is_some());
    assert_eq!(table.text(), "kept in order");
    assert_eq!(saved(&table, second), 1);
    assert_eq!(table.room.load().aside_bytes, 0);
}

/// The server stood still while the pong came, and reads it a moment after it goes on.
#[test]
fn a_stalled_server_reads_the_answer_to_a_probe_before_it_gives_a_client_up() {
    let mut table = Table::new();
    let first = comes(&mut table, &hello(Some(7), None));
    let second = comes(&mut table, &hello(Some(7), None));
    let mark = probe(&table, first).expect("the first is probed");
    table.pass(seconds(1), &[]);
    table.now = table.now + Duration::from_millis(1_600);
    table.pass(Duration::from_millis(400), &[]);
    assert_eq!(closed(&table, first), None);
    let now = table.now;
    table.room.heard(first, Some(mark), now);
    table.say(first, &ClientMessage::Cancel { nonce: 1 });
    assert_eq!(closed(&table, second), Some(Ending::ClientId));
    assert_eq!(closed(&table, first), None);
}

#[test]
fn who_resumes_a_session_is_its_own_client() {
    let mut table = Table::new();
    let first = comes(&mut table, &hello(Some(7), None));
    let resume = welcomed(&table, first);
    let second = comes(&mut table, &hello(Some(7), resume));
    assert!(welcomed(&table, second).is_some());
    assert_eq!(closed(&table, first), Some(Ending::Superseded));
    // And when it leaves, the id is free.
    table.leave(second, Departure::Dropped);
    let third = comes(&mut table, &hello(Some(7), None));
    assert!(welcomed(&table, third).is_some());
}

#[test]
fn a_hello_goes_on_when_the_first_leaves() {
    let mut table = Table::new();
    let first = comes(&mut table, &hello(Some(7), None));
    let second = comes(&mut table, &hello(Some(7), None));
    assert_eq!(welcomed(&table, second), None);
    table.leave(first, Departure::Dropped);
    assert!(welcomed(&table, second).is_some());
}

#[test]
fn an_edit_with_the_clocks_of_another_is_never_called_saved() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 7);
    let bob = Peer::join(&mut table, "Bob", 2);
    ada.types(&mut table, "Ada was here");
    let other = insert(&mut document(7), "Eve was here");
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, other.clone()));
    assert!(complained(&table, bob.id, ErrorCode::ClientId));
    assert_eq!(saved(&table, bob.id), 0);
    assert_eq!(closed(&table, bob.id), None);
    // A stock client is told by a denial and a final close.
    let stock = table.connect();
    table.receive(stock, Incoming::Sync(SyncKind::Step2, other));
    let seen = table.look(stock);
    assert!(matches!(
        seen[seen.len() - 2],
        Seen::Message(Outgoing::Denied(_))
    ));
    assert_eq!(seen.last(), Some(&Seen::Closed(Ending::Protocol)));
    assert_eq!(table.text(), "Ada was here");
}

#[test]
fn a_parked_edit_is_compared_as_well() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 7);
    let mut cleo = Peer::join(&mut table, "Cleo", 7);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "of Bob");
    cleo.types(&mut table, "of Cleo");
    // By its clocks the second is in the first one's park.
    let inserted: Vec<_> = table
        .room
        .state()
        .parks()
        .map(|park| park.inserted)
        .collect();
    assert_eq!(inserted, [6, 7]);
    assert_eq!((saved(&table, bob.id), saved(&table, cleo.id)), (1, 1));
    // The same edit over a new session is parked once, as ever.
    let again = Peer::join(&mut table, "Bob", 8);
    let all = bob.document.diff(&StateVector::new()).unwrap();
    table.receive(again.id, Incoming::Sync(SyncKind::Step2, all));
    assert_eq!(table.room.state().parks().count(), 2);
    assert_eq!(saved(&table, again.id), 1);
}

#[test]
fn what_one_has_beyond_a_gap_comes_when_another_closes_it() {
    let mut table = Table::new();
    let mut offline = document(11);
    let ab = insert(&mut offline, "ab");
    let cd = insert(&mut offline, "cd");
    let ef = insert(&mut offline, "ef");
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, ab));
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, ef));
    assert_eq!(saved(&table, ada.id), 1);
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, cd));
    assert_eq!(table.text(), "abcdef");
    assert_eq!(saved(&table, ada.id), 2);
    assert_eq!(table.room.load().aside_bytes, 0);
    let mut cleo = Peer::join(&mut table, "Cleo", 3);
    cleo.take(&mut table);
    assert_eq!(text(&cleo.document), "abcdef");
}

#[test]
fn what_goes_into_a_park_frees_what_its_author_has_aside() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 7);
    ada.takes_the_lock(&mut table);
    let mut copy = document(7);
    insert(&mut copy, "one ");
    let two = insert(&mut copy, "two");
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, two));
    assert_eq!(saved(&table, bob.id), 0);
    let all = copy.diff(&StateVector::new()).unwrap();
    table.receive(bob.id, Incoming::Sync(SyncKind::Step2, all));
    assert_eq!(
        table
            .room
            .state()
            .parks()
            .map(|park| park.inserted)
            .sum::<u64>(),
        7
    );
    assert_eq!(saved(&table, bob.id), 2);
    assert_eq!(table.room.load().aside_bytes, 0);
}

#[test]
fn a_large_edit_that_is_freed_comes_a_moment_later() {
    let mut table = Table::new();
    let mut offline = document(11);
    let first = insert(&mut offline, "first ");
    let long = insert(&mut offline, &"long ".repeat(10_000));
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, long));
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, first));
    assert_eq!(table.text(), "first ");
    table.pass(seconds(1), &[ada.id, bob.id]);
    assert_eq!(table.text().len(), 50_006);
}

#[test]
fn beyond_what_may_be_kept_aside_its_sender_is_told_and_nothing_is_saved() {
    let mut options = RoomOptions::default();
    options.handshake.aside_bytes = 10;
    let mut table = Table::with(options);
    let mut offline = document(11);
    insert(&mut offline, "first ");
    let second = insert(&mut offline, "second");
    let ada = Peer::join(&mut table, "Ada", 1);
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, second));
    assert!(complained(&table, ada.id, ErrorCode::Incomplete));
    let nothing = Bytes::from_static(&[0, 0]);
    table.receive(ada.id, Incoming::Sync(SyncKind::Step2, nothing));
    assert_eq!(saved(&table, ada.id), 0);
}
