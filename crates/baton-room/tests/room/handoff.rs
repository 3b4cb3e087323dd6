//! How a lock passes from one to another in good order, and that nothing is parked by it.

use std::time::Duration;

use baton_presence::Rights;
use baton_room::{Departure, Incoming, SyncKind};
use baton_sync::StateVector;
use baton_sync::control_channel::{
    ClientMessage, FencingToken, GrantStatus, HandoverReason, Outcome, ServerMessage,
};

use crate::table::{Coming, Peer, Table, locks, offered};
use crate::{document, seconds};

/// Two people, of whom the first holds the lock.
fn holder_and_peer() -> (Table, Peer, Peer, FencingToken) {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    table.look(bob.id);
    (table, ada, bob, fence)
}

/// What the holder was told about giving its lock up.
fn drain(table: &mut Table, holder: &Peer) -> Option<(HandoverReason, Option<u64>)> {
    table
        .told(holder.id)
        .iter()
        .find_map(|message| match message {
            ServerMessage::Drain { reason, to, .. } => Some((*reason, *to)),
            _ => None,
        })
}

fn lost(table: &mut Table, holder: &Peer) -> Option<FencingToken> {
    table
        .told(holder.id)
        .iter()
        .find_map(|message| match message {
            ServerMessage::Lost { fence, .. } => Some(*fence),
            _ => None,
        })
}

/// The holder still sends what it has, and says so; the other holds after it; nothing was parked.
fn hands_over(table: &mut Table, from: &mut Peer, to: &Peer, fence: FencingToken) -> FencingToken {
    let view = locks(&table.told_still(from.id)).unwrap();
    assert_eq!(view.grants[0].state, GrantStatus::Draining);
    assert!(
        view.grants[0].reason.is_some(),
        "all are told why it drains"
    );
    from.types(table, "in flight ");
    from.types(table, "to the end");
    from.says(table, &ClientMessage::Drained { fence });
    let next = to.claims(table).unwrap();
    assert!(next > fence);
    assert_eq!(table.text(), "in flight to the end");
    assert_eq!(table.room.state().parks().count(), 0);
    next
}

#[test]
fn a_transfer_goes_to_whom_it_names_and_parks_nothing() {
    let (mut table, mut ada, bob, fence) = holder_and_peer();
    let cleo = Peer::join(&mut table, "Cleo", 3);
    bob.says(
        &mut table,
        &ClientMessage::Acquire {
            nonce: 1,
            paths: Vec::new(),
        },
    );
    let transfer = ClientMessage::Transfer {
        nonce: 77,
        fence,
        to: cleo.session,
    };
    assert_eq!(ada.asks(&mut table, &transfer), Outcome::Done);
    let told = table.told_still(ada.id);
    assert!(told.iter().any(|message| matches!(
        message,
        ServerMessage::Drain { reason: HandoverReason::Transfer, to: Some(to), expires_ms: 3000, .. }
            if *to == cleo.session
    )));
    assert_eq!(
        offered(&table.told(cleo.id)),
        None,
        "not before she is drained"
    );
    table.look(bob.id);
    hands_over(&mut table, &mut ada, &cleo, fence);
    assert_eq!(offered(&table.told(bob.id)), None);
}

#[test]
fn a_lock_cannot_be_given_to_somebody_who_cannot_hold_it() {
    let (mut table, ada, bob, fence) = holder_and_peer();
    table.leave(bob.id, Departure::Dropped);
    for to in [bob.session, ada.session, 999] {
        let transfer = ClientMessage::Transfer {
            nonce: 77,
            fence,
            to,
        };
        assert_eq!(ada.asks(&mut table, &transfer), Outcome::Unknown);
    }
    let stale = FencingToken {
        position: 1,
        ..fence
    };
    let transfer = ClientMessage::Transfer {
        nonce: 77,
        fence: stale,
        to: bob.session,
    };
    assert_eq!(ada.asks(&mut table, &transfer), Outcome::Stale);
}

#[test]
fn a_request_is_told_with_its_note_and_has_its_way_when_the_time_is_over() {
    let (mut table, mut ada, bob, fence) = holder_and_peer();
    table.look(ada.id);
    let note = "may I? ".repeat(100);
    let request = ClientMessage::Request {
        nonce: 77,
        paths: Vec::new(),
        note: note.clone(),
    };
    assert_eq!(bob.asks(&mut table, &request), Outcome::Queued);
    let requested = ServerMessage::Requested {
        fence,
        by: bob.session,
        note: note[..512].to_owned(),
        expires_ms: 30_000,
    };
    let told = table.told(ada.id);
    assert!(told.contains(&requested));
    assert_eq!(
        locks(&told).unwrap().grants[0].requested_by,
        Some(bob.session)
    );
    // A second one changes nothing.
    assert_eq!(bob.asks(&mut table, &request), Outcome::Queued);
    assert!(!table.told(ada.id).contains(&requested));
    // A holder that reloads hears of it again, and how long it has left.
    table.pass(seconds(3), &[ada.id, bob.id]);
    table.leave(ada.id, Departure::Dropped);
    ada = ada.resume(&mut table, &[fence]);
    assert!(table.told(ada.id).iter().any(|message| matches!(
        message,
        ServerMessage::Requested { by, expires_ms: 27_000, .. } if *by == bob.session
    )));
    let here = [ada.id, bob.id];
    table.pass(seconds(26), &here);
    assert_eq!(drain(&mut table, &ada), None);
    table.look(bob.id);
    table.pass(seconds(2), &here);
    assert!(locks(&table.told_still(ada.id)).is_some());
    hands_over(&mut table, &mut ada, &bob, fence);
}

