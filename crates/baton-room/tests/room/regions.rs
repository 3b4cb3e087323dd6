//! Locks on parts of a document: what they keep from whom, and what they leave alone.

use baton_room::{Incoming, ParkReason, SyncKind};
use baton_sync::control_channel::{ClientMessage, FencingToken, Outcome, ServerMessage};
use baton_sync::document::yrs::{Text, WriteTxn};
use baton_sync::{Document, StateVector};

use crate::document;
use crate::table::{Disk, Peer, Table, edit, insert_in, locks, offered, paths, text_in};

fn read(table: &Table, root: &str) -> String {
    text_in(&table.document(), root)
}

fn parked(table: &Table) -> usize {
    table
        .room
        .state()
        .parks()
        .map(|park| park.updates.len())
        .sum()
}

fn catches_up(peer: &mut Peer, table: &mut Table) {
    peer.take(table);
    table.look(peer.id);
}

/// A title and a body with some text, and Ada with the lock of the title.
fn with_a_locked_title() -> (Table, Peer, Peer, FencingToken) {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types_in(&mut table, "title", "A title");
    ada.types_in(&mut table, "body", "A body");
    let mut bob = Peer::join(&mut table, "Bob", 2);
    catches_up(&mut bob, &mut table);
    let fence = ada.takes(&mut table, &[&["title"]]);
    table.look(bob.id);
    (table, ada, bob, fence)
}

#[test]
fn two_people_write_two_roots_under_two_locks() {
    let (mut table, mut ada, mut bob, first) = with_a_locked_title();
    let second = bob.takes(&mut table, &[&["body"]]);
    assert!(second > first);
    ada.types_in(&mut table, "title", " of hers");
    bob.types_in(&mut table, "body", " of his");
    assert_eq!(read(&table, "title"), "A title of hers");
    assert_eq!(read(&table, "body"), "A body of his");
    assert_eq!(parked(&table), 0);
    let view = locks(&table.told(ada.id)).unwrap();
    let shown: Vec<_> = view
        .grants
        .iter()
        .map(|grant| (grant.session, grant.paths.clone()))
        .collect();
    assert_eq!(
        shown,
        [
            (ada.session, paths(&[&["title"]])),
            (bob.session, paths(&[&["body"]]))
        ]
    );
}

#[test]
fn what_is_inserted_into_a_locked_root_is_parked_and_into_a_free_one_applied() {
    let (mut table, _ada, _bob, fence) = with_a_locked_title();
    let mut cleo = Peer::join(&mut table, "Cleo", 3);
    catches_up(&mut cleo, &mut table);
    cleo.types_in(&mut table, "body", " of hers");
    assert_eq!(read(&table, "body"), "A body of hers");
    cleo.types_in(&mut table, "title", " of hers");
    assert_eq!(read(&table, "title"), "A title");
    let parks: Vec<_> = table.room.state().parks().cloned().collect();
    assert_eq!(parks.len(), 1);
    assert_eq!(parks[0].reason, ParkReason::Locked);
    assert_eq!(
        parks[0].fence_now.map(|now| now.position),
        Some(fence.position)
    );
}

#[test]
fn an_item_that_names_no_root_takes_it_from_its_neighbour() {
    let (mut table, _ada, mut bob, _fence) = with_a_locked_title();
    // In the middle of a text, Yjs names the neighbours only.
    let in_the_middle = |document: &mut Document, root: &str| {
        edit(document, |txn| {
            let text = txn.get_or_insert_text(root);
            text.insert(txn, 3, "x");
        })
    };
    let body = in_the_middle(&mut bob.document, "body");
    assert!(!body.windows(4).any(|window| window == b"body"));
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, body));
    assert_eq!(read(&table, "body"), "A bxody");
    let title = in_the_middle(&mut bob.document, "title");
    assert!(!title.windows(5).any(|window| window == b"title"));
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, title));
    assert_eq!(read(&table, "title"), "A title");
    assert_eq!(parked(&table), 1);
}

#[test]
fn what_is_deleted_in_a_locked_root_is_parked_and_elsewhere_applied() {
    let (mut table, _ada, mut bob, _fence) = with_a_locked_title();
    for root in ["body", "title"] {
        let deletion = edit(&mut bob.document, |txn| {
            let text = txn.get_or_insert_text(root);
            text.remove_range(txn, 0, 2);
        });
        table.receive(bob.id, Incoming::Sync(SyncKind::Update, deletion));
    }
    assert_eq!(read(&table, "body"), "body");
    assert_eq!(read(&table, "title"), "A title");
    assert_eq!(parked(&table), 1);
}

