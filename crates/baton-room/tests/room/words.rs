//! The texts and answers of the channel: each is true in the situation in which it is sent.

use std::time::Duration;

use baton_presence::Rights;
use baton_room::{Departure, Incoming, Outgoing, SyncKind};
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, FencingToken, LockMode, Outcome, ServerMessage,
};

use crate::table::{Coming, Disk, Peer, Seen, Table, insert, insert_in, offered, paths};
use crate::{document, seconds};

/// The result of the operation with the nonce 77.
fn result(told: &[ServerMessage]) -> Option<(Outcome, String)> {
    told.iter().find_map(|message| match message {
        ServerMessage::Result {
            nonce: 77,
            outcome,
            message,
        } => Some((*outcome, message.clone().unwrap_or_default())),
        _ => None,
    })
}

fn answer(table: &mut Table, who: &Peer, message: &ClientMessage) -> (Outcome, String) {
    table.look(who.id);
    who.says(table, message);
    result(&table.told(who.id)).unwrap()
}

/// Why somebody lost something.
fn lost(table: &mut Table, who: &Peer) -> Vec<(FencingToken, String)> {
    let told = table.told(who.id);
    let lost = told.into_iter().filter_map(|message| match message {
        ServerMessage::Lost { fence, reason } => Some((fence, reason)),
        _ => None,
    });
    lost.collect()
}

/// Why an edit of somebody was parked.
fn parked(table: &mut Table, who: &Peer) -> String {
    let told = table.told(who.id);
    let parked = told.into_iter().find_map(|message| match message {
        ServerMessage::Parked { reason, .. } => Some(reason),
        _ => None,
    });
    parked.unwrap()
}

fn raw(table: &mut Table, who: &Peer, payload: &str) -> Vec<ServerMessage> {
    table.look(who.id);
    table.receive(who.id, Incoming::Channel(payload));
    table.told(who.id)
}

fn pair() -> (Table, Peer, Peer) {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    (table, ada, bob)
}

const ALL: fn(u64) -> ClientMessage = |nonce| ClientMessage::Acquire {
    nonce,
    paths: Vec::new(),
};

const TAKE_OVER: ClientMessage = ClientMessage::TakeOver {
    nonce: 77,
    paths: Vec::new(),
};

const MOVE_HERE: ClientMessage = ClientMessage::MoveHere {
    nonce: 77,
    paths: Vec::new(),
};

#[test]
fn an_operation_that_is_not_understood_is_answered_with_its_nonce() {
    let (mut table, ada, _) = pair();
    for payload in [
        r#"{"type":"dance","nonce":77}"#,
        r#"{"type":"release","nonce":77}"#,
        r#"{"type":"acquire","nonce":77,"paths":[]}"#,
        r#"{"type":"try","nonce":77.0,"paths":[[]]}"#,
        r#"{"type":"request","nonce":77,"paths":[["title"],[]]}"#,
        r#"{"type":"take-over","nonce":77,"paths":[["title",""]]}"#,
        r#"{"type":"move-here","nonce":77,"paths":"title"}"#,
    ] {
        let told = raw(&mut table, &ada, payload);
        let (outcome, message) = result(&told).expect(payload);
        assert_eq!(outcome, Outcome::Invalid, "{payload}");
        assert!(message.ends_with("nothing changed"), "{message}");
        let error = |message: &ServerMessage| matches!(message, ServerMessage::Error { .. });
        assert!(!told.iter().any(error), "{told:?}");
        assert_eq!(offered(&told), None, "{payload}");
    }
    for payload in [r#"{"type":"dance"}"#, r#"{"type":"dance","nonce":-1}"#] {
        let told = raw(&mut table, &ada, payload);
        assert!(matches!(
            told[..],
            [ServerMessage::Error {
                code: ErrorCode::Protocol,
                ..
            }]
        ));
    }
}

