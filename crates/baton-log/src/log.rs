//! The handle of a whole log: start it, open documents, reserve, flush, shut down.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::backup::archive::{self, BackupSummary};
use crate::commit_queue::CommitProgress;
use crate::document_log::DocumentLog;
use crate::error::{BackupError, LogError};
use crate::log_state::LogState;
use crate::metrics::LogStats;
use crate::open_document;
use crate::options::LogOptions;
use crate::position::Position;
use crate::queue_room::Reservation;
use crate::read_document::read_document;
use crate::recovery::recover;
use crate::running_log::RunningLog;
use crate::store::memory_store::MemoryStore;
use crate::store::redb_store::RedbStore;
use crate::store::traits::{Store, StoreError};
use crate::store_index::IndexedDocument;
use crate::types::{DocumentInfo, LoadedDocument, LogHealth};

/// The log of all documents of one store. Clones are handles of the same log.
///
/// The log ends by [`shutdown`](Log::shutdown), or when the last handle and the last
/// [`DocumentLog`] are dropped. That drop blocks until everything that was appended is durable.
#[derive(Clone, Debug)]
pub struct Log {
    running: Arc<RunningLog>,
    /// Folder of the embedded store.
    folder: Option<Arc<Path>>,
}

impl Log {
    /// Starts a log on a store: scans its journal and starts the commit thread. Blocks.
    ///
    /// # Errors
    /// [`LogError::InvalidOptions`], [`LogError::Start`], [`LogError::NewerFormat`],
    /// [`LogError::DamagedStore`]. Nothing was changed.
    pub fn start(store: impl Store, options: LogOptions) -> Result<Log, LogError> {
        options.check()?;
        let found = recover(&store)?;
        let state = LogState::new(options, Box::new(store), found);
        Ok(Log {
            running: RunningLog::start(state)?,
            folder: None,
        })
    }

    /// Opens the embedded store in a folder, and creates both if they are missing. Blocks.
    ///
    /// # Errors
    /// Those of [`start`](Self::start), [`LogError::InUse`] if another process has the folder, and
    /// [`LogError::Start`] if a file stands there.
    pub fn open_embedded(folder: &Path, options: LogOptions) -> Result<Log, LogError> {
        options.check()?;
        let failed = |source| match source {
            StoreError::InUse { path } => LogError::InUse { path },
            source => LogError::Start {
                source: Arc::new(source),
            },
        };
        let store = RedbStore::open(folder, options.cache_bytes).map_err(failed)?;
        if store
            .bytes_stored()
            .is_some_and(|bytes| bytes > options.store_bytes)
        {
            store.compact().map_err(failed)?;
        }
        Ok(Log {
            folder: Some(folder.into()),
            ..Log::start(store, options)?
        })
    }

    /// Starts a log in memory, which is gone with the process.
    ///
    /// # Errors
    /// [`LogError::InvalidOptions`]; [`LogError::Start`] if no thread can be started.
    pub fn in_memory(options: LogOptions) -> Result<Log, LogError> {
        Log::start(MemoryStore::new(), options)
    }

    fn state(&self) -> &LogState {
        self.running.state()
    }

    // ---- documents ----

    /// Opens a document, which need not exist yet, and reads all that is stored of it. Waits for
    /// the records that an earlier handle of the document left in the queue. Blocks: call it where
    /// blocking is allowed (`spawn_blocking`).
    ///
    /// A name under which nothing is ever appended leaves no trace.
    ///
    /// # Errors
    /// [`LogError::AlreadyOpen`] while another [`DocumentLog`] of it lives or is being opened,
    /// [`LogError::Load`] (try again), [`LogError::Damaged`], [`LogError::InvalidName`],
    /// [`LogError::Failed`], [`LogError::Closed`]. The document then stays closed.
    pub fn open(&self, document: &str) -> Result<(DocumentLog, LoadedDocument), LogError> {
        open_document::open(&self.running, document)
    }