#[test]
fn a_request_is_over_when_its_asker_gives_up() {
    let (mut table, ada, bob, fence) = holder_and_peer();
    let request = ClientMessage::Request {
        nonce: 77,
        paths: Vec::new(),
        note: String::new(),
    };
    assert_eq!(bob.asks(&mut table, &request), Outcome::Queued);
    table.look(ada.id);
    bob.says(&mut table, &ClientMessage::Cancel { nonce: 2 });
    assert!(
        table
            .told(ada.id)
            .contains(&ServerMessage::RequestOver { fence })
    );
    table.pass(seconds(40), &[ada.id, bob.id]);
    assert_eq!(drain(&mut table, &ada), None);
}

#[test]
fn a_take_over_drains_the_holder_and_parks_nothing() {
    let (mut table, mut ada, bob, fence) = holder_and_peer();
    table.look(ada.id);
    let take = ClientMessage::TakeOver {
        nonce: 77,
        paths: Vec::new(),
    };
    assert_eq!(bob.asks(&mut table, &take), Outcome::Done);
    let told = table.told_still(ada.id);
    assert!(told.iter().any(|message| matches!(
        message,
        ServerMessage::Drain { reason: HandoverReason::TakenOver, to: Some(to), .. } if *to == bob.session
    )));
    let next = hands_over(&mut table, &mut ada, &bob, fence);
    // Not back and forth: for a minute nobody else takes over.
    let back = ClientMessage::TakeOver {
        nonce: 77,
        paths: Vec::new(),
    };
    assert_eq!(ada.asks(&mut table, &back), Outcome::Cooldown);
    table.pass(seconds(61), &[ada.id, bob.id]);
    assert_eq!(ada.asks(&mut table, &back), Outcome::Done);
    table.look(bob.id);
    bob.says(&mut table, &ClientMessage::Drained { fence: next });
    assert!(ada.claims(&mut table).is_some());
}

#[test]
fn a_take_over_needs_the_right_and_somebody_to_take_from() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    table.rights = Rights::EDIT.union(Rights::MANAGE);
    let bob = Peer::join(&mut table, "Bob", 2);
    let take = ClientMessage::TakeOver {
        nonce: 77,
        paths: Vec::new(),
    };
    assert_eq!(ada.asks(&mut table, &take), Outcome::Unknown);
    let fence = ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &take), Outcome::NotAllowed);
    assert_eq!(drain(&mut table, &ada), None);
    assert_eq!(locks(&table.told(bob.id)), None);
    let here = [ada.id, bob.id];
    table.pass(seconds(10), &here);
    ada.says(&mut table, &ClientMessage::Release { nonce: 5, fence });
}

#[test]
fn a_holder_that_cannot_be_reached_is_not_waited_for() {
    let (mut table, ada, bob, fence) = holder_and_peer();
    table.leave(ada.id, Departure::Dropped);
    let take = ClientMessage::TakeOver {
        nonce: 77,
        paths: Vec::new(),
    };
    assert_eq!(bob.asks(&mut table, &take), Outcome::Done);
    let next = bob.claims(&mut table).unwrap();
    assert!(next > fence);
    let ada = ada.resume(&mut table, &[fence]);
    assert_eq!(lost(&mut table, &ada), Some(fence));
}

#[test]
fn a_lock_moves_to_the_same_users_other_tab_and_to_nobody_elses() {
    let mut table = Table::new();
    let secret = Some("a secret of sixteen bytes or more");
    let coming = |client, user_key| Coming {
        client,
        user_key,
        ..Coming::default()
    };
    let mut tab = Peer::come(&mut table, coming(1, secret));
    let other_tab = Peer::come(&mut table, coming(2, secret));
    let stranger = Peer::come(&mut table, coming(3, Some("another secret, just as long")));
    let nobody = Peer::join(&mut table, "Nobody", 4);
    let fence = tab.takes_the_lock(&mut table);
    let here = ClientMessage::MoveHere {
        nonce: 77,
        paths: Vec::new(),
    };
    assert_eq!(stranger.asks(&mut table, &here), Outcome::NotAllowed);
    assert_eq!(nobody.asks(&mut table, &here), Outcome::NotAllowed);
    table.look(tab.id);
    assert_eq!(other_tab.asks(&mut table, &here), Outcome::Done);
    assert!(locks(&table.told_still(tab.id)).is_some());
    hands_over(&mut table, &mut tab, &other_tab, fence);
    // Of the secret nothing is stored.
    let mut stored = table.records().iter().map(|(_, record)| record);
    let needle = b"a secret of sixteen";
    assert!(!stored.any(|record| record.windows(needle.len()).any(|part| part == needle)));
}

