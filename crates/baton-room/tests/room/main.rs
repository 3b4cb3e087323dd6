//! Stories of a room on virtual time, with a log in memory.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

mod client_ids;
mod compressed;
mod confirmed;
mod early_step2;
mod first_sync;
mod handoff;
mod identity;
mod modes;
mod overlapping_parks;
mod parks;
mod questions;
mod quotas;
mod read_only;
mod receipts;
mod regions;
mod relay;
mod restored;
mod rights;
mod small_parks;
mod table;
mod words;

use std::time::Duration;

use baton_room::{Departure, Ending, Incoming, Outgoing, ParkLimits, RoomOptions, SyncKind};
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, GrantStatus, Outcome, PeerStatus, ServerMessage,
};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::{ClientId, StateVector};
use bytes::Bytes;
use table::{Coming, Disk, Peer, Seen, Table, insert, locks, offered, text};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn document(client: u64) -> Document {
    Document::new(&DocumentOptions::new(ClientId::new(client).unwrap()))
}

#[test]
fn what_one_types_the_others_have_and_a_newcomer_too() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let typed = ada.types(&mut table, "hello");
    bob.take(&mut table);
    assert_eq!(text(&bob.document), "hello");
    let echoed = table.look(ada.id);
    assert!(!echoed.contains(&Seen::Message(Outgoing::Update(typed))));
    let mut cleo = Peer::join(&mut table, "Cleo", 3);
    cleo.take(&mut table);
    assert_eq!(text(&cleo.document), "hello");
}

#[test]
fn nothing_of_the_lock_is_told_before_it_is_durable() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    table.look(ada.id);
    table.disk(Disk::Stalled);
    ada.says(
        &mut table,
        &ClientMessage::Acquire {
            nonce: 5,
            paths: Vec::new(),
        },
    );
    assert_eq!(table.told(ada.id), []);
    table.disk(Disk::Quick);
    let told = table.told(ada.id);
    assert!(offered(&told).is_some());
    assert!(told.contains(&ServerMessage::Result {
        nonce: 5,
        outcome: Outcome::Done,
        message: None,
    }));
}

#[test]
fn saved_is_told_when_durable_and_not_before() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    table.look(ada.id);
    table.disk(Disk::Stalled);
    ada.types(&mut table, "a");
    ada.types(&mut table, "b");
    assert_eq!(table.told(ada.id), []);
    table.disk(Disk::Quick);
    assert_eq!(table.told(ada.id), [ServerMessage::Saved { updates: 2 }]);
    // What is known already is saved at once: no commit will come to tell it.
    ada.sends_all(&mut table);
    assert_eq!(table.told(ada.id), [ServerMessage::Saved { updates: 3 }]);
}

#[test]
fn saved_that_came_before_the_welcome_is_told_after_it() {
    let mut table = Table::new();
    table.disk(Disk::Stalled);
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "a");
    assert_eq!(table.told(ada.id), []);
    table.disk(Disk::Quick);
    let told = table.told(ada.id);
    assert!(matches!(told.first(), Some(ServerMessage::Welcome { .. })));
    assert!(told.contains(&ServerMessage::Saved { updates: 1 }));
}

#[test]
fn the_others_see_a_newcomer_online() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    table.look(ada.id);
    let bob = Peer::join(&mut table, "Bob", 2);
    let states: Vec<_> = table
        .told(ada.id)
        .into_iter()
        .filter_map(|message| match message {
            ServerMessage::Peer { peer } if peer.session == bob.session => Some(peer.state),
            _ => None,
        })
        .collect();
    assert!(!states.is_empty() && states.iter().all(|state| *state == PeerStatus::Online));
}

