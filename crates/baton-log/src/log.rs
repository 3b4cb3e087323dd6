//! The handle of a whole log: start, open a document, reserve, flush, shut down.
//!
//! Owns the commit thread: it ends when the log is shut down or the last handle goes.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::committer;
use crate::document::DocumentLog;
use crate::engine::{Known, Shared};
use crate::error::{BackupError, LogError};
use crate::index::Document;
use crate::load::load;
use crate::names::Claimed;
use crate::options::LogOptions;
use crate::queue::Progress;
use crate::recovery::recover;
use crate::shares::Reservation;
use crate::store::{MemoryStore, RedbStore, Store, StoreError};
use crate::types::{DocumentInfo, Health, Loaded, Position};
use crate::{BackupSummary, LogStats, View, backup};

/// The log of all documents of one store. Clones are handles of the same log.
///
/// The log ends by [`shutdown`](Log::shutdown), or when the last handle and the last
/// [`DocumentLog`] are dropped; that drop then blocks until all that was appended is durable.
#[derive(Clone, Debug)]
pub struct Log {
    handle: Arc<Handle>,
}

/// Ends the thread when the last owner goes.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Starts a log on a store: scans its journal and starts the group-commit thread. Blocks.
    ///
    /// # Errors
    /// [`LogError::InvalidOptions`], [`LogError::Start`], [`LogError::NewerFormat`],
    /// [`LogError::DamagedStore`]. Nothing was changed.
    pub fn start(store: impl Store, options: LogOptions) -> Result<Log, LogError> {
        options.check()?;
        let found = recover(&store)?;
        let shared = Arc::new(Shared::new(options, Box::new(store), found));
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("group commit".to_owned())
            .spawn(move || committer::run(&theirs))
            .map_err(|error| LogError::Start {
                source: Arc::new(StoreError::failed("starting the commit thread", error)),
            })?;
        let handle = Handle {
            shared,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Log {
            handle: Arc::new(handle),
        })
    }

    /// Opens the embedded store in a folder, making both if they are missing. Blocks.
    ///
    /// # Errors
    /// As [`start`](Self::start), and [`LogError::InUse`] when another process has the folder.
    pub fn open_embedded(path: &Path, options: LogOptions) -> Result<Log, LogError> {
        options.check()?;
        let failed = |source| match source {
            StoreError::InUse { path } => LogError::InUse { path },
            source => LogError::Start {
                source: Arc::new(source),
            },
        };
        let store = RedbStore::open(path, options.cache_bytes).map_err(failed)?;
        if store
            .bytes_stored()
            .is_some_and(|bytes| bytes > options.store_bytes)
        {
            store.compact().map_err(failed)?;
        }
        Log::start(store, options)
    }

    /// A log in memory, gone with the process.
    ///
    /// # Errors
    /// [`LogError::InvalidOptions`]; [`LogError::Start`] when no thread can be started.
    pub fn in_memory(options: LogOptions) -> Result<Log, LogError> {
        Log::start(MemoryStore::new(), options)
    }

    /// The epoch of the store: 1 for a new one; a restore from a backup raises it.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.handle.shared.epoch
    }

    /// Opens a document, which need not exist yet, and reads all that is stored of it. Blocks: call
    /// it where blocking is allowed (`spawn_blocking`). What an earlier handle of the document left
    /// in the queue is waited for, so that nothing appended is missed.
    ///
    /// A name under which nothing is ever appended leaves no trace.
    ///
    /// # Errors
    /// [`LogError::AlreadyOpen`] while another [`DocumentLog`] of it lives or is being loaded,
    /// [`LogError::Load`] (try again), [`LogError::Damaged`], [`LogError::InvalidName`],
    /// [`LogError::Failed`], [`LogError::Closed`]. The document then stays closed.
    pub fn open(&self, document: &str) -> Result<(DocumentLog, Loaded), LogError> {
        let shared = &self.handle.shared;
        let claimed = shared.names.claim(document)?;
        let opened = self.read(&claimed);
        if opened.is_err() {
            shared
                .names
                .release(&claimed.watched, claimed.id, claimed.left);
        }
        opened
    }

    /// Opens a document of which nothing is stored, at once: without the store, and without waiting for a commit that is
    /// under way. `None` if something may be stored, or if it is open; then [`Log::open`] says more.
    ///
    /// # Errors
    /// [`LogError::InvalidName`], [`LogError::Failed`], [`LogError::Closed`]. The document then stays closed.
    pub fn open_new(&self, document: &str) -> Result<Option<DocumentLog>, LogError> {
        let shared = &self.handle.shared;
        let all_named = |known: &Known| known.unnamed.is_none();
        if !shared
            .known
            .try_read()
            .is_some_and(|known| all_named(&known))
        {
            return Ok(None);
        }
        let Some(claimed) = shared.names.claim_new(document)? else {
            return Ok(None);
        };
        // After the claim: a log that fails from here on tells it.
        if let Err(error) = shared.queue.check_life(claimed.watched.life) {
            shared
                .names
                .release(&claimed.watched, claimed.id, claimed.left);
            return Err(error);
        }
        let (handle, loaded) = (self.handle.clone(), Loaded::default());
        let log = DocumentLog::new(handle, claimed.watched, claimed.id, 0, &loaded);
        Ok(Some(log))
    }

    fn read(&self, claimed: &Claimed) -> Result<(DocumentLog, Loaded), LogError> {
        let (shared, watched) = (&self.handle.shared, &claimed.watched);
        shared.queue.check()?;
        shared.queue.wait_for(claimed.left);
        let (base, loaded) = match self.find(claimed)? {
            None => (0, Loaded::default()),
            Some(found) => match self.load(claimed.id, &found) {
                // A commit that was under way may have moved what the index still showed elsewhere.
                Err(LogError::Damaged { .. }) if found.damage.is_none() => {
                    let no_commit = shared.engine.lock();
                    let found = self.find(claimed)?.unwrap_or(found);
                    let view = self.view(&found);
                    drop(no_commit);
                    (found.base, load(&*view?, claimed.id, &found)?)
                }
                loaded => (found.base, loaded?),
            },
        };
        if let Some((at, bytes)) = &loaded.snapshot {
            let mut known = shared.known.write();
            let len = bytes.len() as u64;
            known.index.note_snapshot(claimed.id, at.get(), len);
        }
        let (handle, watched) = (self.handle.clone(), watched.clone());
        watched.advance(base + loaded.tail.len() as u64);
        let opened = DocumentLog::new(handle, watched.clone(), claimed.id, base, &loaded);
        // The store may have failed after the first check; whatever was read then is of an earlier life.
        match shared.queue.check_life(watched.life) {
            Ok(()) => Ok((opened, loaded)),
            Err(error) => Err(error),
        }
    }

    /// What the index knows of a document; `None` if nothing is stored under its name.
    fn find(&self, claimed: &Claimed) -> Result<Option<Document>, LogError> {
        let known = self.handle.shared.known.read();
        match (known.index.document(claimed.id), &known.unnamed) {
            (Some(found), _) => Ok(Some(found.clone())),
            (None, None) => Ok(None),
            (None, Some(what)) => Err(LogError::Damaged {
                document: claimed.watched.name.clone(),
                what: what.clone(),
            }),
        }
    }

    fn view(&self, found: &Document) -> Result<Box<dyn View>, LogError> {
        let view = self.handle.shared.view();
        view.map_err(|source| LogError::Load {
            document: found.name.clone(),
            source: Arc::new(source),
        })
    }

    fn load(&self, id: u64, found: &Document) -> Result<Loaded, LogError> {
        load(&*self.view(found)?, id, found)
    }

    /// Waits until the queue has room for a record of this many bytes, of any document. Never await it under a lock.
    /// First come is first served. It counts against no document's part; [`DocumentLog::share`] gives room that does.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], [`LogError::Failed`], [`LogError::Closed`]. Nothing was
    /// reserved.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, LogError> {
        let shared = &self.handle.shared;
        let limit = shared.options.max_record_bytes;
        if bytes > limit {
            return Err(LogError::RecordTooLarge { len: bytes, limit });
        }
        loop {
            match shared.room().reserve(bytes).await {
                Ok(reservation) => return Ok(reservation),
                // The log has failed, or was closed; or it has come back in the meantime, with new room.
                Err(_) => shared.queue.check()?,
            }
        }
    }

    /// Every stored document with its durable position, in no particular order.
    #[must_use]
    pub fn documents(&self) -> Vec<DocumentInfo> {
        let known = self.handle.shared.known.read();
        let documents = known.index.documents();
        documents.map(|(_, document)| info(document)).collect()
    }

    /// Returns the number of documents that are stored and not erased.
    #[must_use]
    pub fn documents_held(&self) -> usize {
        self.handle.shared.known.read().index.held()
    }

    /// Reads every stored document, one after the other, as they all were at one moment. Blocks; reads the whole store.
    ///
    /// # Errors
    /// [`LogError::Start`] when the store cannot be read. What cannot be read of one document is told to `each`.
    pub fn read_all(
        &self,
        each: &mut dyn FnMut(DocumentInfo, Result<Loaded, LogError>),
    ) -> Result<(), LogError> {
        let shared = &self.handle.shared;
        let (documents, view) = {
            // The index and the view are of the same moment.
            let _no_commit = shared.engine.lock();
            let known = shared.known.read();
            let documents = known.index.documents();
            let documents: Vec<_> = documents.map(|(id, found)| (id, found.clone())).collect();
            (documents, shared.view())
        };
        let view = view.map_err(|source| LogError::Start {
            source: Arc::new(source),
        })?;
        for (id, document) in documents {
            each(info(&document), load(&*view, id, &document));
        }
        Ok(())
    }

    /// Opens a stored document without reading it, to erase it: one that is damaged can be opened in no other way. Blocks
    /// as [`open`](Self::open) does.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for the damage of this document. The document then stays closed.
    pub fn open_unread(&self, document: &str) -> Result<DocumentLog, LogError> {
        let shared = &self.handle.shared;
        let claimed = shared.names.claim(document)?;
        let opened = shared
            .queue
            .check_life(claimed.watched.life)
            .and_then(|()| {
                shared.queue.wait_for(claimed.left);
                self.find(&claimed)
            });
        match opened {
            Ok(found) => {
                let last = found.map_or(0, |found| found.last);
                claimed.watched.advance(last);
                let (handle, loaded) = (self.handle.clone(), Loaded::default());
                let (watched, id) = (claimed.watched, claimed.id);
                Ok(DocumentLog::new(handle, watched, id, last, &loaded))
            }
            Err(error) => {
                let left = claimed.left;
                shared.names.release(&claimed.watched, claimed.id, left);
                Err(error)
            }
        }
    }

    /// Returns true if something is stored under this name that was not erased.
    #[must_use]
    pub fn holds(&self, document: &str) -> bool {
        let shared = &self.handle.shared;
        let id = shared.names.id(document);
        let known = shared.known.read();
        id.and_then(|id| known.index.document(id))
            .is_some_and(|found| !found.is_erased())
    }

    /// Returns true if the store takes more of its disk than [`LogOptions::store_bytes`](crate::LogOptions::store_bytes), and
    /// nothing was freed since. Looked at after each commit; never asks the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.handle.shared.counts.is_full()
    }

    /// How many documents are stored.
    #[must_use]
    pub fn document_count(&self) -> usize {
        self.handle.shared.known.read().index.stored()
    }

    /// The [`LogError::Damaged`] of every document that was found damaged at the start. Damage inside
    /// a record or a snapshot is found when the document is opened.
    #[must_use]
    pub fn damaged(&self) -> Vec<LogError> {
        let known = self.handle.shared.known.read();
        let damage = |(_, document): (u64, &Document)| {
            let what = document.damage.clone()?;
            Some(LogError::Damaged {
                document: document.name.clone(),
                what,
            })
        };
        known.index.documents().filter_map(damage).collect()
    }

    /// Writes all that is durable at this moment into `out`, in a format of its own ([`verify_backup`](crate::verify_backup),
    /// [`restore_backup`](crate::restore_backup)). Whatever is appended meanwhile is not in it, and does not wait for it. Blocks.
    ///
    /// # Errors
    /// [`BackupError::Store`], [`BackupError::Write`], [`BackupError::Source`]. What was written is no whole backup.
    pub fn backup(&self, out: &mut dyn Write) -> Result<BackupSummary, BackupError> {
        backup::write(&*self.handle.shared.view()?, out)
    }

    /// Whether things are stored at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle
            .shared
            .queue
            .failed()
            .map_or(Health::Good, Health::Failed)
    }

    /// Tells each change of [`health`](Self::health). Whoever is slow may see only the newest.
    #[must_use]
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.handle.shared.queue.health()
    }

    /// What the log has done so far. Never blocks.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let shared = &self.handle.shared;
        shared.counts.read(shared.room().used())
    }

    /// Bytes that the store takes on its disk, if it knows. Asks the disk.
    #[must_use]
    pub fn bytes_stored(&self) -> Option<u64> {
        self.handle.shared.store.read().as_ref()?.bytes_stored()
    }

    /// Returns when everything that was appended or snapshotted before the call is durable. Does not
    /// wait for the delay.
    ///
    /// # Errors
    /// [`LogError::Failed`].
    pub async fn flush(&self) -> Result<(), LogError> {
        let queue = &self.handle.shared.queue;
        let mut progress = queue.progress();
        let failures = progress.borrow().failures;
        if let Some(error) = queue.failed() {
            return Err((*error).clone());
        }
        let Some(through) = queue.hurry() else {
            return Ok(());
        };
        let over = |progress: &Progress| {
            progress.committed >= through || progress.failures > failures || progress.ended
        };
        // The sender lives in `shared`.
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

    /// Makes everything durable, ends the thread and closes the store. Other handles, and documents
    /// that are still open, get [`LogError::Closed`] from then on.
    ///
    /// # Errors
    /// [`LogError::Failed`], when something appended could not be made durable.
    pub async fn shutdown(self) -> Result<(), LogError> {
        let shared = &self.handle.shared;
        self.handle.close();
        // The sender lives in `shared`, so that the wait ends by the thread's last word only.
        let _ = shared
            .queue
            .progress()
            .wait_for(|progress| progress.ended)
            .await;
        self.handle.join();
        match shared.queue.failed() {
            Some(error) => Err((*error).clone()),
            None => Ok(()),
        }
    }
}

fn info(document: &Document) -> DocumentInfo {
    let has_snapshot = document.standing.has_snapshot();
    DocumentInfo {
        name: document.name.clone(),
        last: Position::new(document.last),
        snapshot: has_snapshot.then_some(Position::new(document.base)),
        tail_bytes: document.tail_bytes(),
        erased: document.is_erased(),
    }
}

impl Handle {
    fn close(&self) {
        self.shared.queue.close();
        self.shared.room().close();
    }

    fn join(&self) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
        self.join();
    }
}
