//! The checker's own idea of the locks, from the changes alone: it trusts no grant and no ticket number
//! of the machine.
//!
//! It says which rule a step broke; rules that can be read off one state are in `rules.rs`.

use std::collections::BTreeSet;

use baton_presence::{
    AutoPass, Change, ClientKind, DrainReason, Event, Fence, LockRefusal, LockSnapshot, LossReason,
    Mode, Peer, Presence, SessionId, SessionRole, UserKey, WriteRight,
};

use crate::messages::Down;
use crate::places::{Place, Root};
use crate::{Flaw, Rule};

/// Where a lock is, as far as was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Offered,
    Held,
    /// Its holder is away.
    Waiting,
    /// Towards this one, or whoever waits.
    Draining(Option<SessionId>),
}

/// One lock, as far as was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lock {
    pub(crate) fence: Fence,
    pub(crate) party: SessionId,
    pub(crate) place: Place,
    pub(crate) phase: Phase,
}

/// What the records say so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Book {
    /// Ascending by fence.
    pub(crate) locks: Vec<Lock>,
    /// Who waits for what, in the order in which they began to.
    pub(crate) waits: Vec<(SessionId, Place)>,
    /// The newest fence of an offer.
    pub(crate) newest: Option<Fence>,
    /// The fences that were given back in order, while an edit typed under them may be under way.
    pub(crate) released: BTreeSet<Fence>,
    /// The fences that were taken from holders who were away, and so were not waited for: the one
    /// exception of S5.
    pub(crate) excused: BTreeSet<Fence>,
    /// The claim that is being applied and was really said by a client; nothing between steps.
    pub(crate) heard: Option<Fence>,
}

/// What surrounds a record.
pub(crate) struct Around<'a> {
    pub(crate) event: &'a Event,
    pub(crate) changes: &'a [Change],
    pub(crate) after: &'a LockSnapshot,
    /// The newest fence that any client was told of.
    pub(crate) announced: Option<Fence>,
    /// Whether a session's client still runs.
    pub(crate) runs: &'a dyn Fn(SessionId) -> bool,
    pub(crate) flaw: Flaw,
}

/// In every world of this model only the second session may take over.
pub(crate) const TAKER: SessionId = SessionId(2);

/// In every world of this model the sessions with odd numbers are one user's.
pub(crate) const fn user_of(session: SessionId) -> UserKey {
    UserKey([session.0 as u8 % 2; 16])
}

impl Book {
    /// A record and what followed from it.
    pub(crate) fn record(&mut self, around: &Around<'_>) -> Result<(), Rule> {
        self.note_waits(around);
        let mut heirs = Vec::new();
        if let Event::TakeOver { session, .. } | Event::MoveHere { session, .. } = around.event {
            heirs.push(*session);
        }
        for (index, change) in around.changes.iter().enumerate() {
            let rest = &around.changes[index + 1..];
            self.change(change, rest, &mut heirs, around)?;
        }
        Ok(())
    }

    /// Who waits and for what the machine says; since when, this book.
    fn note_waits(&mut self, around: &Around<'_>) {
        let wishes = around.after.peers.iter().filter_map(|peer| {
            let wants = peer.wants.as_ref()?;
            Some((peer.session, Place::of(wants)))
        });
        let wishes: Vec<_> = wishes.collect();
        // Who lets an offer pass waits from here on, behind those who wait now.
        if let Event::OfferExpired { session, fence }
        | Event::Decline {
            session,
            fence,
            later: true,
        } = *around.event
        {
            let open = |lock: &Lock| {
                lock.fence == fence && lock.party == session && lock.phase == Phase::Offered
            };
            let place = self.waits.iter().position(|(waits, _)| *waits == session);
            if let (true, Some(place)) = (self.locks.iter().any(open), place) {
                let wait = self.waits.remove(place);
                self.waits.push(wait);
            }
        }
        // A claim uses the ticket up in this record, before it settles.
        self.waits.retain(|wait| wishes.contains(wait));
        for wish in wishes {
            if !self.waits.contains(&wish) {
                self.waits.push(wish);
            }
        }
    }

    fn lock(
        &mut self,
        rule: Rule,
        party: SessionId,
        fence: Fence,
        place: Place,
    ) -> Result<&mut Lock, Rule> {
        self.locks
            .iter_mut()
            .find(|lock| lock.fence == fence && lock.party == party && lock.place == place)
            .ok_or(rule)
    }

    /// It is over. Who was to get it next may.
    fn end(
        &mut self,
        party: SessionId,
        fence: Fence,
        place: Place,
        heirs: &mut Vec<SessionId>,
    ) -> Result<Phase, Rule> {
        let phase = self.lock(Rule::S1, party, fence, place)?.phase;
        self.locks.retain(|lock| lock.fence != fence);
        if let Phase::Draining(Some(heir)) = phase {
            heirs.push(heir);
        }
        Ok(phase)
    }

