//! Answers questions about the locks: their status for this session, and the permission to edit.
//!
//! Reads the tracker's state and changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_sync::control_channel::{
    FencingToken, GrantStatus, GrantView, LockMode, LockView, Waiter,
};

use super::grant::{GrantStage, OwnGrant};
use super::{EditBlock, LockTracker};
use crate::dual_clock::Moment;
use crate::events::{EditPermission, LockStatus};
use crate::scope::LockScope;

impl LockTracker {
    pub(crate) const fn session(&self) -> Option<u64> {
        self.session
    }

    /// Returns the locks and the queue as the server last showed them.
    pub(crate) const fn view(&self) -> Option<&LockView> {
        self.view.as_ref()
    }

    pub(crate) const fn grants(&self) -> &BTreeMap<FencingToken, OwnGrant> {
        &self.grants
    }

    pub(crate) fn offers(&self) -> impl Iterator<Item = FencingToken> + '_ {
        self.offers.keys().copied()
    }

    /// Returns the scope of this session's ticket in the queue.
    pub(crate) const fn wanted(&self) -> Option<&LockScope> {
        self.wanted.ticket()
    }

    /// Returns this session's grant of just this scope, or else one that covers it.
    pub(crate) fn grant(&self, scope: &LockScope) -> Option<(FencingToken, &OwnGrant)> {
        let find = |fits: &dyn Fn(&OwnGrant) -> bool| {
            let mut grants = self.grants.iter();
            grants.find(|(_, grant)| fits(grant))
        };
        find(&|grant| *grant.scope() == *scope)
            .or_else(|| find(&|grant| grant.scope().covers(scope)))
            .map(|(fence, grant)| (*fence, grant))
    }

    /// Returns the relation of this session to the lock of the scope.
    pub(crate) fn lock_status(&self, scope: &LockScope) -> LockStatus {
        let Some(view) = &self.view else {
            return LockStatus::Unknown;
        };
        if let Some((_, grant)) = self.grant(scope) {
            return match grant.stage() {
                GrantStage::Held => LockStatus::Mine,
                GrantStage::Draining | GrantStage::Drained => LockStatus::Draining,
                GrantStage::Releasing => LockStatus::Releasing,
            };
        }
        let mut others = view
            .grants
            .iter()
            .filter(|grant| LockScope::from_wire(grant.paths.clone()).conflicts(scope));
        if self.is_offered(scope) {
            LockStatus::Offered
        } else if self.wanted().is_some_and(|wanted| wanted.covers(scope)) {
            LockStatus::Waiting
        } else if others.any(|grant| !self.grants.contains_key(&grant.fence)) {
            LockStatus::Theirs
        } else {
            LockStatus::Free
        }
    }

    fn is_offered(&self, scope: &LockScope) -> bool {
        self.offers.values().any(|offer| offer.scope.covers(scope))
            || self.shown().any(|(grant, of)| {
                grant.state == GrantStatus::Offered
                    && Some(grant.session) == self.session
                    && of.covers(scope)
            })
    }

    /// Returns the grants of the last view with their scopes.
    fn shown(&self) -> impl Iterator<Item = (&GrantView, LockScope)> {
        let grants = self.view.iter().flat_map(|view| &view.grants);
        grants.map(|grant| (grant, LockScope::from_wire(grant.paths.clone())))
    }

    /// Returns the place in the queue, from 1, of this session's ticket for the scope.
    pub(crate) fn place(&self, scope: &LockScope) -> Option<usize> {
        let queue = &self.view.as_ref()?.queue;
        let ours = |(_, waiter): &(usize, &Waiter)| {
            Some(waiter.session) == self.session
                && LockScope::from_wire(waiter.paths.clone()).covers(scope)
        };
        queue.iter().enumerate().find(ours).map(|(n, _)| n + 1)
    }

    pub(crate) fn mode(&self) -> Option<LockMode> {
        self.view.as_ref().map(|view| view.mode)
    }

    /// Returns the permission to edit the scope at this moment.
    pub(crate) fn permission(&self, scope: &LockScope, now: Moment) -> EditPermission {
        match self.block {
            Some(EditBlock::Diverged) => return EditPermission::Diverged,
            Some(EditBlock::Closed) => return EditPermission::Closed,
            None => {}
        }
        if self.view.is_none() {
            return EditPermission::Connecting;
        }
        let permission = if scope.is_whole() {
            self.permission_for_path(&[], now)
        } else {
            let rights = scope
                .paths()
                .iter()
                .map(|path| self.permission_for_path(path, now));
            // The first path that forbids decides. `Holder` stands only if it holds for all paths.
            rights
                .reduce(|all, of| match (all.may_edit(), of.may_edit()) {
                    (true, false) => of,
                    (true, true) if all == EditPermission::Holder => of,
                    _ => all,
                })
                .unwrap_or(EditPermission::Connecting)
        };
        if self.mode() == Some(LockMode::Open) && !permission.may_edit() {
            EditPermission::Advisory
        } else {
            permission
        }
    }

    /// Returns the permission to edit one path, or the whole document if the path is empty. Root
    /// types decide about it, because the server can tell only those of an update.
    fn permission_for_path(&self, path: &[String], now: Moment) -> EditPermission {
        let root = path.get(..1).unwrap_or_default();
        let (mut live, mut dead) = (false, false);
        for grant in self.grants.values() {
            if grant.scope().meets(path) {
                match grant.stage() {
                    GrantStage::Held => {}
                    GrantStage::Draining | GrantStage::Drained => return EditPermission::Draining,
                    GrantStage::Releasing => return EditPermission::Releasing,
                }
            }
            if grant.scope().meets(root) {
                let confirmed = !grant.lease_left(now, self.client_stop).is_zero();
                // The holder of a part does not hold the whole document.
                live |= confirmed && (grant.scope().is_whole() || !root.is_empty());
                dead |= !confirmed;
            }
        }
        if live {
            return EditPermission::Holder;
        }
        if dead {
            return EditPermission::Unconfirmed;
        }
        if self.offers.values().any(|offer| offer.scope.meets(root)) {
            return EditPermission::Offered;
        }
        let mut theirs = false;
        for (grant, _) in self.shown().filter(|(_, scope)| scope.meets(root)) {
            let ours = Some(grant.session) == self.session;
            if ours && grant.state == GrantStatus::Offered {
                return EditPermission::Offered;
            }
            theirs |= !self.grants.contains_key(&grant.fence);
        }
        match self.mode() {
            _ if theirs => EditPermission::Theirs,
            Some(LockMode::Required) => EditPermission::Required,
            _ if self.connected => EditPermission::Free,
            _ => EditPermission::FreeOffline,
        }
    }

    /// Returns the time for which the holder of the scope may go on editing without news from the
    /// server; zero for all others.
    pub(crate) fn lease_left(&self, scope: &LockScope, now: Moment) -> Duration {
        self.grant(scope).map_or(Duration::ZERO, |(_, grant)| {
            grant.lease_left(now, self.client_stop)
        })
    }

    /// Returns the time until the next lease runs out.
    pub(crate) fn next_expiry(&self, now: Moment) -> Option<Duration> {
        self.grants
            .values()
            .map(|grant| grant.lease_left(now, self.client_stop))
            .filter(|left| !left.is_zero())
            .min()
    }
}
