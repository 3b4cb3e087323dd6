//! Many small edits that are parked: they do not use up the places of people, and none of them is dropped.

use baton_room::{
    ConnectionId, Departure, Ending, Incoming, Outgoing, ParkLimits, Room, RoomOptions, Source,
    SyncKind,
};
use baton_sync::control_channel::{ClientMessage, ErrorCode, Outcome, ServerMessage};
use baton_sync::document::yrs::{Map, WriteTxn};
use bytes::Bytes;

use crate::document;
use crate::table::{Coming, Peer, Seen, Table, edit, insert};

const SECRET: Option<&str> = Some("a secret of sixteen bytes or more");

fn tab(table: &mut Table, client: u64) -> Peer {
    let coming = Coming {
        name: "Bob",
        client,
        user_key: SECRET,
        ..Coming::default()
    };
    Peer::come(table, coming)
}

/// What an editor writes when it opens.
fn opened(client: u64) -> Bytes {
    edit(&mut document(client), |txn| {
        let map = txn.get_or_insert_map("meta");
        map.insert(txn, "opened", true);
    })
}

fn stock(table: &mut Table, update: &Bytes) -> ConnectionId {
    let id = table.connect();
    table.receive(id, Incoming::Sync(SyncKind::Update, update.clone()));
    id
}

/// Nobody may write but Ada.
fn locked(options: RoomOptions) -> (Table, Peer) {
    let mut table = Table::with(options);
    let ada = Peer::join(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    (table, ada)
}

fn limits(parks: ParkLimits) -> RoomOptions {
    RoomOptions {
        parks,
        ..RoomOptions::default()
    }
}

#[test]
fn readers_whose_editor_writes_the_same_when_it_opens_leave_one_park() {
    let (mut table, ada) = locked(RoomOptions::default());
    table.source = Some(Source::new([7; 16]));
    for reader in 0..5 {
        let id = stock(&mut table, &opened(100 + reader * 1_000_003));
        let seen = table.look(id);
        let denied = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Denied(_)));
        assert!(seen.iter().any(denied));
        assert_eq!(seen.last(), Some(&Seen::Closed(Ending::Locked)));
        assert_eq!(table.room.state().parks().count(), 1, "reader {reader}");
        // Neither a restart nor a snapshot forgets what was there.
        match reader {
            1 => table.restart(),
            2 => {
                table.compact();
                table.restart();
            }
            _ => {}
        }
    }
    let id = table.room.state().parks().next().unwrap().id;
    let ada = ada.resume(&mut table, &[]);
    let merge = ClientMessage::MergePark { nonce: 77, id };
    assert_eq!(ada.asks(&mut table, &merge), Outcome::Done);
    assert_eq!(table.room.state().parks().count(), 0);
}

#[test]
fn another_content_or_another_source_has_a_park_of_its_own() {
    let (mut table, _) = locked(RoomOptions::default());
    table.source = Some(Source::new([7; 16]));
    stock(&mut table, &opened(100));
    stock(&mut table, &insert(&mut document(101), "typed"));
    assert_eq!(table.room.state().parks().count(), 2);
    table.source = Some(Source::new([8; 16]));
    stock(&mut table, &opened(102));
    assert_eq!(table.room.state().parks().count(), 3);
    table.source = None;
    for client in 103..105 {
        stock(&mut table, &opened(client));
    }
    assert_eq!(
        table.room.state().parks().count(),
        5,
        "nobody knows that it is one"
    );
}

/// What somebody discarded says nothing about what comes later.
#[test]
fn the_same_content_after_a_discard_is_a_new_park() {
    let (mut table, ada) = locked(RoomOptions::default());
    table.source = Some(Source::new([7; 16]));
    stock(&mut table, &opened(100));
    let id = table.room.state().parks().next().unwrap().id;
    let discard = ClientMessage::DiscardPark { nonce: 77, id };
    assert_eq!(ada.asks(&mut table, &discard), Outcome::Done);
    stock(&mut table, &opened(101));
    assert_eq!(
        table
            .room
            .state()
            .parks()
            .filter(|park| park.is_open())
            .count(),
        1
    );
}

#[test]
fn all_sessions_of_a_user_share_a_park_and_each_goes_on_in_it() {
    let (mut table, ada) = locked(RoomOptions::default());
    let (mut one, mut two) = (tab(&mut table, 2), tab(&mut table, 3));
    for (text, first) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        let peer = if first { &mut one } else { &mut two };
        peer.types(&mut table, text);
        assert_eq!(table.room.state().parks().count(), 1, "{text}");
    }
    let mut stranger = Peer::join(&mut table, "Eve", 4);
    stranger.types(&mut table, "e");
    assert_eq!(table.room.state().parks().count(), 2);
    let park = table.room.state().parks().next().unwrap().clone();
    assert_eq!(park.updates.len(), 4);
    let merge = ClientMessage::MergePark {
        nonce: 77,
        id: park.id,
    };
    assert_eq!(ada.asks(&mut table, &merge), Outcome::Done);
    let mut letters: Vec<char> = table.text().chars().collect();
    letters.sort_unstable();
    assert_eq!(letters, ['a', 'b', 'c', 'd']);
}

