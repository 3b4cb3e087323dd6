//! What docs/protocol.md answers to those who write a client from it: each rule of the page happens.

use std::time::Duration;

use baton_presence::Rights;
use baton_room::{Departure, Ending, Incoming, ParkLimits, RoomOptions};
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, FencingToken, Outcome, Resume, ServerMessage,
};

use crate::seconds;
use crate::table::{Coming, Peer, Seen, Table, locks, offered, paths};

fn pair() -> (Table, Peer, Peer) {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let bob = Peer::join(&mut table, "Bob", 2);
    (table, ada, bob)
}

fn acquire(of: &[&[&str]]) -> ClientMessage {
    ClientMessage::Acquire {
        nonce: 77,
        paths: paths(of),
    }
}

fn request(note: &str) -> ClientMessage {
    ClientMessage::Request {
        nonce: 77,
        paths: Vec::new(),
        note: note.to_owned(),
    }
}

fn take_over(of: &[&[&str]]) -> ClientMessage {
    ClientMessage::TakeOver {
        nonce: 77,
        paths: paths(of),
    }
}

fn granted(told: &[ServerMessage]) -> Vec<FencingToken> {
    let granted = told.iter().filter_map(|message| match message {
        ServerMessage::Granted { fence, .. } => Some(*fence),
        _ => None,
    });
    granted.collect()
}

fn lost(told: &[ServerMessage]) -> Vec<FencingToken> {
    let lost = told.iter().filter_map(|message| match message {
        ServerMessage::Lost { fence, .. } => Some(*fence),
        _ => None,
    });
    lost.collect()
}

fn request_over(told: &[ServerMessage]) -> bool {
    told.iter()
        .any(|message| matches!(message, ServerMessage::RequestOver { .. }))
}

fn saved(told: &[ServerMessage]) -> Option<u64> {
    told.iter().rev().find_map(|message| match message {
        ServerMessage::Saved { updates } => Some(*updates),
        _ => None,
    })
}

#[test]
fn a_holder_goes_on_once_its_beats_are_confirmed_again() {
    let (mut table, mut ada, bob) = pair();
    let fence = ada.takes_the_lock(&mut table);
    table.pass(seconds(3), &[ada.id, bob.id]);
    // Longer than client_stop, shorter than offline_after.
    table.pass(seconds(8), &[bob.id]);
    let before = table.now;
    table.pass(seconds(5), &[ada.id, bob.id]);
    table.pass(Duration::from_millis(2_001), &[bob.id]);
    let told = table.told(ada.id);
    assert_eq!(lost(&told), []);
    let confirmed = told.iter().rev().find_map(|message| match message {
        ServerMessage::Beat { confirmed, .. } => Some(*confirmed),
        _ => None,
    });
    // A beat's number is the time of its sending, in microseconds.
    assert!(u128::from(confirmed.unwrap()) > before.0.as_micros());
    ada.types(&mut table, "still mine");
    assert_eq!(table.text(), "still mine");
    ada.says(&mut table, &ClientMessage::Release { nonce: 77, fence });
}

#[test]
fn saved_stops_before_an_edit_that_was_refused_for_want_of_room() {
    let options = RoomOptions {
        parks: ParkLimits {
            bytes_per_session: 60,
            ..ParkLimits::default()
        },
        ..RoomOptions::default()
    };
    let mut table = Table::with(options);
    let ada = Peer::join(&mut table, "Ada", 1);
    let mut bob = Peer::join(&mut table, "Bob", 2);
    let fence = ada.takes_the_lock(&mut table);
    bob.types(&mut table, "kept");
    assert_eq!(saved(&table.told(bob.id)), Some(1));
    bob.types(&mut table, &"x".repeat(100));
    let told = table.told(bob.id);
    let full = |message: &ServerMessage| {
        matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::ParkFull,
                ..
            }
        )
    };
    assert!(told.iter().any(full));
    assert_eq!(saved(&told), None);
    // The answer that holds it is taken when the lock is free.
    ada.says(&mut table, &ClientMessage::Release { nonce: 1, fence });
    bob.sends_all(&mut table);
    assert_eq!(saved(&table.told(bob.id)), Some(3));
}

