//! Owns requests: a waiter asks the holders in its way, and has its way when their time is over.
//!
//! It knows no time and keeps no note; that the time is over is a record, the note is the caller's.

use crate::passing::Step;
use crate::{Change, DrainReason, Fence, Fold, GrantState, Scope, SessionId};

impl Fold {
    pub(crate) fn request(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        if !self.admit(session, step) {
            return;
        }
        self.wait_for(session, scope, step);
        if self.wants(session) != Some(scope) || self.covering(session, scope).is_some() {
            return;
        }
        for grant in self.grants.asked() {
            let asked = grant.requested_by.is_some();
            let goes = matches!(grant.state, GrantState::Draining { .. });
            if !goes && !asked && grant.party != session && grant.scope.conflicts(scope) {
                grant.requested_by = Some(session);
                step.say(Change::Requested {
                    by: grant.party,
                    fence: grant.fence,
                    from: session,
                });
            }
        }
    }

    /// The one who asked wants nothing any more.
    pub(crate) fn void_requests(&mut self, from: SessionId, step: &mut Step<'_>) {
        for grant in self.grants.asked() {
            if grant.requested_by == Some(from) {
                grant.requested_by = None;
                step.say(Change::RequestVoid {
                    by: grant.party,
                    fence: grant.fence,
                });
            }
        }
    }

    /// The one who asked has been gone for too long to bind a holder. One that is here again goes on asking.
    pub(crate) fn requests_void(&mut self, session: SessionId, step: &mut Step<'_>) {
        if !self.live(session) {
            self.void_requests(session, step);
        }
    }

    pub(crate) fn request_over(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        let asked = self
            .grants
            .of(session, fence)
            .is_some_and(|grant| grant.requested_by.is_some());
        if asked {
            self.yield_up(session, fence, DrainReason::Requested, step);
        }
    }

    pub(crate) fn idle_yield(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        self.yield_up(session, fence, DrainReason::Idle, step);
    }

    /// To whoever waits, if somebody does.
    fn yield_up(
        &mut self,
        session: SessionId,
        fence: Fence,
        why: DrainReason,
        step: &mut Step<'_>,
    ) {
        let held = self
            .grants
            .of(session, fence)
            .is_some_and(|grant| grant.state == GrantState::Held);
        if held && self.is_waited_for(fence) {
            self.drain(fence, None, why, step);
        }
    }
}
