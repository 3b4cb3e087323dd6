//! Owns how the lock moves from one session to the next: who is next, when it moves, what it costs
//! the one who had it.
//!
//! It never reads an event; `fold.rs` and `asks.rs` do, and call in here. After every record
//! [`Fold::settle`] holds: a free lock has no live waiter, and a lock whose holder's time is over has
//! nobody who could take it.

use crate::{
    AutoPass, Change, Due, Fence, Fold, LockState, Loss, OfferEnd, Passing, Peer, Presence,
    SessionId, Ticket,
};

impl Fold {
    /// Offers what can be offered. Each record makes at most one offer: where a step has offered
    /// already, the state is `Offered` and this does nothing.
    pub(crate) fn settle(&mut self, changes: &mut Vec<Change>) {
        if self.lock.state == LockState::Free {
            if let Some(next) = self.next(Passing::ByTicket) {
                self.offer(next, Passing::ByTicket, changes);
            }
        } else if self.overdue().is_some()
            && let Some(next) = self.next(Passing::Offline)
        {
            self.take_for(next, changes);
        }
    }

    /// Why the holder could be replaced now, if it could.
    pub(crate) fn overdue(&self) -> Option<Loss> {
        let overdue = self.lock.due == Due::Overdue;
        match self.lock.state {
            LockState::Held { by, .. } => self
                .roster
                .get(by)
                .is_none_or(|peer| peer.presence != Presence::Live)
                .then_some(Loss::Silent),
            LockState::Suspect { .. } => overdue.then_some(Loss::GraceOver),
            LockState::Recovering { .. } => overdue.then_some(Loss::RecoveryOver),
            LockState::Free | LockState::Offered { .. } => None,
        }
    }

    /// Takes the lock from an overdue holder and offers it to `next`. Does nothing in other states.
    pub(crate) fn take_for(&mut self, next: SessionId, changes: &mut Vec<Change>) {
        if let (Some(why), Some((by, fence))) = (self.overdue(), self.lock.holder()) {
            changes.push(Change::LockLost { by, fence, why });
            self.offer(next, Passing::Offline, changes);
        }
    }

    /// Gives the lock, which its party has just given up or lost, to the next one or to nobody.
    pub(crate) fn hand_on(&mut self, passing: Passing, changes: &mut Vec<Change>) {
        match self.next(passing) {
            Some(next) => self.offer(next, passing, changes),
            None => {
                self.lock.enter(LockState::Free);
                changes.push(Change::Freed);
            }
        }
    }

    /// Ends the open offer. The ticket stays, unless the caller took it; who could have claimed and
    /// did not is passed over, so that two of them are not offered the lock in turns for ever.
    pub(crate) fn end_offer(&mut self, why: OfferEnd, changes: &mut Vec<Change>) {
        let LockState::Offered { to, fence } = self.lock.state else {
            return;
        };
        if why != OfferEnd::Unreachable
            && let Some(peer) = self.roster.get_mut(to)
        {
            peer.passed_over = Some(fence);
        }
        changes.push(Change::OfferEnded { to, fence, why });
        self.hand_on(self.lock.passing, changes);
    }

    /// The session holds the lock from here on, and waits no longer.
    pub(crate) fn hold(&mut self, by: SessionId, fence: Fence) {
        self.lock.hold(by, fence);
        if let Some(peer) = self.roster.get_mut(by) {
            peer.fence_seen = Some(fence);
            peer.passed_over = None;
            if let Some(ticket) = peer.ticket.take() {
                self.queue.remove(ticket);
            }
        }
    }

    pub(crate) fn offer(&mut self, to: SessionId, passing: Passing, changes: &mut Vec<Change>) {
        let fence = Fence {
            epoch: self.epoch,
            position: self.here(),
        };
        self.lock.offer(to, fence, passing);
        changes.push(Change::Offered { to, fence });
    }

    /// The next live peer: the oldest live ticket; when the holder went offline and auto-pass is on,
    /// also the live one that has been in the document longest.
    pub(crate) fn next(&self, passing: Passing) -> Option<SessionId> {
        self.next_but(None, passing)
    }

    /// The next live peer that is not `but`.
    pub(crate) fn next_but(&self, but: Option<SessionId>, passing: Passing) -> Option<SessionId> {
        let fits = |peer: &Peer| but != Some(peer.session) && self.can_take(peer);
        let by_ticket = self
            .queue
            .iter()
            .map(|(_, session)| session)
            .find(|session| self.roster.get(*session).is_some_and(fits));
        if by_ticket.is_some() || passing == Passing::ByTicket || self.auto_pass == AutoPass::Off {
            return by_ticket;
        }
        self.roster
            .holders_to_be()
            .find(|peer| fits(peer))
            .map(|peer| peer.session)
    }

    /// Whether a lock may be offered to this peer now. An offer that it missed before somebody was
    /// last granted the lock is forgiven: each grant begins a new round.
    fn can_take(&self, peer: &Peer) -> bool {
        peer.can_hold()
            && peer.presence == Presence::Live
            && peer
                .passed_over
                .is_none_or(|missed| self.lock.last_granted.is_some_and(|last| missed < last))
    }

    /// The ticket that a record at the present position takes.
    pub(crate) fn new_ticket(&self) -> Ticket {
        Ticket(self.here())
    }

    /// Steps run inside `apply`, which has set the position.
    fn here(&self) -> u64 {
        self.position.unwrap_or_default()
    }
}
