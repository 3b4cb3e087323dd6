//! Handover requests: a waiter asks the holders in its way for their locks, and gets them once the
//! holders' time to answer is over. The idle yield of a holder works alike.
//!
//! A request carries no note here; the caller forwards it.

use super::answers::admit;
use super::handoff::drain;
use super::lock_requests::wait_for;
use super::state::State;
use super::step::Step;
use super::{tickets, turns};
use crate::{Change, DrainReason, Fence, GrantState, Scope, SessionId};

/// Applies [`Event::Request`](crate::Event::Request).
pub(crate) fn request(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    if !admit(state, session, step) {
        return;
    }
    wait_for(state, session, scope, step);
    if state.wants(session) != Some(scope) || state.covering(session, scope).is_some() {
        return;
    }
    let asked: Vec<_> = state
        .grants()
        .in_conflict(scope)
        .filter(|grant| grant.party != session)
        .filter(|grant| !grant.is_draining() && grant.requested_by.is_none())
        .map(|grant| (grant.party, grant.fence))
        .collect();
    for (by, fence) in asked {
        state.set_requested_by(fence, Some(session));
        step.report(Change::Requested {
            by,
            fence,
            from: session,
        });
    }
}

/// Applies [`Event::RequestsVoid`](crate::Event::RequestsVoid). A session that is live again goes
/// on requesting.
pub(crate) fn requests_void(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    if !state.is_live(session) {
        tickets::void_requests(state, session, step);
    }
}

/// Applies [`Event::RequestOver`](crate::Event::RequestOver).
pub(crate) fn request_over(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    step: &mut Step<'_>,
) {
    let asked = state
        .grants()
        .of(session, fence)
        .is_some_and(|grant| grant.requested_by.is_some());
    if asked {
        yield_to_waiters(state, session, fence, DrainReason::Requested, step);
    }
}

/// Applies [`Event::IdleYield`](crate::Event::IdleYield).
pub(crate) fn idle_yield(state: &mut State, session: SessionId, fence: Fence, step: &mut Step<'_>) {
    yield_to_waiters(state, session, fence, DrainReason::Idle, step);
}

/// Lets the lock drain for the next waiter, if a live one waits.
fn yield_to_waiters(
    state: &mut State,
    session: SessionId,
    fence: Fence,
    why: DrainReason,
    step: &mut Step<'_>,
) {
    let held = state
        .grants()
        .of(session, fence)
        .is_some_and(|grant| grant.state == GrantState::Held);
    if held && turns::is_waited_for(state, fence) {
        drain(state, fence, None, why, step);
    }
}
