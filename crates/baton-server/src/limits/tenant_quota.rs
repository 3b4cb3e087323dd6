//! Limits what one tenant has of the server: sessions, documents in memory, stored documents and
//! their bytes.
//!
//! Owns which tenant has which sums. A session counts for the tenant of its token; a document for
//! the tenant whose prefix its name begins with. One tenant at its limit harms no other.
//!
//! The store does not know its documents' sizes before it has read them. So the first document that
//! is opened starts a reading of the store, and until that is done a tenant may exceed the limits
//! on what it stores.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use baton_auth::TenantPrefix;
use baton_log::DocumentJournal;
use parking_lot::Mutex;

use crate::config::Settings;
use crate::limits::tenant_sums::{TenantFull, TenantLimits, TenantSums};

/// The sums of all tenants.
#[derive(Debug, Default)]
struct Tenants {
    by_name: HashMap<Box<str>, TenantSums>,
    /// Hashes of the names of all documents whose size is in the sums, until the store was read.
    counted: Option<HashSet<u64>>,
}

/// See the module.
pub(crate) struct TenantQuota {
    limits: TenantLimits,
    prefix: Option<TenantPrefix>,
    tenants: Mutex<Tenants>,
    hasher: RandomState,
}

/// The place of one session, given back when this is dropped.
pub(crate) struct TenantConnection {
    quota: Arc<TenantQuota>,
    tenant: Box<str>,
}

/// The place of one document in memory, given back when this is dropped; what the document stores
/// goes on to count.
pub(crate) struct TenantDocument {
    quota: Arc<TenantQuota>,
    tenant: Box<str>,
    /// The bytes that the sums have of this document; `None` before its log was looked at.
    stored: Option<u64>,
}

impl TenantQuota {
    /// Returns the limits of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = TenantLimits::new(settings);
        Self {
            prefix: settings.tenant_prefix.0.clone(),
            tenants: Mutex::new(Tenants {
                by_name: HashMap::new(),
                counted: limits.count_storage().then(HashSet::new),
            }),
            limits,
            hasher: RandomState::new(),
        }
    }

    /// Takes a place for a session of this tenant. `None` without a tenant, or without a limit.
    ///
    /// # Errors
    /// The tenant has as many as it may have.
    pub(crate) fn admit_session(
        self: &Arc<Self>,
        tenant: Option<&str>,
    ) -> Result<Option<TenantConnection>, TenantFull> {
        let Some(tenant) = tenant.filter(|_| self.limits.count_sessions()) else {
            return Ok(None);
        };
        self.change(tenant, |sums| sums.add_session(self.limits))?;
        Ok(Some(TenantConnection {
            quota: Arc::clone(self),
            tenant: tenant.into(),
        }))
    }

    /// Takes a place for a document that is to be loaded. `None` if it is no tenant's, or without a
    /// limit.
    ///
    /// # Errors
    /// The tenant has as many as it may have.
    pub(crate) fn admit_document(
        self: &Arc<Self>,
        name: &str,
    ) -> Result<Option<TenantDocument>, TenantFull> {
        let prefix = self
            .prefix
            .as_ref()
            .filter(|_| self.limits.count_documents());
        let Some(tenant) = prefix.and_then(|prefix| prefix.tenant_of(name)) else {
            return Ok(None);
        };
        self.change(tenant, |sums| sums.add_document(self.limits))?;
        Ok(Some(TenantDocument {
            quota: Arc::clone(self),
            tenant: tenant.into(),
            stored: None,
        }))
    }

    /// Returns true if the store has to be read, see [`TenantQuota::count_stored`].
    pub(crate) fn needs_store(&self) -> bool {
        self.prefix.is_some() && self.tenants.lock().counted.is_some()
    }

    /// Notes that all of the store was counted: the size of a document that is opened from now on
    /// is in the sums.
    pub(crate) fn store_is_counted(&self) {
        self.tenants.lock().counted = None;
    }

    /// Adds a stored document that was read, unless it is counted.
    pub(crate) fn count_stored(&self, name: &str, bytes: u64) {
        let tenant = self
            .prefix
            .as_ref()
            .and_then(|prefix| prefix.tenant_of(name));
        let Some(tenant) = tenant else {
            return;
        };
        let mut tenants = self.tenants.lock();
        if tenants.is_first_count(self.hasher.hash_one(name)) {
            tenants.of(tenant).set_stored(0, bytes);
        }
    }

    fn change<R>(&self, tenant: &str, change: impl FnOnce(&mut TenantSums) -> R) -> R {
        let mut tenants = self.tenants.lock();
        let result = change(tenants.of(tenant));
        tenants.forget_unused(tenant);
        result
    }
}

impl Tenants {
    fn of(&mut self, tenant: &str) -> &mut TenantSums {
        self.by_name.entry(tenant.into()).or_default()
    }

    fn forget_unused(&mut self, tenant: &str) {
        if self.by_name.get(tenant) == Some(&TenantSums::default()) {
            self.by_name.remove(tenant);
        }
    }

    /// Returns true if the sums have nothing of the document with this hash, which they will have.
    fn is_first_count(&mut self, name: u64) -> bool {
        self.counted
            .as_mut()
            .is_some_and(|counted| counted.insert(name))
    }
}

