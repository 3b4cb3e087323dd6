//! Requests of sessions for a lock, and their answers to offers: acquire, try, cancel, claim,
//! decline, release.
//!
//! Each is idempotent: a repeated request is answered again, and changes state once.

use super::answers::{admit, refuse_fence, repeat, repeat_covering};
use super::handoff::forget_successor;
use super::state::State;
use super::step::Step;
use super::succession::{end_offer, give_back, hold, offer_in_place_of_overdue, serve_waiters};
use super::{tickets, turns};
use crate::{Change, Fence, Grant, GrantState, LockRefusal, OfferEnd, Scope, SessionId};

/// Applies [`Event::Acquire`](crate::Event::Acquire).
pub(crate) fn acquire(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    if admit(state, session, step) {
        wait_for(state, session, scope, step);
    }
}

/// Gives an admitted session the lock's present state if it has the lock, else an offer or a place
/// in the queue, or refuses it.
pub(crate) fn wait_for(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    let own = state.grants().with(session).count();
    if let Some(covers) = state.covering(session, scope) {
        let (fence, offered) = (covers.fence, covers.state == GrantState::Offered);
        if offered && own == 1 && state.wants(session).is_none() {
            // The session is offered the lock without having asked. The ticket keeps its request
            // alive if the offer fails.
            tickets::take(state, session, scope, step);
        }
        repeat(state, fence, step);
        return;
    }
    // A holder never waits (S10).
    if own > 0 {
        offer_now_or_refuse(state, session, scope, step, |by| LockRefusal::WouldWait {
            by,
        });
        return;
    }
    tickets::take(state, session, scope, step);
    serve_waiters(state, step);
    if state.covering(session, scope).is_none() {
        step.report(Change::Queued { session });
    }
}

/// Applies [`Event::Try`](crate::Event::Try).
pub(crate) fn try_now(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    if !admit(state, session, step) || repeat_covering(state, session, scope, step) {
        return;
    }
    // Admission forgave missed offers, so the session may be the next by ticket: the better claim.
    serve_waiters(state, step);
    if state.covering(session, scope).is_none() {
        offer_now_or_refuse(state, session, scope, step, |by| LockRefusal::Busy { by });
    }
}

/// Offers the scope now if it is free, or refuses it with the session that is in the way.
fn offer_now_or_refuse(
    state: &mut State,
    session: SessionId,
    scope: &Scope,
    step: &mut Step<'_>,
    refusal: impl Fn(SessionId) -> LockRefusal,
) {
    let mut own = state.grants().with(session);
    let in_the_way = own
        .find(|grant| grant.scope.conflicts(scope))
        .map(|grant| grant.party)
        .or_else(|| turns::in_the_way(state, scope, Some(session)))
        .or_else(|| turns::waiter(state, scope, Some(session)));
    drop(own);
    if let Some(by) = in_the_way {
        step.refuse(session, refusal(by));
    } else if !state.is_live(session) || step.has_offered() {
        step.refuse(session, LockRefusal::NotLive);
    } else {
        offer_in_place_of_overdue(state, session, scope.clone(), step);
    }
}

/// Applies [`Event::Cancel`](crate::Event::Cancel).
pub(crate) fn cancel(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    if state.peer(session).is_none() {
        step.refuse(session, LockRefusal::UnknownSession);
        return;
    }
    tickets::give_up(state, session, step);
    step.report(Change::Dequeued { session });
    for fence in state.grants().fences_with(session) {
        if state.is_offered(session, fence) {
            end_offer(state, fence, OfferEnd::Cancelled, step);
        }
    }
    forget_successor(state, session, step);
}

/// Applies [`Event::Release`](crate::Event::Release).
pub(crate) fn release(state: &mut State, session: SessionId, fence: Fence, step: &mut Step<'_>) {
    let own = state.grants().of(session, fence);
    if own.is_some_and(Grant::is_held) {
        give_back(state, fence, step);
    } else {
        refuse_fence(state, session, fence, step);
    }
}

/// Applies [`Event::Claim`](crate::Event::Claim).
pub(crate) fn claim(state: &mut State, session: SessionId, fence: Fence, step: &mut Step<'_>) {
    if state.is_offered(session, fence) {
        hold(state, fence, step);
    }
    let own = state.grants().of(session, fence);
    if own.is_some_and(Grant::may_write) {
        repeat(state, fence, step);
        return;
    }
    // A late claim shows that the session is awake.
    state.forgive_one(session, fence);
    refuse_fence(state, session, fence, step);
}

/// Applies [`Event::Decline`](crate::Event::Decline).
pub(crate) fn decline(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    later: bool,
    step: &mut Step<'_>,
) {
    if !state.is_offered(session, fence) {
        refuse_fence(state, session, fence, step);
    } else if later {
        miss(state, session, fence, OfferEnd::Declined, step);
    } else {
        let waited = tickets::give_up(state, session, step).is_some();
        end_offer(state, fence, OfferEnd::Declined, step);
        if waited {
            step.report(Change::Dequeued { session });
        }
    }
}

/// Applies [`Event::OldDecline`](crate::Event::OldDecline).
pub(crate) fn old_decline(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    step: &mut Step<'_>,
) {
    if state.is_offered(session, fence) {
        end_offer(state, fence, OfferEnd::Declined, step);
    } else {
        refuse_fence(state, session, fence, step);
    }
}

/// Applies [`Event::OfferExpired`](crate::Event::OfferExpired).
pub(crate) fn offer_expired(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    step: &mut Step<'_>,
) {
    if state.is_offered(session, fence) {
        miss(state, session, fence, OfferEnd::Expired, step);
    }
}

/// Applies [`Event::OldOfferExpired`](crate::Event::OldOfferExpired).
pub(crate) fn old_offer_expired(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    step: &mut Step<'_>,
) {
    if state.is_offered(session, fence) {
        end_offer(state, fence, OfferEnd::Expired, step);
    }
}

/// Ends an offer that its waiter missed. The ticket goes behind all present waiters: they have
/// their turn first, but waiters that come later do not overtake it (L2).
fn miss(state: &mut State, session: SessionId, fence: Fence, why: OfferEnd, step: &mut Step<'_>) {
    state.move_ticket_back(session);
    end_offer(state, fence, why, step);
}
