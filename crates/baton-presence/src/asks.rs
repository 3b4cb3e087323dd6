//! Owns the answers to what sessions ask for: acquire, try, cancel, claim, decline, release.
//!
//! Each is idempotent: asked twice, it is answered twice and changes things once. Nothing here knows
//! a time.

use crate::passing::Step;
use crate::{
    Change, Fence, Fold, Grant, GrantState, OfferEnd, Presence, Refusal, Scope, SessionId,
};
use crate::{Standing, Voice};

impl Fold {
    pub(crate) fn acquire(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        if self.admit(session, step) {
            self.wait_for(session, scope, step);
        }
    }

    /// Has it, is offered it, waits for it, or is refused.
    pub(crate) fn wait_for(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        let has = self.grants.with(session).next().is_some();
        if let Some(covers) = self.covering(session, scope) {
            let (fence, offered) = (covers.fence, covers.state == GrantState::Offered);
            let only = self.grants.with(session).count() == 1;
            if offered && only && self.wants(session).is_none() {
                // It is being offered this without having asked: if that offer comes to nothing, its
                // wish stays.
                self.take_ticket(session, scope, step);
            }
            self.tell(fence, step);
            return;
        }
        if has {
            self.now_or(session, scope, step, |by| Refusal::WouldWait { by });
            return;
        }
        self.take_ticket(session, scope, step);
        self.go_on_settling(step);
        if self.covering(session, scope).is_none() {
            step.say(Change::Queued { session });
        }
    }

    /// Takes a ticket, unless it has one for this already.
    fn take_ticket(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        if self.wants(session) == Some(scope) {
            return;
        }
        self.drop_ticket(session, step);
        let ticket = self.new_ticket();
        if let Some(peer) = self.roster.get_mut(session) {
            peer.ticket = Some(ticket);
            peer.wants = Some(scope.clone());
            self.queue.insert(ticket, session, scope.clone());
        }
    }

    /// Takes its ticket away, with its requests; says what it was for.
    pub(crate) fn drop_ticket(&mut self, session: SessionId, step: &mut Step<'_>) -> Option<Scope> {
        let peer = self.roster.get_mut(session)?;
        let ticket = peer.ticket.take()?;
        let wanted = peer.wants.take();
        self.queue.remove(ticket);
        self.void_requests(session, step);
        wanted
    }

    pub(crate) fn try_now(&mut self, session: SessionId, scope: &Scope, step: &mut Step<'_>) {
        if !self.admit(session, step) {
            return;
        }
        if let Some(covers) = self.covering(session, scope) {
            let fence = covers.fence;
            self.tell(fence, step);
            return;
        }
        // Clearing its marks may have made the asker the next by ticket, which is the better claim.
        self.go_on_settling(step);
        if self.covering(session, scope).is_none() {
            self.now_or(session, scope, step, |by| Refusal::Busy { by });
        }
    }

    /// Offers it this now, if that can be, or refuses it because of whoever is in the way.
    fn now_or(
        &mut self,
        session: SessionId,
        scope: &Scope,
        step: &mut Step<'_>,
        refusal: impl Fn(SessionId) -> Refusal,
    ) {
        let own = |grant: &&Grant| grant.party == session && grant.scope.conflicts(scope);
        let why = if let Some(by) = self
            .grants
            .with(session)
            .find(own)
            .map(|grant| grant.party)
            .or_else(|| self.in_the_way(scope, Some(session)))
            .or_else(|| self.waiter(scope, Some(session)))
        {
            refusal(by)
        } else if !self.live(session) || step.has_offered() {
            Refusal::NotLive
        } else {
            self.take_for(session, scope.clone(), step);
            return;
        };
        step.say(Change::Refused { session, why });
    }

    pub(crate) fn cancel(&mut self, session: SessionId, step: &mut Step<'_>) {
        if self.roster.get(session).is_none() {
            let why = Refusal::UnknownSession;
            step.say(Change::Refused { session, why });
            return;
        }
        self.drop_ticket(session, step);
        step.say(Change::Dequeued { session });
        for fence in self.grants.fences_with(session) {
            if self.is_offered(session, fence) {
                self.end_offer(fence, OfferEnd::Cancelled, step);
            }
        }
        self.forget_heir(session, step);
    }

    pub(crate) fn release(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        if self.grants.of(session, fence).is_some_and(Grant::is_held) {
            self.give_back(fence, step);
        } else {
            self.refuse_fence(session, fence, step);
        }
    }

