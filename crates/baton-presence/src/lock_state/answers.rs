//! Answers that several operations share: admission, repetition of the current state, refusal.

use super::state::State;
use super::step::Step;
use crate::{
    Change, ClientKind, Fence, GrantState, LockRefusal, Presence, Scope, SessionId, SessionRole,
};

/// Returns true if the session may ask for a lock at all, and refuses it otherwise.
///
/// A session that asks has acted: its missed offers are forgiven.
pub(crate) fn admit(state: &mut State, session: SessionId, step: &mut Step<'_>) -> bool {
    let why = match state.peer(session) {
        None => LockRefusal::UnknownSession,
        Some(peer) if peer.client_kind == ClientKind::LockUnaware => LockRefusal::CannotClaim,
        Some(peer) if peer.role == SessionRole::Observer => LockRefusal::Observer,
        Some(peer) if peer.presence == Presence::Away => LockRefusal::NotLive,
        Some(peer) if !peer.can_hold() => LockRefusal::NoLockRight,
        Some(_) => {
            state.acted(session);
            return true;
        }
    };
    step.refuse(session, why);
    false
}

/// Repeats the state of the lock that makes asking for `scope` needless. Returns false if the
/// session has no such lock.
pub(crate) fn repeat_covering(
    state: &State,
    session: SessionId,
    scope: &Scope,
    step: &mut Step<'_>,
) -> bool {
    match state.covering(session, scope) {
        Some(grant) => {
            repeat(state, grant.fence, step);
            true
        }
        None => false,
    }
}

/// Tells the party of this lock again in which state it is.
pub(crate) fn repeat(state: &State, fence: Fence, step: &mut Step<'_>) {
    let Some(grant) = state.grants().get(fence) else {
        return;
    };
    let (party, scope) = (grant.party, grant.scope.clone());
    match grant.state {
        GrantState::Offered => step.report(Change::Offered {
            to: party,
            fence,
            scope,
        }),
        GrantState::Held => step.report(Change::Granted {
            to: party,
            fence,
            scope,
        }),
        GrantState::Draining { to, why } => step.report(Change::Draining {
            by: party,
            fence,
            scope,
            to,
            why,
        }),
        // The party has no connection.
        GrantState::Suspect | GrantState::Recovering => {}
    }
}

/// Refuses an operation on a lock because the session may not act on the fence that it named.
pub(crate) fn refuse_fence(state: &State, session: SessionId, named: Fence, step: &mut Step<'_>) {
    let why = if state.peer(session).is_some() {
        let now = state.last_fence();
        LockRefusal::StaleFence { named, now }
    } else {
        LockRefusal::UnknownSession
    };
    step.refuse(session, why);
}
