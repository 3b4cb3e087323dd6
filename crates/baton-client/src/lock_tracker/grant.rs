//! One grant of this session, one offer to it, and the fences of grants that ended.
//!
//! Owns the records and their stages; the lock tracker decides when they change.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_sync::control_channel::FencingToken;

use crate::dual_clock::Moment;
use crate::lease::Lease;
use crate::scope::LockScope;

/// Most ended grants remembered one by one. An older one is known by its fence being smaller.
const MAX_ENDED: usize = 64;

/// The stages of a grant on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantStage {
    /// This session holds the lock.
    Held,
    /// The lock is to pass on: no more edits, and those that were made are sent.
    Draining,
    /// All edits were sent on this connection, and the server was told.
    Drained,
    /// This session is giving the lock back.
    Releasing,
}

/// Another session's request for a lock, as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeardRequest {
    pub(crate) by: u64,
    pub(crate) note: String,
    pub(crate) at: Moment,
    pub(crate) expires: Duration,
}

/// A lock that this session holds or gives up.
#[derive(Debug)]
pub(crate) struct OwnGrant {
    scope: LockScope,
    stage: GrantStage,
    lease: Lease,
    request: Option<HeardRequest>,
}

impl OwnGrant {
    pub(super) fn new(scope: LockScope) -> Self {
        Self {
            scope,
            stage: GrantStage::Held,
            lease: Lease::default(),
            request: None,
        }
    }

    pub(crate) const fn scope(&self) -> &LockScope {
        &self.scope
    }

    pub(crate) const fn stage(&self) -> GrantStage {
        self.stage
    }

    pub(crate) const fn request(&self) -> Option<&HeardRequest> {
        self.request.as_ref()
    }

    /// Returns the rest of the lease; zero once it has run out. `stop` is its whole length.
    pub(super) fn lease_left(&self, now: Moment, stop: Duration) -> Duration {
        self.lease.left(now, stop)
    }

    /// Extends the lease: the server has confirmed a message that was sent at this moment.
    pub(super) fn renew_lease(&mut self, sent: Moment) {
        self.lease.renew(sent);
    }

    pub(super) const fn set_stage(&mut self, stage: GrantStage) {
        self.stage = stage;
    }

    pub(super) fn set_request(&mut self, request: HeardRequest) {
        self.request = Some(request);
    }

    /// Forgets the request. Returns true if there was one.
    pub(super) fn clear_request(&mut self) -> bool {
        self.request.take().is_some()
    }

    pub(super) fn into_scope(self) -> LockScope {
        self.scope
    }
}

/// A lock that the server offers to this session.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) scope: LockScope,
    /// The moment at which the first claim was sent.
    pub(super) claimed: Option<Moment>,
}

/// Fences of grants that ended, so that late news of them are recognised.
#[derive(Debug, Default)]
pub(super) struct EndedGrants {
    fences: BTreeSet<FencingToken>,
    below: Option<FencingToken>,
}

impl EndedGrants {
    pub(super) fn add(&mut self, fence: FencingToken) {
        self.fences.insert(fence);
        if self.fences.len() > MAX_ENDED {
            self.below = self.fences.pop_first().max(self.below);
        }
    }

    pub(super) fn has(&self, fence: FencingToken) -> bool {
        self.fences.contains(&fence) || self.below.is_some_and(|below| fence <= below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_grants_are_remembered_in_bounds() {
        let fence = |position| FencingToken { epoch: 1, position };
        let mut ended = EndedGrants::default();
        for position in (0..1000).step_by(2) {
            ended.add(fence(position));
        }
        assert_eq!(ended.fences.len(), MAX_ENDED);
        assert!(ended.has(fence(0)) && ended.has(fence(998)));
        assert!(!ended.has(fence(997)) && !ended.has(fence(1000)));
    }
}
