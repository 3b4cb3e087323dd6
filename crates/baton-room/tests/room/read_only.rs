//! What becomes of edits of sessions that may only read: they never enter the document, and their
//! connections go on.

use baton_presence::Rights;
use baton_room::{
    ConnectionId, Incoming, Outgoing, ParkLimits, ParkReason, ReadOnlyEdits, Receipts, RoomOptions,
    SyncKind,
};
use baton_sync::StateVector;
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, LockMode, Outcome, ParkCause, ServerMessage,
};
use baton_sync::document::Document;

use crate::table::{Peer, Seen, Table, insert, text};
use crate::{document, seconds};

fn suggesting() -> RoomOptions {
    RoomOptions {
        read_only_edits: ReadOnlyEdits::Suggest,
        ..RoomOptions::default()
    }
}

/// Somebody who may only read.
fn reader(table: &mut Table, client: u64) -> Peer {
    let rights = std::mem::replace(&mut table.rights, Rights::NONE);
    let mut peer = Peer::join(table, "Rea", client);
    table.rights = rights;
    peer.sends_all(table);
    peer
}

/// A stock client that may only read, with its copy.
fn stock_reader(table: &mut Table, client: u64) -> (ConnectionId, Document) {
    let rights = std::mem::replace(&mut table.rights, Rights::NONE);
    let id = table.connect();
    table.rights = rights;
    let vector = StateVector::new().encode();
    table.receive(id, Incoming::Step1(&vector));
    let copy = document(client);
    sends_all(table, id, &copy);
    (id, copy)
}

fn sends(table: &mut Table, from: ConnectionId, copy: &mut Document, what: &str) {
    let update = insert(copy, what);
    table.receive(from, Incoming::Sync(SyncKind::Update, update));
}

fn sends_all(table: &mut Table, from: ConnectionId, copy: &Document) {
    let all = copy.diff(&StateVector::new()).unwrap();
    table.receive(from, Incoming::Sync(SyncKind::Step2, all));
}

fn denials(seen: &[Seen]) -> usize {
    let denied = |seen: &&Seen| matches!(seen, Seen::Message(Outgoing::Denied(_)));
    seen.iter().filter(denied).count()
}

fn is_closed(seen: &[Seen]) -> bool {
    seen.iter().any(|seen| matches!(seen, Seen::Closed(_)))
}

fn asks(seen: &[Seen]) -> bool {
    let step1 = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Step1(_)));
    seen.iter().any(step1)
}

fn read_only_errors(told: &[ServerMessage]) -> usize {
    let error = |message: &&ServerMessage| {
        let code = ErrorCode::ReadOnly;
        matches!(message, ServerMessage::Error { code: of, .. } if *of == code)
    };
    told.iter().filter(error).count()
}

#[test]
fn an_edit_of_a_reader_is_dropped_and_told_and_the_next_ones_leave_nothing_stuck() {
    let mut table = Table::new();
    let (ada, mut copy) = stock_reader(&mut table, 1);
    table.look(ada);
    for _ in 0..50 {
        sends(&mut table, ada, &mut copy, "x");
    }
    let seen = table.look(ada);
    // Once, not for every letter, and it is asked for nothing.
    assert_eq!(
        (denials(&seen), asks(&seen), is_closed(&seen)),
        (1, false, false)
    );
    assert_eq!(table.text(), "");
    assert_eq!(table.room.load().aside_bytes, 0);
    assert_eq!(table.room.state().parks().count(), 0);
    table.pass(seconds(31), &[ada]);
    table.look(ada);
    sends(&mut table, ada, &mut copy, "y");
    assert_eq!(denials(&table.look(ada)), 1);
    // Others go on, and the reader has what they write.
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let written = bob.types(&mut table, "hello");
    assert!(
        table
            .look(ada)
            .contains(&Seen::Message(Outgoing::Update(written)))
    );
}

#[test]
fn a_reader_of_the_channel_is_told_with_an_error_and_nothing_is_called_saved() {
    let mut table = Table::new();
    let mut rea = reader(&mut table, 1);
    table.look(rea.id);
    rea.types(&mut table, "a");
    rea.types(&mut table, "b");
    let told = table.told(rea.id);
    assert_eq!(read_only_errors(&told), 1);
    let saved = |message: &ServerMessage| matches!(message, ServerMessage::Saved { .. });
    assert!(!told.iter().any(saved));
    assert_eq!(table.text(), "");
}