#[test]
fn under_a_lock_the_edit_of_another_is_parked_and_nobody_sees_it() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    table.look(ada.id);
    table.look(bob.id);
    bob.types(&mut table, "mine");
    bob.types(&mut table, " and more");
    assert_eq!(table.text(), "");
    assert!(
        !table
            .look(ada.id)
            .iter()
            .any(|seen| matches!(seen, Seen::Message(Outgoing::Update(_))))
    );
    let told = table.told(bob.id);
    assert!(
        told.iter()
            .any(|message| matches!(message, ServerMessage::Parked { .. }))
    );
    // Parked is durable, so it is saved as well: nothing is lost.
    assert!(told.contains(&ServerMessage::Saved { updates: 2 }));
    let parks: Vec<_> = table.room.state().parks().cloned().collect();
    assert_eq!(parks.len(), 1);
    assert_eq!(parks[0].updates.len(), 2);
    assert_eq!(parks[0].author.name, "Bob");
    assert_eq!(
        parks[0].fence_now.map(|now| now.position),
        Some(fence.position)
    );
    ada.types(&mut table, "the holder's");
    assert_eq!(table.text(), "the holder's");
}

#[test]
fn parks_survive_a_restart_and_a_snapshot() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "mine");
    let before: Vec<_> = table.room.state().parks().cloned().collect();
    table.restart();
    assert_eq!(
        table.room.state().parks().cloned().collect::<Vec<_>>(),
        before
    );
    table.compact();
    table.restart();
    assert_eq!(
        table.room.state().parks().cloned().collect::<Vec<_>>(),
        before
    );
}

#[test]
fn a_park_closes_when_its_author_brings_the_edits_while_nobody_holds_the_lock() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    bob.types(&mut table, "kept");
    ada.says(&mut table, &ClientMessage::Release { nonce: 2, fence });
    bob.sends_all(&mut table);
    assert_eq!(table.text(), "kept");
    assert_eq!(table.room.state().parks().count(), 0);
}

/// A client that came back with an edit that stood in its park already was told `saved` at once, and `parked` only with
/// the next record of anybody: for that time it took the park for the document. (Found by the simulation, S6.)
#[test]
fn who_brings_a_parked_edit_again_hears_of_the_park_at_once_and_before_it_is_called_saved() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "kept");
    table.look(bob.id);
    bob.sends_all(&mut table);
    let told = table.told(bob.id);
    assert!(
        matches!(
            told[..],
            [
                ServerMessage::Parked { .. },
                ServerMessage::Saved { updates: 2 }
            ]
        ),
        "{told:?}"
    );
}

#[test]
fn a_stock_client_that_edits_under_a_lock_is_denied_for_good_and_parked_once() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    ada.takes_the_lock(&mut table);
    let mut theirs = document(7);
    let edit = insert(&mut theirs, "stock");
    for _ in 0..3 {
        let id = table.connect();
        table.receive(id, Incoming::Sync(SyncKind::Step2, edit.clone()));
        let seen = table.look(id);
        assert!(
            seen.iter()
                .any(|seen| matches!(seen, Seen::Message(Outgoing::Denied(_))))
        );
        assert_eq!(seen.last(), Some(&Seen::Closed(Ending::Locked)));
    }
    assert_eq!(table.room.state().parks().count(), 1);
    assert_eq!(table.text(), "");
}

#[test]
fn what_adds_nothing_is_never_parked() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "shared");
    let mut bob = Peer::join(&mut table, "Bob", 2);
    bob.take(&mut table);
    ada.takes_the_lock(&mut table);
    table.look(bob.id);
    bob.sends_all(&mut table);
    assert_eq!(table.told(bob.id), [ServerMessage::Saved { updates: 1 }]);
    assert_eq!(table.room.state().parks().count(), 0);
}

#[test]
fn beyond_the_caps_an_edit_is_refused_and_said_so() {
    let options = RoomOptions {
        parks: ParkLimits {
            bytes_per_session: 60,
            // One park, which counts 16 KiB at least.
            bytes: 20 * 1024,
            ..ParkLimits::default()
        },
        ..RoomOptions::default()
    };
    let mut table = Table::with(options);
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let mut cleo = Peer::join(&mut table, "Cleo", 3);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "fits");
    for (peer, what) in [(&mut bob, "x".repeat(100)), (&mut cleo, "y".to_owned())] {
        table.look(peer.id);
        peer.types(&mut table, &what);
        let told = table.told(peer.id);
        assert!(told.iter().any(|message| matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::ParkFull,
                ..
            }
        )));
        // A refused edit is only with its author, and never called saved.
        assert!(
            !told
                .iter()
                .any(|message| matches!(message, ServerMessage::Saved { .. }))
        );
    }
    assert_eq!(
        table
            .room
            .state()
            .parks()
            .map(|park| park.updates.len())
            .sum::<usize>(),
        1
    );
}

