//! Stories of the lock: what is asked, offered, granted and lost, and how long a holder may go on.

use baton_sync::channel::{ClientMessage, GrantState, Outcome, ServerMessage};

use super::script::{SECOND, Script, Sent, fence, free, view};
use crate::core::operation::{Asked, Operation, Reply};
use crate::error::Unanswered;
use crate::events::{EditRight, Event, Standing};
use crate::options::Claim;
use crate::scope::Scope;

/// The server offers and grants the lock under this fence.
pub(super) fn grants(script: &mut Script, position: u64) {
    script.says(&ServerMessage::Offer {
        fence: fence(position),
        paths: Vec::new(),
        expires_ms: 2000,
    });
    let claim = ClientMessage::Claim {
        fence: fence(position),
    };
    assert_eq!(script.sent(), [Sent::Says(claim)]);
    script.says(&ServerMessage::Granted {
        fence: fence(position),
        paths: Vec::new(),
    });
    script.says(&ServerMessage::Lock {
        lock: view(position, GrantState::Held, 5),
    });
}

pub(super) fn nonce(asked: Asked) -> u64 {
    match asked {
        Asked::Nonce(nonce) => nonce,
        Asked::Known(answer) => panic!("answered at once: {answer:?}"),
    }
}

fn right(script: &Script) -> EditRight {
    script.core.right(&Scope::whole(), script.now)
}

#[test]
fn an_offer_is_claimed_and_a_grant_gives_the_right_to_edit() {
    let mut script = Script::new();
    script.joins(false, free(1));
    let asked = nonce(script.asks_for(Operation::Acquire(Scope::whole())));
    assert_eq!(
        script.sent(),
        [Sent::Says(ClientMessage::Acquire {
            nonce: asked,
            paths: Vec::new()
        })]
    );
    assert_eq!(
        script.core.locks().standing(&Scope::whole()),
        Standing::Waiting
    );
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Done,
        message: None,
    });
    assert_eq!(script.answers, [(asked, Ok(Reply::Outcome(Outcome::Done)))]);
    grants(&mut script, 7);
    assert_eq!(right(&script), EditRight::Holder);
    let granted = Event::Granted {
        fence: fence(7),
        scope: Scope::whole(),
        kept: false,
    };
    let events = script.takes_events();
    assert_eq!(events.iter().filter(|event| **event == granted).count(), 1);
}

#[test]
fn a_holder_without_news_stops_seven_seconds_after_it_sent_what_was_confirmed() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.pass(2 * SECOND);
    script.beat(1, 0);
    script.pass(2 * SECOND);
    script.beat(2, 1); // the answer to 1, sent two seconds ago, came in time
    script.pass(5 * SECOND - SECOND / 1000);
    assert_eq!(right(&script), EditRight::Holder);
    script.takes_events();
    script.pass(SECOND / 1000);
    assert_eq!(right(&script), EditRight::Unconfirmed);
    assert_eq!(
        script.takes_events(),
        [Event::MayEdit(EditRight::Unconfirmed)]
    );
    // News again: it goes on.
    script.beat(3, 2);
    script.beat(4, 3);
    assert_eq!(right(&script), EditRight::Holder);
}

#[test]
fn a_sleep_that_the_monotonic_clock_missed_ends_the_lease() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.now.wall += 7 * SECOND;
    assert_eq!(right(&script), EditRight::Unconfirmed);
}

#[test]
fn a_claim_counts_from_its_sending_and_not_from_the_grant() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.says(&ServerMessage::Offer {
        fence: fence(7),
        paths: Vec::new(),
        expires_ms: 2000,
    });
    script.pass(SECOND);
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: Vec::new(),
    });
    assert_eq!(
        script.core.locks().lease_left(&Scope::whole(), script.now),
        6 * SECOND
    );
}

#[test]
fn a_grant_counts_from_the_first_claim_of_an_offer_that_is_told_twice() {
    let mut script = Script::new();
    script.joins(false, free(1));
    let offer = ServerMessage::Offer {
        fence: fence(7),
        paths: Vec::new(),
        expires_ms: 2000,
    };
    script.says(&offer);
    // The rest came while this client slept, and the lock has passed on since.
    script.now.wall += 20 * SECOND;
    script.says(&offer);
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: Vec::new(),
    });
    assert_eq!(right(&script), EditRight::Unconfirmed);
}