    fn change(
        &mut self,
        change: &Change,
        rest: &[Change],
        heirs: &mut Vec<SessionId>,
        around: &Around<'_>,
    ) -> Result<(), Rule> {
        match *change {
            Change::Offered {
                to,
                fence,
                ref scope,
            } => {
                let place = Place::of(scope);
                let again = self.locks.iter().find(|lock| lock.fence == fence);
                if again.is_none() {
                    return self.offered(to, fence, place, heirs, around);
                }
                let offered = self.lock(Rule::S1, to, fence, place)?;
                if offered.phase != Phase::Offered {
                    return Err(Rule::S1);
                }
            }
            Change::Granted {
                to,
                fence,
                ref scope,
            } => {
                let heard = self.heard == Some(fence) || (around.runs)(to);
                let lock = self.lock(Rule::S1, to, fence, Place::of(scope))?;
                let was = std::mem::replace(&mut lock.phase, Phase::Held);
                if was == Phase::Offered && !heard {
                    return Err(Rule::L1);
                }
                if !matches!(was, Phase::Offered | Phase::Held) {
                    return Err(Rule::S1);
                }
            }
            Change::Resumed {
                by,
                fence,
                ref scope,
            } => self.lock(Rule::S8, by, fence, Place::of(scope))?.phase = Phase::Held,
            Change::Suspected {
                by,
                fence,
                ref scope,
            }
            | Change::Recovering {
                by,
                fence,
                ref scope,
            } => self.lock(Rule::S1, by, fence, Place::of(scope))?.phase = Phase::Waiting,
            Change::TakenOver { by, .. } if by != TAKER => return Err(Rule::S7),
            Change::Draining {
                by,
                fence,
                ref scope,
                to,
                why,
            } => {
                let mine = to.is_none_or(|to| user_of(to) == user_of(by));
                if why == DrainReason::TakenOver && to.is_some_and(|to| to != TAKER)
                    || why == DrainReason::Moved && !mine
                {
                    return Err(Rule::S7);
                }
                self.lock(Rule::S1, by, fence, Place::of(scope))?.phase = Phase::Draining(to);
            }
            Change::OfferEnded {
                to,
                fence,
                ref scope,
                ..
            } => {
                self.end(to, fence, Place::of(scope), heirs)?;
            }
            Change::LockLost {
                by,
                fence,
                ref scope,
                why,
            } => {
                let place = Place::of(scope);
                let phase = self.end(by, fence, place, heirs)?;
                self.lost(fence, place, why, phase, rest, around)?;
            }
            Change::Released {
                by,
                fence,
                ref scope,
            } => {
                self.end(by, fence, Place::of(scope), heirs)?;
                self.released.insert(fence);
            }
            _ => {}
        }
        Ok(())
    }

    fn lost(
        &mut self,
        fence: Fence,
        place: Place,
        why: LossReason,
        phase: Phase,
        rest: &[Change],
        around: &Around<'_>,
    ) -> Result<(), Rule> {
        match why {
            LossReason::TakenOver => {
                let may = match *around.event {
                    Event::TakeOver { session, .. } => session == TAKER,
                    Event::MoveHere { .. } => true,
                    _ => false,
                };
                if phase == Phase::Waiting {
                    self.excused.insert(fence);
                }
                may.then_some(()).ok_or(Rule::S7)
            }
            LossReason::Silent | LossReason::GraceOver | LossReason::RecoveryOver => {
                let follows = |change: &Change| matches!(change, Change::Offered { scope, .. } if Place::of(scope).conflicts(place));
                let passed = rest.iter().any(follows);
                (passed || gives_way(around.after) && around.flaw != Flaw::NoException)
                    .then_some(())
                    .ok_or(Rule::S11)
            }
            LossReason::DrainOver => matches!(phase, Phase::Draining(_))
                .then_some(())
                .ok_or(Rule::S6),
            LossReason::OtherFence => Ok(()),
        }
    }

    /// S1: nothing in conflict with it is anybody's. S2: the fence is new. S9: nobody who waits longer
    /// needs it, but if it was given to somebody.
    fn offered(
        &mut self,
        to: SessionId,
        fence: Fence,
        place: Place,
        heirs: &[SessionId],
        around: &Around<'_>,
    ) -> Result<(), Rule> {
        if self.locks.iter().any(|lock| lock.place.conflicts(place)) {
            return Err(Rule::S1);
        }
        if self.newest.max(around.announced) >= Some(fence) {
            return Err(Rule::S2);
        }
        // Its own wish counts only for what it wished.
        let mine = |wait: &&(SessionId, Place)| wait.0 == to && place.covers(wait.1);
        let longer = self.waits.iter().take_while(|wait| !mine(wait));
        let overtaken = |(session, wish): &(SessionId, Place)| {
            *session != to && wish.conflicts(place) && is_live(around.after, *session)
        };
        if !heirs.contains(&to) && longer.clone().any(overtaken) {
            return Err(Rule::S9);
        }
        self.newest = Some(fence);
        self.locks.push(Lock {
            fence,
            party: to,
            place,
            phase: Phase::Offered,
        });
        Ok(())
    }

