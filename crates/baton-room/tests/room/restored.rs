//! A room that starts from a snapshot and the later records is the room that applied all records.

use baton_room::{Incoming, Park, Room, SyncKind};
use baton_sync::StateVector;
use baton_sync::control_channel::{ClientMessage, FencingToken};
use baton_sync::document::Document;
use baton_sync::document::yrs::types::ToJson;
use baton_sync::document::yrs::{
    Any, GetString, Map, Out, ReadTxn, Text, TextPrelim, TransactionMut, WriteTxn,
};
use baton_testkit::Random;
use bytes::Bytes;

use crate::document;
use crate::table::{Peer, Seen, Table, edit, insert, insert_in};

/// The parts of a room that its records make, as far as they do not depend on how the document is
/// written.
#[derive(Debug, PartialEq)]
struct Made {
    inserted: StateVector,
    deleted: baton_sync::DeleteSet,
    content: Any,
    parks: Vec<Park>,
}

fn made(room: &Room) -> Made {
    let state = room.state();
    let known = state.document().state();
    let content = Document::to_read(state.document());
    let content = content.read(|txn| {
        let roots: Vec<String> = txn.root_refs().map(|(name, _)| name.to_owned()).collect();
        let text = |name: &str| {
            let text = txn.get_text(name).map(|text| text.get_string(txn));
            Any::from(text.unwrap_or_default())
        };
        let mut content = vec![text("t"), text("u")];
        if roots.iter().any(|root| root == "m") {
            content.extend(txn.get_map("m").map(|map| map.to_json(txn)));
        }
        Any::from(content)
    });
    Made {
        inserted: known.vector(),
        deleted: known.deletes().clone(),
        content: content.unwrap(),
        parks: state.parks().cloned().collect(),
    }
}

/// Opens the document of this table from the records after `from` up to `to`, and a snapshot of what
/// was before them.
fn opened(table: &Table, from: usize, to: usize) -> Room {
    let records = table.records();
    let open = |snapshot: Option<&(u64, Bytes)>, records: &[(u64, Bytes)]| {
        Room::open(table.options.clone(), snapshot, records, table.now).unwrap()
    };
    if from == 0 {
        return open(None, &records[..to]);
    }
    let before = open(None, &records[..from]);
    let snapshot = (records[from - 1].0, before.state().snapshot().unwrap());
    open(Some(&snapshot), &records[from..to])
}

/// Compares the room at its present position with those that start from a snapshot anywhere before.
fn starts_the_same_from_every_snapshot(table: &Table, what: &str) {
    let records = table.records();
    assert_eq!(records.first().map(|(position, _)| *position), Some(1));
    let all = made(&table.room);
    for from in 0..=records.len() {
        let made = made(&opened(table, from, records.len()));
        assert_eq!(made, all, "{what}, from a snapshot at {from}");
    }
}

fn parks(table: &Table) -> Vec<Park> {
    table.room.state().parks().cloned().collect()
}

/// A stock client comes with all that it has.
fn comes(table: &mut Table, theirs: &Document) {
    let all = theirs.diff(&StateVector::new()).unwrap();
    let id = table.connect();
    table.receive(id, Incoming::Sync(SyncKind::Step2, all));
}

/// The live room compared a copy with all that the park had ever held, a restarted one with what
/// the document did not have by then. (Found by the simulation.)
#[test]
fn a_copy_takes_the_place_of_a_park_of_which_the_document_has_a_part() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    let first = insert(&mut document(17), "one");
    let mut theirs = document(7);
    theirs.apply(&first).unwrap();
    insert_in(&mut theirs, "u", "two");
    comes(&mut table, &theirs);
    // The holder has the edit of the other client, too.
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, first));
    assert_eq!(table.text(), "one");
    assert_eq!(parks(&table).len(), 1);
    insert_in(&mut theirs, "u", "three");
    comes(&mut table, &theirs);
    let after = parks(&table);
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].updates.len(), 1);
    starts_the_same_from_every_snapshot(&table, "with a part");
}

/// A restarted room took the park for one without edits, and closed it as merged.
#[test]
fn a_park_that_goes_on_inside_of_a_block_of_the_document_outlives_a_snapshot() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    let mut theirs = document(7);
    let first = insert(&mut theirs, "one ");
    insert(&mut theirs, "two ");
    comes(&mut table, &theirs);
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, first));
    assert_eq!(table.text(), "one ");
    let before = parks(&table);
    assert_eq!(before.len(), 1);
    ada.types_in(&mut table, "u", "!");
    assert_eq!(parks(&table), before);
    starts_the_same_from_every_snapshot(&table, "astride");
    insert(&mut theirs, "three");
    comes(&mut table, &theirs);
    starts_the_same_from_every_snapshot(&table, "astride, and more");
}

