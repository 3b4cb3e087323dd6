//! Stories of copies that come back after a crash before the holder whose lost edits they bring.

use baton_presence::AutoPass;
use baton_room::{ConnectionId, Departure, Incoming, Outgoing, RoomOptions, SyncKind};
use baton_sync::control_channel::{ClientMessage, FencingToken, ServerMessage};
use baton_sync::document::Document;

use crate::table::{Disk, Peer, Seen, Table, offered, text};
use crate::{document, seconds};

/// Ada held the lock and typed; Bob and a stock client saw it; the server was killed before it was stored.
struct Crashed {
    table: Table,
    ada: Peer,
    bob: Peer,
    stock: Document,
    fence: FencingToken,
}

fn crashed(options: RoomOptions) -> Crashed {
    let mut table = Table::with(options);
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let mut stock = document(3);
    let fence = ada.takes_the_lock(&mut table);
    let stored = ada.types(&mut table, "stored, ");
    table.disk(Disk::Stalled);
    let lost = ada.types(&mut table, "lost");
    bob.take(&mut table);
    for update in [stored, lost] {
        stock.apply(&update).unwrap();
    }
    table.crash();
    assert_eq!(table.text(), "stored, ");
    Crashed {
        table,
        ada,
        bob,
        stock,
        fence,
    }
}

/// What a client answers to the server's Step1 with.
fn brings(table: &mut Table, id: ConnectionId, copy: &Document) {
    let known = table.room.state().document().state().vector();
    let all = copy.diff(&known).unwrap();
    table.receive(id, Incoming::Sync(SyncKind::Step2, all));
}

fn stock_comes(table: &mut Table, stock: &Document) -> ConnectionId {
    let id = table.connect();
    table.receive(id, Incoming::Step1(&stock.state().vector().encode()));
    brings(table, id, stock);
    id
}

fn bob_comes(table: &mut Table, bob: Peer) -> Peer {
    let bob = bob.resume(table, &[]);
    brings(table, bob.id, &bob.document);
    bob
}

/// How often it was told that something of it is parked, and whether it was closed.
fn blamed(table: &Table, who: ConnectionId) -> (usize, bool) {
    let seen = table.seen(who);
    let parked = |seen: &&Seen| matches!(seen, Seen::Message(Outgoing::Channel(told)) if matches!(**told, ServerMessage::Parked { .. }));
    let closed = |seen: &Seen| matches!(seen, Seen::Closed(_));
    (seen.iter().filter(parked).count(), seen.iter().any(closed))
}

fn saved(table: &Table, who: ConnectionId) -> Option<u64> {
    let saved = |seen: &Seen| match seen {
        Seen::Message(Outgoing::Channel(told)) => match **told {
            ServerMessage::Saved { updates } => Some(updates),
            _ => None,
        },
        _ => None,
    };
    table.seen(who).iter().filter_map(saved).max()
}

const NOTHING: (usize, bool) = (0, false);

#[test]
fn whoever_comes_back_before_the_holder_is_not_blamed_for_its_edits() {
    let Crashed {
        mut table,
        ada,
        bob,
        stock,
        fence,
    } = crashed(RoomOptions::default());
    let mut bob = bob_comes(&mut table, bob);
    let stock = stock_comes(&mut table, &stock);
    table.pass(seconds(5), &[bob.id, stock]);
    assert_eq!(table.text(), "stored, ");
    assert!(table.room.load().aside_bytes > 0);
    // Back, it holds the lock again, and what it has comes a moment later.
    let ada = ada.resume(&mut table, &[fence]);
    assert_eq!(saved(&table, bob.id), None);
    assert_eq!(table.text(), "stored, ");
    brings(&mut table, ada.id, &ada.document);
    assert_eq!(table.text(), "stored, lost");
    assert_eq!(saved(&table, bob.id), Some(1));
    assert_eq!(table.room.load().aside_bytes, 0);
    table.pass(seconds(20), &[ada.id, bob.id, stock]);
    bob.take(&mut table);
    assert_eq!(text(&bob.document), "stored, lost");
    assert_eq!(blamed(&table, bob.id), NOTHING);
    assert_eq!(blamed(&table, stock), NOTHING);
    assert_eq!(table.room.state().parks().count(), 0);
}

#[test]
fn what_a_holder_that_came_back_does_not_bring_is_parked_once() {
    let Crashed {
        mut table,
        mut ada,
        bob,
        stock,
        fence,
    } = crashed(RoomOptions::default());
    let bob = bob_comes(&mut table, bob);
    let stock = stock_comes(&mut table, &stock);
    // Its page was loaded again: it has nothing but what it is sent.
    ada.document = document(4);
    let mut ada = ada.resume(&mut table, &[fence]);
    assert_eq!(
        (blamed(&table, bob.id), blamed(&table, stock)),
        (NOTHING, NOTHING)
    );
    ada.take(&mut table);
    brings(&mut table, ada.id, &ada.document);
    assert_eq!(blamed(&table, bob.id), (1, false));
    assert_eq!(blamed(&table, stock), (0, true));
    assert_eq!(table.room.state().parks().count(), 1);
    assert_eq!(table.text(), "stored, ");
}

