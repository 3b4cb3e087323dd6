//! Stories of handing over: drains, requests, take-overs, idle warnings, and answers to beats.

use std::time::Duration;

use baton_sync::control_channel::{
    ClientMessage, GrantStatus, HandoverReason, LockMode, LockView, Outcome, ServerMessage,
};

use super::script::{SECOND, Script, Sent, fence, free, grants, nonce, shows, text, view};
use crate::core::operation::{Asked, Operation, Reply};
use crate::error::OperationError;
use crate::events::{ClientEvent, EditPermission, LockRequest, LockStatus, Visibility};
use crate::scope::LockScope;

fn drains(script: &mut Script, position: u64, reason: HandoverReason) {
    script.says(&ServerMessage::Drain {
        fence: fence(position),
        reason,
        to: Some(8),
        expires_ms: 3000,
    });
}

fn drained(position: u64) -> Sent {
    Sent::Says(ClientMessage::Drained {
        fence: fence(position),
    })
}

fn permission(script: &Script) -> EditPermission {
    script.core.permission(&LockScope::whole(), script.now)
}

/// A holder under fence 7.
fn holder(change: impl FnOnce(&mut crate::options::ClientOptions)) -> Script {
    let mut script = Script::with(change);
    let opening = script.joins(false, free(1));
    script.applies(&opening);
    grants(&mut script, 7);
    script.takes_events();
    script
}

#[test]
fn drained_is_said_when_all_that_was_edited_is_on_its_way() {
    let mut script = holder(|options| options.max_queued = 60);
    for _ in 0..20 {
        script.writes("word ");
    }
    drains(&mut script, 7, HandoverReason::TakenOver);
    // Editing stops at once, before anything is sent.
    assert_eq!(permission(&script), EditPermission::Draining);
    let status = script.core.locks().lock_status(&LockScope::whole());
    assert_eq!(status, LockStatus::Draining);
    let sent = script.sent();
    let said = sent.iter().position(|sent| *sent == drained(7));
    assert_eq!(said, Some(sent.len() - 1), "{sent:?}");
    script.applies(&sent);
    assert_eq!(text(&script.document), text(script.core.document()));
    let draining = ClientEvent::Draining {
        fence: fence(7),
        scope: LockScope::whole(),
        reason: HandoverReason::TakenOver,
        to: Some(8),
        expires: 3 * SECOND,
    };
    assert_eq!(
        script.takes_events(),
        [draining, ClientEvent::MayEdit(EditPermission::Draining)]
    );
    script.says(&ServerMessage::Lost {
        fence: fence(7),
        reason: "taken over".to_owned(),
    });
    script.says(&ServerMessage::Lock {
        lock: view(9, GrantStatus::Offered, 8),
    });
    assert_eq!(permission(&script), EditPermission::Theirs);
    let losses = script.takes_events();
    let losses = losses
        .iter()
        .filter(|event| matches!(event, ClientEvent::Lost { .. }));
    assert_eq!(losses.count(), 1);
}

#[test]
fn who_drains_while_it_comes_back_says_so_after_what_it_edited_offline() {
    let mut script = holder(|_| ());
    script.loses_connection(None);
    script.writes("in the dark");
    script.opens();
    script.welcomes(5, true, view(7, GrantStatus::Draining, 5));
    assert_eq!(permission(&script), EditPermission::Draining);
    drains(&mut script, 7, HandoverReason::Requested);
    // The server has not sent its Step1 yet, so it does not have the edit.
    assert_eq!(script.sent(), []);
    script.asks();
    let sent = script.sent();
    assert!(matches!(&sent[..], [Sent::Step2(_), said] if *said == drained(7)));
    script.applies(&sent);
    assert_eq!(text(&script.document), "in the dark");
}

#[test]
fn drained_is_said_again_on_the_next_connection_and_only_once_on_each() {
    let mut script = holder(|_| ());
    drains(&mut script, 7, HandoverReason::Idle);
    assert_eq!(script.sent(), [drained(7)]);
    drains(&mut script, 7, HandoverReason::Idle);
    assert_eq!(script.sent(), []);
    script.loses_connection(None);
    let said = script.joins(true, view(7, GrantStatus::Draining, 5));
    assert_eq!(said.iter().filter(|sent| **sent == drained(7)).count(), 1);
}

