//! Parks of which the document has a part.
//!
//! An author whose park is discarded sends the same edits again, with more in one block. If the
//! discarded park is recovered and merged, the document has the first units of that block.

use baton_presence::Rights;
use baton_room::Park;
use baton_sync::control_channel::{ClientMessage, Outcome, PartKind, ServerMessage};

use crate::table::{Peer, Table, insert, text};

fn merge(id: u64) -> ClientMessage {
    ClientMessage::MergePark { nonce: 77, id }
}

fn parks(table: &Table) -> Vec<Park> {
    table.room.state().parks().cloned().collect()
}

/// Ada holds the lock, and has merged "late" of Bob. His park of "late and more", in one block,
/// which he sent while the other park was discarded, is the only one left.
fn overlapping(table: &mut Table) -> (Peer, Peer, u64) {
    table.rights = Rights::EDIT;
    let ada = Peer::join(table, "Ada", 1);
    let mut bob = Peer::join(table, "Bob", 2);
    ada.takes_the_lock(table);
    bob.types(table, "late");
    let first = parks(table)[0].id;
    let discard = ClientMessage::DiscardPark {
        nonce: 77,
        id: first,
    };
    assert_eq!(ada.asks(table, &discard), Outcome::Done);
    insert(&mut bob.document, " and more");
    bob.sends_all(table);
    let recover = ClientMessage::RecoverPark {
        nonce: 77,
        id: first,
    };
    assert_eq!(ada.asks(table, &recover), Outcome::Done);
    assert_eq!(ada.asks(table, &merge(first)), Outcome::Done);
    assert_eq!(table.text(), "late");
    let left = parks(table);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].updates.len(), 1);
    (ada, bob, left[0].id)
}

#[test]
fn what_the_document_lacks_of_a_park_is_merged() {
    let mut table = Table::new();
    let (mut ada, mut bob, id) = overlapping(&mut table);
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    assert_eq!(table.text(), "late and more");
    assert_eq!(parks(&table), []);
    for peer in [&mut ada, &mut bob] {
        table.look(peer.id);
        peer.sync(&mut table);
        peer.take(&mut table);
        assert_eq!(text(&peer.document), "late and more");
    }
    table.restart();
    assert_eq!(table.text(), "late and more");
}

#[test]
fn what_the_document_lacks_of_a_park_can_be_read() {
    let mut table = Table::new();
    let (ada, _bob, id) = overlapping(&mut table);
    table.look(ada.id);
    ada.says(&mut table, &ClientMessage::ShowPark { nonce: 77, id });
    let told = table.told(ada.id);
    let content = told.iter().find_map(|message| match message {
        ServerMessage::ParkContent { parts, .. } => Some(parts.clone()),
        _ => None,
    });
    let parts = content.unwrap().into_iter();
    let said: Vec<_> = parts.map(|part| (part.kind, part.text)).collect();
    let part = |kind, text: &str| (kind, text.to_owned());
    let expected = [
        part(PartKind::Equal, "late"),
        part(PartKind::Insert, " and more"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_park_of_which_the_document_has_a_part_outlives_a_snapshot() {
    let mut table = Table::new();
    let (ada, _bob, id) = overlapping(&mut table);
    table.compact();
    table.restart();
    // Every edit that enters the document closes the parks whose edits it now has.
    let fence = table.room.state().parks().next().unwrap().fence_now;
    let fences = fence.map(|fence| baton_sync::control_channel::FencingToken {
        epoch: fence.epoch,
        position: fence.position,
    });
    let mut ada = ada.resume(&mut table, &fences.into_iter().collect::<Vec<_>>());
    ada.types(&mut table, "early");
    assert!(table.text().contains("early"));
    let left: Vec<u64> = parks(&table).iter().map(|park| park.id).collect();
    assert_eq!(left, [id]);
    assert_eq!(ada.asks(&mut table, &merge(id)), Outcome::Done);
    assert!(table.text().contains("late and more"));
}