#[test]
fn an_update_that_touches_a_locked_and_a_free_root_is_refused_whole() {
    let (mut table, mut ada, mut bob, fence) = with_a_locked_title();
    let mixed = edit(&mut bob.document, |txn| {
        for root in ["title", "body"] {
            let text = txn.get_or_insert_text(root);
            text.insert(txn, 0, "mixed ");
        }
    });
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, mixed));
    assert_eq!(read(&table, "title"), "A title");
    assert_eq!(read(&table, "body"), "A body");
    // What he writes after it builds on it, so it goes to the same park, whichever root it touches.
    bob.types_in(&mut table, "body", " more");
    assert_eq!(parked(&table), 2);
    assert_eq!(table.room.state().parks().count(), 1);
    ada.types_in(&mut table, "title", " of hers");
    // Once she gives it back, he can bring everything.
    ada.says(&mut table, &ClientMessage::Release { nonce: 3, fence });
    bob.sends_all(&mut table);
    assert_eq!(read(&table, "title"), "mixed A title of hers");
    assert_eq!(read(&table, "body"), "mixed A body more");
    assert_eq!(table.room.state().parks().count(), 0);
}

/// A session with a park is not cut off: with a fresh document (and so a new Yjs client id) it goes on where it may.
#[test]
fn who_has_something_parked_still_writes_what_does_not_build_on_it() {
    let (mut table, _ada, mut bob, _fence) = with_a_locked_title();
    bob.types_in(&mut table, "title", " of his");
    assert_eq!(parked(&table), 1);
    let mut afresh = document(22);
    let all = table
        .room
        .state()
        .document()
        .difference(&StateVector::new());
    afresh.apply(&all).unwrap();
    let edit = insert_in(&mut afresh, "body", " of his");
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, edit));
    assert_eq!(read(&table, "body"), "A body of his");
    assert_eq!(parked(&table), 1);
    // Into the locked root it is one more edit of the same park, although it builds on nothing of it.
    let edit = insert_in(&mut afresh, "title", "!");
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, edit));
    assert_eq!(table.room.state().parks().count(), 1);
    assert_eq!(read(&table, "title"), "A title");
}

#[test]
fn a_lock_on_the_whole_document_conflicts_with_every_part() {
    let (mut table, ada, bob, title) = with_a_locked_title();
    let whole = ClientMessage::Try {
        nonce: 77,
        paths: Vec::new(),
    };
    assert_eq!(bob.asks(&mut table, &whole), Outcome::Busy);
    ada.says(
        &mut table,
        &ClientMessage::Release {
            nonce: 2,
            fence: title,
        },
    );
    let whole = bob.takes_the_lock(&mut table);
    let part = ClientMessage::Try {
        nonce: 77,
        paths: paths(&[&["anything"]]),
    };
    assert_eq!(ada.asks(&mut table, &part), Outcome::Busy);
    bob.says(
        &mut table,
        &ClientMessage::Release {
            nonce: 2,
            fence: whole,
        },
    );
    assert_eq!(ada.asks(&mut table, &part), Outcome::Done);
}

#[test]
fn one_lock_may_cover_several_places_all_or_nothing() {
    let (mut table, ada, bob, title) = with_a_locked_title();
    let both = paths(&[&["body"], &["title"]]);
    let acquire = ClientMessage::Acquire {
        nonce: 77,
        paths: both.clone(),
    };
    assert_eq!(bob.asks(&mut table, &acquire), Outcome::Queued);
    assert_eq!(offered(&table.told(bob.id)), None);
    ada.says(
        &mut table,
        &ClientMessage::Release {
            nonce: 2,
            fence: title,
        },
    );
    assert!(
        table
            .told(bob.id)
            .iter()
            .any(|message| matches!(message, ServerMessage::Offer { paths, .. } if *paths == both))
    );
}

#[test]
fn nobody_waits_while_holding() {
    let (mut table, ada, bob, _title) = with_a_locked_title();
    bob.takes(&mut table, &[&["body"]]);
    let body = ClientMessage::Acquire {
        nonce: 77,
        paths: paths(&[&["body"]]),
    };
    assert_eq!(ada.asks(&mut table, &body), Outcome::WouldWait);
    // What is free it may have besides.
    ada.takes(&mut table, &[&["notes"]]);
}

