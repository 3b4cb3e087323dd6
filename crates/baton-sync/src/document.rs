//! A Yjs document: yrs behind the scanner.
//!
//! Owns the one place where yrs transactions are opened. Nothing reaches yrs that the scanner and
//! the state rules have not admitted; yrs never keeps anything pending, collects no garbage and
//! edits nothing by itself. If it panics all the same, the panic ends here, and the document
//! refuses everything from then on: it is to be made again from its log.
//!
//! What is inserted and deleted, and what is sent to others, a [`Replica`] says, which has the bytes
//! of all blocks. yrs has the document beside it from the moment at which it is read or edited.
//!
//! Never here: who may write, where updates are stored, who is told of them.

pub(crate) mod render;
mod yrs_doc;

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use bytes::Bytes;
pub use yrs;
use yrs::Transact;
use yrs::updates::decoder::Decode;

use crate::difference::{Builder, DIFFERENCE_ROOTS, Difference};
use crate::replica::{ApplyOutcome, Rejected, Replica};
use crate::replica_index::{Judgement, ReplicaIndex};
use crate::scan::{IdRange, Scan, ScanError, scan};
use crate::state_vector::{ClientId, StateVector};

use self::render::{Rendering, render};
pub use self::yrs_doc::docs_built;
use self::yrs_doc::{YrsDoc, integrate, ranges};

/// Why yrs is not given some bytes.
const BEYOND: &str =
    "there is content in it that yrs cannot read without changing it (legacy JSON, or an XML hook)";

/// What a document is made with.
#[derive(Clone, Debug)]
pub struct DocumentOptions {
    /// The id under which [`Document::transact`] writes. No other instance that is alive may have
    /// it.
    pub client: ClientId,
}

/// A document that can be read, updated and compared with others'.
///
/// It does no IO and knows no time; it is `Send`. Applying takes microseconds.
pub struct Document {
    client: ClientId,
    replica: Replica,
    /// yrs's form of it, once it was read or edited.
    live: OnceLock<YrsDoc>,
    broken: OnceLock<Broken>,
}

/// An update was not applied. Except for [`ApplyError::Broken`] the document is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The bytes are unsound: the sender's fault, asking again is of no use.
    #[error("unsound update: {0}")]
    Unsound(#[from] ScanError),
    /// The update may not be applied now, or never: see the judgement, which is neither
    /// [`Judgement::Known`] nor [`Judgement::Fits`]. On a gap, ask the sender.
    #[error("the update does not fit: {0:?}")]
    NotAdmitted(Judgement),
    /// The scanner admitted it, and yrs could not decode it. This crate's fault; keep the update
    /// and report it.
    #[error("yrs cannot read an update that the scanner admitted: {0}")]
    Undecodable(String),
    /// The document cannot be used any more.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// yrs failed in this document, which now refuses everything: make it again from its log, without
/// the record that broke it. The fault is not the caller's; nothing else is affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document is broken and must be made again: {reason}")]
pub struct Broken {
    reason: String,
}

impl From<Rejected> for ApplyError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Unsound(error) => Self::Unsound(error),
            Rejected::NotAdmitted(judgement) => Self::NotAdmitted(judgement),
        }
    }
}

