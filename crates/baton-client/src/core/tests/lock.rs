//! Stories of the lock of the whole document: requests, offers, grants, losses.

use baton_sync::control_channel::{ClientMessage, GrantStatus, Outcome, ServerMessage};

use super::script::{Script, Sent, fence, free, grants, nonce, view};
use crate::core::operation::{Asked, Operation, Reply};
use crate::error::OperationError;
use crate::events::{ClientEvent, EditPermission, LockStatus};
use crate::options::ClaimPolicy;
use crate::scope::LockScope;

fn permission(script: &Script) -> EditPermission {
    script.core.permission(&LockScope::whole(), script.now)
}

#[test]
fn an_offer_is_claimed_and_a_grant_gives_the_right_to_edit() {
    let mut script = Script::new();
    script.joins(false, free(1));
    let asked = nonce(script.asks_for(Operation::Acquire(LockScope::whole())));
    assert_eq!(
        script.sent(),
        [Sent::Says(ClientMessage::Acquire {
            nonce: asked,
            paths: Vec::new()
        })]
    );
    assert_eq!(
        script.core.locks().lock_status(&LockScope::whole()),
        LockStatus::Waiting
    );
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Done,
        message: None,
    });
    assert_eq!(script.answers, [(asked, Ok(Reply::Outcome(Outcome::Done)))]);
    grants(&mut script, 7);
    assert_eq!(permission(&script), EditPermission::Holder);
    let granted = ClientEvent::Granted {
        fence: fence(7),
        scope: LockScope::whole(),
        kept: false,
    };
    let events = script.takes_events();
    assert_eq!(events.iter().filter(|event| **event == granted).count(), 1);
}

#[test]
fn who_comes_back_as_another_session_or_too_late_holds_nothing() {
    for (resumed, lock) in [
        (false, view(7, GrantStatus::Suspect, 5)),
        (true, view(9, GrantStatus::Held, 6)),
    ] {
        let mut script = Script::new();
        script.joins(false, free(1));
        grants(&mut script, 7);
        script.loses_connection(None);
        script.takes_events();
        script.joins(resumed, lock);
        assert_eq!(script.core.ticket().unwrap().fences, []);
        assert!(!permission(&script).may_edit());
        let lost = |event: &ClientEvent| match event {
            ClientEvent::Lost { fence: of, .. } => *of == fence(7),
            _ => false,
        };
        assert!(script.takes_events().iter().any(lost));
        // Late news of the old grant do not restore it.
        script.says(&ServerMessage::Granted {
            fence: fence(7),
            paths: Vec::new(),
        });
        assert_eq!(script.core.ticket().unwrap().fences, []);
    }
}

#[test]
fn a_loss_is_reported_once_by_the_first_news_of_it() {
    let lost = ServerMessage::Lost {
        fence: fence(7),
        reason: "silent".to_owned(),
    };
    let passed = ServerMessage::Lock {
        lock: view(9, GrantStatus::Offered, 6),
    };
    for order in [[&lost, &passed], [&passed, &lost]] {
        let mut script = Script::new();
        script.joins(false, free(1));
        grants(&mut script, 7);
        script.takes_events();
        for message in order {
            script.says(message);
            assert!(!permission(&script).may_edit());
        }
        let losses = script.takes_events();
        let losses = losses
            .iter()
            .filter(|event| matches!(event, ClientEvent::Lost { .. }));
        assert_eq!(losses.count(), 1);
    }
}

#[test]
fn an_older_view_changes_nothing() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.takes_events();
    script.says(&ServerMessage::Lock { lock: free(6) });
    assert_eq!(permission(&script), EditPermission::Holder);
    assert_eq!(script.takes_events(), []);
}

#[test]
fn what_was_not_answered_is_asked_again_under_its_nonce_but_a_try_is_not() {
    let mut script = Script::new();
    script.joins(false, view(2, GrantStatus::Held, 8));
    let tried = nonce(script.asks_for(Operation::Try(LockScope::whole())));
    let asked = nonce(script.asks_for(Operation::Acquire(LockScope::whole())));
    script.loses_connection(None);
    assert_eq!(script.answers, [(tried, Err(OperationError::Disconnected))]);
    assert_eq!(
        script.asks_for(Operation::Try(LockScope::whole())),
        Asked::Known(Err(OperationError::Disconnected))
    );
    let said = script.joins(true, view(2, GrantStatus::Held, 8));
    let again = Sent::Says(ClientMessage::Acquire {
        nonce: asked,
        paths: Vec::new(),
    });
    assert_eq!(said.iter().filter(|sent| **sent == again).count(), 1);
    assert_eq!(
        script.asks_for(Operation::Release(LockScope::whole())),
        Asked::Known(Ok(Reply::Outcome(Outcome::Stale)))
    );
}

#[test]
fn a_place_in_the_queue_that_was_lost_is_asked_for_anew() {
    let mut script = Script::new();
    script.joins(false, view(2, GrantStatus::Held, 8));
    let asked = nonce(script.asks_for(Operation::Acquire(LockScope::whole())));
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Queued,
        message: None,
    });
    script.sent();
    script.loses_connection(None);
    let said = script.joins(false, view(2, GrantStatus::Held, 8));
    let anew = |sent: &&Sent| match sent {
        Sent::Says(ClientMessage::Acquire { nonce, .. }) => *nonce > asked,
        _ => false,
    };
    assert_eq!(said.iter().filter(anew).count(), 1);
    // A request that was cancelled is not repeated.
    script.asks_for(Operation::Cancel(LockScope::whole()));
    script.answers.clear();
    script.loses_connection(None);
    let said = script.joins(false, free(3));
    let acquires = |sent: &Sent| matches!(sent, Sent::Says(ClientMessage::Acquire { .. }));
    // The repeated request was never answered, so it is sent again before the cancel.
    let order: Vec<_> = said
        .iter()
        .filter(|sent| matches!(sent, Sent::Says(_)))
        .collect();
    assert!(
        matches!(order.last(), Some(Sent::Says(ClientMessage::Cancel { .. }))),
        "{order:?}"
    );
    assert!(said.iter().filter(|sent| acquires(sent)).count() <= 1);
}