#[test]
fn a_drain_that_a_start_of_the_server_forgot_is_over() {
    let mut script = holder(|_| ());
    drains(&mut script, 7, HandoverReason::Requested);
    assert_eq!(script.sent(), [drained(7)]);
    script.loses_connection(None);
    // The server has restarted: it knows the holder, but not that the lock was to pass on.
    let said = script.joins(true, view(7, GrantStatus::Held, 5));
    assert!(!said.contains(&drained(7)));
    assert_eq!(permission(&script), EditPermission::Holder);
    let status = script.core.locks().lock_status(&LockScope::whole());
    assert_eq!(status, LockStatus::Mine);
    nonce(script.asks_for(Operation::Release(LockScope::whole())));
}

#[test]
fn a_drain_of_what_is_not_ours_is_not_answered() {
    let mut script = holder(|_| ());
    drains(&mut script, 6, HandoverReason::Idle);
    assert_eq!(script.sent(), []);
    assert_eq!(permission(&script), EditPermission::Holder);
}

#[test]
fn a_transfer_names_the_grant_and_is_repeated_while_it_is_ours() {
    let mut script = Script::new();
    script.joins(false, free(1));
    let transfer = Operation::Transfer(LockScope::whole(), 8);
    let stale = Reply::Outcome(Outcome::Stale);
    assert_eq!(script.asks_for(transfer.clone()), Asked::Known(Ok(stale)));
    grants(&mut script, 7);
    let asked = nonce(script.asks_for(transfer));
    let said = ClientMessage::Transfer {
        nonce: asked,
        fence: fence(7),
        to: 8,
    };
    assert_eq!(script.sent(), [Sent::Says(said.clone())]);
    // Editing is permitted until the drain.
    assert_eq!(permission(&script), EditPermission::Holder);
    script.loses_connection(None);
    let again = script.joins(true, view(7, GrantStatus::Suspect, 5));
    assert!(again.contains(&Sent::Says(said)));
    script.loses_connection(None);
    script.joins(true, view(9, GrantStatus::Held, 8));
    let stale = Ok(Reply::Outcome(Outcome::Stale));
    assert_eq!(script.answers, [(asked, stale)]);
}

#[test]
fn a_request_waits_in_the_queue_and_its_note_is_cut() {
    let mut script = Script::new();
    script.joins(false, view(2, GrantStatus::Held, 8));
    let long = "\u{e4}".repeat(400);
    let asked = nonce(script.asks_for(Operation::Request(LockScope::whole(), long)));
    let sent = script.sent();
    let [Sent::Says(ClientMessage::Request { note, .. })] = &sent[..] else {
        panic!("said {sent:?}");
    };
    assert_eq!(note.len(), 512);
    assert_eq!(
        script.core.locks().lock_status(&LockScope::whole()),
        LockStatus::Waiting
    );
    // Like other requests, it survives a lost connection.
    script.loses_connection(None);
    let said = script.joins(true, view(2, GrantStatus::Held, 8));
    let requests = said.iter().filter(
        |sent| matches!(sent, Sent::Says(ClientMessage::Request { nonce, .. }) if *nonce == asked),
    );
    assert_eq!(requests.count(), 1);
    let acquires = |sent: &Sent| matches!(sent, Sent::Says(ClientMessage::Acquire { .. }));
    assert!(!said.iter().any(acquires));
}

#[test]
fn a_holder_hears_who_asks_and_when_nobody_does_any_more() {
    let mut script = holder(|_| ());
    script.says(&ServerMessage::Requested {
        fence: fence(7),
        by: 8,
        note: "lunch?".to_owned(),
        expires_ms: 30_000,
    });
    let requested = |left| LockRequest {
        fence: fence(7),
        scope: LockScope::whole(),
        by: 8,
        note: "lunch?".to_owned(),
        left,
    };
    assert_eq!(
        script.takes_events(),
        [ClientEvent::Requested(requested(30 * SECOND))]
    );
    script.pass(4 * SECOND);
    let known = script.core.request_for(fence(7), script.now);
    assert_eq!(known, Some(requested(26 * SECOND)));
    for _ in 0..2 {
        script.says(&ServerMessage::RequestOver { fence: fence(7) });
    }
    assert_eq!(
        script.takes_events(),
        [ClientEvent::RequestOver { fence: fence(7) }]
    );
    assert_eq!(script.core.request_for(fence(7), script.now), None);
}

