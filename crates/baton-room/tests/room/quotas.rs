//! What a room refuses for want of room, what remains of an erased one, and what those hear to whom nothing is said.

use baton_room::{Growth, StorageLimit};
use baton_sync::document::yrs::{Text, WriteTxn};

use super::*;

fn left(table: &mut Table, bytes: u64) {
    table.room.budget().allow_growth(Growth {
        left: bytes,
        limit: StorageLimit::Document(1000),
    });
}

fn stock(table: &mut Table) -> baton_room::ConnectionId {
    let id = table.connect();
    table.receive(id, Incoming::Step1(&[0]));
    id
}

#[test]
fn an_edit_over_the_limit_is_refused_to_its_author_alone_and_never_called_saved() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.types(&mut table, "kept");
    bob.take(&mut table);
    table.look(ada.id);
    table.look(bob.id);
    left(&mut table, 0);
    ada.types(&mut table, "refused");
    let told = table.told(ada.id);
    let limit = |message: &ServerMessage| match message {
        ServerMessage::Error { code, message, .. } => {
            *code == ErrorCode::Limit && message.contains("max_document")
        }
        _ => false,
    };
    assert!(told.iter().any(limit), "{told:?}");
    let saved = |message: &ServerMessage| matches!(message, ServerMessage::Saved { .. });
    assert!(!told.iter().any(saved), "{told:?}");
    assert_eq!(table.look(bob.id), []);
    assert_eq!(table.text(), "kept");
    let refused = table.room.budget().take_refused();
    assert_eq!(refused.edit, Some(StorageLimit::Document(1000)));
    assert!(table.room.budget().take_refused().edit.is_none());
    // What deletes passes, and is saved.
    let deletion = bob.document.transact(|txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 0, 2);
    });
    let deletion = deletion.unwrap().1.unwrap();
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, deletion));
    assert_eq!(table.text(), "pt");
    assert!(table.told(bob.id).iter().any(saved));
    // A copy of what is here adds nothing either.
    bob.sends_all(&mut table);
    assert!(table.told(bob.id).iter().any(saved));
    left(&mut table, 1000);
    bob.types(&mut table, " more");
    assert_eq!(table.text(), "pt more");
}

#[test]
fn a_stock_client_is_told_and_closed_for_good_and_several_edits_share_what_is_left() {
    let mut table = Table::new();
    let carol = stock(&mut table);
    table.look(carol);
    let edit = |client: u64, text: &str| insert(&mut document(client), text);
    left(&mut table, 200);
    table.receive(
        carol,
        Incoming::Sync(SyncKind::Update, edit(5, &"x".repeat(100))),
    );
    assert_eq!(table.text().len(), 100);
    table.receive(
        carol,
        Incoming::Sync(SyncKind::Update, edit(6, &"y".repeat(100))),
    );
    let seen = table.look(carol);
    let denied = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Denied(why)) if why.contains("max_document"));
    assert!(seen.iter().any(denied), "{seen:?}");
    assert_eq!(seen.last(), Some(&Seen::Closed(Ending::Limit)));
    assert_eq!(table.text().len(), 100);
}

/// What was refused between a hello and its welcome was refused in silence.
#[test]
fn who_is_refused_before_the_welcome_hears_so_after_it() {
    let mut table = Table::new();
    table.disk(Disk::Stalled);
    let mut ada = Peer::join(&mut table, "Ada", 1);
    left(&mut table, 0);
    ada.types(&mut table, "refused");
    assert_eq!(table.told(ada.id), []);
    table.disk(Disk::Quick);
    let told = table.told(ada.id);
    assert!(matches!(told.first(), Some(ServerMessage::Welcome { .. })));
    let limit = |message: &ServerMessage| {
        matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::Limit,
                ..
            }
        )
    };
    assert!(told.iter().any(limit), "{told:?}");
}

/// What is parked is stored as well.
#[test]
fn a_park_over_the_limit_is_refused_too() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.takes_the_lock(&mut table);
    table.look(bob.id);
    left(&mut table, 0);
    bob.types(&mut table, "not here");
    assert_eq!(table.room.state().parks().count(), 0);
    let told = table.told(bob.id);
    let limit = |message: &ServerMessage| {
        matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::Limit,
                ..
            }
        )
    };
    assert!(told.iter().any(limit), "{told:?}");
}

