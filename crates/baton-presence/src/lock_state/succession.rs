//! Succession: the end of one grant and the offer to the next session.
//!
//! The rules of single events end grants and name successors. After them, [`settle`] makes the one
//! offer that a record can make. When a state is settled, no live waiter could be served, and no
//! holder whose time is over could be replaced.

use super::state::State;
use super::step::{Settled, Step};
use super::tickets;
use super::turns::{self, can_take, is_free, is_wanted, overdue};
use crate::peer::MissedOffer;
use crate::{
    AutoPass, Change, Fence, Grant, LossReason, Mode, OfferEnd, Peer, Presence, Scope, SessionId,
    SuccessionKind,
};

/// A consequence of the present state, without any event.
enum Consequence {
    /// Offer this scope to that session, and end the overdue grants in it.
    Offer(SessionId, Scope),
    /// End this overdue grant in favour of writers that cannot hold one, such as clients without
    /// the lock protocol (the exception of S11).
    GiveWay(Fence, LossReason),
}

/// Offers the lock to named successors, then to peers in place of offline holders, then to waiters;
/// one offer in all.
pub(crate) fn settle(state: &mut State, step: &mut Step<'_>) -> Settled {
    for (session, scope) in step.take_successors() {
        offer_to_successor(state, session, scope, step);
    }
    for scope in step.abandoned().to_vec() {
        if !step.has_offered()
            && !is_wanted(state, &scope, None)
            && is_free(state, &scope, None)
            && let Some(next) = oldest_peer(state, &scope, None)
        {
            offer(state, next, scope, SuccessionKind::HolderOffline, step);
        }
    }
    serve_waiters(state, step)
}

/// Carries out the consequences of the state, up to a second offer.
pub(crate) fn serve_waiters(state: &mut State, step: &mut Step<'_>) -> Settled {
    while let Some(next) = next_consequence(state) {
        match next {
            Consequence::GiveWay(fence, why) => lose(state, fence, why, step),
            Consequence::Offer(..) if step.has_offered() => return Settled::NotYet,
            Consequence::Offer(to, scope) => offer_in_place_of_overdue(state, to, scope, step),
        }
    }
    Settled::Yes
}

/// Offers a named successor its scope, if it can hold it now and nothing else is in its way.
/// Otherwise the name is forgotten, and the queue decides.
fn offer_to_successor(state: &mut State, session: SessionId, scope: Scope, step: &mut Step<'_>) {
    let able = state
        .peer(session)
        .is_some_and(|peer| peer.presence == Presence::Live && peer.can_hold());
    let waits_for_other = state
        .wants(session)
        .is_some_and(|wants| !scope.covers(wants));
    if able && !waits_for_other && !step.has_offered() && is_free(state, &scope, Some(session)) {
        offer_in_place_of_overdue(state, session, scope, step);
    }
}

fn next_consequence(state: &mut State) -> Option<Consequence> {
    turns::note_changes(state);
    if let Some((session, scope)) = turns::next_waiter(state) {
        return Some(Consequence::Offer(session, scope));
    }
    let mut give_way = None;
    let mut free = None;
    for fence in state.grants().maybe_overdue() {
        let Some((grant, why)) = state
            .grants()
            .get(fence)
            .and_then(|grant| Some((grant, overdue(state, grant)?)))
        else {
            state.is_in_time(fence);
            continue;
        };
        let scope = &grant.scope;
        // Hundreds of overdue locks may wait for a peer; the free peers are found once for all.
        let free = free.get_or_insert_with(|| free_peers(state));
        if !free.is_empty()
            && !is_wanted(state, scope, None)
            && is_free(state, scope, None)
            && let Some(next) = oldest_of(state, free, scope)
        {
            return Some(Consequence::Offer(next, scope.clone()));
        }
        give_way = give_way.or(Some((grant.fence, why)));
    }
    let (fence, why) = give_way?;
    let exception = state.settings().auto_pass == AutoPass::On
        && state.settings().mode == Mode::ExclusiveWhenHeld
        && state.roster().has_live_lockless_writer();
    exception.then_some(Consequence::GiveWay(fence, why))
}

/// Returns the live writer that waits for nothing and joined first, if auto-pass is on.
fn oldest_peer(state: &State, scope: &Scope, except: Option<SessionId>) -> Option<SessionId> {
    if state.settings().auto_pass == AutoPass::Off {
        return None;
    }
    let fits = |peer: &&Peer| {
        Some(peer.session) != except && peer.ticket.is_none() && peer.can_take(scope)
    };
    state
        .roster()
        .possible_holders()
        .find(fits)
        .map(|peer| peer.session)
}