#[test]
fn an_observer_reads_and_may_write_what_is_free_but_holds_and_decides_nothing() {
    let mut table = Table::new();
    let ada = Peer::join(&mut table, "Ada", 1);
    let coming = Coming {
        client: 2,
        observer: true,
        ..Coming::default()
    };
    let mut watcher = Peer::come(&mut table, coming);
    watcher.types(&mut table, "free");
    assert_eq!(table.text(), "free");
    assert_eq!(watcher.asks(&mut table, &acquire(&[])), Outcome::Forbidden);
    let fence = ada.takes_the_lock(&mut table);
    for operation in [acquire(&[]), request(""), take_over(&[])] {
        assert_eq!(watcher.asks(&mut table, &operation), Outcome::Forbidden);
    }
    watcher.types(&mut table, " and parked");
    let id = table.room.state().parks().next().unwrap().id;
    ada.says(&mut table, &ClientMessage::Release { nonce: 1, fence });
    let merge = ClientMessage::MergePark { nonce: 77, id };
    assert_eq!(watcher.asks(&mut table, &merge), Outcome::Forbidden);
    let discard = ClientMessage::DiscardPark { nonce: 77, id };
    assert_eq!(watcher.asks(&mut table, &discard), Outcome::Done);
}

#[test]
fn what_was_held_and_is_not_named_is_lost_and_an_empty_list_names_all() {
    let (mut table, ada, _) = pair();
    let title = ada.takes(&mut table, &[&["title"]]);
    let body = ada.takes(&mut table, &[&["body"]]);
    table.leave(ada.id, Departure::Dropped);
    let ada = ada.resume(&mut table, &[]);
    assert_eq!(granted(&table.told(ada.id)), [title, body]);
    table.leave(ada.id, Departure::Dropped);
    let ada = ada.resume(&mut table, &[body]);
    let told = table.told(ada.id);
    assert_eq!((granted(&told), lost(&told)), (vec![body], vec![title]));
}

#[test]
fn with_a_wrong_token_nothing_of_the_session_is_touched() {
    let (mut table, ada, _) = pair();
    let fence = ada.takes_the_lock(&mut table);
    let coming = Coming {
        client: 5,
        resume: Some(Resume {
            session: ada.session,
            token: "00".repeat(16),
        }),
        fences: vec![fence],
        ..Coming::default()
    };
    let other = Peer::come(&mut table, coming);
    assert!(!other.resumed);
    let told = table.told(other.id);
    assert_eq!((granted(&told), lost(&told)), (vec![], vec![]));
    assert_eq!(locks(&told).unwrap().grants[0].session, ada.session);
}

#[test]
fn a_session_can_be_resumed_for_thirty_seconds_after_its_connection() {
    for (away, resumed) in [(29, true), (31, false)] {
        let (mut table, ada, bob) = pair();
        table.leave(bob.id, Departure::Dropped);
        table.pass(seconds(away), &[ada.id]);
        let bob = bob.resume(&mut table, &[]);
        assert_eq!(bob.resumed, resumed, "{away} s");
    }
    // One that closed with 1000 cannot be.
    let (mut table, _, bob) = pair();
    table.leave(bob.id, Departure::Done);
    assert!(!bob.resume(&mut table, &[]).resumed);
}

#[test]
fn after_two_lost_welcomes_the_newest_token_works_and_the_last_that_arrived() {
    let comes = |table: &mut Table, session, token: &str| {
        let coming = Coming {
            client: 1,
            resume: Some(Resume {
                session,
                token: token.to_owned(),
            }),
            ..Coming::default()
        };
        let peer = Peer::come(table, coming);
        table.leave(peer.id, Departure::Dropped);
        (peer.resumed, peer.token)
    };
    for last in 0..3 {
        let (mut table, ada, _) = pair();
        let (session, arrived) = (ada.session, ada.token.clone());
        table.leave(ada.id, Departure::Dropped);
        let (_, first) = comes(&mut table, session, &arrived);
        let (_, second) = comes(&mut table, session, &arrived);
        let tokens = [arrived, first, second];
        let (resumed, _) = comes(&mut table, session, &tokens[last]);
        assert_eq!(resumed, last != 1, "token {last}");
    }
}

#[test]
fn who_holds_a_lock_gets_what_is_in_it_again_and_nothing_wider() {
    let (mut table, ada, _) = pair();
    let rows = ada.takes(&mut table, &[&["rows"]]);
    assert_eq!(
        ada.asks(&mut table, &acquire(&[&["rows", "7"]])),
        Outcome::Done
    );
    assert_eq!(granted(&table.told(ada.id)), [rows]);
    // Wider, or overlapping: one must be released first.
    for wider in [&[][..], &[&["rows"][..], &["title"]]] {
        assert_eq!(ada.asks(&mut table, &acquire(wider)), Outcome::WouldWait);
    }
    let title = ada.takes(&mut table, &[&["title"]]);
    assert!(title > rows);
}