#[test]
fn a_holder_that_came_back_and_says_nothing_is_not_waited_for_for_ever() {
    let Crashed {
        mut table,
        ada,
        bob,
        fence,
        ..
    } = crashed(RoomOptions::default());
    let bob = bob_comes(&mut table, bob);
    let ada = ada.resume(&mut table, &[fence]);
    table.pass(seconds(9), &[ada.id, bob.id]);
    assert_eq!(blamed(&table, bob.id), NOTHING);
    table.pass(seconds(2), &[ada.id, bob.id]);
    assert_eq!(blamed(&table, bob.id), (1, false));
    assert_eq!(table.room.state().parks().count(), 1);
}

#[test]
fn if_the_holder_never_comes_its_edits_come_with_the_next_holder() {
    let Crashed {
        mut table,
        bob,
        stock,
        ..
    } = crashed(RoomOptions::default());
    // Before the next holder, so that it is looked at first.
    let stock = stock_comes(&mut table, &stock);
    let bob = bob_comes(&mut table, bob);
    table.pass(seconds(9), &[bob.id, stock]);
    assert_eq!(table.text(), "stored, ");
    table.pass(seconds(2), &[bob.id, stock]);
    let fence = offered(&table.told(bob.id)).unwrap();
    assert_eq!(table.text(), "stored, ");
    bob.says(&mut table, &ClientMessage::Claim { fence });
    assert_eq!(table.text(), "stored, lost");
    assert_eq!(
        (blamed(&table, bob.id), blamed(&table, stock)),
        (NOTHING, NOTHING)
    );
    assert_eq!(saved(&table, bob.id), Some(1));
    assert_eq!(table.room.state().parks().count(), 0);
}

#[test]
fn under_a_lock_that_does_not_pass_on_it_is_parked_when_the_time_is_over() {
    let mut options = RoomOptions::default();
    options.lock_settings.auto_pass = AutoPass::Off;
    let Crashed {
        mut table,
        bob,
        stock,
        ..
    } = crashed(options);
    let bob = bob_comes(&mut table, bob);
    let stock = stock_comes(&mut table, &stock);
    table.pass(seconds(9), &[bob.id, stock]);
    assert_eq!(
        (blamed(&table, bob.id), blamed(&table, stock)),
        (NOTHING, NOTHING)
    );
    table.pass(seconds(2), &[bob.id, stock]);
    assert_eq!(blamed(&table, bob.id), (1, false));
    assert_eq!(blamed(&table, stock), (0, true));
    assert_eq!(saved(&table, bob.id), Some(1));
    // One copy of it is kept, whoever brought it.
    assert_eq!(table.room.state().parks().count(), 1);
    assert_eq!(table.text(), "stored, ");
}

#[test]
fn what_is_typed_meanwhile_keeps_its_order_and_is_parked_alone() {
    let Crashed {
        mut table,
        ada,
        bob,
        fence,
        ..
    } = crashed(RoomOptions::default());
    let mut bob = bob_comes(&mut table, bob);
    bob.types(&mut table, " and mine");
    assert_eq!(blamed(&table, bob.id), NOTHING);
    let ada = ada.resume(&mut table, &[fence]);
    brings(&mut table, ada.id, &ada.document);
    assert_eq!(table.text(), "stored, lost");
    assert_eq!(blamed(&table, bob.id), (1, false));
    assert_eq!(saved(&table, bob.id), Some(2));
    let parks: Vec<_> = table
        .room
        .state()
        .parks()
        .map(|park| park.inserted)
        .collect();
    assert_eq!(parks, [" and mine".len() as u64]);
}

#[test]
fn beyond_what_may_be_kept_aside_it_is_parked_at_once() {
    let mut options = RoomOptions::default();
    options.handshake.aside_bytes = 10;
    let Crashed { mut table, bob, .. } = crashed(options);
    let bob = bob_comes(&mut table, bob);
    assert_eq!(blamed(&table, bob.id), (1, false));

    let mut options = RoomOptions::default();
    options.handshake.aside_bytes = 300;
    let Crashed { mut table, bob, .. } = crashed(options);
    let mut bob = bob_comes(&mut table, bob);
    assert_eq!(blamed(&table, bob.id), NOTHING);
    bob.types(&mut table, &"long ".repeat(60));
    assert_eq!(blamed(&table, bob.id), (2, false));
    assert_eq!(saved(&table, bob.id), Some(2));
    assert_eq!(table.room.load().aside_bytes, 0);
    let parks: Vec<_> = table
        .room
        .state()
        .parks()
        .map(|park| park.inserted)
        .collect();
    assert_eq!(parks, [4 + 300]);
}

#[test]
fn what_was_kept_for_a_connection_goes_with_it() {
    let Crashed {
        mut table,
        ada,
        bob,
        fence,
        ..
    } = crashed(RoomOptions::default());
    let bob = bob_comes(&mut table, bob);
    assert!(table.room.load().aside_bytes > 0);
    table.leave(bob.id, Departure::Dropped);
    assert_eq!(table.room.load().aside_bytes, 0);
    let ada = ada.resume(&mut table, &[fence]);
    brings(&mut table, ada.id, &ada.document);
    let bob = bob_comes(&mut table, bob);
    assert_eq!(blamed(&table, bob.id), NOTHING);
    assert_eq!(saved(&table, bob.id), Some(1));
    assert_eq!(table.room.state().parks().count(), 0);
}