/// Returns the sessions among which [`oldest_peer`] searches, whatever the scope.
fn free_peers(state: &State) -> Vec<SessionId> {
    if state.settings().auto_pass == AutoPass::Off {
        return Vec::new();
    }
    let free = |peer: &&Peer| peer.ticket.is_none() && peer.presence == Presence::Live;
    let peers = state.roster().possible_holders().filter(free);
    peers.map(|peer| peer.session).collect()
}

fn oldest_of(state: &State, free: &[SessionId], scope: &Scope) -> Option<SessionId> {
    let mut free = free.iter().copied();
    free.find(|session| can_take(state, *session, scope))
}

/// Returns the session that would be offered something in place of this lock if its party went
/// offline now.
pub(crate) fn next_in_line(state: &State, fence: Fence) -> Option<SessionId> {
    let grant = state.grants().get(fence)?;
    if let Some((successor, _)) = grant.successor() {
        return Some(successor);
    }
    let party = Some(grant.party);
    turns::waiter(state, &grant.scope, party).or_else(|| oldest_peer(state, &grant.scope, party))
}

/// Ends the overdue grants in this scope, and offers the scope.
pub(crate) fn offer_in_place_of_overdue(
    state: &mut State,
    to: SessionId,
    scope: Scope,
    step: &mut Step<'_>,
) {
    let overdue: Vec<_> = state
        .grants()
        .in_conflict(&scope)
        .filter_map(|grant| Some((grant.fence, overdue(state, grant)?)))
        .collect();
    let succession = if overdue.is_empty() {
        SuccessionKind::ByTicket
    } else {
        SuccessionKind::HolderOffline
    };
    for (fence, why) in overdue {
        lose(state, fence, why, step);
    }
    offer(state, to, scope, succession, step);
}

fn offer(
    state: &mut State,
    to: SessionId,
    scope: Scope,
    succession: SuccessionKind,
    step: &mut Step<'_>,
) {
    // A lock whose holder went offline passes as such from offer to offer.
    let mut abandoned = step.abandoned().iter();
    let succession = if abandoned.any(|abandoned| abandoned.conflicts(&scope)) {
        SuccessionKind::HolderOffline
    } else {
        succession
    };
    let fence = state.add_offer(to, scope.clone(), succession);
    step.offered(scope.clone());
    step.report(Change::Offered { to, fence, scope });
}

/// Takes the lock from its holder against its will.
pub(crate) fn lose(state: &mut State, fence: Fence, why: LossReason, step: &mut Step<'_>) {
    if let Some(grant) = end(state, fence, step) {
        let (by, scope) = (grant.party, grant.scope);
        step.report(Change::LockLost {
            by,
            fence,
            scope,
            why,
        });
    }
}

/// Ends the lock by its holder's own will.
pub(crate) fn give_back(state: &mut State, fence: Fence, step: &mut Step<'_>) {
    if let Some(grant) = end(state, fence, step) {
        let (by, scope) = (grant.party, grant.scope);
        step.report(Change::Released { by, fence, scope });
    }
}

/// Ends this grant. Its named successor is remembered to the end of the step.
fn end(state: &mut State, fence: Fence, step: &mut Step<'_>) -> Option<Grant> {
    let grant = state.remove_grant(fence)?;
    step.ended(fence, grant.scope.clone());
    if let Some((successor, wants)) = grant.successor() {
        step.name_successor(successor, wants.clone());
    }
    Some(grant)
}

/// Ends an open offer. A ticket stays, unless the caller took it.
///
/// A session that let an offer lapse is skipped for now. Otherwise two idle waiters would be
/// offered the lock alternately for ever.
pub(crate) fn end_offer(state: &mut State, fence: Fence, why: OfferEnd, step: &mut Step<'_>) {
    let Some(grant) = end(state, fence, step) else {
        return;
    };
    let (to, scope) = (grant.party, grant.scope);
    if matches!(
        why,
        OfferEnd::Expired | OfferEnd::Declined | OfferEnd::Cancelled
    ) {
        let scope = scope.clone();
        state.pass_over(to, MissedOffer { fence, scope });
    }
    if grant.succession == SuccessionKind::HolderOffline && why != OfferEnd::TakenOver {
        step.abandon(scope.clone());
    }
    step.report(Change::OfferEnded {
        to,
        fence,
        scope,
        why,
    });
}

/// Lets the party hold this lock. It waits no longer.
pub(crate) fn hold(state: &mut State, fence: Fence, step: &mut Step<'_>) {
    let Some((by, scope)) = state.set_held(fence) else {
        return;
    };
    if tickets::give_up(state, by, step).is_some_and(|wanted| !scope.covers(&wanted)) {
        step.report(Change::Dequeued { session: by });
    }
}