/// What can be no lock is told apart from what is too much at the moment.
#[test]
fn paths_beyond_the_format_are_invalid() {
    let (mut table, ada, _) = pair();
    let many: Vec<Vec<String>> = (0..17).map(|path| vec![path.to_string()]).collect();
    let long = "x".repeat(257);
    for (wrong, says) in [
        (many, "16 paths"),
        (paths(&[&["x"; 9]]), "8 segments"),
        (paths(&[&[&long]]), "256"),
        (paths(&[&["title", ""]]), "empty"),
    ] {
        let acquire = ClientMessage::Acquire {
            nonce: 77,
            paths: wrong,
        };
        let (outcome, message) = answer(&mut table, &ada, &acquire);
        assert_eq!(outcome, Outcome::Invalid);
        assert!(message.contains(says), "{message}");
    }
}

/// An operation of a client that did not wait for its welcome was refused without a word.
#[test]
fn what_is_refused_before_the_welcome_is_answered_behind_it() {
    let mut table = Table::new();
    table.disk(Disk::Stalled);
    let ada = Peer::join(&mut table, "Ada", 1);
    for payload in [
        r#"{"type":"acquire","nonce":77,"paths":[]}"#,
        r#"{"type":"dance"}"#,
    ] {
        assert_eq!(raw(&mut table, &ada, payload), []);
    }
    table.disk(Disk::Quick);
    let told = table.told(ada.id);
    assert!(matches!(told.first(), Some(ServerMessage::Welcome { .. })));
    assert_eq!(result(&told).unwrap().0, Outcome::Invalid);
    let error = |message: &ServerMessage| matches!(message, ServerMessage::Error { .. });
    assert!(told.iter().any(error));
}

#[test]
fn move_here_says_what_it_lacks_which_is_never_the_right_to_take_over() {
    let (mut table, ada, bob) = pair();
    ada.takes_the_lock(&mut table);
    let (outcome, message) = answer(&mut table, &bob, &MOVE_HERE);
    assert_eq!(outcome, Outcome::NotAllowed);
    assert!(message.contains("did not name in its hello"), "{message}");
    let coming = Coming {
        client: 3,
        user_key: Some("a secret of sixteen bytes or more"),
        ..Coming::default()
    };
    let cleo = Peer::come(&mut table, coming);
    let (outcome, message) = answer(&mut table, &cleo, &MOVE_HERE);
    assert_eq!(outcome, Outcome::NotAllowed);
    assert!(message.contains("another user_key"), "{message}");
    table.rights = Rights::EDIT;
    let dora = Peer::join(&mut table, "Dora", 4);
    let (outcome, message) = answer(&mut table, &dora, &TAKE_OVER);
    assert_eq!(outcome, Outcome::NotAllowed);
    assert!(message.contains("the right to take over"), "{message}");
}

#[test]
fn a_park_that_is_not_shown_is_not_called_merged() {
    let (mut table, ada, mut bob) = pair();
    table.rights = Rights::EDIT;
    let cleo = Peer::join(&mut table, "Cleo", 3);
    ada.takes_the_lock(&mut table);
    bob.types(&mut table, "late");
    let id = table.room.state().parks().next().unwrap().id;
    let discard = ClientMessage::DiscardPark { nonce: 77, id };
    assert_eq!(answer(&mut table, &ada, &discard).0, Outcome::Done);
    let show = |id| ClientMessage::ShowPark { nonce: 77, id };
    let (outcome, message) = answer(&mut table, &cleo, &show(id));
    assert_eq!(outcome, Outcome::NotAllowed);
    assert!(message.contains("is discarded, and only"), "{message}");
    let (outcome, message) = answer(&mut table, &cleo, &show(id + 1));
    assert_eq!(outcome, Outcome::Unknown);
    assert!(message.contains("or there never was one"), "{message}");
}

#[test]
fn a_silent_session_is_told_that_it_was_silent_and_not_that_it_is_not_here() {
    let (mut table, ada, bob) = pair();
    table.freeze(ada.id);
    table.pass(seconds(12), &[ada.id, bob.id]);
    let (outcome, message) = answer(
        &mut table,
        &ada,
        &ClientMessage::Try {
            nonce: 77,
            paths: Vec::new(),
        },
    );
    assert_eq!(outcome, Outcome::Busy);
    assert!(message.contains("until it answers a beat"), "{message}");
}