    /// Opens a document of which nothing is stored, without reading the store or waiting for a
    /// commit. Returns `None` if something may be stored, or if the document is open: call
    /// [`Log::open`] then.
    ///
    /// # Errors
    /// [`LogError::InvalidName`], [`LogError::Failed`], [`LogError::Closed`]. The document then
    /// stays closed.
    pub fn open_new(&self, document: &str) -> Result<Option<DocumentLog>, LogError> {
        open_document::open_new(&self.running, document)
    }

    /// Opens a stored document without reading it, to erase it. A damaged document can be opened in
    /// no other way. Blocks as [`open`](Self::open) does.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) except damage of this document. The document then stays
    /// closed.
    pub fn open_unread(&self, document: &str) -> Result<DocumentLog, LogError> {
        open_document::open_unread(&self.running, document)
    }

    /// Returns every stored document with its durable position, in no particular order.
    #[must_use]
    pub fn documents(&self) -> Vec<DocumentInfo> {
        let content = self.state().content.read();
        let documents = content.index.documents();
        documents.map(|(_, document)| info(document)).collect()
    }

    /// Returns the number of documents that are stored and not erased.
    #[must_use]
    pub fn documents_held(&self) -> usize {
        self.state().content.read().index.held()
    }

    /// Returns the number of stored documents, erased ones included.
    #[must_use]
    pub fn document_count(&self) -> usize {
        self.state().content.read().index.stored()
    }

    /// Returns true if something is stored under this name that was not erased.
    #[must_use]
    pub fn holds(&self, document: &str) -> bool {
        let state = self.state();
        let id = state.documents.id(document);
        let content = state.content.read();
        id.and_then(|id| content.index.document(id))
            .is_some_and(|found| !found.is_erased())
    }

    /// Reads every stored document, one after the other, as they all were at one moment. Reads the
    /// whole store, and blocks.
    ///
    /// # Errors
    /// [`LogError::Start`] if the store cannot be read. An error of one document goes to `each`.
    pub fn read_all(
        &self,
        each: &mut dyn FnMut(DocumentInfo, Result<LoadedDocument, LogError>),
    ) -> Result<(), LogError> {
        let state = self.state();
        let (documents, view) = {
            // Without a commit in between, the index and the view are of the same moment.
            let _no_commit = state.commit.lock();
            let content = state.content.read();
            let documents = content.index.documents();
            let documents: Vec<_> = documents.map(|(id, found)| (id, found.clone())).collect();
            (documents, state.view())
        };
        let view = view.map_err(|source| LogError::Start {
            source: Arc::new(source),
        })?;
        for (id, document) in documents {
            each(info(&document), read_document(&*view, id, &document));
        }
        Ok(())
    }

    /// Returns the [`LogError::Damaged`] of every document that was found damaged at the start.
    /// Damage inside a record or a snapshot is found when its document is opened.
    #[must_use]
    pub fn damaged(&self) -> Vec<LogError> {
        let content = self.state().content.read();
        let damage = |(_, document): (u64, &IndexedDocument)| {
            let what = document.damage.clone()?;
            Some(LogError::Damaged {
                document: document.name.clone(),
                what,
            })
        };
        content.index.documents().filter_map(damage).collect()
    }

    /// Writes everything that is durable at this moment into `out`, in the format that
    /// [`verify_backup`](crate::verify_backup) and [`restore_backup`](crate::restore_backup) read.
    /// Records appended meanwhile are not in it, and do not wait for it. Blocks.
    ///
    /// # Errors
    /// [`BackupError::Store`], [`BackupError::Write`], [`BackupError::Source`]. The bytes written
    /// so far are not a whole backup.
    pub fn backup(&self, out: &mut dyn Write) -> Result<BackupSummary, BackupError> {
        archive::write(&*self.state().view()?, out)
    }

    // ---- the log as a whole ----

