//! What becomes of locks and of the queue when the rights of a session change while it is here.

use baton_presence::Rights;
use baton_room::Departure;
use baton_sync::control_channel::{
    ClientMessage, FencingToken, HandoverReason, Outcome, Right, ServerMessage,
};

use crate::seconds;
use crate::table::{Peer, Table, locks, offered};

const ACQUIRE: ClientMessage = ClientMessage::Acquire {
    nonce: 77,
    paths: Vec::new(),
};

fn set_rights(table: &mut Table, peer: &Peer, rights: Rights) {
    table.set_rights(peer.id, rights);
}

/// The rights that a client was told of, beside its welcome.
fn told_rights(told: &[ServerMessage]) -> Vec<Vec<Right>> {
    let rights = told.iter().filter_map(|message| match message {
        ServerMessage::Rights { rights } => Some(rights.clone()),
        _ => None,
    });
    rights.collect()
}

fn lost(told: &[ServerMessage]) -> Vec<FencingToken> {
    let lost = told.iter().filter_map(|message| match message {
        ServerMessage::Lost { fence, .. } => Some(*fence),
        _ => None,
    });
    lost.collect()
}

#[test]
fn a_holder_that_loses_the_right_to_lock_drains_and_the_next_one_holds() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &ACQUIRE), Outcome::Queued);
    table.look(ada.id);
    set_rights(&mut table, &ada, Rights::WRITE);
    let told = table.told(ada.id);
    assert_eq!(told_rights(&told), [[Right::Write]]);
    let says_rights = |message: &ServerMessage| matches!(message, ServerMessage::Rights { .. });
    let says_drain = |message: &ServerMessage| {
        matches!(message, ServerMessage::Drain { reason: HandoverReason::Revoked, fence: of, .. }
            if *of == fence)
    };
    assert!(told.iter().position(says_rights) < told.iter().position(says_drain));
    // An orderly handoff parks nothing (S6).
    ada.types(&mut table, "in flight");
    ada.says(&mut table, &ClientMessage::Drained { fence });
    assert_eq!(lost(&table.told(ada.id)), [fence]);
    assert!(bob.claims(&mut table).is_some_and(|next| next > fence));
    assert_eq!(table.text(), "in flight");
    assert_eq!(table.room.state().parks().count(), 0);
    assert_eq!(ada.asks(&mut table, &ACQUIRE), Outcome::Forbidden);
}

#[test]
fn a_revoked_holder_that_does_not_stop_loses_the_lock_when_the_drain_is_over() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &ACQUIRE), Outcome::Queued);
    set_rights(&mut table, &ada, Rights::NONE);
    table.look(bob.id);
    table.pass(seconds(20), &[ada.id, bob.id]);
    assert_eq!(lost(&table.told(ada.id)), [fence]);
    assert!(offered(&table.told(bob.id)).is_some());
}

#[test]
fn a_waiter_without_the_right_leaves_the_queue_and_an_offer_is_withdrawn() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let cleo = Peer::join(&mut table, "Cleo", 3);
    let fence = ada.takes_the_lock(&mut table);
    for waiter in [&bob, &cleo] {
        assert_eq!(waiter.asks(&mut table, &ACQUIRE), Outcome::Queued);
    }
    set_rights(&mut table, &bob, Rights::WRITE);
    let view = locks(&table.told(cleo.id)).unwrap();
    let queue: Vec<_> = view.queue.iter().map(|waiter| waiter.session).collect();
    assert_eq!(queue, [cleo.session]);
    ada.says(&mut table, &ClientMessage::Release { nonce: 1, fence });
    let offer = offered(&table.told(cleo.id)).unwrap();
    set_rights(&mut table, &cleo, Rights::NONE);
    assert_eq!(lost(&table.told(cleo.id)), [offer]);
    assert_eq!(table.room.state().parks().count(), 0);
    // It has its rights again, and is a waiter as before when it asks.
    set_rights(&mut table, &cleo, Rights::EDIT);
    assert!(cleo.takes_the_lock(&mut table) > offer);
}

