//! Reports changes of the permission to edit.
//!
//! Owns the permissions as they were last reported: of the whole document, and of each part where a
//! lock is or was held. They change with time alone, so they are compared after every step.

use std::collections::BTreeMap;

use baton_sync::control_channel::FencingToken;

use super::outputs::Outputs;
use crate::events::{ClientEvent, EditPermission};
use crate::lock_tracker::LockTracker;
use crate::scope::LockScope;

/// The permissions that the program knows of.
#[derive(Debug)]
pub(super) struct PermissionEvents {
    whole: EditPermission,
    parts: BTreeMap<FencingToken, (LockScope, EditPermission)>,
}

impl PermissionEvents {
    pub(super) const fn new() -> Self {
        Self {
            whole: EditPermission::Connecting,
            parts: BTreeMap::new(),
        }
    }

    /// Reports each permission that has changed, as `permission_of` computes it now.
    pub(super) fn report(
        &mut self,
        locks: &LockTracker,
        permission_of: &dyn Fn(&LockScope) -> EditPermission,
        out: &mut Outputs,
    ) {
        let whole = permission_of(&LockScope::whole());
        if whole != self.whole {
            self.whole = whole;
            out.event(ClientEvent::MayEdit(whole));
        }
        let mut before = std::mem::take(&mut self.parts);
        for (fence, grant) in locks.grants() {
            let scope = grant.scope();
            if scope.is_whole() {
                continue;
            }
            let permission = permission_of(scope);
            let reported = before.remove(fence).map(|(_, permission)| permission);
            if reported != Some(permission) {
                let scope = scope.clone();
                out.event(ClientEvent::MayEditThere { scope, permission });
            }
            self.parts.insert(*fence, (scope.clone(), permission));
        }
        for (scope, reported) in before.into_values() {
            let permission = permission_of(&scope);
            if reported != permission {
                out.event(ClientEvent::MayEditThere { scope, permission });
            }
        }
    }
}