#[test]
fn what_a_holder_may_take_beside_what_it_holds() {
    let mut table = Table::new();
    let secret = Some("a secret of sixteen bytes or more");
    let coming = |client| Coming {
        client,
        user_key: secret,
        ..Coming::default()
    };
    let ada = Peer::come(&mut table, coming(1));
    let bob = Peer::come(&mut table, coming(2));
    let title = ada.takes(&mut table, &[&["title"]]);
    let body = bob.takes(&mut table, &[&["body"]]);
    let move_here = |of| ClientMessage::MoveHere {
        nonce: 77,
        paths: paths(of),
    };
    let request = |of| ClientMessage::Request {
        nonce: 77,
        paths: paths(of),
        note: String::new(),
    };
    // What covers its own: it is told what it has.
    for has in [take_over(&[&["title"]]), move_here(&[&["title"]])] {
        assert_eq!(ada.asks(&mut table, &has), Outcome::Done);
        assert_eq!(granted(&table.told(ada.id)), [title]);
    }
    // What overlaps its own, and a request for anything that is held.
    for more in [
        take_over(&[]),
        move_here(&[]),
        request(&[]),
        request(&[&["body"]]),
    ] {
        assert_eq!(ada.asks(&mut table, &more), Outcome::WouldWait);
    }
    // What is apart from its own is taken as by anybody.
    assert_eq!(
        ada.asks(&mut table, &move_here(&[&["body"]])),
        Outcome::Done
    );
    bob.says(&mut table, &ClientMessage::Drained { fence: body });
    assert!(ada.claims(&mut table).is_some());
}

#[test]
fn a_note_is_cut_at_a_character() {
    let (mut table, ada, bob) = pair();
    ada.takes_the_lock(&mut table);
    table.look(ada.id);
    let note = format!("x{}", "ü".repeat(300));
    assert_eq!(bob.asks(&mut table, &request(&note)), Outcome::Queued);
    let told = table.told(ada.id);
    let note = told.iter().find_map(|message| match message {
        ServerMessage::Requested { note, .. } => Some(note.as_str()),
        _ => None,
    });
    assert_eq!(note.map(str::len), Some(511));
}

/// The holder went on with a clock that nobody waited for, for 30 s.
#[test]
fn a_requester_that_is_gone_binds_the_holder_for_ten_seconds_at_most() {
    // Its socket is closed; its cable is pulled; its page is frozen.
    for how in 0..3 {
        let (mut table, ada, bob) = pair();
        ada.takes_the_lock(&mut table);
        assert_eq!(bob.asks(&mut table, &request("")), Outcome::Queued);
        let here = match how {
            0 => {
                table.leave(bob.id, Departure::Dropped);
                vec![ada.id]
            }
            1 => vec![ada.id],
            _ => {
                table.freeze(bob.id);
                vec![ada.id, bob.id]
            }
        };
        table.pass(seconds(9), &here);
        assert!(!request_over(&table.told_still(ada.id)), "{how}");
        table.pass(Duration::from_millis(1_100), &here);
        let told = table.told(ada.id);
        assert!(request_over(&told), "{how}");
        let view = locks(&told).unwrap();
        assert_eq!(view.grants[0].requested_by, None);
        table.pass(seconds(30), &here);
        let drains = |message: &ServerMessage| matches!(message, ServerMessage::Drain { .. });
        assert!(!table.told(ada.id).iter().any(drains), "{how}");
    }
}

#[test]
fn a_requester_that_comes_back_in_time_goes_on_asking_and_one_that_does_not_keeps_its_place() {
    for (away, over) in [(8, false), (12, true)] {
        let (mut table, ada, bob) = pair();
        ada.takes_the_lock(&mut table);
        assert_eq!(bob.asks(&mut table, &request("")), Outcome::Queued);
        table.leave(bob.id, Departure::Dropped);
        table.pass(seconds(away), &[ada.id]);
        let bob = bob.resume(&mut table, &[]);
        table.pass(seconds(10), &[ada.id, bob.id]);
        let told = table.told(ada.id);
        assert_eq!(request_over(&told), over);
        let view = locks(&table.told(bob.id)).unwrap();
        assert_eq!(view.queue[0].session, bob.session);
    }
}

