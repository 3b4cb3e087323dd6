//! Order of service among the waiters: the next to be served, those behind others, and those in a
//! pause.
//!
//! Nothing here changes state other than search hints; `succession.rs` makes the offers.

use std::collections::BTreeSet;

use super::state::State;
use crate::{Fence, Grant, GrantState, Lateness, LossReason, Presence, Scope, SessionId, Ticket};

/// Returns the oldest live waiter with nothing in its way (S9), and the scope that it wants.
///
/// In its way are: a grant that is not overdue, an older live waiter, a named successor for a
/// conflicting scope, and its own pause, unless a waiter that came later could be served instead.
pub(crate) fn next_waiter(state: &mut State) -> Option<(SessionId, Scope)> {
    let mut next = None;
    while let Some(ticket) = state.waiters().first_candidate() {
        let Some((session, scope)) = state.waiters().get(ticket) else {
            state.rule_out(ticket);
            continue;
        };
        let waits = waits(state, session, scope);
        if waits
            && is_awake(state, ticket, session, scope)
            && !overtakes(state, ticket, scope)
            && is_free(state, scope, Some(session))
        {
            next = Some((session, scope.clone()));
            break;
        }
        // A live waiter for the whole document is in the way of all behind it.
        if waits && scope.is_whole() {
            state.rule_out_from(ticket);
        } else {
            state.rule_out(ticket);
        }
    }
    debug_assert_eq!(
        next.as_ref().map(|(session, scope)| (*session, scope)),
        next_of_all_waiters(state),
        "a waiter that is no candidate cannot be served"
    );
    next
}

/// Computes [`next_waiter`] without its hints, by looking at all waiters.
fn next_of_all_waiters(state: &State) -> Option<(SessionId, &Scope)> {
    let mut ahead: Vec<&Scope> = Vec::new();
    for (session, scope) in state.waiters().iter() {
        let ticket = state.peer(session)?.ticket?;
        if !waits(state, session, scope) {
            continue;
        }
        let overtakes = ahead.iter().any(|older| older.conflicts(scope));
        if !overtakes
            && is_awake(state, ticket, session, scope)
            && is_free(state, scope, Some(session))
        {
            return Some((session, scope));
        }
        ahead.push(scope);
    }
    None
}

/// Returns true if a pause does not keep this waiter from an offer: it is in none, or a later
/// waiter that is in none stands behind it.
///
/// That may be by way of other waiters in a pause: a waiter for `b` stands behind one for the whole
/// document, and so behind one for `a`.
fn is_awake(state: &State, ticket: Ticket, session: SessionId, scope: &Scope) -> bool {
    if can_take(state, session, scope) {
        return true;
    }
    let mut seen = BTreeSet::new();
    let mut open = vec![(ticket, scope)];
    while let Some((ticket, scope)) = open.pop() {
        let later = |(other, ..): &(Ticket, SessionId, &Scope)| *other > ticket;
        for (other, waiter, wants) in state.waiters().in_conflict(scope).filter(later) {
            if can_take(state, waiter, wants) {
                return true;
            }
            if waits(state, waiter, wants) && seen.insert(other) {
                open.push((other, wants));
            }
        }
    }
    false
}

/// Makes candidates of all waiters that can perhaps be served, after the changes since the last
/// call.
pub(crate) fn note_changes(state: &mut State) {
    for session in state.take_touched_sessions() {
        if let Some(wants) = state.wants(session).cloned() {
            reconsider(state, &wants);
        }
    }
    for scope in state.take_touched_scopes() {
        reconsider(state, &scope);
    }
}

/// Makes candidates of the waiters in this scope, and of those in a pause that stand before them.
pub(crate) fn reconsider(state: &mut State, scope: &Scope) {
    state.reconsider(scope);
    let mut seen = BTreeSet::new();
    let mut open = vec![scope.clone()];
    while let Some(scope) = open.pop() {
        let paused: Vec<(Ticket, Scope)> = state
            .waiters()
            .in_conflict(&scope)
            .filter(|(_, session, _)| pauses_since(state, *session).is_some())
            .map(|(ticket, _, wants)| (ticket, wants.clone()))
            .collect();
        for (ticket, wants) in paused {
            if seen.insert(ticket) {
                state.reconsider(&wants);
                open.push(wants);
            }
        }
    }
}

