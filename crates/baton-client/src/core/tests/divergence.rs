//! Stories of parks, drafts and the fresh copy.

use baton_sync::control_channel::{
    ClientMessage, GrantStatus, ParkCause, ParkStatus, ParkView, ServerMessage, User,
};
use baton_sync::y_websocket;

use super::script::{SECOND, Script, Sent, fence, free, grants, text, view};
use crate::core::connection::ConnectionPhase;
use crate::core::operation::Guard;
use crate::draft::{Draft, DraftLocation};
use crate::error::EditError;
use crate::events::{ClientEvent, ConnectionStatus, EditPermission};
use crate::options::DivergencePolicy;
use crate::scope::LockScope;

pub(super) fn park(id: u64, state: ParkStatus) -> ParkView {
    ParkView {
        id,
        session: 5,
        user: User::default(),
        at_ms: 0,
        reason: ParkCause::Locked,
        edits: 1,
        inserted: 8,
        deleted: 0,
        bytes: 20,
        state,
        by: None,
        until_ms: None,
    }
}

pub(super) fn parks(script: &mut Script, id: u64) {
    script.says(&ServerMessage::Parked {
        id,
        reason: "another session has the lock".to_owned(),
    });
}

/// A client whose edit "too late" came while another session held the lock: three messages, of
/// which the first two are durable.
pub(super) fn diverging() -> Script {
    let mut script = Script::new();
    script.other_writes("before ");
    let opening = script.joins(false, view(2, GrantStatus::Held, 8));
    script.applies(&opening);
    script.writes("in time ");
    let sent = script.sent();
    script.applies(&sent);
    script.says(&ServerMessage::Saved { updates: 2 });
    script.writes("too late");
    script.sent();
    script.takes_events();
    script
}

pub(super) fn text_of(draft: &Draft) -> String {
    text(&draft.document().unwrap())
}

#[test]
fn a_copy_whose_edit_was_parked_is_kept_and_the_session_goes_on_with_a_fresh_one() {
    let mut script = diverging();
    let (old, attempt) = (script.core.client(), script.core.attempt());
    parks(&mut script, 4);
    let events = script.takes_events();
    let [
        ClientEvent::Parked { id: 4, .. },
        ClientEvent::Diverged {
            park: Some(4),
            draft,
        },
        ClientEvent::MayEdit(EditPermission::Connecting),
    ] = &events[..]
    else {
        panic!("told {events:?}");
    };
    assert_eq!(
        (draft.client, draft.edits, draft.location),
        (old, 1, DraftLocation::InDraft)
    );
    assert_eq!(text_of(draft), "before in time too late");
    // The difference has only the edits that the document lacks.
    let mut theirs = baton_sync::Document::load(
        &script.document.snapshot().unwrap(),
        &baton_sync::DocumentOptions::new(old),
    )
    .unwrap();
    theirs.apply(&draft.difference).unwrap();
    assert_eq!(text(&theirs), "before in time too late");
    assert!(draft.difference.len() < draft.copy.len());
    assert_ne!(script.core.client(), old);
    assert_eq!(text(script.core.document()), "");
    // The old connection stays until the park has everything.
    script.says(&ServerMessage::Saved { updates: 2 });
    assert_eq!(script.core.phase(), ConnectionPhase::Retiring);
    script.says(&ServerMessage::Saved { updates: 3 });
    assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
    assert_eq!(script.core.attempt(), attempt + 1);
    assert_eq!(script.core.drafts()[0].location, DraftLocation::InPark);
    let fresh = script.core.client();
    let opening = script.opens();
    let Sent::Says(ClientMessage::Hello { resume, client, .. }) = &opening[0] else {
        panic!("opens with {opening:?}");
    };
    assert_eq!(resume.as_ref().map(|resume| resume.session), Some(5));
    assert_eq!(*client, Some(fresh.get()));
    script.welcomes(5, true, free(9));
    script.asks();
    // Nothing may be edited before the content is known.
    let edit = script.act(|core, now| core.edit(now, &Guard::Lock(LockScope::whole()), |_| ()));
    assert_eq!(edit, Err(EditError::NotNow(EditPermission::Connecting)));
    let all = script.document.snapshot().unwrap();
    script.frame(&y_websocket::step2(&all));
    assert_eq!(text(script.core.document()), "before in time ");
    assert_eq!(
        script.core.permission(&LockScope::whole(), script.now),
        EditPermission::Free
    );
    script.writes("again");
    let sent = script.sent();
    script.applies(&sent);
    assert_eq!(text(&script.document), "before in time again");
    assert_eq!(script.core.ended(), None);
}

