//! Reports changes of the permission to edit.
//!
//! Owns the permissions as they were last reported: of the whole document, and of each part where a
//! lock is or was held. They change with time alone, so they are compared after every step.

use std::collections::BTreeMap;

use baton_sync::channel::Fence;

use super::outputs::Outputs;
use crate::events::{EditRight, Event};
use crate::lock_tracker::LockTracker;
use crate::scope::Scope;

/// The permissions that the program knows of.
#[derive(Debug)]
pub(super) struct PermissionEvents {
    whole: EditRight,
    parts: BTreeMap<Fence, (Scope, EditRight)>,
}

impl PermissionEvents {
    pub(super) const fn new() -> Self {
        Self {
            whole: EditRight::Connecting,
            parts: BTreeMap::new(),
        }
    }

    /// Reports each permission that has changed, as `permission` computes it now.
    pub(super) fn report(
        &mut self,
        locks: &LockTracker,
        permission: &dyn Fn(&Scope) -> EditRight,
        out: &mut Outputs,
    ) {
        let whole = permission(&Scope::whole());
        if whole != self.whole {
            self.whole = whole;
            out.event(Event::MayEdit(whole));
        }
        let mut before = std::mem::take(&mut self.parts);
        for (fence, grant) in locks.grants() {
            let scope = grant.scope();
            if scope.is_whole() {
                continue;
            }
            let right = permission(scope);
            let reported = before.remove(fence).map(|(_, right)| right);
            if reported != Some(right) {
                let scope = scope.clone();
                out.event(Event::MayEditThere { scope, right });
            }
            self.parts.insert(*fence, (scope.clone(), right));
        }
        for (scope, reported) in before.into_values() {
            let right = permission(&scope);
            if reported != right {
                out.event(Event::MayEditThere { scope, right });
            }
        }
    }
}
