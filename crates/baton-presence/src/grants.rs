//! Owns the locks of a document, each with its party, scope and fence, and what they mean for writing.
//!
//! It knows no time and no roster; the fold decides every step, this file only keeps it consistent.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use crate::places::{Conflicts, Hint, Places};
use crate::{Fence, Mode, Scope, SessionId};

/// Where a lock is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum GrantState {
    /// Offered to its party, and not claimed yet. Nobody holds it.
    Offered,
    /// Held by a session with a connection (which may have fallen silent).
    Held,
    /// Held by a session whose connection is gone.
    Suspect,
    /// Held or offered before the server's start, and not resumed yet.
    Recovering,
    /// Held by a session that is to send what it has and stop. With or without a connection.
    Draining {
        /// Who gets it; nobody in particular: by ticket.
        to: Option<SessionId>,
        /// Why.
        why: DrainReason,
    },
}

/// Why a holder is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DrainReason {
    /// It gave the lock to somebody.
    Transfer,
    /// Somebody with the right to do so takes it.
    TakenOver,
    /// The same user takes it in another session.
    Moved,
    /// Somebody asked for it, and the time to answer is over.
    Requested,
    /// Its user did nothing for long, and somebody waits.
    Idle,
}

/// Whether a holder may be replaced as soon as somebody can take the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Due {
    /// It is within its time.
    #[default]
    InTime,
    /// Its time is over; it stays only because nobody could take the lock (S11).
    Overdue,
}

/// What set a lock in motion, and so who may be offered it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Passing {
    /// It was free or given back: to those with a ticket only.
    #[default]
    ByTicket,
    /// Its holder went offline: also to a live writer without a ticket, if auto-pass is on.
    Offline,
}

/// What one session may do to some root types of the document now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum WriteRight {
    /// Write: nothing is in the way.
    Free,
    /// Write as a holder, under this fence (the newest, if it needs several).
    Holder(Fence),
    /// Not write: somebody else has a lock there, or is being offered it; or it is this session's,
    /// but it has not resumed yet; or the mode asks for a lock and it holds none.
    Refused {
        /// The fence that stands in the way; `None` when what it lacks is a lock of its own.
        fence_now: Option<Fence>,
    },
}

/// One lock on its way from an offer to its end. Plain data, and its own snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grant {
    /// What it covers.
    pub scope: Scope,
    /// Its holder, or the one offered.
    pub party: SessionId,
    /// Its fencing token, from the offer to the end.
    pub fence: Fence,
    /// Where it is on its way.
    pub state: GrantState,
    /// Whether a `Suspect` or `Recovering` one is out of time. `InTime` in every other state: a
    /// silent `Held` one is told by its peer's presence.
    pub due: Due,
    /// Who may be offered it when the open offer comes to nothing.
    pub passing: Passing,
    /// Who asked the holder to give it back, as long as that one waits.
    pub requested_by: Option<SessionId>,
    /// What the one named in `Draining` wants, which is offered when nothing is in its way any more.
    pub heir_wants: Option<Scope>,
}

impl Grant {
    /// Whether it is held, with or without a connection; not while it is only offered.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        !matches!(self.state, GrantState::Offered)
    }

    /// Whether its holder may write under it: it is here, as far as the fold knows, and has not given
    /// the lock up yet.
    #[must_use]
    pub const fn may_write(&self) -> bool {
        matches!(self.state, GrantState::Held | GrantState::Draining { .. })
    }

    /// Moves to `state` with its time not over.
    pub(crate) fn enter(&mut self, state: GrantState) {
        self.state = state;
        self.due = Due::InTime;
        self.heir_wants = None;
    }

    /// Who is to get what when it has drained.
    pub(crate) fn heir(&self) -> Option<(SessionId, &Scope)> {
        match self.state {
            GrantState::Draining { to: Some(to), .. } => {
                Some((to, self.heir_wants.as_ref().unwrap_or(&self.scope)))
            }
            _ => None,
        }
    }
}

/// The grants by fence, which is by age; and by what is asked of them often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grants {
    by_fence: BTreeMap<Fence, Grant>,
    by_place: Places<Fence>,
    by_party: BTreeSet<(SessionId, Fence)>,
    /// Those that are to go to somebody in particular.
    promised: BTreeSet<Fence>,
    /// Where something changed since this was looked at last: somebody who waits there may be served now.
    touched: Hint<Vec<Scope>>,
    /// Those that were changed since they were found not to be overdue.
    unsure: Hint<BTreeSet<Fence>>,
}

impl Grants {
    pub(crate) fn insert(&mut self, grant: Grant) {
        self.remove(grant.fence);
        self.touch(&grant);
        self.by_place.insert(&grant.scope, grant.fence);
        self.by_party.insert((grant.party, grant.fence));
        if grant.heir().is_some() {
            self.promised.insert(grant.fence);
        }
        self.by_fence.insert(grant.fence, grant);
    }

    pub(crate) fn remove(&mut self, fence: Fence) -> Option<Grant> {
        let grant = self.by_fence.remove(&fence)?;
        self.touch(&grant);
        self.unsure.remove(&fence);
        self.by_place.remove(&grant.scope, fence);
        self.by_party.remove(&(grant.party, fence));
        self.promised.remove(&fence);
        Some(grant)
    }

