//! A document in yrs's own form.
//!
//! Owns the settings under which yrs runs, and the calls of yrs that may panic: the caller runs
//! them under `catch_unwind`. It has no index and judges nothing.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};

use yrs::updates::decoder::Decode;
use yrs::{OffsetKind, ReadTxn, Transact};

use crate::lib0::Reader;
use crate::replica_index::{CLIENTS_AT_ONCE, ReplicaIndex};
use crate::scan::{IdRange, scan};
use crate::state_vector::ClientId;

/// See the module.
pub(super) struct YrsDoc {
    pub(super) doc: yrs::Doc,
}

/// See [`docs_built`].
static BUILT: AtomicU64 = AtomicU64::new(0);

/// Returns how many yrs documents this process has built so far. A server builds none for people
/// who only edit; a test holds that.
#[must_use]
pub fn docs_built() -> u64 {
    BUILT.load(Ordering::Relaxed)
}

impl YrsDoc {
    pub(super) fn new(client: ClientId) -> Self {
        BUILT.fetch_add(1, Ordering::Relaxed);
        let client = yrs::ClientID::new(client.get());
        // The guid names subdocuments, which this is not.
        let options = yrs::Options {
            offset_kind: OffsetKind::Utf16,
            skip_gc: true,
            cleanup_formatting: false,
            ..yrs::Options::with_guid_and_client_id("".into(), client)
        };
        Self {
            doc: yrs::Doc::with_options(options),
        }
    }

    /// From everything as one update, which was scanned and judged before.
    pub(super) fn load(everything: &[u8], client: ClientId) -> Result<Self, String> {
        let live = Self::new(client);
        let updates = decode(everything)?;
        live.transact(|txn| integrate(txn, updates))?;
        Ok(live)
    }

    /// Runs one transaction. Unless `step` succeeds, the transaction is leaked, because dropping it
    /// commits it, which may panic once more and abort; and the document is not to be used again.
    pub(super) fn transact<R>(
        &self,
        step: impl FnOnce(&mut yrs::TransactionMut<'_>) -> Result<R, String>,
    ) -> Result<R, String> {
        let txn = self.doc.try_transact_mut();
        let txn = txn.map_err(|error| error.to_string())?;
        let mut txn = ManuallyDrop::new(txn);
        let result = step(&mut txn)?;
        drop(ManuallyDrop::into_inner(txn));
        Ok(result)
    }
}

/// Reads everything of a document, in as many parts as yrs takes well.
fn decode(everything: &[u8]) -> Result<Vec<yrs::Update>, String> {
    let clients = Reader::new(everything).var_uint();
    let few = clients.is_ok_and(|clients| clients <= CLIENTS_AT_ONCE as u64);
    let parts = if few {
        None
    } else {
        let scan = scan(everything).map_err(|error| error.to_string())?;
        ReplicaIndex::new().parts(&scan)
    };
    let decode = |part: &[u8]| yrs::Update::decode_v1(part).map_err(|error| error.to_string());
    match parts {
        Some(parts) => parts.iter().map(|part| decode(part)).collect(),
        None => Ok(vec![decode(everything)?]),
    }
}

/// Applies updates that were admitted. Returns all deleted units, also those that yrs deleted by
/// itself.
pub(super) fn integrate(
    txn: &mut yrs::TransactionMut<'_>,
    updates: Vec<yrs::Update>,
) -> Result<Vec<IdRange>, String> {
    for update in updates {
        txn.apply_update(update)
            .map_err(|error| error.to_string())?;
    }
    txn.commit();
    if txn.has_missing_updates() {
        return Err("yrs left a part of an admitted update pending".to_owned());
    }
    Ok(ranges(txn.delete_set()))
}

pub(super) fn ranges(set: &yrs::IdSet) -> Vec<IdRange> {
    let mut all = Vec::new();
    for (client, ranges) in set.iter() {
        let Some(client) = ClientId::new(client.get()) else {
            continue;
        };
        all.extend(ranges.iter().map(|range| IdRange {
            client,
            start: range.start,
            end: range.end,
        }));
    }
    all
}
