//! Revocation: a session with other rights keeps only the locks and places that it may have.

use super::handoff::{drain, forget_successor};
use super::state::State;
use super::step::Step;
use super::succession::{end_offer, lose};
use super::tickets;
use crate::{Change, DrainReason, GrantState, LossReason, OfferEnd, Peer, Rights, SessionId};

/// Applies [`Event::RightsSet`](crate::Event::RightsSet).
pub(crate) fn rights_set(
    state: &mut State,
    session: SessionId,
    rights: Rights,
    step: &mut Step<'_>,
) {
    if state.peer(session).is_none_or(|peer| peer.rights == rights) {
        return;
    }
    state.set_rights(session, rights);
    step.report(Change::Rights { session, rights });
    revoke(state, session, step);
}

/// Takes its ticket, its offers, its promises and its locks from a session that may hold no lock.
///
/// A holder that can be reached drains, and has only that time left (S7). So what it typed under
/// the lock before it was told need not be parked. A drain for another reason goes on.
pub(crate) fn revoke(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    if state.peer(session).is_none_or(Peer::can_hold) {
        return;
    }
    withdraw(state, session, step);
    for fence in state.grants().fences_with(session) {
        match state.grants().get(fence).map(|grant| grant.state) {
            Some(GrantState::Held) if state.is_live(session) => {
                drain(state, fence, None, DrainReason::Revoked, step);
            }
            Some(GrantState::Held | GrantState::Suspect | GrantState::Recovering) => {
                lose(state, fence, LossReason::Revoked, step);
            }
            Some(GrantState::Offered | GrantState::Draining { .. }) | None => {}
        }
    }
}

/// Takes its ticket, its offers and its promises from a session that may hold no lock.
pub(crate) fn withdraw(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    if state.peer(session).is_none_or(Peer::can_hold) {
        return;
    }
    if tickets::give_up(state, session, step).is_some() {
        step.report(Change::Dequeued { session });
    }
    forget_successor(state, session, step);
    for fence in state.grants().fences_with(session) {
        if state.is_offered(session, fence) {
            end_offer(state, fence, OfferEnd::Revoked, step);
        }
    }
}