#[test]
fn when_a_lock_on_everything_is_released_all_who_wait_for_parts_are_offered_them_at_once() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let whole = ada.takes_the_lock(&mut table);
    let people: Vec<_> = (2..5)
        .map(|client| Peer::join(&mut table, "P", client))
        .collect();
    for (peer, root) in people.iter().zip(["a", "b", "c"]) {
        let acquire = ClientMessage::Acquire {
            nonce: 77,
            paths: paths(&[&[root]]),
        };
        assert_eq!(peer.asks(&mut table, &acquire), Outcome::Queued);
        table.look(peer.id);
    }
    ada.says(
        &mut table,
        &ClientMessage::Release {
            nonce: 2,
            fence: whole,
        },
    );
    let mut fences: Vec<_> = people
        .iter()
        .map(|peer| offered(&table.told(peer.id)).unwrap())
        .collect();
    fences.dedup();
    assert_eq!(fences.len(), 3, "each has a fence of its own");
    assert!(fences.is_sorted());
}

#[test]
fn of_all_views_that_become_durable_together_only_the_newest_goes_out_and_nothing_overtakes() {
    let (mut table, ada, bob, title) = with_a_locked_title();
    let acquire = ClientMessage::Acquire {
        nonce: 77,
        paths: paths(&[&["title"]]),
    };
    assert_eq!(bob.asks(&mut table, &acquire), Outcome::Queued);
    table.look(bob.id);
    table.disk(Disk::Stalled);
    ada.says(
        &mut table,
        &ClientMessage::Release {
            nonce: 2,
            fence: title,
        },
    );
    for _ in 0..5 {
        ada.says(
            &mut table,
            &ClientMessage::Acquire {
                nonce: 3,
                paths: paths(&[&["notes"]]),
            },
        );
        ada.says(&mut table, &ClientMessage::Cancel { nonce: 4 });
    }
    table.disk(Disk::Quick);
    let told = table.told(bob.id);
    let kinds: Vec<_> = told
        .iter()
        .filter_map(|message| match message {
            ServerMessage::Offer { .. } => Some("offer"),
            ServerMessage::Lock { .. } => Some("locks"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["offer", "locks"]);
    assert_eq!(locks(&told).unwrap().grants.len(), 1);
}

#[test]
fn locks_and_their_paths_have_limits_with_names() {
    let mut table = Table::new();
    table.options.locks.per_session = 2;
    table.options.locks.bytes = 100;
    table.restart();
    let ada = Peer::join(&mut table, "Ada", 1);
    ada.takes(&mut table, &[&["a"]]);
    let long = "x".repeat(101);
    let too_long = ClientMessage::Try {
        nonce: 77,
        paths: paths(&[&[&long]]),
    };
    assert_eq!(ada.asks(&mut table, &too_long), Outcome::Full);
    ada.takes(&mut table, &[&["b"]]);
    let third = ClientMessage::Try {
        nonce: 77,
        paths: paths(&[&["c"]]),
    };
    assert_eq!(ada.asks(&mut table, &third), Outcome::Full);
    // What it has already it may ask for again.
    let again = ClientMessage::Acquire {
        nonce: 77,
        paths: paths(&[&["b", "7"]]),
    };
    assert_eq!(ada.asks(&mut table, &again), Outcome::Done);
}

#[test]
fn locks_on_parts_survive_a_restart_and_a_snapshot() {
    let (mut table, ada, bob, title) = with_a_locked_title();
    let body = bob.takes(&mut table, &[&["body"]]);
    table.compact();
    table.restart();
    let ada = ada.resume(&mut table, &[title]);
    let mut bob = bob.resume(&mut table, &[body]);
    let told = table.told(bob.id);
    let granted = ServerMessage::Granted {
        fence: body,
        paths: paths(&[&["body"]]),
    };
    assert!(told.contains(&granted));
    assert_eq!(
        told.iter().filter(|message| **message == granted).count(),
        1
    );
    bob.types_in(&mut table, "body", " of his");
    assert_eq!(read(&table, "body"), "A body of his");
    // Who comes back with a fence that is not its own is told so.
    table.leave(ada.id, baton_room::Departure::Dropped);
    let ada = ada.resume(&mut table, &[title, body]);
    assert!(
        table
            .told(ada.id)
            .iter()
            .any(|message| matches!(message, ServerMessage::Lost { fence, .. } if *fence == body))
    );
}