/// The answer to our Step1 carries all deletions that the client knows.
#[test]
fn a_step2_that_adds_nothing_is_no_edit() {
    let mut table = Table::new();
    let mut bob = Peer::join(&mut table, "Bob", 2);
    bob.types(&mut table, "hello");
    let erase = crate::table::edit(&mut bob.document, |txn| {
        use baton_sync::document::yrs::{Text, WriteTxn};
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 0, 2);
    });
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, erase));
    let (ada, mut copy) = stock_reader(&mut table, 1);
    let known = bob.document.diff(&StateVector::new()).unwrap();
    copy.apply(&known).unwrap();
    table.look(ada);
    sends_all(&mut table, ada, &copy);
    assert_eq!(denials(&table.look(ada)), 0);
    // A deletion of its own is an edit.
    let deletion = crate::table::edit(&mut copy, |txn| {
        use baton_sync::document::yrs::{Text, WriteTxn};
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 0, 1);
    });
    table.receive(ada, Incoming::Sync(SyncKind::Update, deletion));
    assert_eq!(denials(&table.look(ada)), 1);
    assert_eq!(table.text(), "llo");
}

#[test]
fn no_mode_and_no_lock_lets_a_reader_write() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut rea = reader(&mut table, 2);
    for mode in [
        LockMode::Open,
        LockMode::ExclusiveWhenHeld,
        LockMode::Required,
    ] {
        let set = ClientMessage::SetMode { nonce: 77, mode };
        assert_eq!(ada.asks(&mut table, &set), Outcome::Done);
        rea.types(&mut table, "x");
        rea.sends_all(&mut table);
        assert_eq!(table.text(), "");
        assert_eq!(table.room.state().parks().count(), 0);
    }
}

#[test]
fn a_reader_that_may_write_again_is_asked_for_its_edits_and_they_enter() {
    let mut table = Table::new();
    let mut rea = reader(&mut table, 1);
    rea.types(&mut table, "before ");
    let (stock, mut copy) = stock_reader(&mut table, 2);
    sends(&mut table, stock, &mut copy, "stock ");
    table.look(rea.id);
    table.look(stock);
    for id in [rea.id, stock] {
        table.set_rights(id, Rights::EDIT);
        assert!(asks(&table.seen(id)));
    }
    rea.sends_all(&mut table);
    rea.types(&mut table, "after");
    sends_all(&mut table, stock, &copy);
    let text = table.text();
    assert!(
        text.contains("before after") && text.contains("stock "),
        "{text}"
    );
}

#[test]
fn who_loses_the_right_to_write_is_told_and_what_it_types_then_is_dropped() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let stock = table.connect();
    let mut copy = document(2);
    sends(&mut table, stock, &mut copy, "s");
    ada.types(&mut table, "a");
    table.look(stock);
    for id in [ada.id, stock] {
        table.set_rights(id, Rights::NONE);
    }
    let seen = table.look(stock);
    assert_eq!((denials(&seen), is_closed(&seen)), (1, false));
    ada.types(&mut table, "b");
    sends(&mut table, stock, &mut copy, "t");
    let text = table.text();
    assert!(!text.contains('b') && !text.contains('t'), "{text}");
}

/// An edit waited for others that it builds on, and its author lost the right meanwhile.
#[test]
fn what_was_kept_aside_does_not_enter_after_the_right_is_gone() {
    let mut table = Table::new();
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let first = insert(&mut bob.document, "first ");
    ada.document.apply(&first).unwrap();
    ada.types(&mut table, "on it");
    assert_eq!(table.text(), "");
    table.set_rights(ada.id, Rights::NONE);
    table.look(ada.id);
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, first));
    assert_eq!(table.text(), "first ");
    assert_eq!(read_only_errors(&table.told(ada.id)), 1);
    assert_eq!(table.room.load().aside_bytes, 0);
}

#[test]
fn awareness_of_a_reader_counts() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let (stock, _) = stock_reader(&mut table, 2);
    table.look(ada.id);
    // One entry: client 2, clock 1, "{}".
    table.receive(stock, Incoming::Awareness(&[1, 2, 1, 2, b'{', b'}']));
    let shown = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Awareness(_)));
    assert!(table.look(ada.id).iter().any(shown));
}

