//! Owns the orderly handoff: a holder is told to stop, sends what it has, says so, and somebody else
//! gets the lock. Transfer, take-over, move here; how a drain ends.
//!
//! It knows no time. Who cannot be reached is not waited for.

use crate::passing::Step;
use crate::{
    Change, DrainReason, Fence, Fold, GrantState, Loss, OfferEnd, Refusal, Rights, Scope, SessionId,
};

impl Fold {
    pub(crate) fn transfer(
        &mut self,
        session: SessionId,
        fence: Fence,
        to: SessionId,
        step: &mut Step<'_>,
    ) {
        let Some(grant) = self.grants.of(session, fence).filter(|g| g.may_write()) else {
            self.refuse_fence(session, fence, step);
            return;
        };
        if grant.state != GrantState::Held {
            self.tell(fence, step);
            return;
        }
        let waits_for_it = |wants: &Scope| grant.scope.covers(wants);
        let fits = to != session
            && self.live(to)
            && self.roster.get(to).is_some_and(|peer| {
                peer.can_hold() && peer.wants.as_ref().is_none_or(waits_for_it)
            });
        if fits {
            let heir = Some((to, grant.scope.clone()));
            self.drain(fence, heir, DrainReason::Transfer, step);
        } else {
            let why = Refusal::NoSuchTarget;
            step.say(Change::Refused { session, why });
        }
    }

    pub(crate) fn take_over(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        if !self.may_take(session, scope, step) {
            return;
        }
        let rights = self.roster.get(session).map(|peer| peer.rights);
        if !rights.is_some_and(|rights| rights.contains(Rights::TAKE_OVER)) {
            let why = Refusal::NotAllowed;
            step.say(Change::Refused { session, why });
            return;
        }
        let taken = scope.clone();
        step.say(Change::TakenOver {
            by: session,
            scope: taken,
        });
        self.take(session, scope, DrainReason::TakenOver, step);
    }

    pub(crate) fn move_here(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        if !self.may_take(session, scope, step) {
            return;
        }
        let user = |session| self.roster.get(session).and_then(|peer| peer.user);
        let mine = user(session);
        let others = |grant: &&crate::Grant| user(grant.party) != mine;
        let why = if mine.is_none() {
            Some(Refusal::NoUser)
        } else {
            let other = self.grants.in_conflict(scope).find(others);
            other.map(|grant| Refusal::OtherUser { by: grant.party })
        };
        if let Some(why) = why {
            step.say(Change::Refused { session, why });
            return;
        }
        self.take(session, scope, DrainReason::Moved, step);
    }

    /// Whether there is something to take for this session, and nothing else is to be answered.
    fn may_take(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) -> bool {
        if !self.admit(session, step) {
            return false;
        }
        if let Some(covers) = self.covering(session, scope) {
            let fence = covers.fence;
            self.tell(fence, step);
            return false;
        }
        let named = |grant: &&crate::Grant| {
            matches!(
                grant.state,
                GrantState::Draining {
                    why: DrainReason::TakenOver | DrainReason::Moved,
                    ..
                }
            )
        };
        let mut there = self.grants.in_conflict(scope);
        let why = if !self.live(session) {
            Refusal::NotLive
        } else if there.clone().next().is_none() {
            Refusal::NothingToTake
        } else if there.clone().any(|grant| grant.party == session) {
            Refusal::WouldWait { by: session }
        } else if let Some((heir, _)) = there
            .find(named)
            .and_then(crate::Grant::heir)
            .filter(|(heir, _)| *heir != session)
        {
            // It was taken already, by somebody who is waiting for it to drain.
            Refusal::Busy { by: heir }
        } else {
            return true;
        };
        step.say(Change::Refused { session, why });
        false
    }

    /// Takes everything in conflict with `scope` from those who have it: at once from those who
    /// cannot be reached or only were offered it, after a drain from the others.
    fn take(&mut self, session: SessionId, scope: &Scope, why: DrainReason, step: &mut Step<'_>) {
        // It waits no longer for what it takes; and for something else it could not wait as a holder.
        if self.drop_ticket(session, step).is_some() {
            step.say(Change::Dequeued { session });
        }
        let fences: Vec<_> = self.grants.in_conflict(scope).map(|g| g.fence).collect();
        let mut drains = false;
        for fence in fences {
            let Some(grant) = self.grants.get(fence) else {
                continue;
            };
            match grant.state {
                GrantState::Offered => self.end_offer(fence, OfferEnd::TakenOver, step),
                GrantState::Held if self.live(grant.party) => {
                    self.drain(fence, Some((session, scope.clone())), why, step);
                    drains = true;
                }
                GrantState::Draining { .. } => {
                    self.drain(fence, Some((session, scope.clone())), why, step);
                    drains = true;
                }
                GrantState::Held | GrantState::Suspect | GrantState::Recovering => {
                    self.lose(fence, Loss::TakenOver, step);
                }
            }
        }
        if !drains {
            step.heir(session, scope.clone());
        }
    }

    /// Asks the holder to stop; told again if it was asked before, for another reason.
    pub(crate) fn drain(
        &mut self,
        fence: Fence,
        heir: Option<(SessionId, Scope)>,
        why: DrainReason,
        step: &mut Step<'_>,
    ) {
        let to = heir.as_ref().map(|(to, _)| *to);
        let state = GrantState::Draining { to, why };
        let wants = heir.map(|(_, wants)| wants);
        let news = self.grants.get(fence);
        if news.is_some_and(|grant| grant.state != state || grant.heir_wants != wants) {
            self.grants.change(fence, |grant| {
                grant.enter(state);
                grant.heir_wants = wants;
            });
            self.tell(fence, step);
        }
    }

    pub(crate) fn drained(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        if self.is_draining(session, fence) {
            self.give_back(fence, step);
        } else {
            self.refuse_fence(session, fence, step);
        }
    }

    pub(crate) fn drain_over(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        if self.is_draining(session, fence) {
            self.lose(fence, Loss::DrainOver, step);
        }
    }

    fn is_draining(&self, session: SessionId, fence: Fence) -> bool {
        self.grants
            .of(session, fence)
            .is_some_and(|grant| matches!(grant.state, GrantState::Draining { .. }))
    }

    /// Nothing is to go to this session any more; what drains for it drains on, for who waits.
    pub(crate) fn forget_heir(&mut self, session: SessionId, step: &mut Step<'_>) {
        let its = |grant: &&crate::Grant| grant.heir().is_some_and(|(heir, _)| heir == session);
        let fences: Vec<_> = self
            .grants
            .promised()
            .filter(its)
            .map(|g| g.fence)
            .collect();
        for fence in fences {
            self.grants.change(fence, |grant| {
                if let GrantState::Draining { to, .. } = &mut grant.state {
                    *to = None;
                }
                grant.heir_wants = None;
            });
            self.tell(fence, step);
        }
    }
}
