//! Limits the storage of documents and the memory of their awareness, of each document and of all
//! together.
//!
//! Owns the sum of all awareness, and the decision on what a document may add. Reading, deleting
//! and leaving never need its permission.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton_log::{DocumentJournal, Journals};
use baton_presence::Time;
use baton_room::{Growth, Room, StorageLimit};

use crate::config::Settings;
use crate::limits::tenant_quota::{TenantDocument, TenantQuota};
use crate::limits::tenant_sums::TenantFull;
use crate::ops::rejection_counters::{Rejection, RejectionCounters};

/// Shortest time between two snapshots that are written only because a document has no room left.
const COMPACT_PAUSE: Duration = Duration::from_secs(5);

/// The reason for which no new document can be opened. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NewDocumentRefused {
    #[error(
        "there is no room for a new document: the server stores its limit of {0} (max_documents_stored); ask its operator"
    )]
    Documents(usize),
    #[error(
        "there is no room for a new document: the store has its limit of {0} bytes (max_store); ask its operator"
    )]
    Store(u64),
    #[error(transparent)]
    Tenant(#[from] TenantFull),
}

/// The limits, and what all documents use of them; see the module.
pub(crate) struct StorageQuota {
    document: u64,
    documents: usize,
    store: u64,
    awareness: usize,
    log: Arc<dyn Journals>,
    refusals: Arc<RejectionCounters>,
    tenants: Arc<TenantQuota>,
    awareness_used: AtomicUsize,
}

impl StorageQuota {
    /// Returns the limits of these settings.
    pub(crate) fn new(
        settings: &Settings,
        log: Arc<dyn Journals>,
        refusals: Arc<RejectionCounters>,
    ) -> Self {
        Self {
            document: settings.max_document.as_u64(),
            documents: settings.max_documents_stored,
            store: settings.max_store.as_u64(),
            awareness: usize::try_from(settings.max_awareness.as_u64()).unwrap_or(usize::MAX),
            log,
            refusals,
            tenants: Arc::new(TenantQuota::new(settings)),
            awareness_used: AtomicUsize::new(0),
        }
    }

    /// Returns the bytes of the awareness of all documents.
    pub(crate) fn awareness_bytes(&self) -> usize {
        self.awareness_used.load(Ordering::Relaxed)
    }

    /// Returns the limits of each tenant.
    pub(crate) const fn tenants(&self) -> &Arc<TenantQuota> {
        &self.tenants
    }

    /// Checks that a new document may be opened. Documents are counted once they are durable, so
    /// several that are opened within one commit may exceed the limit.
    pub(crate) fn admit_new(&self) -> Result<(), NewDocumentRefused> {
        if self.log.documents_held() >= self.documents {
            return Err(NewDocumentRefused::Documents(self.documents));
        }
        if self.log.is_full() {
            return Err(NewDocumentRefused::Store(self.store));
        }
        Ok(())
    }

    /// Returns the account of one document that is to be loaded.
    ///
    /// # Errors
    /// Its tenant has as many documents in memory as it may have.
    pub(crate) fn account(self: &Arc<Self>, document: &str) -> Result<StorageAccount, TenantFull> {
        let tenant = self.tenants.admit_document(document)?;
        Ok(StorageAccount {
            quota: Arc::clone(self),
            tenant,
            awareness: 0,
            wants_snapshot: false,
            snapshot_after: Time::ZERO,
        })
    }
}

/// The share of one document, given back when this is dropped.
pub(crate) struct StorageAccount {
    quota: Arc<StorageQuota>,
    /// Its share of the limits of its tenant, if there are some.
    tenant: Option<TenantDocument>,
    awareness: usize,
    /// True if an edit was refused for lack of room. A snapshot, which omits deleted content, may
    /// make some.
    wants_snapshot: bool,
    /// Earliest time of the next snapshot for that reason.
    snapshot_after: Time,
}