#[test]
fn over_the_count_an_edit_is_kept_and_nothing_is_recovered() {
    let (mut table, ada) = locked(limits(ParkLimits {
        parks: 2,
        ..ParkLimits::default()
    }));
    let mut ids = Vec::new();
    for client in 2..6 {
        let mut peer = Peer::join(&mut table, "Bob", client);
        table.look(peer.id);
        peer.types(&mut table, "late");
        assert_eq!(
            table.told(peer.id).last(),
            Some(&ServerMessage::Saved { updates: 1 })
        );
        ids.push(table.room.state().parks().last().unwrap().id);
    }
    assert_eq!(table.room.state().parks().count(), 4);
    let discard = ClientMessage::DiscardPark {
        nonce: 77,
        id: ids[0],
    };
    let recover = ClientMessage::RecoverPark {
        nonce: 77,
        id: ids[0],
    };
    assert_eq!(ada.asks(&mut table, &discard), Outcome::Done);
    assert_eq!(ada.asks(&mut table, &recover), Outcome::Full);
    for id in &ids[1..3] {
        let merge = ClientMessage::MergePark { nonce: 77, id: *id };
        assert_eq!(ada.asks(&mut table, &merge), Outcome::Done);
    }
    assert_eq!(ada.asks(&mut table, &recover), Outcome::Done);
}

#[test]
fn the_parks_of_one_user_count_once() {
    let (mut table, ada) = locked(limits(ParkLimits {
        parks: 1,
        ..ParkLimits::default()
    }));
    let mut one = tab(&mut table, 2);
    one.types(&mut table, "a");
    let id = table.room.state().parks().next().unwrap().id;
    let discard = ClientMessage::DiscardPark { nonce: 77, id };
    assert_eq!(ada.asks(&mut table, &discard), Outcome::Done);
    let mut two = tab(&mut table, 3);
    two.types(&mut table, "b");
    assert_eq!(table.room.state().parks().count(), 2);
    let recover = ClientMessage::RecoverPark { nonce: 77, id };
    assert_eq!(ada.asks(&mut table, &recover), Outcome::Done);
}

#[test]
fn over_the_bytes_of_a_document_an_edit_is_refused_with_an_error_and_never_in_silence() {
    let (mut table, _) = locked(limits(ParkLimits {
        bytes: 40 * 1024,
        ..ParkLimits::default()
    }));
    // Each small one counts 16 KiB.
    let mut peers: Vec<Peer> = (2..5)
        .map(|client| Peer::join(&mut table, "Bob", client))
        .collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        table.look(peer.id);
        peer.types(&mut table, "late");
        let told = table.told(peer.id);
        let refused = told.iter().find_map(|message| match message {
            ServerMessage::Error {
                code: ErrorCode::ParkFull,
                message,
                ..
            } => Some(message.as_str()),
            _ => None,
        });
        assert_eq!(refused.is_some(), index == 2, "{told:?}");
        assert!(refused.is_none_or(|why| why.contains("max_parked")));
        let saved = told.contains(&ServerMessage::Saved { updates: 1 });
        assert_eq!(saved, index < 2);
    }
    let id = stock(&mut table, &opened(100));
    let denied = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Denied(why)) if why.contains("max_parked"));
    let seen = table.look(id);
    assert!(seen.iter().any(denied), "{seen:?}");
    assert_eq!(seen.last(), Some(&Seen::Closed(Ending::Locked)));
    assert_eq!(table.room.state().parks().count(), 2);
    // What stands there may still grow within its own 16 KiB.
    peers[0].types(&mut table, " and more");
    assert_eq!(table.room.state().parks().next().unwrap().updates.len(), 2);
}

/// A copy that comes again with more in it takes the place of what it left, also from another network.
#[test]
fn a_stock_client_that_moved_goes_on_in_its_park() {
    let (mut table, _) = locked(RoomOptions::default());
    let mut theirs = document(100);
    table.source = Some(Source::new([7; 16]));
    stock(&mut table, &insert(&mut theirs, "one"));
    insert(&mut theirs, " two");
    table.source = Some(Source::new([8; 16]));
    let all = theirs.diff(&baton_sync::StateVector::new()).unwrap();
    stock(&mut table, &all);
    assert_eq!(table.room.state().parks().count(), 1);
    assert_eq!(table.room.state().parks().next().unwrap().inserted, 7);
}

/// A log of format 2 made two parks of what is one today, and its later records name both.
#[test]
fn an_old_log_makes_the_parks_that_it_made_then() {
    let (mut table, ada) = locked(RoomOptions::default());
    let (mut one, mut two) = (tab(&mut table, 2), tab(&mut table, 3));
    one.types(&mut table, "a");
    two.types(&mut table, "b");
    table.leave(ada.id, Departure::Done);
    let ids = |room: &Room| room.state().parks().map(|park| park.id).collect::<Vec<_>>();
    let new = table.records();
    let open = |records: &[(u64, Bytes)]| {
        Room::open(table.options.clone(), None, records, table.now).unwrap()
    };
    let as_of = |format: u8| {
        let records = new.iter().map(|(position, record)| {
            assert_eq!(record[0], 3);
            let mut record = record.to_vec();
            record[0] = format;
            (*position, Bytes::from(record))
        });
        records.collect::<Vec<_>>()
    };
    assert_eq!(ids(&open(&as_of(3))), ids(&table.room));
    assert_eq!(ids(&table.room).len(), 1);
    let old = open(&as_of(2));
    assert_eq!(ids(&old).len(), 2);
    // What was stored then goes on after it.
    let snapshot = (old.state().position(), old.state().snapshot().unwrap());
    let restored = Room::open(table.options.clone(), Some(&snapshot), &[], table.now).unwrap();
    assert_eq!(ids(&restored), ids(&old));
}