/// An edit of any kind: of a text, of a text inside of a map, or one that deletes either.
fn any_edit(document: &mut Document, random: &mut Random) -> Bytes {
    let root = ["t", "u"][random.below(2)];
    let what = random.below(8);
    edit(document, |txn: &mut TransactionMut<'_>| {
        let text = txn.get_or_insert_text(root);
        let map = txn.get_or_insert_map("m");
        let inner = match map.get(txn, "k") {
            Some(Out::YText(inner)) => Some(inner),
            _ => None,
        };
        match (what, inner) {
            (0, _) if text.len(txn) > 2 => text.remove_range(txn, 1, 2),
            (1 | 2, Some(inner)) => inner.push(txn, "inner"),
            (3, Some(inner)) if inner.len(txn) > 1 => inner.remove_range(txn, 0, 2),
            (4, Some(_)) => {
                map.remove(txn, "k");
            }
            (1..=4, _) => {
                map.insert(txn, "k", TextPrelim::new("new"));
            }
            _ => text.push(txn, "word "),
        }
    })
}

/// Takes in what a connection was sent; gaps are left for another time.
fn take(table: &mut Table, peer: &mut Peer) {
    for seen in table.look(peer.id) {
        if let Seen::Message(
            baton_room::Outgoing::Step2(update) | baton_room::Outgoing::Update(update),
        ) = seen
        {
            let _ = peer.document.apply(&update);
        }
    }
}

/// Runs clients of both kinds, who edit, decide about parks, and bring one another's edits.
fn history(seed: u64) -> Table {
    let mut random = Random::from_seed(seed);
    let mut table = Table::new();
    let mut peers = [("Ada", 1), ("Bob", 2)].map(|(name, id)| Peer::join(&mut table, name, id));
    let mut stock = [document(7), document(8)];
    let mut edits: Vec<Bytes> = Vec::new();
    let mut held: Option<(usize, FencingToken)> = None;
    for _ in 0..60 {
        let who = random.below(2);
        let parks = parks(&table);
        let id = (!parks.is_empty()).then(|| parks[random.below(parks.len())].id);
        match (random.below(14), id, held) {
            (0..=2, ..) => {
                let update = any_edit(&mut peers[who].document, &mut random);
                let kind = SyncKind::Update;
                table.receive(peers[who].id, Incoming::Sync(kind, update.clone()));
                edits.push(update);
            }
            (3 | 4, _, None) => {
                let (nonce, paths) = (1, Vec::new());
                peers[who].says(&mut table, &ClientMessage::Acquire { nonce, paths });
                held = peers[who].claims(&mut table).map(|fence| (who, fence));
            }
            (3, _, Some((who, fence))) => {
                peers[who].says(&mut table, &ClientMessage::Release { nonce: 3, fence });
                held = None;
            }
            (5, Some(id), _) => {
                peers[who].says(&mut table, &ClientMessage::MergePark { nonce: 77, id });
            }
            (6, Some(id), _) => {
                peers[who].says(&mut table, &ClientMessage::DiscardPark { nonce: 77, id });
            }
            (7, Some(id), _) => {
                peers[who].says(&mut table, &ClientMessage::RecoverPark { nonce: 77, id });
            }
            (8, ..) => peers[who].sends_all(&mut table),
            (9, ..) => comes(&mut table, &stock[who]),
            (10 | 11, ..) => {
                edits.push(any_edit(&mut stock[who], &mut random));
                comes(&mut table, &stock[who]);
            }
            (12, ..) => {
                let known = table
                    .room
                    .state()
                    .document()
                    .difference(&StateVector::new());
                let _ = stock[who].apply(&known);
            }
            // An edit comes from elsewhere, such as from a tab on the same machine.
            (13, ..) if !edits.is_empty() => {
                let edit = edits[random.below(edits.len())].clone();
                let to = held.map_or(who, |(holder, _)| holder);
                let _ = peers[to].document.apply(&edit);
                table.receive(peers[to].id, Incoming::Sync(SyncKind::Update, edit));
            }
            _ => {}
        }
        for peer in &mut peers {
            take(&mut table, peer);
        }
    }
    table
}

#[test]
fn a_room_from_any_snapshot_and_the_later_records_is_the_room_of_all_records() {
    let mut parked = 0;
    // Before parks were indexed alike, seeds 7 and 91 differed.
    for seed in 0..150 {
        let table = history(seed);
        parked += parks(&table).len();
        starts_the_same_from_every_snapshot(&table, &format!("seed {seed}"));
    }
    assert!(parked > 150, "{parked} parks");
}
