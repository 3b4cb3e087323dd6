//! The judgement on each record and each edit: the account of the locks of the testkit, and what only
//! this model can ask beside it.
//!
//! Rules that can be read off one state are in `rules.rs`.

use std::collections::BTreeSet;

use baton_presence::{
    AutoPass, Change, ClientKind, DrainReason, Event, Fence, LockRefusal, LockSnapshot, LossReason,
    Mode, Presence, Rights, SessionId, SessionRole, UserKey, WriteRight,
};
use baton_testkit::{BrokenRule, Lock, LockAccount, Phase, Step};

use crate::messages::Down;
use crate::places::{Place, Root};
use crate::{Flaw, Rule};

/// The records so far, as their changes tell them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Book {
    pub(crate) locks: LockAccount<Place>,
    /// The fences that were given back in order, while an edit typed under them may be under way.
    pub(crate) released: BTreeSet<Fence>,
    /// The fences that were taken from holders who were away, and so were not waited for: the one
    /// exception of S5.
    pub(crate) excused: BTreeSet<Fence>,
    /// The claim that is being applied and was really said by a client; nothing between steps.
    pub(crate) heard: Option<Fence>,
}

impl From<BrokenRule> for Rule {
    fn from(rule: BrokenRule) -> Self {
        match rule {
            BrokenRule::OneParty => Self::S1,
            BrokenRule::FencesGrow => Self::S2,
            BrokenRule::OnlyDrainsRunOut => Self::S6,
            BrokenRule::ResumeKeepsFence => Self::S8,
            BrokenRule::OldestFirst => Self::S9,
            BrokenRule::NeverToNone => Self::S11,
        }
    }
}

/// What surrounds a record.
pub(crate) struct Around<'a> {
    pub(crate) position: u64,
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
        let step = Step {
            position: around.position,
            event: around.event,
            changes: around.changes,
            announced: around.announced,
            gives_way: gives_way(around.after) && around.flaw != Flaw::NoException,
        };
        let Self {
            locks,
            released,
            excused,
            heard,
        } = self;
        locks.follow(&step, |change, lock| {
            match *change {
                Change::Granted { to, fence, .. } => {
                    let offered = lock.is_some_and(|lock| lock.phase == Phase::Offered);
                    if offered && *heard != Some(fence) && !(around.runs)(to) {
                        return Err(Rule::L1);
                    }
                }
                Change::Released { fence, .. } => {
                    released.insert(fence);
                }
                Change::LockLost {
                    fence,
                    why: LossReason::TakenOver,
                    ..
                } if lock.is_some_and(|lock| lock.phase == Phase::Waiting) => {
                    excused.insert(fence);
                }
                _ => {}
            }
            if is_entitled(change, around.event) {
                Ok(())
            } else {
                Err(Rule::S7)
            }
        })
    }

    /// A session comes before anything else does.
    pub(crate) fn joined(&mut self, position: u64, event: &Event, changes: &[Change]) {
        let step = Step {
            position,
            event,
            changes,
            announced: None,
            gives_way: false,
        };
        let followed = self.locks.follow(&step, |_, _| Ok::<_, BrokenRule>(()));
        debug_assert_eq!(followed, Ok(()), "a join breaks no rule of the locks");
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
        let locks = self.locks.locks().iter();
        let mut there = locks.filter(|lock| lock.area.reaches(root));
        let holds = |lock: &Lock<Place>| matches!(lock.phase, Phase::Held | Phase::Draining(_));
        let mine = |lock: &Lock<Place>| {
            lock.party == session && holds(lock) && carried == Some(lock.fence)
        };
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
            area: Place::of(&grant.scope),
            phase: phase(grant.state),
        });
        self.locks.locks().iter().copied().eq(locks)
    }
}

/// The exception of S11: writers who cannot hold a lock, such as stock clients, are kept from writing
/// by somebody who is away.
fn gives_way(fold: &LockSnapshot) -> bool {
    let stock = fold.peers.iter().any(|peer| {
        let holds_none =
            peer.client_kind == ClientKind::LockUnaware || !peer.rights.contains(Rights::LOCK);
        holds_none
            && peer.rights.contains(Rights::WRITE)
            && peer.role == SessionRole::Writer
            && peer.presence == Presence::Live
    });
    stock && fold.auto_pass == AutoPass::On && fold.mode == Mode::ExclusiveWhenHeld
}

/// S7: only the second session may take over, and a lock moves to the same user only.
fn is_entitled(change: &Change, event: &Event) -> bool {
    match *change {
        Change::TakenOver { by, .. } => by == TAKER,
        Change::Draining { by, to, why, .. } => match why {
            DrainReason::TakenOver => to.is_none_or(|to| to == TAKER),
            DrainReason::Moved => to.is_none_or(|to| user_of(to) == user_of(by)),
            _ => true,
        },
        Change::LockLost {
            why: LossReason::TakenOver,
            ..
        } => match *event {
            Event::TakeOver { session, .. } => session == TAKER,
            Event::MoveHere { .. } => true,
            _ => false,
        },
        _ => true,
    }
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
        WriteRight::Holder(_) | WriteRight::Refused { .. } | WriteRight::ReadOnly => {
            Applied::Parked
        }
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