#[test]
fn a_resumed_holder_goes_on_and_counts_from_its_hello() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.loses_connection(None);
    assert_eq!(right(&script), EditRight::Holder);
    script.pass(6 * SECOND);
    script.act(|core, now| core.opened(now));
    script.pass(SECOND);
    assert_eq!(right(&script), EditRight::Unconfirmed);
    script.takes_events();
    script.welcomes(5, true, view(7, GrantState::Held, 5));
    assert_eq!(right(&script), EditRight::Holder);
    assert_eq!(
        script.core.locks().lease_left(&Scope::whole(), script.now),
        6 * SECOND
    );
    let kept = Event::Granted {
        fence: fence(7),
        scope: Scope::whole(),
        kept: true,
    };
    assert!(script.takes_events().contains(&kept));
}

#[test]
fn who_comes_back_as_another_session_or_too_late_holds_nothing() {
    for (resumed, lock) in [
        (false, view(7, GrantState::Suspect, 5)),
        (true, view(9, GrantState::Held, 6)),
    ] {
        let mut script = Script::new();
        script.joins(false, free(1));
        grants(&mut script, 7);
        script.loses_connection(None);
        script.takes_events();
        script.joins(resumed, lock);
        assert_eq!(script.core.ticket().unwrap().fences, []);
        assert!(!right(&script).may_edit());
        let lost =
            |event: &Event| matches!(event, Event::Lost { fence: of, .. } if *of == fence(7));
        assert!(script.takes_events().iter().any(lost));
        // Late news of the old grant give nothing back.
        script.says(&ServerMessage::Granted {
            fence: fence(7),
            paths: Vec::new(),
        });
        assert_eq!(script.core.ticket().unwrap().fences, []);
    }
}

#[test]
fn a_loss_is_told_once_whoever_tells_first() {
    let lost = ServerMessage::Lost {
        fence: fence(7),
        reason: "silent".to_owned(),
    };
    let passed = ServerMessage::Lock {
        lock: view(9, GrantState::Offered, 6),
    };
    for order in [[&lost, &passed], [&passed, &lost]] {
        let mut script = Script::new();
        script.joins(false, free(1));
        grants(&mut script, 7);
        script.takes_events();
        for message in order {
            script.says(message);
            assert!(!right(&script).may_edit());
        }
        let losses = script.takes_events();
        let losses = losses
            .iter()
            .filter(|event| matches!(event, Event::Lost { .. }));
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
    assert_eq!(right(&script), EditRight::Holder);
    assert_eq!(script.takes_events(), []);
}

#[test]
fn what_was_not_answered_is_asked_again_under_its_nonce_but_a_try_is_not() {
    let mut script = Script::new();
    script.joins(false, view(2, GrantState::Held, 8));
    let tried = nonce(script.asks_for(Operation::Try(Scope::whole())));
    let asked = nonce(script.asks_for(Operation::Acquire(Scope::whole())));
    script.loses_connection(None);
    assert_eq!(script.answers, [(tried, Err(Unanswered::Disconnected))]);
    assert_eq!(
        script.asks_for(Operation::Try(Scope::whole())),
        Asked::Known(Err(Unanswered::Disconnected))
    );
    let said = script.joins(true, view(2, GrantState::Held, 8));
    let again = Sent::Says(ClientMessage::Acquire {
        nonce: asked,
        paths: Vec::new(),
    });
    assert_eq!(said.iter().filter(|sent| **sent == again).count(), 1);
    assert_eq!(
        script.asks_for(Operation::Release(Scope::whole())),
        Asked::Known(Ok(Reply::Outcome(Outcome::Stale)))
    );
}

#[test]
fn a_place_in_the_queue_that_was_lost_is_asked_for_anew() {
    let mut script = Script::new();
    script.joins(false, view(2, GrantState::Held, 8));
    let asked = nonce(script.asks_for(Operation::Acquire(Scope::whole())));
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Queued,
        message: None,
    });
    script.sent();
    script.loses_connection(None);
    let said = script.joins(false, view(2, GrantState::Held, 8));
    let anew = |sent: &&Sent| matches!(sent, Sent::Says(ClientMessage::Acquire { nonce, .. }) if *nonce > asked);
    assert_eq!(said.iter().filter(anew).count(), 1);
    // Who gave up does not ask again.
    script.asks_for(Operation::Cancel(Scope::whole()));
    script.answers.clear();
    script.loses_connection(None);
    let said = script.joins(false, free(3));
    let acquires = |sent: &Sent| matches!(sent, Sent::Says(ClientMessage::Acquire { .. }));
    // The first anew one was never answered, and goes before the cancel.
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