#[test]
fn a_suggestion_is_a_park_that_who_may_write_merges() {
    let mut table = Table::with(suggesting());
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "text ");
    let mut rea = reader(&mut table, 2);
    rea.take(&mut table);
    rea.types(&mut table, "sug");
    rea.types(&mut table, "gested");
    let park = table.room.state().parks().next().unwrap().clone();
    assert_eq!(
        (park.reason, park.updates.len()),
        (ParkReason::Suggestion, 2)
    );
    assert_eq!(table.text(), "text ");
    let shown = |message: &ServerMessage| {
        let cause = ParkCause::Suggestion;
        matches!(message, ServerMessage::Park { park } if park.reason == cause)
    };
    assert!(table.told(ada.id).iter().any(shown));
    let parked = |message: &ServerMessage| matches!(message, ServerMessage::Parked { .. });
    assert!(table.told(rea.id).iter().any(parked));
    // Its author is a reader still.
    let merge = ClientMessage::MergePark {
        nonce: 77,
        id: park.id,
    };
    assert_eq!(rea.asks(&mut table, &merge), Outcome::Forbidden);
    assert_eq!(ada.asks(&mut table, &merge), Outcome::Done);
    assert_eq!(table.text(), "text suggested");
    // What it types then builds on what was merged.
    rea.types(&mut table, "!");
    let parks: Vec<_> = table.room.state().parks().collect();
    assert_eq!((parks.len(), parks[0].updates.len()), (1, 1));
}

#[test]
fn suggestions_outlive_a_snapshot_and_a_restart() {
    let mut table = Table::with(suggesting());
    let mut rea = reader(&mut table, 2);
    rea.types(&mut table, "a");
    let id = table.room.state().parks().next().unwrap().id;
    table.restart();
    table.compact();
    table.restart();
    let park = table.room.state().parks().next().unwrap();
    assert_eq!((park.id, park.reason), (id, ParkReason::Suggestion));
    // They are dropped from now on, and those that are kept stay.
    table.options.read_only_edits = ReadOnlyEdits::Drop;
    table.restart();
    let ada = Peer::join(&mut table, "Ada", 1);
    let merge = ClientMessage::MergePark { nonce: 77, id };
    assert_eq!(ada.asks(&mut table, &merge), Outcome::Done);
    assert_eq!(table.text(), "a");
}

#[test]
fn a_stock_reader_suggests_and_is_not_closed() {
    let mut table = Table::with(suggesting());
    let (stock, mut copy) = stock_reader(&mut table, 1);
    table.look(stock);
    for _ in 0..20 {
        sends(&mut table, stock, &mut copy, "x");
    }
    let seen = table.look(stock);
    assert_eq!((denials(&seen), is_closed(&seen)), (1, false));
    let parks: Vec<_> = table.room.state().parks().collect();
    assert_eq!((parks.len(), parks[0].updates.len()), (1, 20));
    assert_eq!(table.text(), "");
}

#[test]
fn a_suggestion_for_which_there_is_no_room_is_dropped_and_told() {
    let options = RoomOptions {
        parks: ParkLimits {
            bytes_per_session: 40,
            ..ParkLimits::default()
        },
        ..suggesting()
    };
    let mut table = Table::with(options);
    let (stock, mut copy) = stock_reader(&mut table, 1);
    sends(&mut table, stock, &mut copy, "x");
    table.pass(seconds(31), &[stock]);
    table.look(stock);
    sends(
        &mut table,
        stock,
        &mut copy,
        "a longer text than there is room for",
    );
    let seen = table.look(stock);
    assert_eq!((denials(&seen), is_closed(&seen)), (1, false));
    sends(&mut table, stock, &mut copy, "y");
    assert!(!is_closed(&table.look(stock)));
    assert_eq!(table.text(), "");
}

#[test]
fn the_suggestions_of_who_may_write_by_now_enter_with_its_copy() {
    let mut table = Table::with(suggesting());
    let mut rea = reader(&mut table, 2);
    rea.types(&mut table, "sug");
    table.look(rea.id);
    table.set_rights(rea.id, Rights::EDIT);
    assert!(asks(&table.seen(rea.id)));
    rea.types(&mut table, "gested");
    rea.sends_all(&mut table);
    assert_eq!(table.text(), "suggested");
    assert_eq!(table.room.state().parks().count(), 0);
    assert_eq!(text(&rea.document), "suggested");
}

/// A denial would end its connection, and a status says the same.
#[test]
fn a_client_with_a_status_for_each_update_is_told_by_that_alone() {
    let mut table = Table::new();
    table.receipts = Receipts::EachUpdate;
    let (id, mut copy) = stock_reader(&mut table, 1);
    table.look(id);
    sends(&mut table, id, &mut copy, "x");
    sends(&mut table, id, &mut copy, "y");
    let statuses: Vec<_> = table
        .look(id)
        .into_iter()
        .filter(|seen| !matches!(seen, Seen::Ping))
        .collect();
    let failed = Seen::Message(Outgoing::SyncStatus(false));
    assert_eq!(statuses, [failed.clone(), failed]);
    // What adds nothing is fine.
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let known = bob.types(&mut table, "known");
    table.look(id);
    table.receive(id, Incoming::Sync(SyncKind::Update, known));
    let fine = Seen::Message(Outgoing::SyncStatus(true));
    assert!(table.look(id).contains(&fine));
}
