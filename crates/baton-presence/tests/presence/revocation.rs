//! Stories of sessions whose right to lock or to write is taken away.

use baton_presence::{
    AutoPass, Change, DrainReason, Event, Fence, GrantState, LockRefusal, LockState, LossReason,
    OfferEnd, Rights, SessionId, WriteRight,
};

use crate::harness::{A, B, C, Log, NewestLock, acquire, resumed};

fn rights(session: SessionId, rights: Rights) -> Event {
    Event::RightsSet { session, rights }
}

fn lost(changes: &[Change]) -> Option<(Fence, LossReason)> {
    changes.iter().find_map(|change| match change {
        Change::LockLost { fence, why, .. } => Some((*fence, *why)),
        _ => None,
    })
}

#[test]
fn a_holder_drains_and_the_next_ticket_is_served() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let fence = log.hold(A);
    log.acquire(C);
    let changes = log.say(rights(A, Rights::WRITE));
    assert_eq!(
        changes[0],
        Change::Rights {
            session: A,
            rights: Rights::WRITE
        }
    );
    let draining = GrantState::Draining {
        to: None,
        why: DrainReason::Revoked,
    };
    let state = log.lock_state.grant(fence).map(|grant| grant.state);
    assert_eq!(state, Some(draining));
    // It sends what it has, and may write until then.
    assert!(matches!(log.may_write(A), WriteRight::Holder(_)));
    log.say(Event::Drained { session: A, fence });
    assert!(matches!(log.state(), NewestLock::Offered { to: C, .. }));
    let refusal = Change::Refused {
        session: A,
        why: LockRefusal::NoLockRight,
    };
    assert_eq!(log.say(acquire(A)), [refusal]);
}

#[test]
fn without_the_right_to_write_nothing_is_written_while_the_lock_drains() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.hold(A);
    log.say(rights(A, Rights::LOCK));
    assert_eq!(log.may_write(A), WriteRight::ReadOnly);
    assert!(matches!(log.state(), NewestLock::Draining { by: A, .. }));
}

#[test]
fn a_holder_that_cannot_be_told_loses_the_lock_at_once() {
    for gone in [
        Event::Lost { session: A },
        Event::Disconnected { session: A },
        Event::Restarted,
    ] {
        let mut log = Log::with(AutoPass::On, &[A]);
        let fence = log.hold(A);
        log.say(gone);
        let changes = log.say(rights(A, Rights::WRITE));
        assert_eq!(lost(&changes), Some((fence, LossReason::Revoked)));
        assert_eq!(log.state(), NewestLock::Free);
    }
}

#[test]
fn a_resume_with_fewer_rights_goes_on_and_drains() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.say(Event::Disconnected { session: A });
    let changes = log.say(Event::Resumed {
        session: A,
        fences: vec![fence],
        rights: Rights::WRITE,
    });
    let resumed = |change: &Change| matches!(change, Change::Resumed { by: A, .. });
    assert!(changes.iter().any(resumed));
    assert_eq!(log.state(), NewestLock::Draining { by: A, fence });
    // A drain that began is not taken back.
    log.say(rights(A, Rights::EDIT));
    assert_eq!(log.state(), NewestLock::Draining { by: A, fence });
}

/// It was once told of the offer again, and in the same breath that it was over.
#[test]
fn a_resume_with_fewer_rights_is_not_told_of_its_offer_again() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(A);
    let fence = log.fence();
    let changes = log.say(Event::Resumed {
        session: A,
        fences: Vec::new(),
        rights: Rights::NONE,
    });
    let offered = |change: &Change| matches!(change, Change::Offered { .. });
    assert!(!changes.iter().any(offered), "{changes:?}");
    let ended = |change: &Change| {
        let why = OfferEnd::Revoked;
        matches!(change, Change::OfferEnded { fence: of, why: end, .. } if (*of, *end) == (fence, why))
    };
    assert!(changes.iter().any(ended));
}

#[test]
fn a_promised_successor_without_the_right_is_forgotten() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let fence = log.hold(A);
    log.acquire(C);
    log.say(Event::Transfer {
        session: A,
        fence,
        to: B,
    });
    log.say(rights(B, Rights::WRITE));
    log.say(Event::Drained { session: A, fence });
    assert!(matches!(log.state(), NewestLock::Offered { to: C, .. }));
}

#[test]
fn a_waiter_that_has_the_right_again_is_behind_the_others() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold(A);
    log.acquire(B);
    log.acquire(C);
    log.say(rights(B, Rights::NONE));
    assert_eq!(log.lock_state.queue_position(B), None);
    log.say(rights(B, Rights::EDIT));
    log.acquire(B);
    assert_eq!(log.lock_state.queue_position(B), Some(1));
}

#[test]
fn a_lock_of_a_lost_holder_gives_way_to_a_writer_without_the_right_to_lock() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.say(rights(B, Rights::WRITE));
    log.say(Event::Disconnected { session: A });
    let changes = log.say(Event::GraceOver { session: A, fence });
    assert_eq!(lost(&changes), Some((fence, LossReason::GraceOver)));
    assert_eq!(log.may_write(B), WriteRight::Free);
    // A reader is kept from nothing by it.
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.say(rights(B, Rights::NONE));
    log.say(Event::Disconnected { session: A });
    assert_eq!(lost(&log.say(Event::GraceOver { session: A, fence })), None);
}

#[test]
fn a_snapshot_holds_a_draining_lock_of_a_session_without_the_right_and_no_held_one() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.hold(A);
    log.say(rights(A, Rights::WRITE));
    let snapshot = log.lock_state.snapshot();
    assert_eq!(LockState::restore(&snapshot).as_ref(), Ok(&log.lock_state));
    let mut wrong = snapshot;
    wrong.grants[0].state = GrantState::Held;
    assert!(LockState::restore(&wrong).is_err());
}

#[test]
fn rights_that_are_the_same_change_nothing_and_those_of_strangers_neither() {
    let mut log = Log::with(AutoPass::On, &[A]);
    assert_eq!(log.say(rights(A, Rights::EDIT)), []);
    assert_eq!(log.say(rights(C, Rights::NONE)), []);
    assert!(log.say(resumed(A, &[])).len() == 1);
}
