//! A document that nobody types in, and those who come to it all the same.

use std::time::Duration;

use baton_presence::Time;
use baton_room::{Incoming, Outgoing, Record, Room, RoomOptions};
use baton_sync::document::Document;
use baton_sync::{StateVector, scan};
use bytes::Bytes;

use crate::table::{Peer, Seen, Table, insert, text};
use crate::{document, seconds};

/// Stays here, does nothing, and is alive.
fn pass(table: &mut Table, time: Duration, who: &Peer) {
    table.pass(time, &[who.id]);
}

fn is_resting(table: &Table) -> bool {
    table.room.document().is_resting()
}

/// The updates that a connection was sent since it last looked: those of an answer, in order, and whether a Step2 closes
/// them.
fn answer(seen: &[Seen]) -> (Vec<Bytes>, bool) {
    let mut updates = Vec::new();
    for seen in seen {
        match seen {
            Seen::Message(Outgoing::Update(update)) => updates.push(update.clone()),
            Seen::Message(Outgoing::Step2(update)) => {
                updates.push(update.clone());
                return (updates, true);
            }
            _ => {}
        }
    }
    (updates, false)
}

#[test]
fn a_document_rests_when_nobody_typed_for_a_minute_and_wakes_with_the_next_edit() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    assert!(is_resting(&table));
    ada.types(&mut table, "hello");
    assert!(!is_resting(&table));
    pass(&mut table, seconds(50), &ada);
    ada.types(&mut table, " world");
    pass(&mut table, seconds(59), &ada);
    assert!(!is_resting(&table));
    pass(&mut table, seconds(2), &ada);
    assert!(is_resting(&table));

    // Who comes and goes does not wake it, nor does who says what is known.
    let mut bob = Peer::join(&mut table, "Bob", 2);
    bob.take(&mut table);
    assert_eq!(text(&bob.document), "hello world");
    bob.sync(&mut table);
    bob.sends_all(&mut table);
    ada.sends_all(&mut table);
    assert!(!table.room.document().is_awake());

    ada.types(&mut table, "!");
    assert!(!is_resting(&table));
    assert_eq!(table.text(), "hello world!");
}

#[test]
fn a_document_that_is_opened_rests_unless_something_came_after_its_snapshot() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "stored");
    table.compact();
    table.restart();
    assert!(is_resting(&table));
    let mut ada = Peer::join(&mut table, "Ada", 2);
    ada.take(&mut table);
    ada.types(&mut table, " and more");
    table.restart();
    assert!(!is_resting(&table));
    table.pass(seconds(61), &[]);
    assert!(is_resting(&table));
    assert_eq!(table.text(), "stored and more");
}

#[test]
fn a_large_document_comes_in_pieces_and_what_is_typed_meanwhile_behind_them() {
    let options = RoomOptions {
        piece_bytes: 1000,
        ..RoomOptions::default()
    };
    let mut table = Table::with(options);
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let long: String = (0..1000).map(|line| format!("line {line} ")).collect();
    ada.types(&mut table, &long);

    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.types(&mut table, "the end");
    let (pieces, closed) = answer(&table.seen(bob.id));
    assert!(closed);
    assert!(pieces.len() > 8 && pieces.iter().all(|piece| piece.len() < 1100));
    bob.take(&mut table);
    assert_eq!(text(&bob.document), format!("{long}the end"));

    // A third one has it from the same bytes, with the edit at the end.
    let mut cleo = Peer::join(&mut table, "Cleo", 3);
    let (again, closed) = answer(&table.seen(cleo.id));
    assert!(closed);
    assert_eq!(again.len(), pieces.len() + 1);
    assert_eq!(again[0].as_ptr(), pieces[0].as_ptr());
    cleo.take(&mut table);
    assert_eq!(text(&cleo.document), format!("{long}the end"));

    // At rest nothing is left but the whole; somebody who lacks a little gets it in one message.
    let all = [ada.id, bob.id, cleo.id];
    table.pass(seconds(61), &all);
    assert!(is_resting(&table));
    table.look(bob.id);
    bob.sync(&mut table);
    assert_eq!(answer(&table.seen(bob.id)).0.len(), 1);
    table.look(cleo.id);
    cleo.document = document(3);
    cleo.sync(&mut table);
    assert!(answer(&table.seen(cleo.id)).0.len() > 8);
    assert!(!is_resting(&table));
    table.pass(seconds(61), &all);
    assert!(is_resting(&table));
}

#[test]
fn a_small_document_is_one_answer_of_shared_bytes() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "small");
    let mut first = |name| {
        let peer = Peer::join(&mut table, name, 2);
        let (pieces, closed) = answer(&table.seen(peer.id));
        assert!(closed && pieces.len() == 1);
        pieces[0].clone()
    };
    assert_eq!(first("Bob").as_ptr(), first("Cleo").as_ptr());
}

/// The same records, with pauses here and none there, make the same document.
#[test]
fn resting_leaves_no_trace_in_what_the_log_makes_true() {
    let mut paused = Table::new();
    let mut ada = Peer::join(&mut paused, "Ada", 1);
    let mut ben = Peer::join(&mut paused, "Ben", 2);
    for round in 0..20 {
        ben.take(&mut paused);
        paused.look(ben.id);
        ada.types(&mut paused, &format!("round {round} "));
        let key = |document: &mut Document| {
            use baton_sync::yrs::{Map, WriteTxn};
            let set = |txn: &mut baton_sync::yrs::TransactionMut<'_>| {
                txn.get_or_insert_map("m").insert(txn, "k", round);
            };
            document.transact(set).unwrap().1.unwrap()
        };
        // Two values for one key: yrs deletes the loser by itself.
        for peer in [&mut ada, &mut ben] {
            let update = key(&mut peer.document);
            let kind = baton_room::Kind::Update;
            paused.receive(peer.id, Incoming::Sync(kind, update));
        }
        let (a, b) = (ada.id, ben.id);
        paused.pass(seconds(if round % 3 == 0 { 61 } else { 5 }), &[a, b]);
    }
    let updates = paused
        .records()
        .into_iter()
        .filter(|(_, record)| matches!(Record::decode(record).unwrap(), Record::Update { .. }));
    assert_eq!(updates.count(), 60);
    let replayed = Room::open(paused.options.clone(), None, &paused.records(), Time::ZERO).unwrap();
    let (one, other) = (paused.room.document(), replayed.document());
    assert_eq!(one.state().vector(), other.state().vector());
    assert_eq!(one.state().deletes(), other.state().deletes());
    assert_eq!(text(one), text(other));
    let said = |document: &Document| {
        let all = document.diff(&StateVector::new()).unwrap();
        let scanned = scan(&all).unwrap();
        scanned.inserts().collect::<Vec<_>>()
    };
    assert_eq!(said(one), said(other));
}

#[test]
fn an_edit_that_has_a_gap_does_not_wake_the_document() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "a");
    pass(&mut table, seconds(61), &ada);
    let mut far = document(5);
    insert(&mut far, "never sent");
    let late = insert(&mut far, "!");
    table.receive(ada.id, Incoming::Sync(baton_room::Kind::Update, late));
    assert!(is_resting(&table));
    assert_eq!(table.text(), "a");
}
