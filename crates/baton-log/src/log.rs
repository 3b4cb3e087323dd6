//! The handle of a whole log: start, open a document, reserve, flush, shut down.

use std::path::Path;

use crate::document::{DocumentLog, Reservation};
use crate::error::LogError;
use crate::options::LogOptions;
use crate::store::Store;
use crate::types::{DocumentInfo, Health, Loaded};

/// The log of all documents of one store. Clones are handles of the same log.
#[derive(Clone, Debug)]
pub struct Log {}

impl Log {
    /// Starts a log on a store: scans its journal and starts the group-commit thread. Blocks.
    ///
    /// # Errors
    /// [`LogError::InvalidOptions`], [`LogError::Start`], [`LogError::NewerFormat`],
    /// [`LogError::DamagedStore`].
    #[expect(clippy::needless_pass_by_value, reason = "first signature")]
    pub fn start(store: impl Store, options: LogOptions) -> Result<Log, LogError> {
        let _ = (store, options.check()?);
        Err(LogError::Closed)
    }

    /// Opens the embedded store in a folder, making both if they are missing. Blocks.
    ///
    /// # Errors
    /// As [`start`](Self::start), and [`LogError::InUse`] when another process has the folder.
    #[expect(clippy::needless_pass_by_value, reason = "first signature")]
    pub fn open_embedded(path: &Path, options: LogOptions) -> Result<Log, LogError> {
        let _ = (path, options.check()?);
        Err(LogError::Closed)
    }

    /// A log in memory, gone with the process.
    ///
    /// # Errors
    /// [`LogError::InvalidOptions`].
    pub fn in_memory(options: LogOptions) -> Result<Log, LogError> {
        Log::start(crate::store::MemoryStore::default(), options)
    }

    /// The epoch of the store: 1 for a new one; a restore from a backup raises it.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        1
    }

    /// Opens a document, which need not exist yet, and reads all that is stored of it. Blocks: call
    /// it where blocking is allowed (`spawn_blocking`).
    ///
    /// # Errors
    /// [`LogError::AlreadyOpen`] while another [`DocumentLog`] of it lives, [`LogError::Load`] (try
    /// again), [`LogError::Damaged`], [`LogError::InvalidName`], [`LogError::Poisoned`],
    /// [`LogError::Closed`]. The document then stays closed.
    pub fn open(&self, document: &str) -> Result<(DocumentLog, Loaded), LogError> {
        let _ = document;
        Err(LogError::Closed)
    }

    /// Waits until the queue has room for a record of this many bytes. Never await it under a lock.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], [`LogError::Poisoned`], [`LogError::Closed`].
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, LogError> {
        let _ = bytes;
        Err(LogError::Closed)
    }

    /// Every stored document, in no particular order. May block for the length of one commit.
    #[must_use]
    pub fn documents(&self) -> Vec<DocumentInfo> {
        Vec::new()
    }

    /// How many documents are stored. May block for the length of one commit.
    #[must_use]
    pub fn document_count(&self) -> usize {
        0
    }

    /// Whether commits still succeed.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::Good
    }

    /// Returns when everything that was appended or snapshotted before the call is durable.
    ///
    /// # Errors
    /// [`LogError::Poisoned`].
    pub async fn flush(&self) -> Result<(), LogError> {
        Err(LogError::Closed)
    }

    /// Makes everything durable, ends the thread and closes the store. Other handles get
    /// [`LogError::Closed`] from then on.
    ///
    /// # Errors
    /// [`LogError::Poisoned`], when something appended could not be made durable.
    pub async fn shutdown(self) -> Result<(), LogError> {
        Err(LogError::Closed)
    }
}
