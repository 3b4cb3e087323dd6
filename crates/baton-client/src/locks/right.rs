//! The answers to "what is this lock to us?" and "may this client edit there now?". Changes nothing.

use std::time::Duration;

use baton_sync::channel::{Fence, GrantState, GrantView, Mode};

use super::{Bar, Grant, Locks, Stage};
use crate::events::{EditRight, Standing};
use crate::scope::Scope;
use crate::time::Moment;

impl Locks {
    /// The own grant that answers for this scope: the one of just this scope, or one that covers it.
    pub(crate) fn grant(&self, scope: &Scope) -> Option<(Fence, &Grant)> {
        let find = |fits: &dyn Fn(&Grant) -> bool| {
            let mut grants = self.grants.iter();
            grants.find(|(_, grant)| fits(grant))
        };
        find(&|grant| grant.scope == *scope)
            .or_else(|| find(&|grant| grant.scope.covers(scope)))
            .map(|(fence, grant)| (*fence, grant))
    }

    pub(crate) fn standing(&self, scope: &Scope) -> Standing {
        let Some(view) = &self.view else {
            return Standing::Unknown;
        };
        if let Some((_, grant)) = self.grant(scope) {
            return match grant.stage {
                Stage::Held => Standing::Mine,
                Stage::Draining | Stage::Drained => Standing::Draining,
                Stage::Releasing => Standing::Releasing,
            };
        }
        let mut others = view
            .grants
            .iter()
            .filter(|grant| Scope::told(grant.paths.clone()).conflicts(scope));
        if self.is_offered(scope) {
            Standing::Offered
        } else if self.wanted.as_ref().is_some_and(|want| want.covers(scope)) {
            Standing::Waiting
        } else if others.any(|grant| !self.grants.contains_key(&grant.fence)) {
            Standing::Theirs
        } else {
            Standing::Free
        }
    }

    fn is_offered(&self, scope: &Scope) -> bool {
        self.offers.values().any(|offer| offer.scope.covers(scope))
            || self.shown().any(|(grant, of)| {
                grant.state == GrantState::Offered
                    && Some(grant.session) == self.session
                    && of.covers(scope)
            })
    }

    /// All that the last view shows, with its scopes.
    fn shown(&self) -> impl Iterator<Item = (&GrantView, Scope)> {
        let grants = self.view.iter().flat_map(|view| &view.grants);
        grants.map(|grant| (grant, Scope::told(grant.paths.clone())))
    }

    /// The place in the queue, from 1, of the ticket that waits for this scope.
    pub(crate) fn place(&self, scope: &Scope) -> Option<usize> {
        let queue = &self.view.as_ref()?.queue;
        let ours = |(_, waiter): &(usize, &baton_sync::channel::Waiter)| {
            Some(waiter.session) == self.session && Scope::told(waiter.paths.clone()).covers(scope)
        };
        queue.iter().enumerate().find(ours).map(|(n, _)| n + 1)
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.view.as_ref().map(|view| view.mode)
    }

    pub(crate) fn right(&self, scope: &Scope, now: Moment) -> EditRight {
        match self.bar {
            Some(Bar::Diverged) => return EditRight::Diverged,
            Some(Bar::Closed) => return EditRight::Closed,
            None => {}
        }
        if self.view.is_none() {
            return EditRight::Connecting;
        }
        let right = if scope.is_whole() {
            self.right_of(&[], now)
        } else {
            let rights = scope.paths().iter().map(|path| self.right_of(path, now));
            // The first that forbids decides; the holder's right is one of all paths.
            rights
                .reduce(|all, of| match (all.may_edit(), of.may_edit()) {
                    (true, false) => of,
                    (true, true) if all == EditRight::Holder => of,
                    _ => all,
                })
                .unwrap_or(EditRight::Connecting)
        };
        if self.mode() == Some(Mode::Open) && !right.may_edit() {
            EditRight::Advisory
        } else {
            right
        }
    }

    /// The right on one path, or on the whole document when it is empty. Who may write is decided by root types, for
    /// that is what the server can tell of an update.
    fn right_of(&self, path: &[String], now: Moment) -> EditRight {
        let root = path.get(..1).unwrap_or_default();
        let (mut live, mut dead) = (false, false);
        for grant in self.grants.values() {
            if grant.scope.meets(path) {
                match grant.stage {
                    Stage::Held => {}
                    Stage::Draining | Stage::Drained => return EditRight::Draining,
                    Stage::Releasing => return EditRight::Releasing,
                }
            }
            if grant.scope.meets(root) {
                let confirmed = !grant.lease.left(now, self.stop).is_zero();
                // The whole document needs a grant of all of it; part of it makes no holder of the rest.
                live |= confirmed && (grant.scope.is_whole() || !root.is_empty());
                dead |= !confirmed;
            }
        }
        if live {
            return EditRight::Holder;
        }
        if dead {
            return EditRight::Unconfirmed;
        }
        if self.offers.values().any(|offer| offer.scope.meets(root)) {
            return EditRight::Offered;
        }
        let mut theirs = false;
        for (grant, _) in self.shown().filter(|(_, scope)| scope.meets(root)) {
            let ours = Some(grant.session) == self.session;
            if ours && grant.state == GrantState::Offered {
                return EditRight::Offered;
            }
            theirs |= !self.grants.contains_key(&grant.fence);
        }
        match self.mode() {
            _ if theirs => EditRight::Theirs,
            Some(Mode::Required) => EditRight::Required,
            _ if self.connected => EditRight::Free,
            _ => EditRight::FreeOffline,
        }
    }

    /// How long the holder of this scope may go on without news; zero for anybody else.
    pub(crate) fn lease_left(&self, scope: &Scope, now: Moment) -> Duration {
        self.grant(scope).map_or(Duration::ZERO, |(_, grant)| {
            grant.lease.left(now, self.stop)
        })
    }

    /// When the next lease runs out.
    pub(crate) fn next_expiry(&self, now: Moment) -> Option<Duration> {
        self.grants
            .values()
            .map(|grant| grant.lease.left(now, self.stop))
            .filter(|left| !left.is_zero())
            .min()
    }
}