/// What updates would change cannot be shown. The document is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DifferenceError {
    /// The updates cannot be applied to this document as it is.
    #[error("the edits cannot be applied to the document as it is: {0}")]
    Unfit(ApplyError),
    /// The library failed on a copy of the document, on the updates or on writing them as text. This
    /// crate's fault; the updates had better not be applied.
    #[error("what the edits would change cannot be shown: {0}")]
    Failed(Broken),
    /// The document cannot be used any more.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Document {
    /// An empty document.
    #[must_use]
    pub fn new(options: &DocumentOptions) -> Self {
        Self::of(Replica::new(), options)
    }

    /// A document from what [`Document::snapshot`] returned. It is scanned and judged like any
    /// other update: damaged bytes are an error, never an empty document. Whether yrs takes what the
    /// scanner admits shows when it is read.
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
        Ok(Self::of(Replica::load(snapshot)?, options))
    }

    /// A document that can be read and edited, of one that cannot.
    #[must_use]
    pub const fn of(replica: Replica, options: &DocumentOptions) -> Self {
        Self {
            client: options.client,
            replica,
            live: OnceLock::new(),
            broken: OnceLock::new(),
        }
    }

    /// A copy that is only read. yrs loads it when it is read first.
    #[must_use]
    pub fn to_read(replica: &Replica) -> Self {
        // Only an author needs an id that no other has.
        let client = ClientId::MAX;
        Self::of(replica.clone(), &DocumentOptions { client })
    }

    /// Scans, judges and applies an update v1.
    ///
    /// # Errors
    /// See [`ApplyError`]. An update is applied as a whole or not at all.
    pub fn apply(&mut self, update: &[u8]) -> Result<ApplyOutcome, ApplyError> {
        self.usable()?;
        self.apply_scanned(&scan(update)?)
    }

    /// [`Document::apply`] for a caller that has scanned already. It is judged here all the same.
    ///
    /// # Errors
    /// As [`Document::apply`].
    pub fn apply_scanned(&mut self, scan: &Scan<'_>) -> Result<ApplyOutcome, ApplyError> {
        self.usable()?;
        if scan.is_beyond_yrs() {
            return Err(ApplyError::Undecodable(BEYOND.to_owned()));
        }
        if self.live.get().is_some() && self.state().judge(scan) == Judgement::Fits {
            let updates = self.decode(scan)?;
            let deletes = self.in_transaction(|txn| integrate(txn, updates))?;
            let applied = self.replica.apply_scanned(scan)?;
            debug_assert!(
                self.has_deleted(&deletes),
                "yrs deletes what the index does not"
            );
            return Ok(applied);
        }
        Ok(self.replica.apply_scanned(scan)?)
    }

    /// What the document knows.
    #[must_use]
    pub const fn state(&self) -> &ReplicaIndex {
        self.replica.state()
    }

    /// The index and the bytes.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Everything that `since` does not have, as an update v1, with all deletions.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn diff(&self, since: &StateVector) -> Result<Bytes, Broken> {
        self.usable()?;
        Ok(self.replica.difference(since))
    }

    /// Everything, to be stored, for [`Document::load`]: the difference to nothing.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn snapshot(&self) -> Result<Bytes, Broken> {
        self.diff(&StateVector::new())
    }

    /// Reads from the document, which yrs loads for that. A panic of `read` passes through and harms nothing.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read<R>(&self, read: impl FnOnce(&yrs::Transaction<'_>) -> R) -> Result<R, Broken> {
        let live = self.awake()?;
        Ok(read(&live.doc.transact()))
    }

    /// What applying `updates`, in their order, would change, for people to read. They are tried on a
    /// copy.
    ///
    /// This costs as much as encoding and loading the whole document, and writing the root types
    /// concerned twice: 5 ms for a text of 100 KB, a quarter of a second for one of 16 MB.
    ///
    /// # Errors
    /// See [`DifferenceError`]. The document is as before.
    pub fn difference<U: AsRef<[u8]>>(
        &self,
        updates: impl IntoIterator<Item = U>,
    ) -> Result<Difference, DifferenceError> {
        Self::difference_of(self.snapshot()?, updates)
    }

    /// The same of what [`Document::snapshot`] returned, so that it can be done elsewhere.
    ///
    /// # Errors
    /// See [`DifferenceError`].
    pub fn difference_of<U: AsRef<[u8]>>(
        everything: Bytes,
        updates: impl IntoIterator<Item = U>,
    ) -> Result<Difference, DifferenceError> {
        // Only whoever edits needs an id of their own.
        let copy = Self::load_shared(
            everything,
            &DocumentOptions {
                client: ClientId::MAX,
            },
        );
        let mut copy = copy.map_err(DifferenceError::Unfit)?;
        let updates: Vec<U> = updates.into_iter().collect();
        let mut roots = BTreeSet::new();
        let mut over = ReplicaIndex::new();
        for update in &updates {
            let scanned = scan(update.as_ref()).map_err(ApplyError::from);
            let scanned = scanned.map_err(DifferenceError::Unfit)?;
            roots.extend(copy.state().touched_roots_over(&over, &scanned));
            over.absorb_over(copy.state(), &scanned);
        }
        let shown: Vec<String> = roots.iter().take(DIFFERENCE_ROOTS).cloned().collect();
        let before = copy.render(&shown)?;
        for update in &updates {
            copy.apply(update.as_ref()).map_err(|error| match error {
                ApplyError::Broken(broken) => DifferenceError::Failed(broken),
                other => DifferenceError::Unfit(other),
            })?;
        }
        let after = copy.render(&shown)?;
        let mut difference = Builder::default();
        for (root, (before, after)) in shown.iter().zip(before.iter().zip(&after)) {
            difference.root(root, before, after);
        }
        if shown.len() < roots.len() {
            difference.more_roots();
        }
        Ok(difference.finish())
    }

    fn render(&self, roots: &[String]) -> Result<Vec<Rendering>, DifferenceError> {
        let live = self.awake().map_err(DifferenceError::Failed)?;
        let all = self.guarded(|| {
            let txn = live.doc.transact();
            roots.iter().map(|root| render(&txn, root)).collect()
        });
        all.map_err(DifferenceError::Failed)
    }

    /// Edits the document on this side. Returns what `edit` returned and the update v1 to send and
    /// to log, if anything changed.
    ///
    /// `edit` keeps nothing of the transaction, not even the `Doc`: a transaction that is still
    /// open blocks this document for ever.
    ///
    /// # Errors
    /// [`Broken`], also if `edit` panics, applies updates by itself, or makes what other documents
    /// would refuse (types or values nested too deep).
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

    /// Reads what was admitted, in as many parts as yrs takes well.
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

    /// Runs one transaction on a document that is awake. Unless `step` succeeds, it is broken.
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

    /// yrs's form of the document, which is loaded when it is needed first.
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
        self.broken.get_or_init(|| Broken { reason }).clone()
    }
}

/// The state, not the content: this may be logged.
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
