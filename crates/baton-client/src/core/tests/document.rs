//! Stories of the document: updates, the sync handshake, durable edits.

use baton_sync::control_channel::{ErrorCode, GrantStatus, ServerMessage};
use baton_sync::y_websocket;

use super::script::{SECOND, Script, Sent, free, text, view};
use crate::close_cause::CloseCause;
use crate::core::operation::{Guard, Operation};
use crate::error::{ClientEnded, EditError};
use crate::events::{ClientEvent, EditPermission};
use crate::options::DivergencePolicy;
use crate::scope::LockScope;

#[test]
fn what_was_edited_before_the_server_asked_goes_as_one_answer_and_the_rest_by_itself() {
    let mut script = Script::new();
    script.writes("offline ");
    script.opens();
    script.writes("early ");
    assert_eq!(script.sent(), []);
    script.asks();
    script.writes("late");
    let sent = script.sent();
    assert!(matches!(sent[..], [Sent::Step2(_), Sent::Update(_)]));
    script.applies(&sent);
    assert_eq!(text(&script.document), "offline early late");
}

#[test]
fn updates_before_the_step2_are_left_to_it() {
    let mut script = Script::new();
    script.other_writes("one");
    script.opens();
    // Builds on "one", which this client does not have.
    let second = script.other_writes("two");
    script.frame(&y_websocket::update(&second));
    assert_eq!(script.sent(), []);
    let all = script.document.snapshot().unwrap();
    script.frame(&y_websocket::step2(&all));
    assert_eq!(text(script.core.document()), "twoone");
    assert!(script.events.contains(&ClientEvent::Synced));
    let events = script.takes_events();
    let [.., ClientEvent::Changed(change), ClientEvent::Synced] = &events[..] else {
        panic!("ends with {:?}", events.last());
    };
    assert_eq!(change.update(), &all);
    assert!(change.texts().is_empty(), "none is watched");
    // From now on updates are applied at once.
    let third = script.other_writes("three");
    script.frame(&y_websocket::update(&third));
    assert_eq!(text(script.core.document()), "threetwoone");
}

#[test]
fn a_gap_is_asked_about_once_and_healed_by_the_answer() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.other_writes("lost on the way");
    let known = script.core.document().state().vector();
    for _ in 0..3 {
        let update = script.other_writes("x");
        script.frame(&y_websocket::update(&update));
    }
    assert_eq!(script.sent(), [Sent::Step1(known.clone())]);
    let lacking = script.document.diff(&known).unwrap();
    script.frame(&y_websocket::step2(&lacking));
    assert_eq!(text(script.core.document()), text(&script.document));
    let last = script.other_writes("y");
    script.frame(&y_websocket::update(&last));
    assert_eq!(text(script.core.document()), text(&script.document));
}

#[test]
fn an_answer_that_lacks_something_is_used_as_far_as_it_goes() {
    let mut script = Script::new();
    script.opens();
    let first = script.other_writes("a");
    script.other_writes("b");
    let vector = script.document.state().vector();
    script.other_writes("c");
    let torn = script.document.diff(&{
        let mut since = vector;
        since.set(baton_sync::ClientId::from(9), 1);
        since
    });
    script.frame(&y_websocket::step2(&torn.unwrap()));
    let complained = script.takes_events().into_iter().any(|event| {
        matches!(
            event,
            ClientEvent::Error {
                code: ErrorCode::Incomplete,
                ..
            }
        )
    });
    assert!(complained);
    script.frame(&y_websocket::update(&first));
    assert_eq!(text(script.core.document()), "a");
}

#[test]
fn an_edit_is_saved_when_its_message_is_also_over_a_lost_connection() {
    let mut script = Script::new();
    let opening = script.joins(false, free(1));
    assert_eq!(script.applies(&opening), 1);
    script.writes("a");
    let first = script.core.acks().edits();
    script.writes("b");
    let both = script.core.acks().edits();
    script.says(&ServerMessage::Saved { updates: 2 });
    assert!(script.core.acks().is_durable(first));
    assert!(!script.core.acks().is_durable(both));
    script.loses_connection(None);
    script.takes_events();
    let again = script.joins(true, free(1));
    // The answer to the server's Step1 carries the edits that may have been lost.
    assert_eq!(script.applies(&again), 1);
    assert_eq!(text(&script.document), "ab");
    assert!(!script.core.acks().is_durable(both));
    script.says(&ServerMessage::Saved { updates: 1 });
    assert!(script.core.acks().all_durable());
    assert!(script.takes_events().ends_with(&[ClientEvent::Saved]));
}