#[test]
fn who_said_drained_but_owes_an_answer_is_not_told_that_it_was_slow_to_stop() {
    let (mut table, ada, bob) = pair();
    let fence = ada.takes_the_lock(&mut table);
    let mut offline = document(11);
    let _lost = insert(&mut offline, "typed while away, ");
    let newest = insert(&mut offline, "and after");
    let nothing = bytes::Bytes::from_static(&[0, 0]);
    table.receive(ada.id, Incoming::Sync(SyncKind::Step2, nothing));
    assert_eq!(bob.asks(&mut table, &TAKE_OVER), Outcome::Done);
    table.receive(ada.id, Incoming::Sync(SyncKind::Update, newest));
    ada.says(&mut table, &ClientMessage::Drained { fence });
    table.look(ada.id);
    table.pass(seconds(4), &[ada.id, bob.id]);
    let lost = lost(&mut table, &ada);
    assert_eq!(lost.len(), 1);
    assert!(lost[0].1.contains("answer its Step1"), "{}", lost[0].1);
}

#[test]
fn who_said_drained_while_its_edits_wait_for_another_holder_is_told_that() {
    let (mut table, ada, bob) = pair();
    let cleo = Peer::join(&mut table, "Cleo", 3);
    let title = ada.takes(&mut table, &[&["title"]]);
    let body = bob.takes(&mut table, &[&["body"]]);
    // She is expected to bring what she wrote in the title.
    table.leave(ada.id, Departure::Dropped);
    let ada = ada.resume(&mut table, &[title]);
    let take = ClientMessage::TakeOver {
        nonce: 77,
        paths: paths(&[&["body"]]),
    };
    assert_eq!(cleo.asks(&mut table, &take), Outcome::Done);
    let copy = insert_in(&mut document(20), "title", "of somebody");
    table.receive(bob.id, Incoming::Sync(SyncKind::Step2, copy));
    bob.says(&mut table, &ClientMessage::Drained { fence: body });
    table.look(bob.id);
    table.pass(seconds(4), &[ada.id, bob.id, cleo.id]);
    let lost = lost(&mut table, &bob);
    assert_eq!(lost.len(), 1);
    assert!(lost[0].1.contains("another holder"), "{}", lost[0].1);
}

#[test]
fn who_did_not_say_drained_is_told_so() {
    let (mut table, ada, bob) = pair();
    ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &TAKE_OVER), Outcome::Done);
    table.look(ada.id);
    table.pass(seconds(4), &[ada.id, bob.id]);
    let lost = lost(&mut table, &ada);
    assert!(lost[0].1.contains("did not say in time"), "{}", lost[0].1);
}

/// "Given back" was said to those whose lock was taken.
#[test]
fn a_lock_that_was_drained_is_lost_for_the_reason_for_which_it_drained() {
    let secret = Some("a secret of sixteen bytes or more");
    let request = ClientMessage::Request {
        nonce: 77,
        paths: Vec::new(),
        note: String::new(),
    };
    for (how, says) in [
        (TAKE_OVER, "taken over"),
        (MOVE_HERE, "moved to another session"),
        (request, "requested"),
        (ALL(77), "no input"),
    ] {
        let mut table = Table::new();
        let coming = |client| Coming {
            client,
            user_key: secret,
            ..Coming::default()
        };
        let ada = Peer::come(&mut table, coming(1));
        let bob = Peer::come(&mut table, coming(2));
        let fence = ada.takes_the_lock(&mut table);
        table.idles(ada.id);
        bob.says(&mut table, &how);
        let drains = |told: &[ServerMessage]| {
            told.iter()
                .any(|message| matches!(message, ServerMessage::Drain { .. }))
        };
        let mut waited = 0;
        while !drains(&table.told_still(ada.id)) && waited < 120 {
            table.pass(seconds(1), &[ada.id, bob.id]);
            waited += 1;
        }
        ada.says(&mut table, &ClientMessage::Drained { fence });
        let lost = lost(&mut table, &ada);
        assert!(lost[0].1.contains(says), "{says}: {lost:?}");
    }
    let (mut table, ada, bob) = pair();
    let fence = ada.takes_the_lock(&mut table);
    let transfer = ClientMessage::Transfer {
        nonce: 77,
        fence,
        to: bob.session,
    };
    assert_eq!(ada.asks(&mut table, &transfer), Outcome::Done);
    ada.says(&mut table, &ClientMessage::Drained { fence });
    assert_eq!(lost(&mut table, &ada)[0].1, "you handed it over");
    let fence = bob.claims(&mut table).unwrap();
    table.look(bob.id);
    bob.says(&mut table, &ClientMessage::Release { nonce: 1, fence });
    assert_eq!(lost(&mut table, &bob)[0].1, "given back");
}

