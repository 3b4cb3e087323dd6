//! Owns the answers to what sessions ask for: acquire, try, cancel, claim, decline, release.
//!
//! Each is idempotent: asked twice, it is answered twice and changes things once. Nothing here knows
//! a time.

use crate::{Change, Fence, Fold, LockState, OfferEnd, Passing, Presence, Refusal, SessionId};
use crate::{Standing, Voice};

impl Fold {
    pub(crate) fn acquire(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        if !self.admit(session, changes) {
            return;
        }
        let holds = self.lock.holder().is_some_and(|(by, _)| by == session);
        if !holds {
            // Also when it is being offered the lock without having asked: if that offer comes to
            // nothing, its wish stays.
            self.take_ticket(session);
        }
        if self.tell_party(session, changes) {
            return;
        }
        self.settle(changes);
        if self.lock.offered().is_none_or(|(to, _)| to != session) {
            changes.push(Change::Queued { session });
        }
    }

    fn take_ticket(&mut self, session: SessionId) {
        let ticket = self.new_ticket();
        if let Some(peer) = self.roster.get_mut(session)
            && peer.ticket.is_none()
        {
            peer.ticket = Some(ticket);
            self.queue.insert(ticket, session);
        }
    }

    pub(crate) fn try_now(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        if !self.admit(session, changes) || self.tell_party(session, changes) {
            return;
        }
        // Clearing its mark may have made the asker the next by ticket, which is the better claim.
        self.settle(changes);
        if self.lock.offered().is_some_and(|(to, _)| to == session) {
            return;
        }
        if self.live(session) {
            if self.lock.state == LockState::Free {
                self.offer(session, Passing::ByTicket, changes);
                return;
            }
            if self.overdue().is_some() {
                self.take_for(session, changes);
                return;
            }
        }
        if let Some((by, _)) = self.lock.party() {
            let why = Refusal::Busy { by };
            changes.push(Change::Refused { session, why });
        } else {
            let why = Refusal::NotLive;
            changes.push(Change::Refused { session, why });
        }
    }

    pub(crate) fn cancel(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        let Some(peer) = self.roster.get_mut(session) else {
            let why = Refusal::UnknownSession;
            changes.push(Change::Refused { session, why });
            return;
        };
        if let Some(ticket) = peer.ticket.take() {
            self.queue.remove(ticket);
        }
        changes.push(Change::Dequeued { session });
        if self.lock.offered().is_some_and(|(to, _)| to == session) {
            self.end_offer(OfferEnd::Cancelled, changes);
        }
    }

    pub(crate) fn release(&mut self, session: SessionId, fence: Fence, changes: &mut Vec<Change>) {
        if self.lock.holder() != Some((session, fence)) {
            self.refuse_fence(session, changes);
            return;
        }
        changes.push(Change::Released { by: session, fence });
        self.hand_on(Passing::ByTicket, changes);
    }

    pub(crate) fn claim(&mut self, session: SessionId, fence: Fence, changes: &mut Vec<Change>) {
        let held = LockState::Held { by: session, fence };
        if self.lock.offered() == Some((session, fence)) {
            self.hold(session, fence);
        }
        if self.lock.state == held {
            changes.push(Change::Granted { to: session, fence });
            return;
        }
        if let Some(peer) = self.roster.get_mut(session)
            && peer.passed_over == Some(fence)
        {
            peer.passed_over = None;
        }
        self.refuse_fence(session, changes);
    }

    pub(crate) fn decline(&mut self, session: SessionId, fence: Fence, changes: &mut Vec<Change>) {
        if self.lock.offered() == Some((session, fence)) {
            self.end_offer(OfferEnd::Declined, changes);
        } else {
            self.refuse_fence(session, changes);
        }
    }

    /// Whether this session may ask for the lock at all; asking ends its being passed over.
    fn admit(&mut self, session: SessionId, changes: &mut Vec<Change>) -> bool {
        let why = match self.roster.get_mut(session) {
            None => Refusal::UnknownSession,
            Some(peer) if peer.voice == Voice::Stock => Refusal::CannotClaim,
            Some(peer) if peer.standing == Standing::Observer => Refusal::Observer,
            Some(peer) if peer.presence == Presence::Away => Refusal::NotLive,
            Some(peer) => {
                peer.passed_over = None;
                return true;
            }
        };
        changes.push(Change::Refused { session, why });
        false
    }

    /// Tells an asker that has the lock, or an open offer of it, so again.
    fn tell_party(&self, session: SessionId, changes: &mut Vec<Change>) -> bool {
        match self.lock.state {
            LockState::Held { by, fence } if by == session => {
                changes.push(Change::Granted { to: by, fence });
                true
            }
            LockState::Offered { to, fence } if to == session => {
                changes.push(Change::Offered { to, fence });
                true
            }
            _ => false,
        }
    }

    fn refuse_fence(&self, session: SessionId, changes: &mut Vec<Change>) {
        let why = if self.roster.get(session).is_some() {
            let now = self.lock.last_fence;
            Refusal::StaleFence { now }
        } else {
            Refusal::UnknownSession
        };
        changes.push(Change::Refused { session, why });
    }

    fn live(&self, session: SessionId) -> bool {
        self.roster
            .get(session)
            .is_some_and(|peer| peer.presence == Presence::Live)
    }
}
