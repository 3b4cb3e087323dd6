//! The budget of a room: the bytes that it may still store and keep. The caller sets it before each
//! input.
//!
//! Only what adds something is refused: reading, deleting, leaving and everything about locks go
//! on. A refused edit is never counted as saved, and no other client is affected.

use baton_sync::awareness::AwarenessRefusal;
use baton_sync::replica_index::ReplicaIndex;
use baton_sync::scan::Scan;

use crate::sessions::AwarenessRelay;

/// Bytes that a record takes at most beside its update.
const RECORD: usize = 64;

/// A limit on stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageLimit {
    /// Of this document.
    #[error(
        "the document has the {0} bytes that it may have (max_document); your edit was refused and is only in your copy: delete something, and open the document afresh"
    )]
    Document(u64),
    /// Of all documents.
    #[error(
        "the server stores the {0} bytes that it may store (max_store); your edit was refused and is only in your copy: keep it, and ask the operator of the server"
    )]
    Store(u64),
    /// Of the documents of one tenant.
    #[error(
        "your tenant stores the {0} bytes that it may store (max_store_per_tenant); your edit was refused and is only in your copy: delete something, and open the document afresh"
    )]
    Tenant(u64),
}

/// The bytes that may be added to the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Bytes.
    pub left: u64,
    /// The limit that is met when they are used up.
    pub limit: StorageLimit,
}

/// The refusals since the caller looked last; the newest of each kind.
#[derive(Debug, Default)]
pub struct BudgetRefusals {
    /// An edit.
    pub edit: Option<StorageLimit>,
    /// An awareness entry.
    pub awareness: Option<AwarenessRefusal>,
}

/// The budget for edits of one room.
#[derive(Debug, Default)]
pub(crate) struct EditBudget {
    growth: Option<Growth>,
    refused: BudgetRefusals,
}

impl EditBudget {
    /// Takes the bytes of an update from the budget.
    ///
    /// # Errors
    /// The limit that is met. An update that inserts nothing is not refused.
    pub(super) fn take(
        &mut self,
        update: &Scan<'_>,
        document: &ReplicaIndex,
    ) -> Result<(), StorageLimit> {
        let Some(growth) = &mut self.growth else {
            return Ok(());
        };
        let cost = (update.bytes().len() + RECORD) as u64;
        if cost <= growth.left {
            growth.left -= cost;
            return Ok(());
        }
        if adds_nothing(document, update) {
            return Ok(());
        }
        self.refused.edit = Some(growth.limit);
        Err(growth.limit)
    }

    /// Notes the refusal of an awareness entry, if there was one.
    pub(crate) fn refused_awareness(&mut self, why: Option<AwarenessRefusal>) {
        if why.is_some() {
            self.refused.awareness = why;
        }
    }
}

/// The budget of a room, for the caller to set and to look at. See [`Room::budget`].
///
/// [`Room::budget`]: crate::Room::budget
pub struct Budget<'r> {
    pub(crate) edits: &'r mut EditBudget,
    pub(crate) awareness: &'r mut AwarenessRelay,
}

impl Budget<'_> {
    /// Sets the bytes that may be added from now on to this document's storage. Without a call
    /// there is no limit.
    pub const fn allow_growth(&mut self, growth: Growth) {
        self.edits.growth = Some(growth);
    }

    /// Sets the bytes that all awareness states of this document may have from now on, beside the
    /// room's own limits.
    pub fn allow_awareness(&mut self, bytes: usize) {
        self.awareness.allow(bytes);
    }

    /// Bytes of all awareness states of this document.
    #[must_use]
    pub fn awareness_bytes(&self) -> usize {
        self.awareness.bytes()
    }

    /// Takes the refusals since the last call.
    pub fn take_refused(&mut self) -> BudgetRefusals {
        std::mem::take(&mut self.edits.refused)
    }
}

/// Returns true for an update that deletes, and inserts nothing that the document lacks.
fn adds_nothing(document: &ReplicaIndex, update: &Scan<'_>) -> bool {
    let known = |client, end| document.clock(client) >= end;
    update.inserts().all(|range| known(range.client, range.end))
}