/// Who declines wants it no more, also when a connection was lost; who declines for now waits on.
#[test]
fn a_wish_that_was_declined_is_asked_for_again_only_if_it_was_declined_for_now() {
    for later in [false, true] {
        let mut script = Script::with(|options| options.claim = Claim::Ask);
        script.joins(false, free(1));
        let asked = nonce(script.asks_for(Operation::Acquire(Scope::whole())));
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
    let released = nonce(script.asks_for(Operation::Release(Scope::whole())));
    assert_eq!(right(&script), EditRight::Releasing);
    script.loses_connection(None);
    let said = script.joins(true, view(7, GrantState::Suspect, 5));
    let release = Sent::Says(ClientMessage::Release {
        nonce: released,
        fence: fence(7),
    });
    assert!(said.contains(&release));
    assert_eq!(right(&script), EditRight::Releasing);
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
    assert_eq!(right(&script), EditRight::Free);
    let lost = |event: &Event| matches!(event, Event::Lost { .. });
    assert!(!script.takes_events().iter().any(lost));
}

#[test]
fn a_release_whose_grant_has_passed_on_is_stale() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    let released = nonce(script.asks_for(Operation::Release(Scope::whole())));
    script.loses_connection(None);
    script.joins(true, view(9, GrantState::Held, 8));
    assert_eq!(
        script.answers,
        [(released, Ok(Reply::Outcome(Outcome::Stale)))]
    );
}

#[test]
fn who_asks_to_be_asked_claims_or_declines_by_hand() {
    let mut script = Script::with(|options| options.claim = Claim::Ask);
    script.joins(false, free(1));
    let offer = |position| ServerMessage::Offer {
        fence: fence(position),
        paths: Vec::new(),
        expires_ms: 2000,
    };
    script.says(&offer(7));
    assert_eq!(script.sent(), []);
    assert_eq!(right(&script), EditRight::Offered);
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
    // Too late: nothing is said.
    script.act(|core, now| core.claim(now, fence(8)));
    assert_eq!(script.sent(), []);
    assert!(matches!(
        script.takes_events().last(),
        Some(Event::MayEdit(EditRight::Free))
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
        lock: view(5, GrantState::Offered, 8),
    });
    assert_eq!(script.core.ticket().unwrap().fences, [fence(7)]);
    assert_eq!(right(&script), EditRight::Holder);
}

#[test]
fn nothing_that_an_earlier_session_sent_counts_for_a_new_one() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.beat(1, 0);
    script.loses_connection(None);
    script.joins(false, free(8));
    script.says(&ServerMessage::Granted {
        fence: fence(9),
        paths: Vec::new(),
    });
    script.beat(2, 1);
    assert_eq!(right(&script), EditRight::Unconfirmed);
    script.beat(3, 2);
    assert_eq!(right(&script), EditRight::Holder);
}

/// The server passes the lock on as soon as it reads that this client is done; the answer to the close frame took up to
/// two seconds, and until it came the client believed that it held the lock, next to the next holder. (Found by the
/// simulation, S5.)
#[test]
fn who_closes_stops_editing_at_once() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.asks_for(Operation::Acquire(Scope::whole()));
    script.sent();
    grants(&mut script, 7);
    assert_eq!(right(&script), EditRight::Holder);
    script.act(|core, now| core.close(now));
    assert_eq!(right(&script), EditRight::Closed);
}