    pub(crate) fn claim(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        if self.is_offered(session, fence) {
            self.hold(fence, step);
        }
        if self.grants.of(session, fence).is_some_and(Grant::may_write) {
            self.tell(fence, step);
            return;
        }
        self.roster.claimed_late(session, fence);
        self.refuse_fence(session, fence, step);
    }

    pub(crate) fn decline(
        &mut self,
        session: SessionId,
        fence: Fence,
        later: bool,
        step: &mut Step<'_>,
    ) {
        if !self.is_offered(session, fence) {
            self.refuse_fence(session, fence, step);
        } else if later {
            self.miss(session, fence, OfferEnd::Declined, step);
        } else {
            let waited = self.drop_ticket(session, step).is_some();
            self.end_offer(fence, OfferEnd::Declined, step);
            if waited {
                step.say(Change::Dequeued { session });
            }
        }
    }

    pub(crate) fn old_decline(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        if self.is_offered(session, fence) {
            self.end_offer(fence, OfferEnd::Declined, step);
        } else {
            self.refuse_fence(session, fence, step);
        }
    }

    pub(crate) fn offer_expired(&mut self, session: SessionId, fence: Fence, step: &mut Step<'_>) {
        if self.is_offered(session, fence) {
            self.miss(session, fence, OfferEnd::Expired, step);
        }
    }

    pub(crate) fn old_offer_expired(
        &mut self,
        session: SessionId,
        fence: Fence,
        step: &mut Step<'_>,
    ) {
        if self.is_offered(session, fence) {
            self.end_offer(fence, OfferEnd::Expired, step);
        }
    }

    /// Ends an offer that its waiter let pass. Its ticket goes behind all that wait now: they have
    /// their turn first, and whoever comes later has not.
    fn miss(&mut self, session: SessionId, fence: Fence, why: OfferEnd, step: &mut Step<'_>) {
        let back = self.new_ticket();
        if let Some(peer) = self.roster.get_mut(session)
            && let (Some(ticket), Some(wants)) = (peer.ticket, peer.wants.clone())
        {
            peer.ticket = Some(back);
            self.queue.remove(ticket);
            self.queue.insert(back, session, wants);
        }
        self.end_offer(fence, why, step);
    }

    pub(crate) fn is_offered(&self, session: SessionId, fence: Fence) -> bool {
        self.grants
            .of(session, fence)
            .is_some_and(|grant| grant.state == GrantState::Offered)
    }

    /// Whether this session may ask for a lock at all; asking ends its being passed over.
    pub(crate) fn admit(&mut self, session: SessionId, step: &mut Step<'_>) -> bool {
        let why = match self.roster.get(session) {
            None => Refusal::UnknownSession,
            Some(peer) if peer.voice == Voice::Stock => Refusal::CannotClaim,
            Some(peer) if peer.standing == Standing::Observer => Refusal::Observer,
            Some(peer) if peer.presence == Presence::Away => Refusal::NotLive,
            Some(_) => {
                self.roster.acted(session);
                return true;
            }
        };
        step.say(Change::Refused { session, why });
        false
    }

    /// What this session has, or is being offered, that makes asking for `scope` needless.
    pub(crate) fn covering(&self, session: SessionId, scope: &Scope) -> Option<&Grant> {
        self.grants
            .with(session)
            .find(|grant| grant.scope.covers(scope))
    }

    /// Tells the party of this lock again where it stands.
    pub(crate) fn tell(&self, fence: Fence, step: &mut Step<'_>) {
        let Some(grant) = self.grants.get(fence) else {
            return;
        };
        let (party, scope) = (grant.party, grant.scope.clone());
        match grant.state {
            GrantState::Offered => step.say(Change::Offered {
                to: party,
                fence,
                scope,
            }),
            GrantState::Held => step.say(Change::Granted {
                to: party,
                fence,
                scope,
            }),
            GrantState::Draining { to, why } => step.say(Change::Draining {
                by: party,
                fence,
                scope,
                to,
                why,
            }),
            // Their party has no connection that could be told.
            GrantState::Suspect | GrantState::Recovering => {}
        }
    }

    pub(crate) fn refuse_fence(&self, session: SessionId, named: Fence, step: &mut Step<'_>) {
        let why = if self.roster.get(session).is_some() {
            let now = self.last_fence;
            Refusal::StaleFence { named, now }
        } else {
            Refusal::UnknownSession
        };
        step.say(Change::Refused { session, why });
    }

    pub(crate) fn live(&self, session: SessionId) -> bool {
        self.roster
            .get(session)
            .is_some_and(|peer| peer.presence == Presence::Live)
    }
}
