//! Dispatch of a record's event to the rule that applies it.

use super::handoff::{drain_over, drained, move_here, take_over, transfer};
use super::handover_requests::{idle_yield, request, request_over, requests_void};
use super::lock_requests::{
    acquire, cancel, claim, decline, offer_expired, old_decline, old_offer_expired, release,
    try_now,
};
use super::membership::{
    back, connections_lost, disconnected, done, forgotten, grace_over, joined, lost, recovery_over,
    restarted, resumed,
};
use super::revocation::rights_set;
use super::state::State;
use super::step::Step;
use crate::{Change, Event, Peer, Presence};

/// Applies one event to the state, without the offer that may follow from it.
pub(crate) fn dispatch(state: &mut State, event: &Event, step: &mut Step<'_>) {
    match *event {
        Event::Joined {
            session,
            client_kind,
            role,
            rights,
            user,
        } => {
            let peer = Peer {
                session,
                client_kind,
                role,
                rights,
                user,
                presence: Presence::Live,
                ticket: None,
                wants: None,
                missed_offers: Vec::new(),
                fence_seen: None,
            };
            joined(state, peer, step);
        }
        Event::Resumed {
            session,
            ref fences,
            rights,
        } => resumed(state, session, fences, rights, step),
        Event::Disconnected { session } => disconnected(state, session, step),
        Event::Done { session } => done(state, session, step),
        Event::Lost { session } => lost(state, session, step),
        Event::Back { session } => back(state, session, step),
        Event::Forgotten { session } => forgotten(state, session, step),
        Event::Acquire { session, ref scope } => acquire(state, session, scope, step),
        Event::Try { session, ref scope } => try_now(state, session, scope, step),
        Event::Request { session, ref scope } => request(state, session, scope, step),
        Event::TakeOver { session, ref scope } => take_over(state, session, scope, step),
        Event::MoveHere { session, ref scope } => move_here(state, session, scope, step),
        Event::Cancel { session } => cancel(state, session, step),
        Event::Release { session, fence } => release(state, session, fence, step),
        Event::Claim { session, fence } => claim(state, session, fence, step),
        Event::Decline {
            session,
            fence,
            later,
        } => decline(state, session, fence, later, step),
        Event::OldDecline { session, fence } => old_decline(state, session, fence, step),
        Event::Transfer { session, fence, to } => transfer(state, session, fence, to, step),
        Event::Drained { session, fence } => drained(state, session, fence, step),
        Event::OfferExpired { session, fence } => offer_expired(state, session, fence, step),
        Event::OldOfferExpired { session, fence } => {
            old_offer_expired(state, session, fence, step);
        }
        Event::PauseOver { session, fence } => state.forgive_up_to(session, fence),
        Event::GraceOver { session, fence } => grace_over(state, session, fence),
        Event::RecoveryOver { session, fence } => recovery_over(state, session, fence),
        Event::DrainOver { session, fence } => drain_over(state, session, fence, step),
        Event::RequestOver { session, fence } => request_over(state, session, fence, step),
        Event::IdleYield { session, fence } => idle_yield(state, session, fence, step),
        Event::Settle => {}
        Event::Restarted => restarted(state, step),
        Event::AutoPassSet(auto_pass) => {
            state.set_auto_pass(auto_pass);
            step.report(Change::AutoPass(auto_pass));
        }
        Event::ModeSet(mode) => {
            state.set_mode(mode);
            step.report(Change::Mode(mode));
        }
        Event::RequestsVoid { session } => requests_void(state, session, step),
        Event::RightsSet { session, rights } => rights_set(state, session, rights, step),
        Event::ConnectionsLost {
            ref sessions,
            ref overdue,
        } => connections_lost(state, sessions, overdue, step),
    }
}
