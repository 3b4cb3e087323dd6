//! Sums of what one tenant has of the server, and the limits on them.
//!
//! Owns the arithmetic: a sum at its limit grows no further, and a document without bytes is not
//! stored. It knows no names and no locks.

use crate::config::Settings;
use crate::ops::rejection_counters::Rejection;

/// The limit of a tenant that is reached. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TenantFull {
    #[error(
        "your tenant has {0} open sessions, which is its limit (max_connections_per_tenant); close some first"
    )]
    Connections(usize),
    #[error(
        "your tenant has {0} documents in memory, which is its limit (max_documents_per_tenant); try later"
    )]
    Documents(usize),
    #[error(
        "your tenant stores {0} documents, which is its limit (max_documents_stored_per_tenant); ask the operator"
    )]
    DocumentsStored(usize),
    #[error(
        "your tenant stores {0} bytes, which is its limit (max_store_per_tenant); ask the operator"
    )]
    Store(u64),
}

impl TenantFull {
    /// Returns the reason under which it is counted.
    pub(crate) fn rejection(self) -> Rejection {
        match self {
            Self::Connections(_) => Rejection::ConnectionsOfTenant,
            Self::Documents(_) => Rejection::DocumentsOfTenant,
            Self::DocumentsStored(_) => Rejection::DocumentsStoredOfTenant,
            Self::Store(_) => Rejection::StoreOfTenant,
        }
    }
}

/// Limits of each tenant; `None` where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct TenantLimits {
    connections: Option<usize>,
    documents: Option<usize>,
    documents_stored: Option<usize>,
    store: Option<u64>,
}

/// The sums of one tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TenantSums {
    connections: usize,
    documents: usize,
    documents_stored: usize,
    store: u64,
}

impl TenantLimits {
    /// Returns the limits of these settings, in which 0 is no limit.
    pub(super) fn new(settings: &Settings) -> Self {
        let some = |limit: usize| (limit > 0).then_some(limit);
        let store = settings.max_store_per_tenant.as_u64();
        Self {
            connections: some(settings.max_connections_per_tenant),
            documents: some(settings.max_documents_per_tenant),
            documents_stored: some(settings.max_documents_stored_per_tenant),
            store: (store > 0).then_some(store),
        }
    }

    /// Returns true if there is a limit on sessions.
    pub(super) fn count_sessions(self) -> bool {
        self.connections.is_some()
    }

    /// Returns true if there is a limit on what is stored.
    pub(super) fn count_storage(self) -> bool {
        self.documents_stored.is_some() || self.store.is_some()
    }

    /// Returns true if there is a limit on documents, in memory or stored.
    pub(super) fn count_documents(self) -> bool {
        self.documents.is_some() || self.count_storage()
    }
}

impl TenantSums {
    /// Adds a session.
    ///
    /// # Errors
    /// The tenant has as many as it may have.
    pub(super) fn add_session(&mut self, limits: TenantLimits) -> Result<(), TenantFull> {
        if let Some(most) = limits.connections.filter(|most| self.connections >= *most) {
            return Err(TenantFull::Connections(most));
        }
        self.connections += 1;
        Ok(())
    }

    /// Takes away a session that was added.
    pub(super) fn remove_session(&mut self) {
        self.connections -= 1;
    }

    /// Adds a document in memory.
    ///
    /// # Errors
    /// The tenant has as many as it may have.
    pub(super) fn add_document(&mut self, limits: TenantLimits) -> Result<(), TenantFull> {
        if let Some(most) = limits.documents.filter(|most| self.documents >= *most) {
            return Err(TenantFull::Documents(most));
        }
        self.documents += 1;
        Ok(())
    }

    /// Takes away a document that was added, from those in memory.
    pub(super) fn remove_document(&mut self) {
        self.documents -= 1;
    }

    /// Replaces the bytes that one document stores.
    pub(super) fn set_stored(&mut self, before: u64, bytes: u64) {
        self.store = self.store.saturating_sub(before).saturating_add(bytes);
        match (before, bytes) {
            (0, 1..) => self.documents_stored += 1,
            (1.., 0) => self.documents_stored = self.documents_stored.saturating_sub(1),
            _ => {}
        }
    }

    /// Checks that the tenant may store one more document.
    ///
    /// # Errors
    /// It has as many as it may have, or as many bytes.
    pub(super) fn admit_new(self, limits: TenantLimits) -> Result<(), TenantFull> {
        match (limits.documents_stored, limits.store) {
            (Some(most), _) if self.documents_stored >= most => {
                Err(TenantFull::DocumentsStored(most))
            }
            (_, Some(most)) if self.store >= most => Err(TenantFull::Store(most)),
            _ => Ok(()),
        }
    }

    /// Returns the bytes that the tenant may still store, with its limit. `None` without a limit.
    pub(super) fn room(self, limits: TenantLimits) -> Option<(u64, u64)> {
        let most = limits.store?;
        Some((most.saturating_sub(self.store), most))
    }
}