#[test]
fn a_released_lock_passes_to_the_next_in_the_queue() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let cleo = Peer::join(&mut table, "Cleo", 3);
    let first = ada.takes_the_lock(&mut table);
    cleo.says(
        &mut table,
        &ClientMessage::Acquire {
            nonce: 1,
            paths: Vec::new(),
        },
    );
    bob.says(
        &mut table,
        &ClientMessage::Acquire {
            nonce: 1,
            paths: Vec::new(),
        },
    );
    table.look(bob.id);
    ada.says(
        &mut table,
        &ClientMessage::Release {
            nonce: 2,
            fence: first,
        },
    );
    let second = offered(&table.told(cleo.id)).unwrap();
    assert!(second > first);
    assert_eq!(offered(&table.told(bob.id)), None);
}

#[test]
fn a_silent_holders_lock_passes_to_somebody_who_never_asked() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    table.look(bob.id);
    // A frozen tab: its network process answers pings, its page answers no beats.
    table.freeze(ada.id);
    table.pass(seconds(9), &[ada.id, bob.id]);
    assert_eq!(offered(&table.told(bob.id)), None);
    table.pass(Duration::from_millis(1100), &[ada.id, bob.id]);
    let told = table.told(bob.id);
    assert!(offered(&told).is_some_and(|now| now > fence));
    assert!(table.told(ada.id).iter().any(|message| matches!(
        message,
        ServerMessage::Lost { fence: lost, .. } if *lost == fence
    )));
}

#[test]
fn a_connection_from_which_nothing_comes_is_closed_and_its_lock_passes_on() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    ada.takes_the_lock(&mut table);
    table.look(bob.id);
    table.pass(Duration::from_millis(10_100), &[bob.id]);
    assert_eq!(
        table.look(ada.id).last(),
        Some(&Seen::Closed(Ending::Silent))
    );
    assert!(offered(&table.told(bob.id)).is_some());
}

#[test]
fn a_holder_that_reloads_keeps_its_lock_and_its_fence_and_its_token_works_once() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    let (session, token) = (ada.session, ada.token.clone());
    table.leave(ada.id, Departure::Dropped);
    table.pass(seconds(3), &[bob.id]);
    let mut ada = ada.resume(&mut table, &[fence]);
    assert!(ada.resumed);
    assert_eq!(ada.session, session);
    ada.types(&mut table, "still mine");
    assert_eq!(table.text(), "still mine");
    // Its first answered beat proves that it has the next token.
    table.pass(seconds(2), &[ada.id, bob.id]);
    let thief = Coming {
        name: "thief",
        client: 5,
        resume: Some(baton_sync::control_channel::Resume { session, token }),
        fences: vec![fence],
        ..Coming::default()
    };
    let thief = Peer::come(&mut table, thief);
    assert!(!thief.resumed);
    assert_ne!(thief.session, session);
}

/// The welcome with the next token was once lost with its connection, and then the old token did not work any more: the
/// holder came back as somebody else, and waited for its own lock.
#[test]
fn a_token_whose_successor_was_lost_on_its_way_works_again() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    let (session, token) = (ada.session, ada.token.clone());
    for _ in 0..3 {
        let again = Coming {
            client: 1,
            resume: Some(baton_sync::control_channel::Resume {
                session,
                token: token.clone(),
            }),
            fences: vec![fence],
            ..Coming::default()
        };
        let ada = Peer::come(&mut table, again);
        assert!(ada.resumed);
        table.leave(ada.id, Departure::Dropped);
        table.pass(seconds(1), &[bob.id]);
    }
}

#[test]
fn a_second_connection_of_a_session_supersedes_the_first() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let old = ada.id;
    table.look(old);
    let ada = ada.resume(&mut table, &[]);
    assert!(ada.resumed);
    assert_eq!(
        table.look(old).last(),
        Some(&Seen::Closed(Ending::Superseded))
    );
    assert_eq!(table.room.load().connections, 1);
}

