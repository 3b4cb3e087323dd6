//! A document that can be read and edited: a replica, with yrs beside it once that is needed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use bytes::Bytes;
use yrs::Transact;
use yrs::updates::decoder::Decode;

use super::error::{ApplyError, Broken};
use super::render::{Rendering, render};
use super::text_watch::{TextChange, TextWatch};
use super::yrs_doc::{YrsDoc, integrate, ranges};
use crate::replica::{ApplyOutcome, Replica};
use crate::replica_index::ReplicaIndex;
use crate::scan::{IdRange, Scan, scan};
use crate::state_vector::{ClientId, StateVector};

/// Reason for which yrs is not given some bytes.
const BEYOND: &str =
    "there is content in it that yrs cannot read without changing it (legacy JSON, or an XML hook)";

/// Options of a document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DocumentOptions {
    /// Id under which [`Document::transact`] writes. No other live instance may have it. Default: a
    /// random one.
    pub client: ClientId,
}

impl DocumentOptions {
    /// Options of a document that writes under this id.
    #[must_use]
    pub const fn new(client: ClientId) -> Self {
        Self { client }
    }
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self::new(ClientId::random())
    }
}

/// A document that can be read, updated and compared with other copies.
///
/// It does no IO and knows no time; it is `Send`. Applying an update takes microseconds.
pub struct Document {
    client: ClientId,
    replica: Replica,
    /// The document as yrs has it, once it was read or edited.
    live: OnceLock<YrsDoc>,
    broken: OnceLock<Broken>,
}

impl Document {
    /// Returns an empty document.
    #[must_use]
    pub fn new(options: &DocumentOptions) -> Self {
        Self::from_replica(Replica::new(), options)
    }

    /// Loads a document from the bytes of [`Document::snapshot`]. They are scanned and judged like
    /// any other update: damaged bytes are an error, never an empty document. yrs takes them when
    /// the document is first read, and may fail then.
    ///
    /// # Errors
    /// [`ApplyError::Unsound`], [`ApplyError::NotAdmitted`].
    pub fn load(snapshot: &[u8], options: &DocumentOptions) -> Result<Self, ApplyError> {
        Self::load_shared(Bytes::copy_from_slice(snapshot), options)
    }

    /// [`Document::load`] without a copy: the document keeps these bytes.
    ///
    /// # Errors
    /// As [`Document::load`].
    pub fn load_shared(snapshot: Bytes, options: &DocumentOptions) -> Result<Self, ApplyError> {
        Ok(Self::from_replica(Replica::load(snapshot)?, options))
    }

    /// Makes a replica a document that can be read and edited.
    #[must_use]
    pub const fn from_replica(replica: Replica, options: &DocumentOptions) -> Self {
        Self {
            client: options.client,
            replica,
            live: OnceLock::new(),
            broken: OnceLock::new(),
        }
    }

    /// Returns a copy of a replica for reading. yrs loads it when it is first read.
    #[must_use]
    pub fn to_read(replica: &Replica) -> Self {
        // Only an author needs an id that no other has.
        let client = ClientId::MAX;
        Self::from_replica(replica.clone(), &DocumentOptions { client })
    }

    /// Scans, judges and applies an update v1.
    ///
    /// # Errors
    /// See [`ApplyError`]. An update is applied as a whole or not at all.
    pub fn apply(&mut self, update: &[u8]) -> Result<ApplyOutcome, ApplyError> {
        self.usable()?;
        self.apply_scanned(&scan(update)?)
    }

    /// [`Document::apply`] for a caller that has scanned the update. It is judged here, once.
    ///
    /// # Errors
    /// As [`Document::apply`].
    pub fn apply_scanned(&mut self, scan: &Scan<'_>) -> Result<ApplyOutcome, ApplyError> {
        self.apply_watching(scan, &[]).map(|(outcome, _)| outcome)
    }

    /// [`Document::apply_scanned`], with the changes that the update makes to the texts of these
    /// root types, and to texts inside of them. yrs loads the document for that.
    ///
    /// # Errors
    /// As [`Document::apply`].
    pub fn apply_watching(
        &mut self,
        scan: &Scan<'_>,
        roots: &[String],
    ) -> Result<(ApplyOutcome, Vec<TextChange>), ApplyError> {
        self.usable()?;
        if scan.is_beyond_yrs() {
            return Err(ApplyError::Undecodable(BEYOND.to_owned()));
        }
        let Some(admitted) = self.replica.admit(scan)? else {
            return Ok((ApplyOutcome::Known, Vec::new()));
        };
        if self.live.get().is_none() && roots.is_empty() {
            self.replica.add(scan, admitted);
            return Ok((ApplyOutcome::Added, Vec::new()));
        }
        let updates = self.decode(scan)?;
        let (deletes, changes) = self.in_transaction(|txn| {
            let watch = TextWatch::start(txn, roots);
            let deletes = integrate(txn, updates)?;
            Ok((deletes, watch.finish()))
        })?;
        self.replica.add(scan, admitted);
        debug_assert!(
            self.has_deleted(&deletes),
            "yrs deletes what the index does not"
        );
        Ok((ApplyOutcome::Added, changes))
    }

