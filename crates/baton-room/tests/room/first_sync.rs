//! The first sync of clients that come to a document, and what is kept for those who come next.

use baton_presence::Time;
use baton_room::{Incoming, Outgoing, Record, Room, RoomOptions, SyncKind};
use baton_sync::document::Document;
use baton_sync::yrs::{Text, WriteTxn};
use baton_sync::{History, Replica, StateVector, scan};
use bytes::Bytes;

use crate::table::{Peer, Seen, Table, readable, text};
use crate::{document, seconds};

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

    // After a minute they are dropped; a client that lacks a little gets it in one message.
    let all = [ada.id, bob.id, cleo.id];
    assert!(table.room.state().document().has_answers());
    table.pass(seconds(61), &all);
    assert!(!table.room.state().document().has_answers());
    table.look(bob.id);
    bob.sync(&mut table);
    assert_eq!(answer(&table.seen(bob.id)).0.len(), 1);
    table.look(cleo.id);
    cleo.document = document(3);
    cleo.sync(&mut table);
    assert!(answer(&table.seen(cleo.id)).0.len() > 8);
    assert!(table.room.state().document().has_answers());
    table.pass(seconds(61), &all);
    assert!(!table.room.state().document().has_answers());
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

/// The same records make the same document, with answers in between here and none there.
#[test]
fn a_replay_makes_the_document_that_was() {
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
        // Two values for one key: the loser is deleted without a word.
        for peer in [&mut ada, &mut ben] {
            let update = key(&mut peer.document);
            let kind = SyncKind::Update;
            paused.receive(peer.id, Incoming::Sync(kind, update));
        }
        let (a, b) = (ada.id, ben.id);
        paused.pass(seconds(if round % 3 == 0 { 61 } else { 5 }), &[a, b]);
    }
    let updates = paused
        .records()
        .iter()
        .filter(|(_, record)| matches!(Record::decode(record).unwrap(), Record::Update { .. }));
    assert_eq!(updates.count(), 60);
    let replayed = Room::open(paused.options.clone(), None, paused.records(), Time::ZERO).unwrap();
    let (one, other) = (paused.room.state().document(), replayed.state().document());
    assert_eq!(one.state().vector(), other.state().vector());
    assert_eq!(one.state().deletes(), other.state().deletes());
    assert_eq!(text(&readable(one)), text(&readable(other)));
    let said = |document: &Replica| {
        let all = document.difference(&StateVector::new());
        let scanned = scan(&all).unwrap();
        scanned.inserts().collect::<Vec<_>>()
    };
    assert_eq!(said(one), said(other));
}

/// `Y.snapshot` needs what was deleted: a document of which the history is kept has it after a snapshot.
#[test]
fn deleted_content_goes_with_a_snapshot_unless_the_history_is_kept() {
    for history in [History::Drop, History::Keep] {
        let options = RoomOptions {
            history,
            ..RoomOptions::default()
        };
        let mut table = Table::with(options);
        let mut ada = Peer::join(&mut table, "Ada", 1);
        ada.types(&mut table, "a secret that was deleted");
        let deletion = ada.document.transact(|txn| {
            let text = txn.get_or_insert_text("t");
            text.remove_range(txn, 0, 24);
        });
        let deletion = deletion.unwrap().1.unwrap();
        table.receive(ada.id, Incoming::Sync(SyncKind::Update, deletion));
        table.compact();
        table.restart();
        assert_eq!(table.text(), "d");
        let stored = table
            .room
            .state()
            .document()
            .difference(&StateVector::new());
        let kept = stored.windows(6).any(|bytes| bytes == b"secret");
        assert_eq!(kept, history == History::Keep);
    }
}