#[test]
fn who_may_not_lock_is_offered_nothing_and_may_write_what_is_free() {
    let mut table = Table::new();
    table.rights = Rights::WRITE;
    let mut ada = Peer::join(&mut table, "Ada", 1);
    table.rights = Rights::EDIT;
    let bob = Peer::join(&mut table, "Bob", 2);
    bob.takes_the_lock(&mut table);
    for message in [
        ACQUIRE,
        ClientMessage::Try {
            nonce: 77,
            paths: Vec::new(),
        },
        ClientMessage::Request {
            nonce: 77,
            paths: Vec::new(),
            note: String::new(),
        },
        ClientMessage::TakeOver {
            nonce: 77,
            paths: Vec::new(),
        },
        ClientMessage::MoveHere {
            nonce: 77,
            paths: Vec::new(),
        },
    ] {
        assert_eq!(ada.asks(&mut table, &message), Outcome::Forbidden);
    }
    // The holder is gone for good: no session can take the lock, and a writer is not shut out.
    table.leave(bob.id, Departure::Dropped);
    table.look(ada.id);
    table.pass(seconds(30), &[ada.id]);
    assert_eq!(offered(&table.told(ada.id)), None);
    ada.types(&mut table, "free");
    assert_eq!(table.text(), "free");
}

#[test]
fn the_newest_connection_decides_about_the_rights_of_a_session() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &ACQUIRE), Outcome::Queued);
    table.leave(ada.id, Departure::Dropped);
    table.rights = Rights::WRITE;
    let ada = ada.resume(&mut table, &[fence]);
    assert!(ada.resumed);
    let told = table.told(ada.id);
    let drains = |message: &ServerMessage| {
        matches!(
            message,
            ServerMessage::Drain {
                reason: HandoverReason::Revoked,
                ..
            }
        )
    };
    assert!(told.iter().any(drains), "{told:?}");
    ada.says(&mut table, &ClientMessage::Drained { fence });
    assert!(bob.claims(&mut table).is_some());
}

#[test]
fn rights_that_change_while_a_session_is_on_its_way_count_from_its_beginning() {
    let mut table = Table::new();
    let id = table.connect();
    table.set_rights(id, Rights::WRITE);
    let hello = ClientMessage::decode(r#"{"type":"hello","version":1}"#).unwrap();
    table.say(id, &hello);
    let welcome = table
        .told(id)
        .into_iter()
        .find_map(|message| match message {
            ServerMessage::Welcome { rights, .. } => Some(rights),
            _ => None,
        });
    assert_eq!(welcome, Some(vec![Right::Write]));
}

#[test]
fn revoked_rights_outlive_a_snapshot_and_a_restart() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    set_rights(&mut table, &ada, Rights::NONE);
    // Its lock still drains: a snapshot of this moment can be opened.
    table.compact();
    table.restart();
    let bob = bob.resume(&mut table, &[]);
    table.rights = Rights::NONE;
    let ada = ada.resume(&mut table, &[fence]);
    ada.says(&mut table, &ClientMessage::Drained { fence });
    assert_eq!(ada.asks(&mut table, &ACQUIRE), Outcome::Forbidden);
    bob.takes_the_lock(&mut table);
}

#[test]
fn the_roster_shows_who_only_reads() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    table.rights = Rights::NONE;
    let bob = Peer::join(&mut table, "Bob", 2);
    let shown = |table: &mut Table| {
        let told = table.told(ada.id).into_iter().rev();
        told.into_iter().find_map(|message| match message {
            ServerMessage::Peer { peer } if peer.session == bob.session => Some(peer.read_only),
            _ => None,
        })
    };
    assert_eq!(shown(&mut table), Some(true));
    set_rights(&mut table, &bob, Rights::WRITE);
    assert_eq!(shown(&mut table), Some(false));
}
