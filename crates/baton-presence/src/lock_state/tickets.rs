//! Tickets of waiting sessions, and the requests that end with a ticket.

use super::state::State;
use super::step::Step;
use crate::{Change, Scope, SessionId};

/// Gives the session a ticket for `scope`, unless it has one for the same scope already.
pub(crate) fn take(state: &mut State, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
    if state.wants(session) == Some(scope) {
        return;
    }
    give_up(state, session, step);
    state.add_ticket(session, scope.clone());
}

/// Takes the session's ticket away, with its requests. Returns the scope that it asked for.
pub(crate) fn give_up(state: &mut State, session: SessionId, step: &mut Step<'_>) -> Option<Scope> {
    let wanted = state.remove_ticket(session)?;
    void_requests(state, session, step);
    Some(wanted)
}

/// Ends the requests of a session that wants nothing any more.
pub(crate) fn void_requests(state: &mut State, from: SessionId, step: &mut Step<'_>) {
    let requested: Vec<_> = state
        .grants()
        .iter()
        .filter(|grant| grant.requested_by == Some(from))
        .map(|grant| (grant.party, grant.fence))
        .collect();
    for (by, fence) in requested {
        state.set_requested_by(fence, None);
        step.report(Change::RequestVoid { by, fence });
    }
}