#[test]
fn after_a_restart_the_holder_comes_back_to_its_lock_or_it_passes_on() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let fence = ada.takes_the_lock(&mut table);
    table.restart();
    let bob = Peer::join(&mut table, "Bob", 2);
    let view = |table: &mut Table| {
        let view = locks(&table.told(bob.id)).unwrap();
        assert_eq!(view.grants.len(), 1);
        (view.grants[0].state, view.grants[0].fence)
    };
    assert_eq!(view(&mut table), (GrantStatus::Recovering, fence));
    let ada = ada.resume(&mut table, &[fence]);
    assert!(ada.resumed);
    assert_eq!(view(&mut table), (GrantStatus::Held, fence));
    table.restart();
    let bob = Peer::join(&mut table, "Bob", 2);
    table.look(bob.id);
    table.pass(seconds(11), &[bob.id]);
    assert!(offered(&table.told(bob.id)).is_some_and(|now| now > fence));
}

#[test]
fn an_edit_beyond_a_gap_is_asked_for_once_and_not_applied() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let mut offline = document(11);
    let _lost = insert(&mut offline, "first ");
    let second = insert(&mut offline, "second");
    table.look(ada.id);
    table.look(bob.id);
    // The answer to the Step1 of the connection's opening is still awaited, so nothing is asked.
    table.receive(bob.id, Incoming::Sync(SyncKind::Update, second.clone()));
    assert_eq!(table.text(), "");
    assert_eq!(table.look(ada.id), []);
    let nothing = Bytes::from_static(&[0, 0]);
    table.receive(bob.id, Incoming::Sync(SyncKind::Step2, nothing));
    for _ in 0..3 {
        table.receive(bob.id, Incoming::Sync(SyncKind::Update, second.clone()));
    }
    let asked = |seen: &Seen| matches!(seen, Seen::Message(Outgoing::Step1(_)));
    assert_eq!(
        table.look(bob.id).iter().filter(|seen| asked(seen)).count(),
        1
    );
    let all = offline.diff(&StateVector::new()).unwrap();
    table.receive(bob.id, Incoming::Sync(SyncKind::Step2, all));
    assert_eq!(table.text(), "first second");
}

#[test]
fn rubbish_closes_its_own_connection_only() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let bad = table.connect();
    let rubbish = Bytes::from_static(&[1, 1, 77, 0, 4, 1]);
    table.receive(bad, Incoming::Sync(SyncKind::Update, rubbish));
    assert_eq!(
        table.look(bad).last(),
        Some(&Seen::Closed(Ending::Protocol))
    );
    ada.types(&mut table, "unharmed");
    assert_eq!(table.text(), "unharmed");
}

#[test]
fn the_same_records_make_the_same_room() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    ada.types(&mut table, "one ");
    let fence = ada.takes_the_lock(&mut table);
    bob.types(&mut table, "parked");
    ada.types(&mut table, "two");
    ada.says(&mut table, &ClientMessage::Release { nonce: 1, fence });
    let before = table.room.state().snapshot().unwrap();
    let position = table.room.state().position();
    let replayed =
        baton_room::Room::open(table.options.clone(), None, table.records(), table.now).unwrap();
    assert_eq!(replayed.state().position(), position);
    assert_eq!(replayed.state().snapshot().unwrap(), before);
}

#[test]
fn after_a_restore_nothing_is_judged_by_the_new_epoch_that_was_done_in_the_old() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    let old = ada.takes_the_lock(&mut table);
    ada.types(&mut table, "under the lock");
    table.options.lock_settings.epoch = 2;
    table.restart();
    assert_eq!(table.text(), "under the lock");
    assert_eq!(table.room.state().parks().count(), 0);
    let ada = ada.resume(&mut table, &[old]);
    assert!(!ada.resumed);
    let new = ada.takes_the_lock(&mut table);
    assert_eq!(new.epoch, 2);
    assert!(new > old);
    // And so again after the next start.
    table.restart();
    assert_eq!(table.text(), "under the lock");
    let ada = ada.resume(&mut table, &[new]);
    assert!(ada.resumed);
}