#[test]
fn what_was_edited_and_not_sent_goes_to_the_same_park() {
    let mut script = Script::with(|options| options.max_queued = 60);
    script.joins(false, view(2, GrantStatus::Held, 8));
    for _ in 0..20 {
        script.writes("late ");
    }
    parks(&mut script, 4);
    let sent = script.sent();
    // A real server parks these edits; this one applies them, to show that none is missing.
    script.applies(&sent);
    assert_eq!(text(&script.document), "late ".repeat(20));
    assert_eq!(text_of(&script.core.drafts()[0]), "late ".repeat(20));
    assert_eq!(script.core.drafts()[0].edits, 20);
}

#[test]
fn nothing_that_comes_for_the_old_copy_counts_for_the_fresh_one() {
    let mut script = diverging();
    parks(&mut script, 4);
    script.sent();
    script.takes_events();
    // The notice is repeated for each edit that was under way.
    parks(&mut script, 4);
    let update = script.other_writes("others ");
    script.frame(&y_websocket::update(&update));
    script.asks();
    assert_eq!(script.sent(), []);
    assert_eq!(text(script.core.document()), "");
    assert_eq!(script.core.drafts().len(), 1);
    assert_eq!(script.takes_events(), []);
    // Edits made meanwhile without the lock wait for the new connection.
    script.writes("early");
    assert_eq!(script.sent(), []);
    script.says(&ServerMessage::Saved { updates: 3 });
    let sent = script.joins(true, free(9));
    assert!(matches!(sent[..], [Sent::Step2(_)]));
    script.applies(&sent);
    assert!(text(&script.document).contains("early"));
}

#[test]
fn beats_and_locks_go_on_while_the_old_connection_retires() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.says(&ServerMessage::Offer {
        fence: fence(7),
        paths: super::script::scope("title").to_wire(),
        expires_ms: 2000,
    });
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: super::script::scope("title").to_wire(),
    });
    script.writes("too late");
    script.sent();
    parks(&mut script, 4);
    script.beat(1, 0);
    let drain = ServerMessage::Drain {
        fence: fence(7),
        reason: baton_sync::control_channel::HandoverReason::Idle,
        to: None,
        expires_ms: 3000,
    };
    script.says(&drain);
    let drained = ClientMessage::Drained { fence: fence(7) };
    let sent = script.sent();
    assert!(matches!(
        &sent[..],
        [Sent::Says(ClientMessage::Answer { .. }), Sent::Says(said)] if *said == drained
    ));
}

#[test]
fn who_leaves_while_a_copy_is_set_aside_still_leaves() {
    let mut script = diverging();
    script.act(|core, now| core.disconnect(now));
    parks(&mut script, 4);
    assert_eq!(script.core.phase(), ConnectionPhase::Leaving);
    assert_eq!(script.core.drafts().len(), 1);
    script.loses_connection(Some(3000));
    assert_eq!(script.core.phase(), ConnectionPhase::Idle);
    let opening = script.joins(true, free(9));
    script.applies(&opening);
    assert_eq!(text(script.core.document()), "before in time ");
    // The same while it retires.
    let mut script = diverging();
    parks(&mut script, 4);
    script.sent();
    script.act(|core, now| core.close(now));
    assert_eq!(script.sent(), [Sent::Close(1000)]);
    script.says(&ServerMessage::Saved { updates: 3 });
    assert_eq!(script.core.phase(), ConnectionPhase::Leaving);
    script.pass(2 * SECOND);
    assert_eq!(script.core.phase(), ConnectionPhase::Over);
    assert_eq!(script.core.drafts()[0].location, DraftLocation::InPark);
}

#[test]
fn a_copy_that_stops_makes_no_draft_and_still_drains() {
    let mut script = Script::with(|options| options.divergence = DivergencePolicy::Stop);
    script.joins(false, free(1));
    grants(&mut script, 7);
    parks(&mut script, 4);
    script.takes_events();
    assert_eq!(script.core.drafts(), []);
    script.says(&ServerMessage::Drain {
        fence: fence(7),
        reason: baton_sync::control_channel::HandoverReason::Idle,
        to: None,
        expires_ms: 3000,
    });
    let drained = ClientMessage::Drained { fence: fence(7) };
    assert_eq!(script.sent(), [Sent::Says(drained)]);
}

#[test]
fn a_renewed_connection_is_no_failure() {
    let mut script = diverging();
    parks(&mut script, 4);
    script.says(&ServerMessage::Saved { updates: 3 });
    let closed = |event: &ClientEvent| matches!(event, ClientEvent::Closed { .. });
    let events = script.takes_events();
    assert!(!events.iter().any(closed));
    assert!(events.ends_with(&[
        ClientEvent::Status(ConnectionStatus::Disconnected),
        ClientEvent::Status(ConnectionStatus::Connecting),
    ]));
}
