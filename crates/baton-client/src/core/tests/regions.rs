//! Stories of locks of parts: several grants, one ticket, the permission to edit each part.

use baton_sync::control_channel::{
    ClientMessage, GrantStatus, LockMode, LockView, Outcome, ServerMessage,
};

use super::script::{SECOND, Script, Sent, fence, free, nonce, scope, shows, waits};
use crate::core::operation::{Asked, Operation, Reply};
use crate::events::{ClientEvent, EditPermission, LockStatus};
use crate::scope::LockScope;

fn offers(script: &mut Script, position: u64, of: &str) -> Vec<Sent> {
    script.says(&ServerMessage::Offer {
        fence: fence(position),
        paths: scope(of).to_wire(),
        expires_ms: 2000,
    });
    script.sent()
}

/// The server offers and grants this part.
fn grants(script: &mut Script, position: u64, of: &str) {
    let claim = ClientMessage::Claim {
        fence: fence(position),
    };
    assert_eq!(offers(script, position, of), [Sent::Says(claim)]);
    script.says(&ServerMessage::Granted {
        fence: fence(position),
        paths: scope(of).to_wire(),
    });
}

fn declines(position: u64) -> Vec<Sent> {
    vec![Sent::Says(ClientMessage::Decline {
        fence: fence(position),
        later: false,
    })]
}

fn permission(script: &Script, of: &str) -> EditPermission {
    script.core.permission(&scope(of), script.now)
}

const HELD: GrantStatus = GrantStatus::Held;

#[test]
fn the_lease_of_one_grant_does_not_keep_another_alive() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7, "title");
    script.pass(5 * SECOND);
    grants(&mut script, 9, "body");
    script.takes_events();
    script.pass(2 * SECOND);
    assert_eq!(permission(&script, "title"), EditPermission::Unconfirmed);
    assert_eq!(permission(&script, "body"), EditPermission::Holder);
    assert_eq!(
        permission(&script, "title,body"),
        EditPermission::Unconfirmed
    );
    let told = ClientEvent::MayEditThere {
        scope: scope("title"),
        permission: EditPermission::Unconfirmed,
    };
    let events = script.takes_events();
    assert_eq!(
        events,
        [ClientEvent::MayEdit(EditPermission::Unconfirmed), told],
        "at the very moment"
    );
    // A confirmed answer proves the session alive, and so renews both leases.
    script.beat(1, 0);
    script.beat(2, 1);
    assert_eq!(permission(&script, "title,body"), EditPermission::Holder);
    script.pass(7 * SECOND);
    assert_eq!(permission(&script, "title"), EditPermission::Unconfirmed);
    assert_eq!(permission(&script, "body"), EditPermission::Unconfirmed);
}

#[test]
fn the_root_type_decides_who_may_write() {
    let mut script = Script::new();
    script.joins(
        false,
        shows(3, &[(2, "rows/7", HELD, 8), (3, "notes", HELD, 8)]),
    );
    grants(&mut script, 7, "rows/8");
    // The holder of a path may edit its root type; deeper paths are a convention.
    assert_eq!(permission(&script, "rows/8"), EditPermission::Holder);
    assert_eq!(permission(&script, "rows"), EditPermission::Holder);
    assert_eq!(permission(&script, "notes"), EditPermission::Theirs);
    assert_eq!(permission(&script, "title"), EditPermission::Free);
    assert_eq!(permission(&script, "rows/8,title"), EditPermission::Free);
    assert_eq!(permission(&script, "title,notes"), EditPermission::Theirs);
    assert_eq!(permission(&script, ""), EditPermission::Theirs);
    script.says(&ServerMessage::Lock {
        lock: LockView {
            mode: LockMode::Required,
            ..shows(8, &[(7, "rows/8", HELD, 5)])
        },
    });
    assert_eq!(permission(&script, "rows/8"), EditPermission::Holder);
    assert_eq!(permission(&script, "title"), EditPermission::Required);
    script.says(&ServerMessage::Lock {
        lock: shows(9, &[(7, "rows/8", HELD, 5)]),
    });
    // No other session has a lock: everything may be edited while the own lease lasts.
    assert_eq!(permission(&script, ""), EditPermission::Free);
}

