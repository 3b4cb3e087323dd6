//! Membership: sessions join, fall silent, disconnect, resume and leave, and their locks follow.
//!
//! The records say that a silence or a grace was too long; nothing here measures time.

use super::answers::{refuse_fence, repeat};
use super::handoff::forget_successor;
use super::revocation::{revoke, withdraw};
use super::state::State;
use super::step::Step;
use super::succession::{end_offer, give_back, hold, lose};
use super::tickets;
use crate::{
    Change, Fence, Grant, GrantState, Lateness, LockRefusal, LossReason, OfferEnd, Peer, Presence,
    Rights, SessionId,
};

/// Adds a new peer to the roster.
pub(crate) fn joined(state: &mut State, peer: Peer, step: &mut Step<'_>) {
    let session = peer.session;
    if state.peer(session).is_some() {
        step.refuse(session, LockRefusal::AlreadyJoined);
        return;
    }
    state.add_peer(peer);
    step.report(Change::Joined { session });
}

/// Applies [`Event::Resumed`](crate::Event::Resumed).
pub(crate) fn resumed(
    state: &mut State,
    session: SessionId,
    named: &[Fence],
    rights: Rights,
    step: &mut Step<'_>,
) {
    let Some(before) = state.peer(session).map(|peer| peer.presence) else {
        step.refuse(session, LockRefusal::UnknownSession);
        return;
    };
    state.set_presence(session, Presence::Live);
    state.set_rights(session, rights);
    state.acted(session);
    step.report(Change::Attached { session });
    if before == Presence::Silent {
        step.report(Change::Back { session });
    }
    // Before it is told again of what it has: an offer that ends is none.
    withdraw(state, session, step);
    let own = state.grants().fences_with(session);
    let held = |state: &State, fence: Fence| {
        let own = state.grants().of(session, fence);
        own.is_some_and(Grant::is_held)
    };
    for fence in named.iter().filter(|fence| !held(state, **fence)) {
        refuse_fence(state, session, *fence, step);
    }
    for fence in own {
        if named.is_empty() || named.contains(&fence) || !held(state, fence) {
            go_on(state, fence, step);
        } else {
            let scope = state.grants().get(fence).map(|grant| grant.scope.clone());
            lose(state, fence, LossReason::OtherFence, step);
            if let Some(scope) = scope {
                step.abandon(scope);
            }
        }
    }
    revoke(state, session, step);
}

/// Continues a lock whose party is connected again: a holder holds it as before, under the same
/// fence (S8); a draining holder or the receiver of an offer is told again.
fn go_on(state: &mut State, fence: Fence, step: &mut Step<'_>) {
    let Some(grant) = state.grants().get(fence) else {
        return;
    };
    match grant.state {
        GrantState::Held | GrantState::Suspect | GrantState::Recovering => {
            let (by, scope) = (grant.party, grant.scope.clone());
            hold(state, fence, step);
            step.report(Change::Resumed { by, fence, scope });
        }
        GrantState::Offered | GrantState::Draining { .. } => repeat(state, fence, step),
    }
}

/// Applies [`Event::Disconnected`](crate::Event::Disconnected).
pub(crate) fn disconnected(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    let Some(before) = state.peer(session).map(|peer| peer.presence) else {
        return;
    };
    if before == Presence::Away {
        return;
    }
    state.set_presence(session, Presence::Away);
    step.report(Change::Detached { session });
    for fence in state.grants().fences_with(session) {
        let Some(grant) = state.grants().get(fence) else {
            continue;
        };
        match grant.state {
            GrantState::Held => {
                let scope = grant.scope.clone();
                state.change_grant(fence, |grant| {
                    grant.enter(GrantState::Suspect);
                    if before == Presence::Silent {
                        grant.lateness = Lateness::Overdue;
                    }
                });
                step.report(Change::Suspected {
                    by: session,
                    fence,
                    scope,
                });
            }
            GrantState::Offered => end_offer(state, fence, OfferEnd::Unreachable, step),
            _ => {}
        }
    }
}

/// Applies [`Event::Lost`](crate::Event::Lost).
pub(crate) fn lost(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    let Some(before) = state.peer(session).map(|peer| peer.presence) else {
        return;
    };
    match before {
        Presence::Silent => return,
        Presence::Live => {
            state.set_presence(session, Presence::Silent);
            step.report(Change::Lost { session });
        }
        Presence::Away => {}
    }
    for fence in state.grants().fences_with(session) {
        match state.grants().get(fence).map(|grant| grant.state) {
            Some(GrantState::Offered) => end_offer(state, fence, OfferEnd::Unreachable, step),
            Some(GrantState::Suspect | GrantState::Recovering) => set_overdue(state, fence),
            _ => {}
        }
    }
}