#[test]
fn a_secret_that_is_too_short_to_be_one_is_refused() {
    let mut table = Table::new();
    let id = table.connect();
    let hello = r#"{"type":"hello","version":1,"user_key":"short"}"#;
    table.receive(id, Incoming::Channel(hello));
    assert!(
        table
            .look(id)
            .contains(&crate::Seen::Closed(baton_room::Ending::Protocol))
    );
}

#[test]
fn an_idle_holder_is_warned_and_then_yields_to_who_waits() {
    let (mut table, mut ada, bob, fence) = holder_and_peer();
    let here = [ada.id, bob.id];
    table.idles(ada.id);
    // Alone it may be idle for ever.
    table.pass(seconds(200), &here);
    assert_eq!(drain(&mut table, &ada), None);
    ada.says(&mut table, &ClientMessage::Release { nonce: 4, fence });
    let fence = ada.takes_the_lock(&mut table);
    table.idles(ada.id);
    bob.says(
        &mut table,
        &ClientMessage::Acquire {
            nonce: 1,
            paths: Vec::new(),
        },
    );
    table.pass(seconds(74), &here);
    let warned = |told: &[ServerMessage]| {
        told.iter().any(|message| matches!(message, ServerMessage::IdleWarning { left_ms, .. } if *left_ms <= 15_000))
    };
    assert!(!warned(&table.told(ada.id)));
    table.pass(seconds(4), &here);
    assert!(warned(&table.told(ada.id)));
    table.look(bob.id);
    table.pass(seconds(14), &here);
    assert!(table.told_still(ada.id).iter().any(|message| matches!(
        message,
        ServerMessage::Drain {
            reason: HandoverReason::Idle,
            to: None,
            ..
        }
    )));
    hands_over(&mut table, &mut ada, &bob, fence);
}

#[test]
fn who_does_not_say_that_it_is_drained_loses_the_lock_in_time_and_later_edits_are_parked() {
    let (mut table, mut ada, bob, fence) = holder_and_peer();
    let transfer = ClientMessage::Transfer {
        nonce: 77,
        fence,
        to: bob.session,
    };
    assert_eq!(ada.asks(&mut table, &transfer), Outcome::Done);
    table.look(ada.id);
    table.pass(Duration::from_millis(2_900), &[ada.id, bob.id]);
    assert_eq!(lost(&mut table, &ada), None);
    ada.types(&mut table, "in time");
    table.pass(Duration::from_millis(200), &[ada.id, bob.id]);
    assert_eq!(lost(&mut table, &ada), Some(fence));
    assert!(bob.claims(&mut table).is_some());
    ada.types(&mut table, " and late");
    assert_eq!(table.text(), "in time");
    assert_eq!(table.room.state().parks().count(), 1);
}

#[test]
fn a_draining_holder_that_comes_back_is_told_to_drain_again() {
    let (mut table, ada, bob, fence) = holder_and_peer();
    let transfer = ClientMessage::Transfer {
        nonce: 77,
        fence,
        to: bob.session,
    };
    assert_eq!(ada.asks(&mut table, &transfer), Outcome::Done);
    table.leave(ada.id, Departure::Dropped);
    let mut ada = ada.resume(&mut table, &[fence]);
    let told = table.told_still(ada.id);
    assert!(told.iter().any(|message| matches!(
        message,
        ServerMessage::Drain { reason: HandoverReason::Transfer, to: Some(to), .. } if *to == bob.session
    )));
    hands_over(&mut table, &mut ada, &bob, fence);
}

/// After a reconnect a client's newest edits come before the answer that closes the gap before them. A release that came
/// between them was once done at once, and the answer parked.
#[test]
fn a_release_waits_for_the_edits_that_were_asked_for_again() {
    let (mut table, mut ada, bob, fence) = holder_and_peer();
    let mut offline = document(11);
    let _on_a_lost_connection = crate::insert(&mut offline, "typed while away, ");
    let newest = crate::insert(&mut offline, "and after");
    let nothing = bytes::Bytes::from_static(&[0, 0]);
    table.receive(ada.id, Incoming::Sync(SyncKind::Step2, nothing));
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, newest));
    bob.says(
        &mut table,
        &ClientMessage::Acquire {
            nonce: 1,
            paths: Vec::new(),
        },
    );
    table.look(bob.id);
    ada.says(&mut table, &ClientMessage::Release { nonce: 5, fence });
    assert_eq!(offered(&table.told(bob.id)), None);
    let all = offline.diff(&StateVector::new()).unwrap();
    table.receive(ada.id, Incoming::Sync(SyncKind::Step2, all));
    assert!(bob.claims(&mut table).is_some());
    assert_eq!(table.text(), "typed while away, and after");
    assert_eq!(table.room.state().parks().count(), 0);
    ada.types(&mut table, "late");
    assert_eq!(table.room.state().parks().count(), 1);
}