#[test]
fn each_lock_has_its_own_standing_and_place() {
    let mut script = Script::new();
    let mut lock = shows(5, &[(4, "notes", HELD, 8), (5, "title", HELD, 5)]);
    lock.queue = vec![waits(9, ""), waits(5, "notes")];
    lock.waiting = 2;
    script.joins(true, lock);
    let locks = script.core.locks();
    let lock_status = |of| locks.lock_status(&scope(of));
    assert_eq!(lock_status("title"), LockStatus::Mine);
    assert_eq!(lock_status("title/first"), LockStatus::Mine);
    assert_eq!(lock_status("notes"), LockStatus::Waiting);
    assert_eq!(lock_status("rows"), LockStatus::Free);
    assert_eq!(lock_status(""), LockStatus::Theirs);
    assert_eq!(locks.place(&scope("notes")), Some(2));
    assert_eq!(locks.place(&scope("rows")), None);
}

#[test]
fn a_late_offer_for_a_wish_that_was_replaced_is_declined() {
    let mut script = Script::new();
    script.joins(false, shows(3, &[(3, "", HELD, 8)]));
    let first = nonce(script.asks_for(Operation::Acquire(scope("title"))));
    script.says(&ServerMessage::Result {
        nonce: first,
        outcome: Outcome::Queued,
        message: None,
    });
    script.asks_for(Operation::Request(scope("notes"), "please".to_owned()));
    script.sent();
    script.takes_events();
    assert_eq!(offers(&mut script, 7, "title"), declines(7));
    assert_eq!(script.takes_events(), []);
    // The program cannot claim an offer that came too late, either.
    script.act(|core, now| core.claim(now, fence(7)));
    assert_eq!(script.sent(), []);
    grants(&mut script, 9, "notes");
    assert_eq!(permission(&script, "notes"), EditPermission::Holder);
}

#[test]
fn a_late_offer_for_a_wish_that_was_withdrawn_is_declined() {
    let mut script = Script::new();
    script.joins(false, shows(3, &[(3, "title", HELD, 8)]));
    script.asks_for(Operation::Acquire(scope("title")));
    let cancelled = nonce(script.asks_for(Operation::Cancel(scope("title"))));
    script.sent();
    assert_eq!(offers(&mut script, 7, "title"), declines(7));
    script.says(&ServerMessage::Result {
        nonce: cancelled,
        outcome: Outcome::Done,
        message: None,
    });
    // From then on the server knows of the cancel: a further offer comes from a holder that went
    // offline.
    grants(&mut script, 9, "title");
}

#[test]
fn what_was_being_taken_and_is_not_wanted_any_more_is_declined() {
    let mut script = Script::new();
    script.joins(false, shows(3, &[(3, "title", HELD, 8)]));
    script.asks_for(Operation::TakeOver(scope("title")));
    script.asks_for(Operation::Cancel(scope("title")));
    script.sent();
    assert_eq!(offers(&mut script, 7, "title"), declines(7));
}

#[test]
fn a_grant_ends_all_waiting() {
    let mut script = Script::new();
    let mut lock = shows(3, &[(3, "title", HELD, 8)]);
    lock.queue = vec![waits(5, "title")];
    lock.waiting = 1;
    script.joins(true, lock);
    script.asks_for(Operation::TakeOver(scope("notes")));
    script.sent();
    grants(&mut script, 7, "notes");
    let status = script.core.locks().lock_status(&scope("title"));
    assert_eq!(status, LockStatus::Theirs);
    script.loses_connection(None);
    let said = script.joins(
        true,
        shows(8, &[(3, "title", HELD, 8), (7, "notes", HELD, 5)]),
    );
    let acquires = |sent: &Sent| matches!(sent, Sent::Says(ClientMessage::Acquire { .. }));
    assert!(!said.iter().any(acquires));
}

#[test]
fn another_scopes_ticket_is_not_cancelled() {
    let mut script = Script::new();
    script.joins(false, shows(3, &[(3, "", HELD, 8)]));
    script.asks_for(Operation::Acquire(scope("title")));
    let cancelled = script.asks_for(Operation::Cancel(scope("notes")));
    let done = Ok(Reply::Outcome(Outcome::Done));
    assert_eq!(cancelled, Asked::Known(done));
    let status = script.core.locks().lock_status(&scope("title"));
    assert_eq!(status, LockStatus::Waiting);
}

#[test]
fn a_refused_replacement_leaves_the_ticket_from_before() {
    let mut script = Script::new();
    let mut lock = shows(3, &[(3, "", HELD, 8)]);
    lock.queue = vec![waits(5, "title")];
    lock.waiting = 1;
    script.joins(true, lock);
    let asked = nonce(script.asks_for(Operation::Acquire(scope("notes"))));
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Full,
        message: None,
    });
    script.sent();
    let locks = script.core.locks();
    assert_eq!(locks.lock_status(&scope("title")), LockStatus::Waiting);
    assert_eq!(locks.lock_status(&scope("notes")), LockStatus::Theirs);
    grants(&mut script, 7, "title");
}