/// Returns true if this session waits for `scope` and is live, in a pause or not.
fn waits(state: &State, session: SessionId, scope: &Scope) -> bool {
    let peer = state.peer(session);
    peer.is_some_and(|peer| peer.can_take(scope) || peer.pauses_since().is_some())
}

/// Returns the newest offer that this waiter missed, if only its pause keeps it from another offer.
pub(crate) fn pauses_since(state: &State, session: SessionId) -> Option<Fence> {
    state.peer(session)?.pauses_since()
}

/// Returns true if nothing is in the way of the scope that this session waits for. Then all other
/// waiters for it have had their turn.
pub(crate) fn others_had_their_turn(state: &State, session: SessionId) -> bool {
    state
        .wants(session)
        .is_some_and(|wants| is_free(state, wants, Some(session)))
}

/// Returns true if `scope` may be offered to the session now.
pub(crate) fn can_take(state: &State, session: SessionId, scope: &Scope) -> bool {
    let peer = state.peer(session);
    peer.is_some_and(|peer| peer.can_take(scope))
}

/// Returns true if an older live waiter wants a scope in conflict with this one.
fn overtakes(state: &State, ticket: Ticket, scope: &Scope) -> bool {
    state
        .waiters()
        .in_conflict(scope)
        .take_while(|(older, ..)| *older < ticket)
        .any(|(_, session, wants)| waits(state, session, wants))
}

/// Returns the oldest live waiter, other than `except`, whose scope conflicts with this one.
pub(crate) fn waiter(state: &State, scope: &Scope, except: Option<SessionId>) -> Option<SessionId> {
    state
        .waiters()
        .in_conflict(scope)
        .find(|(_, session, wants)| Some(*session) != except && waits(state, *session, wants))
        .map(|(_, session, _)| session)
}

/// Returns true if a live waiter, other than `except`, wants a scope in conflict with this one.
pub(crate) fn is_wanted(state: &State, scope: &Scope, except: Option<SessionId>) -> bool {
    waiter(state, scope, except).is_some()
}

/// Returns true if a live session other than its party waits for this lock.
pub(crate) fn is_waited_for(state: &State, fence: Fence) -> bool {
    state
        .grants()
        .get(fence)
        .is_some_and(|grant| is_wanted(state, &grant.scope, Some(grant.party)))
}

/// Returns true if no grant conflicts with `scope` (overdue grants do not count) and no named
/// successor other than `asker` is to get a scope in conflict with it. Only such a scope is offered
/// (S1).
pub(crate) fn is_free(state: &State, scope: &Scope, asker: Option<SessionId>) -> bool {
    in_the_way(state, scope, asker).is_none()
}

/// Returns the session that keeps `scope` from being free for `asker`.
pub(crate) fn in_the_way(
    state: &State,
    scope: &Scope,
    asker: Option<SessionId>,
) -> Option<SessionId> {
    let held = state
        .grants()
        .in_conflict(scope)
        .find(|grant| overdue(state, grant).is_none())
        .map(|grant| (grant.fence, grant.party));
    let promised = state.grants().promised().find_map(|grant| {
        let (successor, wants) = grant.successor()?;
        (Some(successor) != asker && wants.conflicts(scope)).then_some((grant.fence, successor))
    });
    match (held, promised) {
        (Some((fence, party)), Some((older, _))) if fence <= older => Some(party),
        (_, Some((_, successor))) => Some(successor),
        (held, None) => held.map(|(_, party)| party),
    }
}

/// Returns the reason for which the holder may be replaced now, if there is one.
pub(crate) fn overdue(state: &State, grant: &Grant) -> Option<LossReason> {
    let overdue = grant.lateness == Lateness::Overdue;
    match grant.state {
        GrantState::Held => state
            .peer(grant.party)
            .is_none_or(|peer| peer.presence != Presence::Live)
            .then_some(LossReason::Silent),
        GrantState::Suspect => overdue.then_some(LossReason::GraceOver),
        GrantState::Recovering => overdue.then_some(LossReason::RecoveryOver),
        GrantState::Offered | GrantState::Draining { .. } => None,
    }
}