    /// An edit came, with what it carried and what the fold said of its session. S3 for one that is
    /// applied; S6 for one that is parked.
    pub(crate) fn edit(
        &self,
        session: SessionId,
        root: Root,
        carried: Option<Fence>,
        applied: Applied,
    ) -> Result<(), Rule> {
        let mut there = self.locks.iter().filter(|lock| lock.place.reaches(root));
        let holds = |lock: &Lock| matches!(lock.phase, Phase::Held | Phase::Draining(_));
        let mine =
            |lock: &Lock| lock.party == session && holds(lock) && carried == Some(lock.fence);
        let right = there.clone().next().is_none() || there.any(mine);
        match applied {
            Applied::Yes => right.then_some(()).ok_or(Rule::S3),
            Applied::Parked if carried.is_some_and(|fence| self.released.contains(&fence)) => {
                Err(Rule::S6)
            }
            Applied::Parked => Ok(()),
        }
    }

    /// Whether what was said is what is: the changes tell the whole story.
    pub(crate) fn agrees(&self, fold: &LockSnapshot) -> bool {
        use baton_presence::GrantState as G;
        let phase = |state| match state {
            G::Offered => Phase::Offered,
            G::Held => Phase::Held,
            G::Suspect | G::Recovering => Phase::Waiting,
            G::Draining { to, .. } => Phase::Draining(to),
        };
        let locks = fold.grants.iter().map(|grant| Lock {
            fence: grant.fence,
            party: grant.party,
            place: Place::of(&grant.scope),
            phase: phase(grant.state),
        });
        self.locks.iter().copied().eq(locks)
    }
}

/// The exception of S11: stock clients are kept from writing by somebody who is away.
fn gives_way(fold: &LockSnapshot) -> bool {
    let stock = fold.peers.iter().any(|peer| {
        peer.client_kind == ClientKind::Stock
            && peer.role == SessionRole::Writer
            && peer.presence == Presence::Live
    });
    stock && fold.auto_pass == AutoPass::On && fold.mode == Mode::ExclusiveWhenHeld
}

/// Whether nobody may overtake this session.
fn is_live(fold: &LockSnapshot, session: SessionId) -> bool {
    let live = |peer: &Peer| peer.session == session && peer.presence == Presence::Live;
    fold.peers.iter().any(live)
}

/// Whether somebody who waits for this may be offered it now: here, and has not let an offer of it
/// pass.
pub(crate) fn is_served(fold: &LockSnapshot, session: SessionId, wish: Place) -> bool {
    fold.peers.iter().any(|peer| {
        peer.session == session
            && peer.presence == Presence::Live
            && !peer
                .missed_offers
                .iter()
                .any(|missed| Place::of(&missed.scope).conflicts(wish))
    })
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    Yes,
    Parked,
}

/// The check of the server at the write: it may write there, and it typed under one of the fences that
/// give it the right.
pub(crate) fn verdict(right: WriteRight, named_is_held: bool) -> Applied {
    match right {
        WriteRight::Free => Applied::Yes,
        WriteRight::Holder(_) if named_is_held => Applied::Yes,
        WriteRight::Holder(_) | WriteRight::Refused { .. } => Applied::Parked,
    }
}

/// What a record's changes say, and to whom; the welcome is the caller's.
pub(crate) fn told(event: &Event, changes: &[Change]) -> Vec<(SessionId, Down)> {
    let resumes = matches!(event, Event::Resumed { .. });
    let says = |change: &Change| match *change {
        Change::Offered { to, fence, .. } => Some((to, Down::Offered(fence))),
        Change::Granted {
            to: by,
            fence,
            ref scope,
        }
        | Change::Resumed {
            by,
            fence,
            ref scope,
        } => Some((by, Down::Yours(fence, Place::of(scope)))),
        Change::Draining { by, fence, .. } => Some((by, Down::Drain(fence))),
        Change::LockLost { by, fence, .. } => Some((by, Down::Lost(fence))),
        Change::Refused {
            session,
            why: LockRefusal::StaleFence { named, .. },
        } if resumes => Some((session, Down::Lost(named))),
        _ => None,
    };
    changes.iter().filter_map(says).collect()
}