#[test]
fn who_would_have_to_wait_while_it_holds_wants_nothing_more() {
    let mut script = Script::new();
    script.joins(false, shows(3, &[(3, "notes", HELD, 8)]));
    grants(&mut script, 7, "title");
    let asked = nonce(script.asks_for(Operation::Acquire(scope("notes"))));
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::WouldWait,
        message: None,
    });
    script.loses_connection(None);
    let said = script.joins(
        true,
        shows(8, &[(3, "notes", HELD, 8), (7, "title", HELD, 5)]),
    );
    assert!(!said.iter().any(|sent| matches!(sent, Sent::Says(_))));
    assert_eq!(permission(&script, "title"), EditPermission::Holder);
}

#[test]
fn each_grant_is_kept_or_lost_for_itself() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7, "title");
    grants(&mut script, 9, "notes");
    script.loses_connection(None);
    script.takes_events();
    let opening = script.opens();
    let Sent::Says(ClientMessage::Hello { fences, locks, .. }) = &opening[0] else {
        panic!("opens with {opening:?}");
    };
    assert_eq!(*fences, [fence(7), fence(9)]);
    assert_eq!(*locks, Some(1));
    script.welcomes(
        5,
        true,
        shows(12, &[(7, "title", HELD, 5), (12, "notes", HELD, 8)]),
    );
    let events = script.takes_events();
    let kept = ClientEvent::Granted {
        fence: fence(7),
        scope: scope("title"),
        kept: true,
    };
    assert!(events.contains(&kept));
    let lost = |event: &ClientEvent| match event {
        ClientEvent::Lost { fence: of, .. } => *of == fence(9),
        _ => false,
    };
    assert_eq!(events.iter().filter(|event| lost(event)).count(), 1);
    assert_eq!(permission(&script, "title"), EditPermission::Holder);
    assert_eq!(permission(&script, "notes"), EditPermission::Theirs);
}

#[test]
fn a_release_gives_back_its_own_part_only() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7, "title");
    grants(&mut script, 9, "notes");
    script.takes_events();
    let released = nonce(script.asks_for(Operation::Release(scope("notes"))));
    let said = ClientMessage::Release {
        nonce: released,
        fence: fence(9),
    };
    assert_eq!(script.sent(), [Sent::Says(said)]);
    assert_eq!(permission(&script, "notes"), EditPermission::Releasing);
    assert_eq!(permission(&script, "title"), EditPermission::Holder);
    script.says(&ServerMessage::Result {
        nonce: released,
        outcome: Outcome::Done,
        message: None,
    });
    assert_eq!(permission(&script, "notes"), EditPermission::Free);
    let whole = script.asks_for(Operation::Release(LockScope::whole()));
    let stale = Ok(Reply::Outcome(Outcome::Stale));
    assert_eq!(whole, Asked::Known(stale), "there is no grant of the whole");
    let told: Vec<_> = script
        .takes_events()
        .into_iter()
        .filter_map(|event| match event {
            ClientEvent::MayEditThere { scope, permission } => {
                Some((scope.to_string(), permission))
            }
            _ => None,
        })
        .collect();
    let notes = |permission| ("notes".to_owned(), permission);
    assert_eq!(
        told,
        [
            notes(EditPermission::Releasing),
            notes(EditPermission::Free)
        ]
    );
}

#[test]
fn what_was_wanted_is_wanted_again_by_a_new_session() {
    let mut script = Script::new();
    script.joins(false, shows(3, &[(3, "", HELD, 8)]));
    let asked = nonce(script.asks_for(Operation::Acquire(scope("title,notes"))));
    script.says(&ServerMessage::Result {
        nonce: asked,
        outcome: Outcome::Queued,
        message: None,
    });
    script.sent();
    script.loses_connection(None);
    let said = script.joins(false, shows(3, &[(3, "", HELD, 8)]));
    let anew = |sent: &&Sent| match sent {
        Sent::Says(ClientMessage::Acquire { nonce, paths }) => {
            *nonce > asked && *paths == scope("title,notes").to_wire()
        }
        _ => false,
    };
    assert_eq!(said.iter().filter(anew).count(), 1);
}
