//! The work of one record while it is applied.

use crate::{Change, Fence, LockRefusal, Scope, SessionId};

/// The changes that one record has made so far, and what they have set in motion.
///
/// The rules end grants and name successors; [`succession::settle`](super::succession::settle) then
/// makes the one offer that a record can make.
pub(crate) struct Step<'a> {
    changes: &'a mut Vec<Change>,
    /// The scope that the record offered. Its position is the fence, so it can offer only once.
    offered: Option<Scope>,
    /// The grants that the record ended.
    ended: Vec<(Fence, Scope)>,
    /// Scopes whose holder went offline: live writers without a ticket may be offered them too.
    abandoned: Vec<Scope>,
    /// Named successors, with the scopes that they are offered once nothing is in the way.
    successors: Vec<(SessionId, Scope)>,
}

impl<'a> Step<'a> {
    pub(crate) const fn new(changes: &'a mut Vec<Change>) -> Self {
        Self {
            changes,
            offered: None,
            ended: Vec::new(),
            abandoned: Vec::new(),
            successors: Vec::new(),
        }
    }

    pub(crate) fn report(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn refuse(&mut self, session: SessionId, why: LockRefusal) {
        self.report(Change::Refused { session, why });
    }

    /// Names a successor for `scope`.
    pub(crate) fn name_successor(&mut self, session: SessionId, scope: Scope) {
        self.successors.push((session, scope));
    }

    pub(crate) fn take_successors(&mut self) -> Vec<(SessionId, Scope)> {
        std::mem::take(&mut self.successors)
    }

    /// Notes that the holder of `scope` went offline.
    pub(crate) fn abandon(&mut self, scope: Scope) {
        self.abandoned.push(scope);
    }

    pub(crate) fn abandoned(&self) -> &[Scope] {
        &self.abandoned
    }

    pub(crate) fn ended(&mut self, fence: Fence, scope: Scope) {
        self.ended.push((fence, scope));
    }

    pub(crate) fn offered(&mut self, scope: Scope) {
        self.offered = Some(scope);
    }

    pub(crate) const fn has_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// Ends the record: reports the ended grants that no offer followed, then if more offers wait.
    pub(crate) fn close(self, settled: Settled) {
        for (fence, scope) in self.ended {
            let follows = |offered: &Scope| offered.conflicts(&scope);
            if !self.offered.as_ref().is_some_and(follows) {
                self.changes.push(Change::Freed { fence });
            }
        }
        if settled == Settled::NotYet {
            self.changes.push(Change::Unsettled);
        }
    }
}

/// Tells if more offers follow from the state by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nothing more follows.
    Yes,
    /// Another record can make another offer.
    NotYet,
}