#[test]
fn a_take_over_is_about_this_moment_and_its_offer_is_wanted() {
    for operation in [
        Operation::TakeOver(LockScope::whole()),
        Operation::MoveHere(LockScope::whole()),
    ] {
        let mut script = Script::new();
        script.joins(false, view(2, GrantStatus::Held, 8));
        let asked = nonce(script.asks_for(operation.clone()));
        script.loses_connection(None);
        assert_eq!(script.answers, [(asked, Err(OperationError::Disconnected))]);
        assert_eq!(
            script.asks_for(operation.clone()),
            Asked::Known(Err(OperationError::Disconnected))
        );
        let said = script.joins(true, view(2, GrantStatus::Held, 8));
        assert!(!said.iter().any(|sent| matches!(sent, Sent::Says(_))));
        // The session waits for a part, and still wants the whole document that it takes over.
        let asked = nonce(script.asks_for(operation));
        script.asks_for(Operation::Acquire(super::script::scope("title")));
        script.says(&ServerMessage::Result {
            nonce: asked,
            outcome: Outcome::Done,
            message: None,
        });
        script.sent();
        grants(&mut script, 7);
        assert_eq!(permission(&script), EditPermission::Holder);
    }
}

#[test]
fn what_the_server_explains_is_told_with_the_outcome() {
    let mut script = Script::new();
    script.joins(false, view(2, GrantStatus::Held, 8));
    let asked = nonce(script.asks_for(Operation::TakeOver(LockScope::whole())));
    script.takes_events();
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Cooldown,
        message: Some("again in 12 s".to_owned()),
    });
    let cooldown = Ok(Reply::Outcome(Outcome::Cooldown));
    assert_eq!(script.answers, [(asked, cooldown)]);
    let explained = ClientEvent::Explained {
        outcome: Outcome::Cooldown,
        message: "again in 12 s".to_owned(),
    };
    assert_eq!(script.takes_events(), [explained]);
}

#[test]
fn a_warning_is_for_a_holder_and_any_input_counts() {
    let mut script = holder(|_| ());
    script.pass(5 * SECOND);
    for position in [6, 7] {
        script.says(&ServerMessage::IdleWarning {
            fence: fence(position),
            left_ms: 15_000,
        });
    }
    let warning = ClientEvent::IdleWarning {
        fence: fence(7),
        left: 15 * SECOND,
    };
    assert_eq!(script.takes_events(), [warning]);
    script.act(|core, now| core.touched(now));
    script.act(|core, _| core.set_visibility(Visibility::Hidden));
    script.pass(Duration::from_millis(1500));
    script.beat(3, 0);
    let answer = ClientMessage::Answer {
        n: 3,
        visible: false,
        idle_ms: 1500,
    };
    assert_eq!(script.sent(), [Sent::Says(answer)]);
}

#[test]
fn the_mode_says_what_a_lock_means() {
    let in_mode = |version, mode, held: bool| LockView {
        mode,
        ..shows(
            version,
            if held {
                &[(2, "", GrantStatus::Held, 8)]
            } else {
                &[]
            },
        )
    };
    let mut script = Script::new();
    script.joins(false, view(2, GrantStatus::Held, 8));
    assert_eq!(permission(&script), EditPermission::Theirs);
    script.takes_events();
    script.says(&ServerMessage::Lock {
        lock: in_mode(3, LockMode::Open, true),
    });
    assert_eq!(permission(&script), EditPermission::Advisory);
    let events = script.takes_events();
    assert!(events.contains(&ClientEvent::Mode(LockMode::Open)));
    assert!(events.contains(&ClientEvent::MayEdit(EditPermission::Advisory)));
    script.says(&ServerMessage::Lock {
        lock: in_mode(4, LockMode::Required, false),
    });
    assert_eq!(permission(&script), EditPermission::Required);
    script.says(&ServerMessage::Lock {
        lock: in_mode(5, LockMode::ExclusiveWhenHeld, false),
    });
    assert_eq!(permission(&script), EditPermission::Free);
    let asked = nonce(script.asks_for(Operation::SetMode(LockMode::Open)));
    let said = ClientMessage::SetMode {
        nonce: asked,
        mode: LockMode::Open,
    };
    assert_eq!(script.sent(), [Sent::Says(said)]);
    assert_eq!(script.core.rights().len(), 4);
}