#[test]
fn edits_that_do_not_fit_the_outbox_go_as_one_and_are_saved_with_it() {
    let mut script = Script::with(|options| options.max_queued = 100);
    let opening = script.joins(false, free(1));
    script.applies(&opening);
    let mut expected = String::new();
    for n in 0..50 {
        let word = format!("{n} ");
        script.writes(&word);
        expected.push_str(&word);
    }
    let other = script.other_writes("other ");
    script.frame(&y_websocket::update(&other));
    let sent = script.sent();
    assert!(sent.len() < 10, "{} messages", sent.len());
    let messages = 1 + script.applies(&sent);
    assert_eq!(text(&script.document), text(script.core.document()));
    assert!(text(&script.document).contains(&expected));
    script.says(&ServerMessage::Saved {
        updates: messages - 1,
    });
    assert!(!script.core.acks().all_durable());
    script.says(&ServerMessage::Saved { updates: messages });
    assert!(script.core.acks().all_durable());
    // Then each edit is sent by itself again.
    script.writes("alone");
    assert!(matches!(script.sent()[..], [Sent::Update(_)]));
}

#[test]
fn all_edits_are_sent_before_the_lock_is_given_back() {
    let mut script = Script::with(|options| options.max_queued = 60);
    let opening = script.joins(false, view(3, GrantStatus::Held, 5));
    script.applies(&opening);
    script.says(&ServerMessage::Granted {
        fence: super::fence(3),
        paths: Vec::new(),
    });
    for _ in 0..20 {
        script.writes("word ");
    }
    script.asks_for(Operation::Release(LockScope::whole()));
    let sent = script.sent();
    assert!(matches!(sent.last(), Some(Sent::Says(_))));
    script.applies(&sent);
    assert_eq!(text(&script.document), text(script.core.document()));
}

#[test]
fn after_a_park_nothing_of_a_copy_that_stops_is_sent_any_more() {
    let mut script = Script::with(|options| options.divergence = DivergencePolicy::Stop);
    let opening = script.joins(false, free(1));
    script.applies(&opening);
    script.writes("too late");
    script.sent();
    script.takes_events();
    script.says(&ServerMessage::Parked {
        id: 4,
        reason: "another session has the lock".to_owned(),
    });
    let events = script.takes_events();
    assert!(matches!(
        events[..],
        [
            ClientEvent::Parked { id: 4, .. },
            ClientEvent::MayEdit(EditPermission::Diverged)
        ]
    ));
    assert_eq!(script.core.ended(), Some(ClientEnded::Diverged));
    // The edit is durable in a park, not in the document: `saved` must not report it.
    script.says(&ServerMessage::Saved { updates: 2 });
    assert!(!script.core.acks().all_durable());
    let edit = script.act(|core, now| core.edit(now, &Guard::Lock(LockScope::whole()), |_| ()));
    assert_eq!(edit, Err(EditError::NotNow(EditPermission::Diverged)));
    script.writes("draft");
    assert_eq!(script.sent(), []);
    // It answers every further Step1 with nothing, and still receives updates.
    script.asks();
    let nothing = Sent::Step2(bytes::Bytes::from_static(&[0, 0]));
    assert_eq!(script.sent(), std::slice::from_ref(&nothing));
    script.loses_connection(None);
    script.other_writes("others go on; ");
    assert_eq!(script.joins(true, free(1)), [nothing]);
    assert!(text(script.core.document()).contains("others go on; "));
    assert!(!script.core.acks().all_durable());
}

#[test]
fn an_edit_asks_the_lock_first_and_changes_nothing_when_refused() {
    let mut script = Script::new();
    let edit = |script: &mut Script| {
        script.act(|core, now| {
            core.edit(now, &Guard::Lock(LockScope::whole()), |txn| {
                use baton_sync::yrs::{Text, WriteTxn};
                txn.get_or_insert_text("t").push(txn, "x");
            })
        })
    };
    let not_now = |permission| Err(EditError::NotNow(permission));
    assert_eq!(edit(&mut script), not_now(EditPermission::Connecting));
    script.joins(false, view(2, GrantStatus::Held, 8));
    assert_eq!(edit(&mut script), not_now(EditPermission::Theirs));
    assert_eq!(text(script.core.document()), "");
    script.says(&ServerMessage::Lock { lock: free(3) });
    assert_eq!(edit(&mut script), Ok(()));
    script.loses_connection(None);
    script.pass(SECOND / 10);
    assert_eq!(
        script.core.permission(&LockScope::whole(), script.now),
        EditPermission::FreeOffline
    );
    assert_eq!(edit(&mut script), Ok(()));
    assert_eq!(text(script.core.document()), "xx");
}

#[test]
fn a_panic_in_an_edit_ends_this_client_and_nobody_else() {
    let mut script = Script::new();
    script.joins(false, free(1));
    let edit = script.act(|core, now| {
        core.edit(now, &Guard::Lock(LockScope::whole()), |_| {
            panic!("on purpose")
        })
    });
    assert!(matches!(edit, Err::<(), _>(EditError::Broken(_))));
    assert!(matches!(
        script.core.ended(),
        Some(ClientEnded::Closed(CloseCause::Broken(_)))
    ));
}

#[test]
fn a_copy_from_earlier_is_brought_along() {
    let mut before = Script::new();
    before.writes("kept");
    let copy = before.core.document().snapshot().unwrap();
    let mut script = Script::with(|options| options.copy = copy.to_vec());
    assert!(!script.core.acks().all_durable());
    let opening = script.joins(false, free(1));
    script.applies(&opening);
    assert_eq!(text(&script.document), "kept");
}
