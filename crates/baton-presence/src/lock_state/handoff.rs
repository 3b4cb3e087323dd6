//! Orderly handoff: the holder is told to stop, sends its last edits, and the next session gets the
//! lock (S6). Covers transfer, take-over and move-here.
//!
//! A holder that cannot be reached is not waited for.

use super::answers::{admit, refuse_fence, repeat, repeat_covering};
use super::state::State;
use super::step::Step;
use super::succession::{end_offer, give_back, lose};
use super::tickets;
use crate::{
    Change, DrainReason, Fence, Grant, GrantState, LockRefusal, LossReason, OfferEnd, Rights,
    Scope, SessionId,
};

/// Applies [`Event::Transfer`](crate::Event::Transfer).
pub(crate) fn transfer(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    to: SessionId,
    step: &mut Step<'_>,
) {
    let own = state.grants().of(session, fence);
    let Some(grant) = own.filter(|grant| grant.may_write()) else {
        refuse_fence(state, session, fence, step);
        return;
    };
    if grant.state != GrantState::Held {
        repeat(state, fence, step);
        return;
    }
    let waits_for_it = |wants: &Scope| grant.scope.covers(wants);
    let fits = to != session
        && state.is_live(to)
        && state
            .peer(to)
            .is_some_and(|peer| peer.can_hold() && peer.wants.as_ref().is_none_or(waits_for_it));
    if fits {
        let successor = Some((to, grant.scope.clone()));
        drain(state, fence, successor, DrainReason::Transfer, step);
    } else {
        step.refuse(session, LockRefusal::NoSuchTarget);
    }
}

/// Applies [`Event::TakeOver`](crate::Event::TakeOver), which needs its right (S7).
pub(crate) fn take_over(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    if !may_take(state, session, scope, step) {
        return;
    }
    let rights = state.peer(session).map(|peer| peer.rights);
    if !rights.is_some_and(|rights| rights.contains(Rights::TAKE_OVER)) {
        step.refuse(session, LockRefusal::NotAllowed);
        return;
    }
    step.report(Change::TakenOver {
        by: session,
        scope: scope.clone(),
    });
    take(state, session, scope, DrainReason::TakenOver, step);
}

/// Applies [`Event::MoveHere`](crate::Event::MoveHere), which needs the same user (S7).
pub(crate) fn move_here(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    if !may_take(state, session, scope, step) {
        return;
    }
    let user = |session| state.peer(session).and_then(|peer| peer.user);
    let mine = user(session);
    let others = |grant: &&Grant| user(grant.party) != mine;
    let why = if mine.is_none() {
        Some(LockRefusal::NoUser)
    } else {
        let other = state.grants().in_conflict(scope).find(others);
        other.map(|grant| LockRefusal::OtherUser { by: grant.party })
    };
    if let Some(why) = why {
        step.refuse(session, why);
        return;
    }
    take(state, session, scope, DrainReason::Moved, step);
}

/// Returns true if there is something for this session to take; answers it otherwise.
fn may_take(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) -> bool {
    if !admit(state, session, step) || repeat_covering(state, session, scope, step) {
        return false;
    }
    let taken = |grant: &&Grant| {
        matches!(
            grant.state,
            GrantState::Draining {
                why: DrainReason::TakenOver | DrainReason::Moved,
                ..
            }
        )
    };
    let mut there = state.grants().in_conflict(scope);
    let why = if !state.is_live(session) {
        LockRefusal::NotLive
    } else if there.clone().next().is_none() {
        LockRefusal::NothingToTake
    } else if there.clone().any(|grant| grant.party == session) {
        LockRefusal::WouldWait { by: session }
    } else if let Some((successor, _)) = there
        .find(taken)
        .and_then(Grant::successor)
        .filter(|(successor, _)| *successor != session)
    {
        // Another session took it already, and waits for it to drain.
        LockRefusal::Busy { by: successor }
    } else {
        return true;
    };
    step.refuse(session, why);
    false
}

/// Takes all locks in conflict with `scope` from their parties: at once if the party cannot be
/// reached or was only offered the lock, after a drain otherwise.
fn take(
    state: &mut State,
    session: SessionId,
    scope: &Scope,
    why: DrainReason,
    step: &mut Step<'_>,
) {
    // The session no longer waits for what it takes, and a holder may not wait for anything else.
    if tickets::give_up(state, session, step).is_some() {
        step.report(Change::Dequeued { session });
    }
    let there = state.grants().in_conflict(scope);
    let fences: Vec<_> = there.map(|grant| grant.fence).collect();
    let mut drains = false;
    for fence in fences {
        let Some(grant) = state.grants().get(fence) else {
            continue;
        };
        match grant.state {
            GrantState::Offered => end_offer(state, fence, OfferEnd::TakenOver, step),
            GrantState::Held if state.is_live(grant.party) => {
                drain(state, fence, Some((session, scope.clone())), why, step);
                drains = true;
            }
            GrantState::Draining { .. } => {
                drain(state, fence, Some((session, scope.clone())), why, step);
                drains = true;
            }
            GrantState::Held | GrantState::Suspect | GrantState::Recovering => {
                lose(state, fence, LossReason::TakenOver, step);
            }
        }
    }
    if !drains {
        step.name_successor(session, scope.clone());
    }
}

/// Tells the holder to stop, again if it was told before with another reason or successor.
pub(crate) fn drain(
    state: &mut State,
    fence: Fence,
    successor: Option<(SessionId, Scope)>,
    why: DrainReason,
    step: &mut Step<'_>,
) {
    let (to, wants) = successor.unzip();
    let draining = GrantState::Draining { to, why };
    let before = state.grants().get(fence);
    if before.is_some_and(|grant| grant.state != draining || grant.successor_wants != wants) {
        state.change_grant(fence, |grant| {
            grant.enter(draining);
            grant.successor_wants = wants;
        });
        repeat(state, fence, step);
    }
}

/// Applies [`Event::Drained`](crate::Event::Drained).
pub(crate) fn drained(state: &mut State, session: SessionId, fence: Fence, step: &mut Step<'_>) {
    if is_draining(state, session, fence) {
        give_back(state, fence, step);
    } else {
        refuse_fence(state, session, fence, step);
    }
}

/// Applies [`Event::DrainOver`](crate::Event::DrainOver).
pub(crate) fn drain_over(state: &mut State, session: SessionId, fence: Fence, step: &mut Step<'_>) {
    if is_draining(state, session, fence) {
        lose(state, fence, LossReason::DrainOver, step);
    }
}

fn is_draining(state: &State, session: SessionId, fence: Fence) -> bool {
    let own = state.grants().of(session, fence);
    own.is_some_and(Grant::is_draining)
}

/// Removes this session as a named successor. The locks that drain for it drain on, for the
/// waiters.
pub(crate) fn forget_successor(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    let its = |grant: &&Grant| {
        grant
            .successor()
            .is_some_and(|(successor, _)| successor == session)
    };
    let promised = state.grants().promised().filter(its);
    let fences: Vec<_> = promised.map(|grant| grant.fence).collect();
    for fence in fences {
        state.change_grant(fence, |grant| {
            if let GrantState::Draining { to, .. } = &mut grant.state {
                *to = None;
            }
            grant.successor_wants = None;
        });
        repeat(state, fence, step);
    }
}
