//! The locks of a document by fence, and the write permission that follows from them.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use super::hint::Hint;
use super::scope_index::{Conflicts, ScopeIndex};
use crate::{Fence, Grant, Mode, Scope, SessionId, WriteRight};

/// All grants, ascending by fence, which is by age; indexed for the frequent questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GrantTable {
    by_fence: BTreeMap<Fence, Grant>,
    by_scope: ScopeIndex<Fence>,
    by_party: BTreeSet<(SessionId, Fence)>,
    /// Draining grants with a named successor.
    promised: BTreeSet<Fence>,
    /// Scopes in which something changed since [`GrantTable::take_touched`]: a waiter there may be
    /// served now.
    touched: Hint<Vec<Scope>>,
    /// Grants that changed since they were last found to be in time.
    maybe_overdue: Hint<BTreeSet<Fence>>,
}

impl GrantTable {
    pub(crate) fn insert(&mut self, grant: Grant) {
        self.remove(grant.fence);
        self.touch(&grant);
        self.by_scope.insert(&grant.scope, grant.fence);
        self.by_party.insert((grant.party, grant.fence));
        if grant.successor().is_some() {
            self.promised.insert(grant.fence);
        }
        self.by_fence.insert(grant.fence, grant);
    }

    pub(crate) fn remove(&mut self, fence: Fence) -> Option<Grant> {
        let grant = self.by_fence.remove(&fence)?;
        self.touch(&grant);
        self.maybe_overdue.remove(&fence);
        self.by_scope.remove(&grant.scope, fence);
        self.by_party.remove(&(grant.party, fence));
        self.promised.remove(&fence);
        Some(grant)
    }

    fn touch(&mut self, grant: &Grant) {
        self.touched.push(grant.scope.clone());
        self.touched
            .extend(grant.successor().map(|(_, wants)| wants.clone()));
        self.maybe_overdue.insert(grant.fence);
    }

    pub(crate) fn get(&self, fence: Fence) -> Option<&Grant> {
        self.by_fence.get(&fence)
    }

    /// Changes a grant. `change` must leave its scope, party and fence alone: they are indexed.
    pub(crate) fn change<R>(
        &mut self,
        fence: Fence,
        change: impl FnOnce(&mut Grant) -> R,
    ) -> Option<R> {
        let mut grant = self.by_fence.remove(&fence)?;
        self.touch(&grant);
        let result = change(&mut grant);
        self.touch(&grant);
        if grant.successor().is_some() {
            self.promised.insert(fence);
        } else {
            self.promised.remove(&fence);
        }
        self.by_fence.insert(fence, grant);
        Some(result)
    }

    /// Notes which session requested a lock. That serves no waiter, so it touches no hint.
    pub(crate) fn set_requested_by(&mut self, fence: Fence, session: Option<SessionId>) {
        if let Some(grant) = self.by_fence.get_mut(&fence) {
            grant.requested_by = session;
        }
    }

    /// Returns the grant if `session` is its party.
    pub(crate) fn of(&self, session: SessionId, fence: Fence) -> Option<&Grant> {
        self.get(fence).filter(|grant| grant.party == session)
    }

    /// Iterates over the grants, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Grant> + Clone + '_ {
        self.by_fence.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_fence.len()
    }

    /// Returns the fences of all grants, to be walked while the grants change.
    pub(crate) fn fences(&self) -> Vec<Fence> {
        self.by_fence.keys().copied().collect()
    }

    /// Iterates over the grants that a session holds or is offered, oldest first.
    pub(crate) fn with(&self, session: SessionId) -> impl Iterator<Item = &Grant> + '_ {
        let first = (session, Fence::FIRST);
        self.by_party
            .range(first..)
            .take_while(move |(party, _)| *party == session)
            .filter_map(|(_, fence)| self.get(*fence))
    }

    /// Returns the fences of [`GrantTable::with`], to be walked while the grants change.
    pub(crate) fn fences_with(&self, session: SessionId) -> Vec<Fence> {
        self.with(session).map(|grant| grant.fence).collect()
    }

    /// Iterates over the draining grants with a named successor, oldest first.
    pub(crate) fn promised(&self) -> impl Iterator<Item = &Grant> + '_ {
        self.promised.iter().filter_map(|fence| self.get(*fence))
    }

    /// Iterates over the grants in conflict with `scope`, oldest first.
    pub(crate) fn in_conflict(&self, scope: &Scope) -> GrantsInConflict<'_> {
        match self.by_scope.in_conflict(scope) {
            Conflicts::All => GrantsInConflict::All(self.by_fence.values()),
            Conflicts::These(fences) => GrantsInConflict::These(self, fences.into_iter()),
        }
    }

    pub(crate) fn take_touched(&mut self) -> Vec<Scope> {
        std::mem::take(&mut *self.touched)
    }

    /// Touches the grants of a session that changed in the roster.
    pub(crate) fn touch_with(&mut self, session: SessionId) {
        for fence in self.fences_with(session) {
            self.change(fence, |_| ());
        }
    }

    /// Returns the grants that may be overdue, oldest first.
    pub(crate) fn maybe_overdue(&self) -> Vec<Fence> {
        self.maybe_overdue.iter().copied().collect()
    }

    /// Notes that a grant is in time until it, or its party, changes.
    pub(crate) fn is_in_time(&mut self, fence: Fence) {
        self.maybe_overdue.remove(&fence);
    }

    /// Judges a write of `session` to these roots.
    ///
    /// Only the holder itself writes what is locked (S3). While a lock is offered no session does:
    /// the one that lost it may still be typing, and the next holder must find the state that it
    /// saw.
    pub(crate) fn may_write<'a>(
        &self,
        session: SessionId,
        roots: impl IntoIterator<Item = &'a str>,
        mode: Mode,
    ) -> WriteRight {
        let mut right = WriteRight::Free;
        for root in roots {
            let there = self.by_scope.reaching(root);
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
pub(crate) enum GrantsInConflict<'a> {
    All(btree_map::Values<'a, Fence, Grant>),
    These(&'a GrantTable, std::vec::IntoIter<Fence>),
}

impl<'a> Iterator for GrantsInConflict<'a> {
    type Item = &'a Grant;

    fn next(&mut self) -> Option<&'a Grant> {
        match self {
            Self::All(all) => all.next(),
            Self::These(grants, fences) => fences.find_map(|fence| grants.get(fence)),
        }
    }
}