    /// Returns the epoch of the store: 1 for a new one; a restore from a backup raises it.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.state().epoch
    }

    /// Waits until the queue has room for a record of this many bytes, in the order of the calls.
    /// The room counts for no document; [`DocumentLog::share`] reserves room that does. Never await
    /// this while holding a lock.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], [`LogError::Failed`], [`LogError::Closed`]. Nothing was
    /// reserved.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, LogError> {
        let state = self.state();
        let limit = state.options.max_record_bytes;
        if bytes > limit {
            return Err(LogError::RecordTooLarge { len: bytes, limit });
        }
        loop {
            match state.room().reserve(bytes).await {
                Ok(reservation) => return Ok(reservation),
                // The log failed or was closed. If it has recovered meanwhile, there is new room.
                Err(_) => state.queue.check()?,
            }
        }
    }

    /// Returns when everything that was appended or snapshotted before the call is durable, without
    /// waiting for the commit delay.
    ///
    /// # Errors
    /// [`LogError::Failed`].
    pub async fn flush(&self) -> Result<(), LogError> {
        let queue = &self.state().queue;
        let mut progress = queue.progress();
        let failures = progress.borrow().failures;
        if let Some(error) = queue.failed() {
            return Err((*error).clone());
        }
        let Some(through) = queue.hurry() else {
            return Ok(());
        };
        let over = |progress: &CommitProgress| {
            progress.committed >= through || progress.failures > failures || progress.ended
        };
        // The sender lives as long as the state.
        let reached = progress.wait_for(over).await.map(|progress| *progress);
        match reached {
            Ok(now) if now.failures > failures => match queue.last_failure() {
                Some(error) => Err((*error).clone()),
                None => Err(LogError::Closed),
            },
            Ok(now) if now.committed >= through => Ok(()),
            _ => Err(queue.check().err().unwrap_or(LogError::Closed)),
        }
    }

    /// Makes everything durable, ends the commit thread and closes the store. Other handles, and
    /// documents that are still open, get [`LogError::Closed`] from then on.
    ///
    /// # Errors
    /// [`LogError::Failed`] if something appended could not be made durable.
    pub async fn shutdown(self) -> Result<(), LogError> {
        let queue = &self.state().queue;
        self.running.close();
        // The sender lives as long as the state, so the wait ends with the thread.
        let ended = |progress: &CommitProgress| progress.ended;
        let _ = queue.progress().wait_for(ended).await;
        self.running.join();
        match queue.failed() {
            Some(error) => Err((*error).clone()),
            None => Ok(()),
        }
    }

    /// Returns the health of the log: [`LogHealth::Good`] while commits succeed.
    #[must_use]
    pub fn health(&self) -> LogHealth {
        let failure = self.state().queue.failed();
        failure.map_or(LogHealth::Good, LogHealth::Failed)
    }

    /// Reports each change of [`health`](Self::health). A slow receiver may see only the newest.
    #[must_use]
    pub fn watch_health(&self) -> watch::Receiver<LogHealth> {
        self.state().queue.health()
    }

    /// Returns true if the store takes more of its disk than
    /// [`LogOptions::store_bytes`](crate::LogOptions::store_bytes), and nothing was freed since.
    /// Updated after each commit; never asks the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state().metrics.is_full()
    }

    /// Returns what the log has done so far. Never blocks.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let state = self.state();
        state.metrics.read(state.room().used())
    }

    /// Returns the folder of the embedded store; `None` for a store of another kind.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Returns the bytes that the store takes of its disk, if it knows. Asks the disk.
    #[must_use]
    pub fn bytes_stored(&self) -> Option<u64> {
        self.state().store.read().as_ref()?.bytes_stored()
    }
}

fn info(document: &IndexedDocument) -> DocumentInfo {
    let has_snapshot = document.base_kind.has_snapshot();
    DocumentInfo {
        name: document.name.clone(),
        last: Position::new(document.last),
        snapshot: has_snapshot.then_some(Position::new(document.base)),
        tail_bytes: document.tail_bytes(),
        erased: document.is_erased(),
    }
}