    /// Returns the index of the document: inserted and deleted units.
    #[must_use]
    pub const fn state(&self) -> &ReplicaIndex {
        self.replica.state()
    }

    /// Returns the index and the bytes of the blocks.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns everything that `since` lacks, as an update v1, with all deletions.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn diff(&self, since: &StateVector) -> Result<Bytes, Broken> {
        self.usable()?;
        Ok(self.replica.difference(since))
    }

    /// Returns the whole document as an update v1, to be stored and loaded with [`Document::load`].
    ///
    /// # Errors
    /// [`Broken`].
    pub fn snapshot(&self) -> Result<Bytes, Broken> {
        self.diff(&StateVector::new())
    }

    /// Reads from the document, which yrs loads for that. A panic of `read` passes through and does
    /// no harm.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read<R>(&self, read: impl FnOnce(&yrs::Transaction<'_>) -> R) -> Result<R, Broken> {
        let live = self.awake()?;
        Ok(read(&live.doc.transact()))
    }

    /// Writes root types as text.
    pub(crate) fn render(&self, roots: &[String]) -> Result<Vec<Rendering>, Broken> {
        let live = self.awake()?;
        self.guarded(|| {
            let txn = live.doc.transact();
            roots.iter().map(|root| render(&txn, root)).collect()
        })
    }

    /// Edits the document. Returns the result of `edit`, and the update v1 to send and to log if
    /// anything changed.
    ///
    /// `edit` must not keep anything of the transaction, not even the `Doc`: a transaction that
    /// stays open blocks this document for ever.
    ///
    /// # Errors
    /// [`Broken`], also if `edit` panics, applies updates by itself, or makes content that other
    /// documents would refuse (types or values that nest too deep).
    pub fn transact<R>(
        &mut self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<(R, Option<Bytes>), Broken> {
        self.awake()?;
        let (result, update, deletes) = self.in_transaction(|txn| {
            let result = edit(txn);
            txn.commit();
            let changed = !txn.insert_set().is_empty() || !txn.delete_set().is_empty();
            Ok((
                result,
                changed.then(|| txn.encode_update_v1()),
                ranges(txn.delete_set()),
            ))
        })?;
        let Some(update) = update else {
            return Ok((result, None));
        };
        if let Err(error) = self.replica.apply(&update) {
            return Err(self.break_off(format!("a local edit is refused: {error}")));
        }
        debug_assert!(
            self.has_deleted(&deletes),
            "yrs deletes what the index does not"
        );
        Ok((result, Some(Bytes::from(update))))
    }

    fn has_deleted(&self, deletes: &[IdRange]) -> bool {
        let known = self.state().deletes();
        let is_known =
            |range: &IdRange| known.contains(range.client, range.start, range.end - range.start);
        deletes.iter().all(is_known)
    }

    /// Decodes an admitted update, in as many parts as yrs takes well.
    fn decode(&self, scan: &Scan<'_>) -> Result<Vec<yrs::Update>, ApplyError> {
        let parts = self.state().parts(scan);
        let decoded = self.guarded(|| match &parts {
            Some(parts) => parts
                .iter()
                .map(|part| yrs::Update::decode_v1(part))
                .collect(),
            None => yrs::Update::decode_v1(scan.bytes()).map(|update| vec![update]),
        })?;
        decoded.map_err(|error| ApplyError::Undecodable(error.to_string()))
    }

    /// Runs one transaction on a document that yrs has loaded. Unless `step` succeeds, the document
    /// is broken.
    fn in_transaction<R>(
        &mut self,
        step: impl FnOnce(&mut yrs::TransactionMut<'_>) -> Result<R, String>,
    ) -> Result<R, Broken> {
        let live = self.awake()?;
        let outcome = self.guarded(|| live.transact(step))?;
        outcome.map_err(|reason| self.break_off(reason))
    }

    fn guarded<R>(&self, step: impl FnOnce() -> R) -> Result<R, Broken> {
        self.usable()?;
        catch_unwind(AssertUnwindSafe(step)).map_err(|panic| self.break_off(message(&*panic)))
    }

    fn usable(&self) -> Result<(), Broken> {
        self.broken
            .get()
            .map_or(Ok(()), |broken| Err(broken.clone()))
    }

    /// Returns the document as yrs has it, which is loaded at the first call.
    fn awake(&self) -> Result<&YrsDoc, Broken> {
        self.usable()?;
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        if self.state().is_beyond_yrs() {
            return Err(self.break_off(BEYOND.to_owned()));
        }
        let everything = self.replica.difference(&StateVector::new());
        let loaded = self.guarded(|| YrsDoc::load(&everything, self.client))?;
        let live = loaded.map_err(|reason| self.break_off(reason))?;
        Ok(self.live.get_or_init(|| live))
    }

    fn break_off(&self, reason: String) -> Broken {
        self.broken.get_or_init(|| Broken::new(reason)).clone()
    }
}

/// Prints the state vector and never the content, so that it can be logged.
impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document")
            .field("vector", &self.state().vector())
            .field("broken", &self.broken.get())
            .finish_non_exhaustive()
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("yrs panicked").to_owned()
}