    fn touch(&mut self, grant: &Grant) {
        self.touched.push(grant.scope.clone());
        self.touched
            .extend(grant.heir().map(|(_, wants)| wants.clone()));
        self.unsure.insert(grant.fence);
    }

    pub(crate) fn get(&self, fence: Fence) -> Option<&Grant> {
        self.by_fence.get(&fence)
    }

    /// Changes this one; its scope, party and fence are what they are for its whole life.
    pub(crate) fn change<R>(
        &mut self,
        fence: Fence,
        change: impl FnOnce(&mut Grant) -> R,
    ) -> Option<R> {
        let mut grant = self.by_fence.remove(&fence)?;
        self.touch(&grant);
        let result = change(&mut grant);
        self.touch(&grant);
        if grant.heir().is_some() {
            self.promised.insert(fence);
        } else {
            self.promised.remove(&fence);
        }
        self.by_fence.insert(fence, grant);
        Some(result)
    }

    /// That grant, if it is this session's.
    pub(crate) fn of(&self, session: SessionId, fence: Fence) -> Option<&Grant> {
        self.get(fence).filter(|grant| grant.party == session)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Grant> + Clone + '_ {
        self.by_fence.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_fence.len()
    }

    /// To note who asks for them, and nothing else.
    pub(crate) fn asked(&mut self) -> impl Iterator<Item = &mut Grant> + '_ {
        self.by_fence.values_mut()
    }

    /// The fences of all, to be gone through while they change.
    pub(crate) fn fences(&self) -> Vec<Fence> {
        self.by_fence.keys().copied().collect()
    }

    /// Those that a session has or is being offered.
    pub(crate) fn with(&self, session: SessionId) -> impl Iterator<Item = &Grant> + '_ {
        let first = (session, Fence::FIRST);
        self.by_party
            .range(first..)
            .take_while(move |(party, _)| *party == session)
            .filter_map(|(_, fence)| self.get(*fence))
    }

    /// The fences of those, to be gone through while they change.
    pub(crate) fn fences_with(&self, session: SessionId) -> Vec<Fence> {
        self.with(session).map(|grant| grant.fence).collect()
    }

    /// Those that are to go to somebody in particular, oldest first.
    pub(crate) fn promised(&self) -> impl Iterator<Item = &Grant> + '_ {
        self.promised.iter().filter_map(|fence| self.get(*fence))
    }

    /// Oldest first.
    pub(crate) fn in_conflict(&self, scope: &Scope) -> InConflict<'_> {
        match self.by_place.in_conflict(scope) {
            Conflicts::All => InConflict::All(self.by_fence.values()),
            Conflicts::These(fences) => InConflict::These(self, fences.into_iter()),
        }
    }

    /// Where something changed since this was asked last.
    pub(crate) fn take_touched(&mut self) -> Vec<Scope> {
        std::mem::take(&mut *self.touched)
    }

    /// The presence of their party changed.
    pub(crate) fn touch_with(&mut self, session: SessionId) {
        for fence in self.fences_with(session) {
            self.change(fence, |_| ());
        }
    }

    /// Those that may be overdue, oldest first.
    pub(crate) fn unsure(&self) -> Vec<Fence> {
        self.unsure.iter().copied().collect()
    }

    /// It is not overdue, before something changes.
    pub(crate) fn is_in_time(&mut self, fence: Fence) {
        self.unsure.remove(&fence);
    }

    /// Only the holder itself writes what is locked. While it is offered nobody does: the one who lost
    /// it may still be typing, and the one who gets it must find what it saw.
    pub(crate) fn may_write<'a>(
        &self,
        session: SessionId,
        roots: impl IntoIterator<Item = &'a str>,
        mode: Mode,
    ) -> WriteRight {
        let mut right = WriteRight::Free;
        for root in roots {
            let there = self.by_place.reaching(root);
            let mut there = there.iter().filter_map(|fence| self.get(*fence));
            let own = there
                .clone()
                .rfind(|grant| grant.party == session && grant.may_write());
            match (own, mode) {
                (Some(own), _) => {
                    right = match right {
                        WriteRight::Holder(before) => WriteRight::Holder(before.max(own.fence)),
                        _ => WriteRight::Holder(own.fence),
                    };
                }
                (None, Mode::Open) => {}
                (None, _) => {
                    let fence_now = there.next_back().map(|grant| grant.fence);
                    if fence_now.is_some() || mode == Mode::Required {
                        return WriteRight::Refused { fence_now };
                    }
                }
            }
        }
        right
    }
}

/// Grants in conflict with a scope, oldest first.
#[derive(Clone)]
pub(crate) enum InConflict<'a> {
    All(btree_map::Values<'a, Fence, Grant>),
    These(&'a Grants, std::vec::IntoIter<Fence>),
}

impl<'a> Iterator for InConflict<'a> {
    type Item = &'a Grant;

    fn next(&mut self) -> Option<&'a Grant> {
        match self {
            Self::All(all) => all.next(),
            Self::These(grants, fences) => fences.find_map(|fence| grants.get(fence)),
        }
    }
}