impl TenantDocument {
    /// Notes what the document stored when it was opened: nothing if it is new or was erased.
    pub(crate) fn opened(&mut self, name: &str, stored: u64) {
        let mut tenants = self.quota.tenants.lock();
        if tenants.is_first_count(self.quota.hasher.hash_one(name)) {
            tenants.of(&self.tenant).set_stored(0, stored);
        }
        self.stored = Some(stored);
    }

    /// Checks that the tenant may store one more document.
    ///
    /// # Errors
    /// It has as many as it may have.
    pub(crate) fn admit_new(&self) -> Result<(), TenantFull> {
        let sums = *self.quota.tenants.lock().of(&self.tenant);
        sums.admit_new(self.quota.limits)
    }

    /// Returns the bytes that the tenant may still store, with its limit. `None` without a limit.
    pub(crate) fn room(&self) -> Option<(u64, u64)> {
        let sums = *self.quota.tenants.lock().of(&self.tenant);
        sums.room(self.quota.limits)
    }

    /// Notes what the document stores now.
    pub(crate) fn note(&mut self, log: &dyn DocumentJournal) {
        // The remnant of an erasure is no document before something is written.
        let is_new = self.stored == Some(0) && log.tail_records() == 0;
        self.set(if is_new { 0 } else { log.stored_bytes() });
    }

    /// Notes that the document was erased: its remnant counts for nothing.
    pub(crate) fn erased(&mut self) {
        self.set(0);
    }

    fn set(&mut self, stored: u64) {
        let before = self.stored.replace(stored);
        if let Some(before) = before.filter(|before| *before != stored) {
            self.quota
                .change(&self.tenant, |sums| sums.set_stored(before, stored));
        }
    }
}

impl Drop for TenantConnection {
    fn drop(&mut self) {
        self.quota.change(&self.tenant, TenantSums::remove_session);
    }
}

impl Drop for TenantDocument {
    fn drop(&mut self) {
        self.quota.change(&self.tenant, TenantSums::remove_document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(change: impl FnOnce(&mut Settings)) -> Arc<TenantQuota> {
        let mut settings = Settings {
            tenant_prefix: "{tenant}/".parse().unwrap(),
            ..Settings::default()
        };
        change(&mut settings);
        Arc::new(TenantQuota::new(&settings))
    }

    fn document(quota: &Arc<TenantQuota>, name: &str) -> TenantDocument {
        quota.admit_document(name).ok().flatten().unwrap()
    }

    #[test]
    fn a_tenant_at_its_limit_of_sessions_leaves_the_others_theirs() {
        let quota = quota(|settings| settings.max_connections_per_tenant = 2);
        let admit = |tenant| quota.admit_session(Some(tenant));
        let first = admit("a").unwrap();
        let _second = admit("a").unwrap();
        assert_eq!(admit("a").err(), Some(TenantFull::Connections(2)));
        assert!(admit("b").is_ok());
        assert!(quota.admit_session(None).unwrap().is_none());
        drop(first);
        assert!(admit("a").is_ok());
        drop(_second);
        assert!(quota.tenants.lock().by_name.is_empty(), "all are forgotten");
    }

    #[test]
    fn a_document_in_memory_counts_for_the_tenant_of_its_name() {
        let quota = quota(|settings| settings.max_documents_per_tenant = 1);
        let first = document(&quota, "a/x");
        let full = quota.admit_document("a/y").err();
        assert_eq!(full, Some(TenantFull::Documents(1)));
        let _other = document(&quota, "b/x");
        assert!(quota.admit_document("no-tenant").unwrap().is_none());
        drop(first);
        let _again = document(&quota, "a/y");
    }

    /// A document that is opened while the store is read is counted once, whichever comes first.
    #[test]
    fn what_is_stored_is_counted_once() {
        let quota = quota(|settings| {
            settings.max_documents_stored_per_tenant = 3;
            settings.max_store_per_tenant = bytesize::ByteSize::b(1000);
        });
        assert!(quota.needs_store());
        let mut early = document(&quota, "a/early");
        early.opened("a/early", 100);
        quota.count_stored("a/early", 90);
        quota.count_stored("a/late", 200);
        quota.count_stored("no-tenant", 5000);
        let mut late = document(&quota, "a/late");
        late.opened("a/late", 200);
        assert_eq!(early.room(), Some((700, 1000)));
        quota.store_is_counted();
        assert!(!quota.needs_store());
        // One that grows, one that leaves memory and comes back, and one that is new.
        early.set(150);
        drop(late);
        let mut late = document(&quota, "a/late");
        late.opened("a/late", 200);
        late.set(250);
        let mut new = document(&quota, "a/new");
        new.opened("a/new", 0);
        assert!(new.admit_new().is_ok());
        new.set(10);
        assert_eq!(new.room(), Some((590, 1000)));
        assert_eq!(new.admit_new(), Err(TenantFull::DocumentsStored(3)));
        late.erased();
        assert_eq!(new.room(), Some((840, 1000)));
        assert!(new.admit_new().is_ok());
        new.set(2000);
        assert_eq!(new.room(), Some((0, 1000)));
        assert_eq!(new.admit_new(), Err(TenantFull::Store(1000)));
        let other = document(&quota, "b/x");
        assert_eq!(other.room(), Some((1000, 1000)));
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let quota = quota(|_| ());
        assert!(!quota.needs_store());
        assert!(quota.admit_session(Some("a")).unwrap().is_none());
        assert!(quota.admit_document("a/x").unwrap().is_none());
    }
}
