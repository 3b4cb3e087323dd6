//! Owns what the roster's records do: who comes, goes, falls silent, returns, and what that means for
//! the locks.
//!
//! It knows no time; that a silence or a grace was too long is what the record says.

use crate::passing::Step;
use crate::{
    Change, Due, Event, Fence, Fold, GrantState, Loss, OfferEnd, Peer, Presence, Refusal, Rights,
    SessionId,
};

impl Fold {
    /// `event` is the `Joined` itself.
    pub(crate) fn joined(&mut self, session: SessionId, event: &Event, step: &mut Step<'_>) {
        let Event::Joined {
            voice,
            standing,
            rights,
            user,
            ..
        } = *event
        else {
            return;
        };
        if self.roster.get(session).is_some() {
            let why = Refusal::AlreadyJoined;
            step.say(Change::Refused { session, why });
            return;
        }
        self.roster.insert(Peer {
            session,
            voice,
            standing,
            rights,
            user,
            presence: Presence::Live,
            ticket: None,
            wants: None,
            passed_over: Vec::new(),
            fence_seen: None,
        });
        step.say(Change::Joined { session });
    }

    pub(crate) fn resumed(
        &mut self,
        session: SessionId,
        named: &[Fence],
        rights: Rights,
        step: &mut Step<'_>,
    ) {
        let Some(peer) = self.roster.get_mut(session) else {
            let why = Refusal::UnknownSession;
            step.say(Change::Refused { session, why });
            return;
        };
        let before = peer.presence;
        peer.presence = Presence::Live;
        peer.rights = rights;
        self.roster.acted(session);
        step.say(Change::Attached { session });
        if before == Presence::Silent {
            step.say(Change::Back { session });
        }
        let own = self.grants.fences_with(session);
        let held = |fold: &Self, fence: Fence| {
            fold.grants
                .of(session, fence)
                .is_some_and(crate::Grant::is_held)
        };
        for fence in named.iter().filter(|fence| !held(self, **fence)) {
            self.refuse_fence(session, *fence, step);
        }
        for fence in own {
            if named.is_empty() || named.contains(&fence) || !held(self, fence) {
                self.go_on(fence, step);
            } else {
                let scope = self.grants.get(fence).map(|grant| grant.scope.clone());
                self.lose(fence, Loss::OtherFence, step);
                if let Some(scope) = scope {
                    Self::orphan(step, scope);
                }
            }
        }
    }

    /// Its party is here: a holder holds it again, who is to drain or is offered it is told again.
    fn go_on(&mut self, fence: Fence, step: &mut Step<'_>) {
        let Some(grant) = self.grants.get(fence) else {
            return;
        };
        match grant.state {
            GrantState::Held | GrantState::Suspect | GrantState::Recovering => {
                let (by, scope) = (grant.party, grant.scope.clone());
                self.hold(fence, step);
                step.say(Change::Resumed { by, fence, scope });
            }
            GrantState::Offered | GrantState::Draining { .. } => self.tell(fence, step),
        }
    }

    pub(crate) fn disconnected(&mut self, session: SessionId, step: &mut Step<'_>) {
        let Some(peer) = self.roster.get_mut(session) else {
            return;
        };
        let before = peer.presence;
        if before == Presence::Away {
            return;
        }
        peer.presence = Presence::Away;
        step.say(Change::Detached { session });
        for fence in self.grants.fences_with(session) {
            let Some(grant) = self.grants.get(fence) else {
                continue;
            };
            match grant.state {
                GrantState::Held => {
                    let scope = grant.scope.clone();
                    self.grants.change(fence, |grant| {
                        grant.enter(GrantState::Suspect);
                        if before == Presence::Silent {
                            grant.due = Due::Overdue;
                        }
                    });
                    step.say(Change::Suspected {
                        by: session,
                        fence,
                        scope,
                    });
                }
                GrantState::Offered => self.end_offer(fence, OfferEnd::Unreachable, step),
                _ => {}
            }
        }
    }

    pub(crate) fn lost(&mut self, session: SessionId, step: &mut Step<'_>) {
        let Some(peer) = self.roster.get_mut(session) else {
            return;
        };
        match peer.presence {
            Presence::Silent => return,
            Presence::Live => {
                peer.presence = Presence::Silent;
                step.say(Change::Lost { session });
            }
            Presence::Away => {}
        }
        for fence in self.grants.fences_with(session) {
            match self.grants.get(fence).map(|grant| grant.state) {
                Some(GrantState::Offered) => self.end_offer(fence, OfferEnd::Unreachable, step),
                Some(GrantState::Suspect | GrantState::Recovering) => self.call_overdue(fence),
                _ => {}
            }
        }
    }

    pub(crate) fn back(&mut self, session: SessionId, step: &mut Step<'_>) {
        let Some(peer) = self.roster.get_mut(session) else {
            return;
        };
        if peer.presence != Presence::Silent {
            return;
        }
        peer.presence = Presence::Live;
        self.roster.acted(session);
        step.say(Change::Back { session });
        for grant in self.grants.with(session) {
            if grant.state == GrantState::Held {
                step.say(Change::Resumed {
                    by: session,
                    fence: grant.fence,
                    scope: grant.scope.clone(),
                });
            }
        }
    }

    pub(crate) fn done(&mut self, session: SessionId, step: &mut Step<'_>) {
        if !self.remove(session, step) {
            return;
        }
        step.say(Change::Gone { session });
        for fence in self.grants.fences_with(session) {
            if self.is_offered(session, fence) {
                self.end_offer(fence, OfferEnd::Unreachable, step);
            } else {
                self.give_back(fence, step);
            }
        }
    }

    pub(crate) fn forgotten(&mut self, session: SessionId, step: &mut Step<'_>) {
        let away = self
            .roster
            .get(session)
            .is_some_and(|peer| peer.presence == Presence::Away);
        let has = self.grants.with(session).next().is_some();
        if away && !has && self.remove(session, step) {
            step.say(Change::Gone { session });
        }
    }

    fn remove(&mut self, session: SessionId, step: &mut Step<'_>) -> bool {
        self.drop_ticket(session, step);
        self.forget_heir(session, step);
        self.roster.remove(session).is_some()
    }

    pub(crate) fn grace_over(&mut self, session: SessionId, fence: Fence) {
        self.time_is_over(session, fence, GrantState::Suspect);
    }

    pub(crate) fn recovery_over(&mut self, session: SessionId, fence: Fence) {
        self.time_is_over(session, fence, GrantState::Recovering);
    }

    fn time_is_over(&mut self, session: SessionId, fence: Fence, of: GrantState) {
        if self
            .grants
            .of(session, fence)
            .is_some_and(|grant| grant.state == of)
        {
            self.call_overdue(fence);
        }
    }

    fn call_overdue(&mut self, fence: Fence) {
        self.grants.change(fence, |grant| grant.due = Due::Overdue);
    }

    pub(crate) fn restarted(&mut self, step: &mut Step<'_>) {
        step.say(Change::Restarted);
        for session in self.roster.sessions() {
            if let Some(peer) = self.roster.get_mut(session)
                && peer.presence != Presence::Away
            {
                peer.presence = Presence::Away;
                step.say(Change::Detached { session });
            }
        }
        for fence in self.grants.fences() {
            let recovers = self.grants.change(fence, |grant| {
                grant.enter(GrantState::Recovering);
                (grant.party, grant.scope.clone())
            });
            if let Some((by, scope)) = recovers {
                step.say(Change::Recovering { by, fence, scope });
            }
        }
    }
}
