//! Stories of a session whose rights change.

use baton_sync::control_channel::{
    ClientMessage, ErrorCode, HandoverReason, LockMode, LockView, Right, ServerMessage,
};

use super::script::{Script, Sent, fence, free, grants};
use crate::core::connection::ConnectionPhase;
use crate::core::operation::{Guard, Operation};
use crate::error::EditError;
use crate::events::{ClientEvent, EditPermission};
use crate::scope::LockScope;

fn rights(script: &mut Script, rights: &[Right]) {
    script.says(&ServerMessage::Rights {
        rights: rights.to_vec(),
    });
}

fn permission(script: &Script) -> EditPermission {
    script.core.permission(&LockScope::whole(), script.now)
}

fn joined() -> Script {
    let mut script = Script::new();
    let opening = script.joins(false, free(1));
    script.applies(&opening);
    script.takes_events();
    script
}

#[test]
fn who_may_only_read_may_not_edit_in_any_mode_until_that_changes() {
    let mut script = joined();
    assert_eq!(permission(&script), EditPermission::Free);
    rights(&mut script, &[]);
    assert_eq!(permission(&script), EditPermission::ReadOnly);
    let events = script.takes_events();
    assert!(events.contains(&ClientEvent::Rights(Vec::new())));
    assert!(events.contains(&ClientEvent::MayEdit(EditPermission::ReadOnly)));
    let lock = LockView {
        mode: LockMode::Open,
        ..free(2)
    };
    script.says(&ServerMessage::Lock { lock });
    assert_eq!(permission(&script), EditPermission::ReadOnly);
    let guard = Guard::Lock(LockScope::whole());
    let edit = script.act(|core, now| core.edit(now, &guard, |_| ()));
    assert_eq!(edit, Err(EditError::NotNow(EditPermission::ReadOnly)));
    rights(&mut script, &[Right::Write, Right::Lock]);
    assert_eq!(permission(&script), EditPermission::Free);
}

#[test]
fn a_holder_without_the_right_drains_and_asks_for_nothing_when_it_comes_back() {
    let mut script = joined();
    grants(&mut script, 7);
    rights(&mut script, &[Right::Write]);
    script.says(&ServerMessage::Drain {
        fence: fence(7),
        reason: HandoverReason::Revoked,
        to: None,
        expires_ms: 3000,
    });
    let drained = Sent::Says(ClientMessage::Drained { fence: fence(7) });
    assert!(script.sent().contains(&drained));
    assert_eq!(permission(&script), EditPermission::Draining);
}

#[test]
fn who_waits_and_loses_the_right_to_lock_waits_no_more() {
    let mut script = joined();
    script.asks_for(Operation::Acquire(LockScope::whole()));
    script.sent();
    assert!(script.core.locks().wanted().is_some());
    rights(&mut script, &[Right::Write]);
    assert_eq!(script.core.locks().wanted(), None);
}

#[test]
fn edits_that_were_not_taken_are_sent_anew_when_the_right_comes() {
    let mut script = joined();
    script.writes("typed before the news came");
    script.sent();
    rights(&mut script, &[]);
    script.says(&ServerMessage::Error {
        code: ErrorCode::ReadOnly,
        message: "you may only read".to_owned(),
        retry: false,
    });
    // The copy goes on: a fresh one would lose what may be taken later.
    assert_eq!(script.core.phase(), ConnectionPhase::Open);
    script.takes_events();
    rights(&mut script, &[Right::Write, Right::Lock]);
    let closed = |event: &ClientEvent| matches!(event, ClientEvent::Closed { cause, .. } if cause.code().is_none());
    assert!(script.takes_events().iter().any(closed));
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
}

#[test]
fn a_suggestion_does_not_replace_the_copy_of_a_reader() {
    let mut script = joined();
    script.writes("suggested");
    script.sent();
    rights(&mut script, &[]);
    script.takes_events();
    let client = script.core.client();
    let (id, reason) = (9, "you may only read".to_owned());
    script.says(&ServerMessage::Parked {
        id,
        reason: reason.clone(),
    });
    assert_eq!(script.takes_events(), [ClientEvent::Parked { id, reason }]);
    assert_eq!(script.core.client(), client);
}
