//! Counts what each tenant has stored, for the limits on it.
//!
//! Owns no state: the sums are those of [`TenantQuota`]. The size of a snapshot is known only once
//! it was read, so the whole store is read, once after a start.

use std::sync::Arc;

use baton_log::Journals;

use crate::limits::tenant_quota::TenantQuota;

/// Starts to read the store, on a thread of its own, if there are limits that need it.
pub(crate) fn count(log: &Arc<dyn Journals>, tenants: &Arc<TenantQuota>) {
    if !tenants.needs_store() {
        return;
    }
    let (log, tenants) = (Arc::clone(log), Arc::clone(tenants));
    tokio::task::spawn_blocking(move || {
        let read = log.read_all(&mut |info, loaded| {
            if info.erased {
                return;
            }
            // A damaged document takes room as well, but cannot be opened to make it smaller.
            let snapshot = loaded.map_or(0, |loaded| {
                loaded.snapshot.map_or(0, |(_, bytes)| bytes.len() as u64)
            });
            tenants.count_stored(&info.name, snapshot + info.tail_bytes);
        });
        match read {
            Ok(()) => tenants.store_is_counted(),
            Err(error) => tracing::error!(
                %error,
                "the store could not be read for the limits of tenants; a document counts once it is opened"
            ),
        }
    });
}