/// That the clock stopped is in the log: a replay stops it at the same place.
#[test]
fn a_request_that_is_void_is_void_after_a_restart() {
    let (mut table, ada, bob) = pair();
    let fence = ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &request("")), Outcome::Queued);
    // Over a restart the time goes on.
    table.leave(bob.id, Departure::Dropped);
    table.restart();
    let ada = ada.resume(&mut table, &[fence]);
    table.pass(Duration::from_millis(10_100), &[ada.id]);
    assert!(request_over(&table.told(ada.id)));
    table.restart();
    let ada = ada.resume(&mut table, &[fence]);
    let view = locks(&table.told(ada.id)).unwrap();
    assert_eq!(view.grants[0].requested_by, None);
}

#[test]
fn what_an_operation_brings_at_once_comes_before_its_result() {
    let (mut table, ada, _) = pair();
    table.look(ada.id);
    ada.says(&mut table, &acquire(&[]));
    let told = table.told(ada.id);
    let at = |wanted: fn(&ServerMessage) -> bool| told.iter().position(wanted).unwrap();
    let offer = at(|message| matches!(message, ServerMessage::Offer { .. }));
    let result = at(|message| matches!(message, ServerMessage::Result { .. }));
    let view = at(|message| matches!(message, ServerMessage::Lock { .. }));
    assert!(offer < result && result < view, "{told:?}");
}

#[test]
fn when_a_request_has_run_out_the_oldest_ticket_is_served() {
    let (mut table, ada, bob) = pair();
    let cleo = Peer::join(&mut table, "Cleo", 3);
    let fence = ada.takes_the_lock(&mut table);
    assert_eq!(cleo.asks(&mut table, &acquire(&[])), Outcome::Queued);
    assert_eq!(bob.asks(&mut table, &request("")), Outcome::Queued);
    let here = [ada.id, bob.id, cleo.id];
    table.pass(seconds(31), &here);
    table.look(bob.id);
    table.look(cleo.id);
    ada.says(&mut table, &ClientMessage::Drained { fence });
    assert!(offered(&table.told(cleo.id)).is_some());
    assert_eq!(offered(&table.told(bob.id)), None);
}

#[test]
fn who_took_over_last_may_do_so_again_at_once() {
    let (mut table, ada, bob) = pair();
    let cleo = Peer::join(&mut table, "Cleo", 3);
    ada.takes(&mut table, &[&["title"]]);
    cleo.takes(&mut table, &[&["body"]]);
    assert_eq!(
        bob.asks(&mut table, &take_over(&[&["title"]])),
        Outcome::Done
    );
    assert_eq!(
        bob.asks(&mut table, &take_over(&[&["body"]])),
        Outcome::Done
    );
    assert_eq!(
        ada.asks(&mut table, &take_over(&[&["body"]])),
        Outcome::Cooldown
    );
    // Nothing is taken from anybody by that.
    assert_eq!(
        ada.asks(&mut table, &take_over(&[&["elsewhere"]])),
        Outcome::Unknown
    );
}

#[test]
fn a_hello_without_an_epoch_is_taken_for_a_fresh_copy() {
    let mut table = Table::new();
    table.options.lock_settings.epoch = 2;
    table.restart();
    for (epoch, let_in) in [
        ("", true),
        (r#","epoch":2.0"#, true),
        (r#","epoch":1"#, false),
    ] {
        let id = table.connect();
        let hello = format!(r#"{{"type":"hello","version":1{epoch}}}"#);
        table.receive(id, Incoming::Channel(&hello));
        let closed = table.look(id).contains(&Seen::Closed(Ending::Epoch));
        assert_eq!(closed, !let_in, "{hello}");
    }
}

/// `visible` may be left out, and says nothing that the server acts on; `idle_ms` left out is an input just now.
#[test]
fn an_answer_needs_its_number_only() {
    let (mut table, ada, bob) = pair();
    table.rights = Rights::EDIT;
    ada.takes_the_lock(&mut table);
    assert_eq!(bob.asks(&mut table, &acquire(&[])), Outcome::Queued);
    for _ in 0..200 {
        table.pass(seconds(1), &[bob.id]);
        for message in table.told(ada.id) {
            assert!(!matches!(
                message,
                ServerMessage::IdleWarning { .. } | ServerMessage::Drain { .. }
            ));
            if let ServerMessage::Beat { n, .. } = message {
                let answer = format!(r#"{{"type":"answer","n":{n}}}"#);
                table.receive(ada.id, Incoming::Channel(&answer));
            }
        }
    }
}