/// Applies [`Event::Back`](crate::Event::Back).
pub(crate) fn back(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    let silent = |peer: &Peer| peer.presence == Presence::Silent;
    if !state.peer(session).is_some_and(silent) {
        return;
    }
    state.set_presence(session, Presence::Live);
    state.acted(session);
    step.report(Change::Back { session });
    for grant in state.grants().with(session) {
        if grant.state == GrantState::Held {
            step.report(Change::Resumed {
                by: session,
                fence: grant.fence,
                scope: grant.scope.clone(),
            });
        }
    }
}

/// Applies [`Event::Done`](crate::Event::Done).
pub(crate) fn done(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    if !remove(state, session, step) {
        return;
    }
    step.report(Change::Gone { session });
    for fence in state.grants().fences_with(session) {
        if state.is_offered(session, fence) {
            end_offer(state, fence, OfferEnd::Unreachable, step);
        } else {
            give_back(state, fence, step);
        }
    }
}

/// Applies [`Event::Forgotten`](crate::Event::Forgotten).
pub(crate) fn forgotten(state: &mut State, session: SessionId, step: &mut Step<'_>) {
    let away = state
        .peer(session)
        .is_some_and(|peer| peer.presence == Presence::Away);
    let has_lock = state.grants().with(session).next().is_some();
    if away && !has_lock && remove(state, session, step) {
        step.report(Change::Gone { session });
    }
}

/// Removes a session from queue, successions and roster. Returns false if it was not in the roster.
fn remove(state: &mut State, session: SessionId, step: &mut Step<'_>) -> bool {
    tickets::give_up(state, session, step);
    forget_successor(state, session, step);
    state.remove_peer(session).is_some()
}

/// Applies [`Event::GraceOver`](crate::Event::GraceOver).
pub(crate) fn grace_over(state: &mut State, session: SessionId, fence: Fence) {
    time_is_over(state, session, fence, GrantState::Suspect);
}

/// Applies [`Event::RecoveryOver`](crate::Event::RecoveryOver).
pub(crate) fn recovery_over(state: &mut State, session: SessionId, fence: Fence) {
    time_is_over(state, session, fence, GrantState::Recovering);
}

fn time_is_over(state: &mut State, session: SessionId, fence: Fence, of: GrantState) {
    let own = state.grants().of(session, fence);
    if own.is_some_and(|grant| grant.state == of) {
        set_overdue(state, fence);
    }
}

fn set_overdue(state: &mut State, fence: Fence) {
    state.change_grant(fence, |grant| grant.lateness = Lateness::Overdue);
}

/// Applies [`Event::Restarted`](crate::Event::Restarted).
pub(crate) fn restarted(state: &mut State, step: &mut Step<'_>) {
    step.report(Change::Restarted);
    let all: Vec<_> = state.roster().iter().map(|peer| peer.session).collect();
    detach(state, &all, step);
    let fences = state.grants().fences();
    recover(state, fences, step);
}

/// Applies [`Event::ConnectionsLost`](crate::Event::ConnectionsLost).
pub(crate) fn connections_lost(
    state: &mut State,
    sessions: &[SessionId],
    overdue: &[SessionId],
    step: &mut Step<'_>,
) {
    // One that is away already keeps its grace.
    for session in detach(state, sessions, step) {
        let fences = state.grants().fences_with(session);
        recover(state, fences, step);
    }
    for session in detach(state, overdue, step) {
        let fences = state.grants().fences_with(session);
        recover(state, fences.clone(), step);
        for fence in fences {
            set_overdue(state, fence);
        }
    }
}

/// Ends the connections of these sessions, without their fault. Returns those that had one.
fn detach(state: &mut State, sessions: &[SessionId], step: &mut Step<'_>) -> Vec<SessionId> {
    let is_connected = |session: &SessionId| {
        let peer = state.peer(*session);
        peer.is_some_and(|peer| peer.presence != Presence::Away)
    };
    let connected: Vec<_> = sessions.iter().copied().filter(is_connected).collect();
    for session in &connected {
        state.set_presence(*session, Presence::Away);
        step.report(Change::Detached { session: *session });
    }
    connected
}

/// Gives the parties of these locks their time to resume.
fn recover(state: &mut State, fences: Vec<Fence>, step: &mut Step<'_>) {
    for fence in fences {
        state.change_grant(fence, |grant| grant.enter(GrantState::Recovering));
        if let Some(grant) = state.grants().get(fence) {
            step.report(Change::Recovering {
                by: grant.party,
                fence,
                scope: grant.scope.clone(),
            });
        }
    }
}