/// A client that declines leaves the queue for good, also over a lost connection; one that declines
/// for now goes on waiting.
#[test]
fn a_wish_that_was_declined_is_asked_for_again_only_if_it_was_declined_for_now() {
    for later in [false, true] {
        let mut script = Script::with(|options| options.claim = ClaimPolicy::Ask);
        script.joins(false, free(1));
        let asked = nonce(script.asks_for(Operation::Acquire(LockScope::whole())));
        script.says(&ServerMessage::Offer {
            fence: fence(7),
            paths: Vec::new(),
            expires_ms: 2000,
        });
        script.says(&ServerMessage::Result {
            nonce: asked,
            outcome: Outcome::Done,
            message: None,
        });
        script.act(|core, _| core.decline(fence(7), later));
        script.loses_connection(None);
        let said = script.joins(false, free(9));
        let acquires = |sent: &Sent| matches!(sent, Sent::Says(ClientMessage::Acquire { .. }));
        assert_eq!(said.iter().any(acquires), later);
    }
}

#[test]
fn a_release_stops_the_editing_at_once_and_is_repeated_after_a_lost_connection() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    let released = nonce(script.asks_for(Operation::Release(LockScope::whole())));
    assert_eq!(permission(&script), EditPermission::Releasing);
    script.loses_connection(None);
    let said = script.joins(true, view(7, GrantStatus::Suspect, 5));
    let release = Sent::Says(ClientMessage::Release {
        nonce: released,
        fence: fence(7),
    });
    assert!(said.contains(&release));
    assert_eq!(permission(&script), EditPermission::Releasing);
    script.takes_events();
    script.says(&ServerMessage::Result {
        nonce: released,
        outcome: Outcome::Done,
        message: None,
    });
    script.says(&ServerMessage::Lock { lock: free(8) });
    assert_eq!(
        script.answers,
        [(released, Ok(Reply::Outcome(Outcome::Done)))]
    );
    assert_eq!(permission(&script), EditPermission::Free);
    let lost = |event: &ClientEvent| matches!(event, ClientEvent::Lost { .. });
    assert!(!script.takes_events().iter().any(lost));
}

#[test]
fn a_release_whose_grant_has_passed_on_is_stale() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    let released = nonce(script.asks_for(Operation::Release(LockScope::whole())));
    script.loses_connection(None);
    script.joins(true, view(9, GrantStatus::Held, 8));
    assert_eq!(
        script.answers,
        [(released, Ok(Reply::Outcome(Outcome::Stale)))]
    );
}

#[test]
fn a_program_can_claim_or_decline_offers_itself() {
    let mut script = Script::with(|options| options.claim = ClaimPolicy::Ask);
    script.joins(false, free(1));
    let offer = |position| ServerMessage::Offer {
        fence: fence(position),
        paths: Vec::new(),
        expires_ms: 2000,
    };
    script.says(&offer(7));
    assert_eq!(script.sent(), []);
    assert_eq!(permission(&script), EditPermission::Offered);
    script.act(|core, _| core.decline(fence(7), true));
    let (later, declined) = (true, fence(7));
    let declined = ClientMessage::Decline {
        fence: declined,
        later,
    };
    assert_eq!(script.sent(), [Sent::Says(declined)]);
    script.says(&offer(8));
    script.says(&ServerMessage::Lost {
        fence: fence(8),
        reason: "not claimed in time".to_owned(),
    });
    // Too late: nothing is sent.
    script.act(|core, now| core.claim(now, fence(8)));
    assert_eq!(script.sent(), []);
    assert!(matches!(
        script.takes_events().last(),
        Some(ClientEvent::MayEdit(EditPermission::Free))
    ));
    script.says(&offer(9));
    script.act(|core, now| core.claim(now, fence(9)));
    let claimed = ClientMessage::Claim { fence: fence(9) };
    assert_eq!(script.sent(), [Sent::Says(claimed)]);
}

#[test]
fn a_view_from_before_the_grant_does_not_take_it_away() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.says(&ServerMessage::Offer {
        fence: fence(7),
        paths: Vec::new(),
        expires_ms: 2000,
    });
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: Vec::new(),
    });
    script.says(&ServerMessage::Lock {
        lock: view(5, GrantStatus::Offered, 8),
    });
    assert_eq!(script.core.ticket().unwrap().fences, [fence(7)]);
    assert_eq!(permission(&script), EditPermission::Holder);
}

/// The server passes the lock on as soon as it reads the close frame. Its answer took up to two
/// seconds, and until then the client believed that it held the lock, beside the next holder. Found
/// by the simulation (S5).
#[test]
fn a_client_that_closes_stops_editing_at_once() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.asks_for(Operation::Acquire(LockScope::whole()));
    script.sent();
    grants(&mut script, 7);
    assert_eq!(permission(&script), EditPermission::Holder);
    script.act(|core, now| core.close(now));
    assert_eq!(permission(&script), EditPermission::Closed);
}