#[test]
fn of_an_erased_document_nothing_remains_that_could_be_read_and_no_copy_brings_it_back() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.types(&mut table, "precious");
    bob.take(&mut table);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "aside");
    let copy = bob.document.diff(&StateVector::new()).unwrap();
    let position = table.room.state().position();
    table.erase(7);
    let stored = table.stored_snapshot().clone();
    for word in ["precious", "aside", "Ada", "Bob"] {
        let holds = stored
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        assert!(!holds, "{word}");
    }
    assert!(stored.len() < 100, "{}", stored.len());
    assert_eq!(
        (table.text(), table.room.state().epoch()),
        (String::new(), 7)
    );
    assert!(table.room.state().position() > position, "positions go on");
    assert_eq!(table.room.state().parks().count(), 0);
    let carol = stock(&mut table);
    table.look(carol);
    table.receive(carol, Incoming::Sync(SyncKind::Step2, copy));
    assert_eq!(table.text(), "");
    assert_eq!(table.room.state().parks().count(), 0);
    // Its own copy loses it.
    let vector = bob.document.state().vector().encode();
    table.receive(carol, Incoming::Step1(&vector));
    for seen in table.look(carol) {
        if let Seen::Message(Outgoing::Step2(update)) = seen {
            bob.document.apply(&update).unwrap();
        }
    }
    assert_eq!(text(&bob.document), "");
    // What it never had comes in.
    let more = insert(&mut bob.document, "new");
    table.receive(carol, Incoming::Sync(SyncKind::Update, more));
    assert_eq!(table.text(), "new");
    // A restart keeps the epoch, also with an earlier one of the store.
    table.restart();
    assert_eq!(
        (table.text(), table.room.state().epoch()),
        ("new".to_owned(), 7)
    );
}

#[test]
fn who_is_in_an_erased_document_is_told_so() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let carol = stock(&mut table);
    table.look(ada.id);
    table.look(carol);
    let now = table.now;
    table.room.close(
        baton_room::ToClose::All,
        Ending::Erased,
        baton_room::ERASED.to_owned(),
        now,
    );
    table.pass(Duration::from_millis(1), &[]);
    // Outputs are carried out with the next step.
    let dave = stock(&mut table);
    assert_eq!(
        table.look(ada.id).last(),
        Some(&Seen::Closed(Ending::Erased))
    );
    let seen = table.look(carol);
    let denied = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Denied(_)));
    assert!(seen.iter().any(denied), "{seen:?}");
    assert_eq!(seen.last(), Some(&Seen::Closed(Ending::Erased)));
    assert!(!table.look(dave).is_empty());
}

/// Two robots without a state of their own: nothing came to them for minutes, and their providers, which cannot see pings,
/// took the connection for dead every 30 s.
#[test]
fn who_is_told_nothing_else_hears_something_every_twenty_seconds() {
    let mut table = Table::new();
    table.pass(seconds(1000), &[]);
    let robots = [stock(&mut table), stock(&mut table)];
    for robot in robots {
        table.look(robot);
    }
    for _ in 0..10 {
        table.pass(seconds(20), &robots);
        for robot in robots {
            let messages: Vec<_> = table
                .look(robot)
                .into_iter()
                .filter(|seen| matches!(seen, Seen::Message(_)))
                .collect();
            let nothing = Outgoing::Awareness(baton_sync::awareness::nothing());
            assert!((1..=2).contains(&messages.len()), "{messages:?}");
            for message in messages {
                assert_eq!(message, Seen::Message(nothing.clone()));
            }
        }
    }
}

#[test]
fn who_hears_of_others_hears_nothing_beside() {
    let mut table = Table::new();
    let robot = stock(&mut table);
    let ada = Peer::join(&mut table, "Ada", 1);
    let alive = [robot, ada.id];
    let nothing = Seen::Message(Outgoing::Awareness(baton_sync::awareness::nothing()));
    table.look(robot);
    for clock in 1..20_u8 {
        // A client renews its awareness every few seconds.
        let payload = [1, 1, clock, 2, b'{', b'}'];
        table.receive(ada.id, Incoming::Awareness(&payload));
        table.pass(seconds(8), &alive);
    }
    assert!(!table.look(robot).contains(&nothing));
    assert!(!table.look(ada.id).contains(&nothing));
}