impl StorageAccount {
    /// Checks that the document may be made, if it is new or was erased.
    ///
    /// # Errors
    /// A limit on stored documents is reached.
    pub(crate) fn admit_new(&self) -> Result<(), NewDocumentRefused> {
        self.quota.admit_new()?;
        let tenant = self
            .tenant
            .as_ref()
            .map_or(Ok(()), TenantDocument::admit_new);
        Ok(tenant?)
    }

    /// Notes what the document has stored before anything is appended; nothing if it is new or was
    /// erased.
    pub(crate) fn opened(&mut self, name: &str, stored: u64) {
        if let Some(tenant) = &mut self.tenant {
            tenant.opened(name, stored);
        }
    }

    /// Notes that the document was erased.
    pub(crate) fn erased(&mut self) {
        if let Some(tenant) = &mut self.tenant {
            tenant.erased();
        }
    }

    /// Notes what the document stores now.
    pub(crate) fn note(&mut self, log: &dyn DocumentJournal) {
        if let Some(tenant) = &mut self.tenant {
            tenant.note(log);
        }
    }

    fn growth(&self, log: &dyn DocumentJournal) -> Growth {
        let quota = &self.quota;
        if quota.log.is_full() {
            let limit = StorageLimit::Store(quota.store);
            return Growth { left: 0, limit };
        }
        let left = quota.document.saturating_sub(log.stored_bytes());
        let of_tenant = self.tenant.as_ref().and_then(TenantDocument::room);
        match of_tenant {
            Some((room, most)) if room < left => Growth {
                left: room,
                limit: StorageLimit::Tenant(most),
            },
            _ => Growth {
                left,
                limit: StorageLimit::Document(quota.document),
            },
        }
    }

    /// Tells a room what it may use in the step that follows.
    pub(crate) fn open(&self, room: &mut Room, log: &dyn DocumentJournal) {
        let quota = &self.quota;
        room.budget().allow_growth(self.growth(log));
        let others = quota.awareness_bytes().saturating_sub(self.awareness);
        room.budget()
            .allow_awareness(quota.awareness.saturating_sub(others));
    }

    /// Counts what a room uses after a step, and what the room refused.
    pub(crate) fn close(&mut self, room: &mut Room) {
        let awareness = room.budget().awareness_bytes();
        if awareness != self.awareness {
            let used = &self.quota.awareness_used;
            used.fetch_add(awareness, Ordering::Relaxed);
            used.fetch_sub(self.awareness, Ordering::Relaxed);
            self.awareness = awareness;
        }
        let refused = room.budget().take_refused();
        let refusals = &self.quota.refusals;
        if let Some(limit) = refused.edit {
            let reason = match limit {
                StorageLimit::Document(_) => Rejection::Document,
                StorageLimit::Store(_) => Rejection::Store,
                StorageLimit::Tenant(_) => Rejection::StoreOfTenant,
            };
            refusals.note(reason, limit);
            self.wants_snapshot |= reason != Rejection::Store;
        }
        if let Some(why) = refused.awareness {
            refusals.note(Rejection::Awareness, why);
        }
    }

    /// Returns true if a snapshot is to be written now because the document is near its limit. The
    /// snapshot omits deleted content, so that the document may have room again.
    pub(crate) fn wants_snapshot(&mut self, log: &dyn DocumentJournal, now: Time) -> bool {
        let limit = self.quota.document;
        let near = log.stored_bytes() > limit / 4 * 3 && log.tail_bytes() >= limit / 16;
        let wanted = near || (self.wants_snapshot && log.tail_records() > 0);
        if !wanted || now < self.snapshot_after {
            return false;
        }
        self.snapshot_after = now + COMPACT_PAUSE;
        self.wants_snapshot = false;
        true
    }
}

impl Drop for StorageAccount {
    fn drop(&mut self) {
        let used = &self.quota.awareness_used;
        used.fetch_sub(self.awareness, Ordering::Relaxed);
    }
}
