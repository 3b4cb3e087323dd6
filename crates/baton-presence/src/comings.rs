//! Owns what the roster's records do: who comes, goes, falls silent, returns, and what that means for
//! the lock.
//!
//! It knows no time; that a silence or a grace was too long is what the record says.

use crate::{
    Change, Due, Fence, Fold, LockState, Loss, OfferEnd, Passing, Peer, Presence, Refusal,
    SessionId, Standing, Voice,
};

impl Fold {
    pub(crate) fn joined(
        &mut self,
        session: SessionId,
        voice: Voice,
        standing: Standing,
        changes: &mut Vec<Change>,
    ) {
        if self.roster.get(session).is_some() {
            let why = Refusal::AlreadyJoined;
            changes.push(Change::Refused { session, why });
            return;
        }
        self.roster.insert(Peer {
            session,
            voice,
            standing,
            presence: Presence::Live,
            ticket: None,
            passed_over: None,
            fence_seen: None,
        });
        changes.push(Change::Joined { session });
    }

    pub(crate) fn resumed(
        &mut self,
        session: SessionId,
        named: Option<Fence>,
        changes: &mut Vec<Change>,
    ) {
        let now = self.lock.last_fence;
        let Some(peer) = self.roster.get_mut(session) else {
            let why = Refusal::UnknownSession;
            changes.push(Change::Refused { session, why });
            return;
        };
        let before = peer.presence;
        peer.presence = Presence::Live;
        peer.passed_over = None;
        changes.push(Change::Attached { session });
        if before == Presence::Silent {
            changes.push(Change::Back { session });
        }
        let held = self.lock.holder().filter(|(by, _)| *by == session);
        if let Some((by, fence)) = held {
            if named.is_none_or(|named| named == fence) {
                self.hold(by, fence);
                changes.push(Change::Resumed { by, fence });
                return;
            }
            let why = Loss::OtherFence;
            changes.push(Change::LockLost { by, fence, why });
        }
        if named.is_some() {
            let why = Refusal::StaleFence { now };
            changes.push(Change::Refused { session, why });
        }
        if held.is_some() {
            self.hand_on(Passing::Offline, changes);
        } else if let Some((to, fence)) = self.lock.offered()
            && to == session
        {
            changes.push(Change::Offered { to, fence });
        }
    }

    pub(crate) fn disconnected(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        let Some(peer) = self.roster.get_mut(session) else {
            return;
        };
        let before = peer.presence;
        if before == Presence::Away {
            return;
        }
        peer.presence = Presence::Away;
        changes.push(Change::Detached { session });
        match self.lock.state {
            LockState::Held { by, fence } if by == session => {
                self.lock.enter(LockState::Suspect { by, fence });
                if before == Presence::Silent {
                    self.lock.due = Due::Overdue;
                }
                changes.push(Change::Suspected { by, fence });
            }
            LockState::Offered { to, .. } if to == session => {
                self.end_offer(OfferEnd::Unreachable, changes);
            }
            _ => {}
        }
    }

    pub(crate) fn lost(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        let Some(peer) = self.roster.get_mut(session) else {
            return;
        };
        match peer.presence {
            Presence::Silent => return,
            Presence::Live => {
                peer.presence = Presence::Silent;
                changes.push(Change::Lost { session });
            }
            Presence::Away => {}
        }
        match self.lock.state {
            LockState::Offered { to, .. } if to == session => {
                self.end_offer(OfferEnd::Unreachable, changes);
            }
            LockState::Suspect { by, .. } | LockState::Recovering { by, .. } if by == session => {
                self.lock.due = Due::Overdue;
            }
            _ => {}
        }
    }

    pub(crate) fn back(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        let Some(peer) = self.roster.get_mut(session) else {
            return;
        };
        if peer.presence != Presence::Silent {
            return;
        }
        peer.presence = Presence::Live;
        peer.passed_over = None;
        changes.push(Change::Back { session });
        if let LockState::Held { by, fence } = self.lock.state
            && by == session
        {
            changes.push(Change::Resumed { by, fence });
        }
    }

    pub(crate) fn done(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        if !self.remove(session) {
            return;
        }
        changes.push(Change::Gone { session });
        if let Some((to, _)) = self.lock.offered()
            && to == session
        {
            self.end_offer(OfferEnd::Unreachable, changes);
        } else if let Some((by, fence)) = self.lock.holder()
            && by == session
        {
            changes.push(Change::Released { by, fence });
            self.hand_on(Passing::ByTicket, changes);
        }
    }

    pub(crate) fn forgotten(&mut self, session: SessionId, changes: &mut Vec<Change>) {
        let away = self
            .roster
            .get(session)
            .is_some_and(|peer| peer.presence == Presence::Away);
        let holds = self.lock.party().is_some_and(|(who, _)| who == session);
        if away && !holds && self.remove(session) {
            changes.push(Change::Gone { session });
        }
    }

    fn remove(&mut self, session: SessionId) -> bool {
        let Some(peer) = self.roster.remove(session) else {
            return false;
        };
        if let Some(ticket) = peer.ticket {
            self.queue.remove(ticket);
        }
        true
    }

    pub(crate) fn restarted(&mut self, changes: &mut Vec<Change>) {
        changes.push(Change::Restarted);
        for peer in self.roster.iter_mut() {
            if peer.presence != Presence::Away {
                peer.presence = Presence::Away;
                let session = peer.session;
                changes.push(Change::Detached { session });
            }
        }
        if let Some((by, fence)) = self.lock.party() {
            self.lock.enter(LockState::Recovering { by, fence });
            changes.push(Change::Recovering { by, fence });
        }
    }
}