#[test]
fn who_comes_back_without_naming_a_grant_is_told_that() {
    let (mut table, ada, _) = pair();
    let title = ada.takes(&mut table, &[&["title"]]);
    let body = ada.takes(&mut table, &[&["body"]]);
    table.leave(ada.id, Departure::Dropped);
    let ada = ada.resume(&mut table, &[title]);
    let lost = lost(&mut table, &ada);
    assert_eq!(lost[0].0, body);
    assert!(lost[0].1.contains("did not name it"), "{}", lost[0].1);
}

#[test]
fn an_edit_is_parked_with_the_reason_that_is_true_then() {
    let (mut table, ada, mut bob) = pair();
    let fence = ada.takes_the_lock(&mut table);
    bob.types(&mut table, "one");
    assert!(parked(&mut table, &bob).contains("somebody else holds"));
    // The same park, which began under Ada's lock.
    let required = ClientMessage::SetMode {
        nonce: 77,
        mode: LockMode::Required,
    };
    assert_eq!(ada.asks(&mut table, &required), Outcome::Done);
    ada.says(&mut table, &ClientMessage::Release { nonce: 1, fence });
    table.look(bob.id);
    bob.types(&mut table, " two");
    assert!(parked(&mut table, &bob).contains("mode required"));
    assert_eq!(table.room.state().parks().count(), 1);
    bob.says(&mut table, &ALL(1));
    table.look(bob.id);
    bob.types(&mut table, " three");
    assert!(parked(&mut table, &bob).contains("offered to you"));
    bob.says(&mut table, &ClientMessage::Cancel { nonce: 2 });
    let id = table.room.state().parks().next().unwrap().id;
    let discard = ClientMessage::DiscardPark { nonce: 77, id };
    assert_eq!(bob.asks(&mut table, &discard), Outcome::Done);
    table.look(bob.id);
    bob.sends_all(&mut table);
    assert!(parked(&mut table, &bob).contains("discarded"));
}

#[test]
fn a_stock_client_is_told_why_as_well() {
    let (mut table, ada, _) = pair();
    let required = ClientMessage::SetMode {
        nonce: 77,
        mode: LockMode::Required,
    };
    assert_eq!(ada.asks(&mut table, &required), Outcome::Done);
    let stock = table.connect();
    let edit = insert(&mut document(7), "stock");
    table.receive(stock, Incoming::Sync(SyncKind::Update, edit));
    let denied = table.look(stock).into_iter().find_map(|seen| match seen {
        Seen::Message(Outgoing::Denied(why)) => Some(why),
        _ => None,
    });
    assert!(denied.unwrap().contains("mode required"));
}

/// It has no nonce, so it once went without any answer.
#[test]
fn a_claim_that_comes_too_late_is_answered() {
    let (mut table, ada, bob) = pair();
    ada.says(&mut table, &ALL(1));
    let fence = offered(&table.told(ada.id)).unwrap();
    table.pass(Duration::from_millis(2_100), &[ada.id, bob.id]);
    ada.says(&mut table, &ClientMessage::Cancel { nonce: 2 });
    table.look(ada.id);
    let words = [
        ClientMessage::Claim { fence },
        ClientMessage::Decline {
            fence,
            later: false,
        },
        ClientMessage::Drained { fence },
    ];
    for word in &words {
        ada.says(&mut table, word);
        let lost = lost(&mut table, &ada);
        assert_eq!(lost.len(), 1, "{word:?}");
        assert_eq!(lost[0].0, fence);
        assert!(lost[0].1.contains("is over"), "{}", lost[0].1);
    }
    // Of what it holds it is told nothing of the kind.
    let fence = ada.takes_the_lock(&mut table);
    for word in [
        ClientMessage::Claim { fence },
        ClientMessage::Decline {
            fence,
            later: false,
        },
        ClientMessage::Drained { fence },
    ] {
        ada.says(&mut table, &word);
        assert_eq!(lost(&mut table, &ada), [], "{word:?}");
    }
}
