//! One grant of this session, one offer to it, and what became of those that ended. Owns the records; decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_sync::channel::Fence;

use crate::lease::Lease;
use crate::scope::Scope;
use crate::time::Moment;

/// Grants that ended and are remembered each for itself; older ones are known by their fence being smaller.
const MAX_ENDED: usize = 64;

/// How far a grant is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Held,
    /// It passes on: no more edits, and what there is goes out.
    Draining,
    /// All went out on this connection, and the server was told.
    Drained,
    /// It is being given back.
    Releasing,
}

/// Somebody's request, as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) by: u64,
    pub(crate) note: String,
    pub(crate) at: Moment,
    pub(crate) expires: Duration,
}

#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) scope: Scope,
    pub(crate) stage: Stage,
    pub(crate) lease: Lease,
    pub(crate) request: Option<Heard>,
}

impl Grant {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            stage: Stage::Held,
            lease: Lease::default(),
            request: None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) scope: Scope,
    /// When the claim was sent.
    pub(crate) claimed: Option<Moment>,
}

/// The grants that ended, so that late news of them are known as such.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    fences: BTreeSet<Fence>,
    below: Option<Fence>,
}

impl Ended {
    pub(crate) fn add(&mut self, fence: Fence) {
        self.fences.insert(fence);
        if self.fences.len() > MAX_ENDED {
            self.below = self.fences.pop_first().max(self.below);
        }
    }

    pub(crate) fn has(&self, fence: Fence) -> bool {
        self.fences.contains(&fence) || self.below.is_some_and(|below| fence <= below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_remembered_in_bounds() {
        let fence = |position| Fence { epoch: 1, position };
        let mut ended = Ended::default();
        for position in (0..1000).step_by(2) {
            ended.add(fence(position));
        }
        assert_eq!(ended.fences.len(), MAX_ENDED);
        assert!(ended.has(fence(0)) && ended.has(fence(998)));
        assert!(!ended.has(fence(997)) && !ended.has(fence(1000)));
    }
}
