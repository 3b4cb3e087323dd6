//! The handle of a whole log: start, open a document, reserve, flush, shut down.
//!
//! Owns the commit thread: it ends when the log is shut down or the last handle goes.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::committer;
use crate::document::{DocumentLog, Reservation};
use crate::engine::Shared;
use crate::error::LogError;
use crate::format::Standing;
use crate::load::load;
use crate::names::Claimed;
use crate::options::LogOptions;
use crate::recovery::recover;
use crate::store::{MemoryStore, RedbStore, Store, StoreError};
use crate::types::{DocumentInfo, Health, Loaded, Position};

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
        let (engine, names) = recover(Box::new(store))?;
        let shared = Arc::new(Shared::new(options, engine, names));
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
        let store = RedbStore::open(path, options.cache_bytes).map_err(|source| match source {
            StoreError::InUse { path } => LogError::InUse { path },
            source => LogError::Start {
                source: Arc::new(source),
            },
        })?;
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
    /// [`LogError::Poisoned`], [`LogError::Closed`]. The document then stays closed.
    pub fn open(&self, document: &str) -> Result<(DocumentLog, Loaded), LogError> {
        let shared = &self.handle.shared;
        let claimed = shared.names.claim(document)?;
        let opened = self.read(&claimed);
        if opened.is_err() {
            shared.names.release(document, claimed.id, claimed.left);
        }
        opened
    }

    /// Opens a document of which nothing is stored, at once: without the store, and without waiting for a commit that is
    /// under way. `None` if something may be stored, or if it is open; then [`Log::open`] says more.
    ///
    /// # Errors
    /// [`LogError::InvalidName`], [`LogError::Poisoned`], [`LogError::Closed`]. The document then stays closed.
    pub fn open_new(&self, document: &str) -> Result<Option<DocumentLog>, LogError> {
        let shared = &self.handle.shared;
        if !shared.all_named {
            return Ok(None);
        }
        let Some(claimed) = shared.names.claim_new(document)? else {
            return Ok(None);
        };
        // After the claim: a log that fails from here on tells it.
        if let Err(error) = shared.queue.check() {
            shared.names.release(document, claimed.id, claimed.left);
            return Err(error);
        }
        let (handle, loaded) = (self.handle.clone(), Loaded::default());
        let log = DocumentLog::new(handle, claimed.watched, claimed.id, 0, &loaded);
        Ok(Some(log))
    }

    fn read(&self, claimed: &Claimed) -> Result<(DocumentLog, Loaded), LogError> {
        let (shared, watched) = (&self.handle.shared, &claimed.watched);
        shared.queue.check()?;
        shared.queue.wait_for(claimed.left)?;
        let engine = shared.engine.lock();
        let store = engine.store.as_ref().ok_or_else(|| shared.refusal())?;
        let found = engine.index.document(claimed.id).cloned();
        let (base, loaded) = match (found, &engine.unnamed) {
            (Some(found), _) => {
                let view = store.view().map_err(|source| LogError::Load {
                    document: found.name.clone(),
                    source: Arc::new(source),
                })?;
                drop(engine);
                (found.base, load(&*view, claimed.id, &found)?)
            }
            (None, Some(what)) => {
                let document = watched.name.clone();
                return Err(LogError::Damaged {
                    document,
                    what: what.clone(),
                });
            }
            (None, None) => {
                drop(engine);
                (0, Loaded::default())
            }
        };
        let (handle, watched) = (self.handle.clone(), watched.clone());
        watched.advance(base + loaded.tail.len() as u64);
        // The log may have been poisoned after the first check, and before this document was known.
        shared.queue.check()?;
        Ok((
            DocumentLog::new(handle, watched, claimed.id, base, &loaded),
            loaded,
        ))
    }

    /// Waits until the queue has room for a record of this many bytes. Never await it under a lock.
    /// Whoever waits first is served first.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], [`LogError::Poisoned`], [`LogError::Closed`]. Nothing was
    /// reserved.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, LogError> {
        let shared = &self.handle.shared;
        let limit = shared.options.max_record_bytes;
        if bytes > limit {
            return Err(LogError::RecordTooLarge { len: bytes, limit });
        }
        let charge = Reservation::charge(bytes).min(shared.options.queue_bytes) as u32;
        match shared.room.clone().acquire_many_owned(charge).await {
            Ok(permit) => Ok(Reservation::new(permit, bytes)),
            Err(_) => Err(shared.refusal()),
        }
    }

    /// Every stored document with its durable position, in no particular order. May block for the
    /// length of one commit.
    #[must_use]
    pub fn documents(&self) -> Vec<DocumentInfo> {
        let engine = self.handle.shared.engine.lock();
        let info = |(_, document): (u64, &crate::index::Document)| DocumentInfo {
            name: document.name.clone(),
            last: Position::new(document.last),
            snapshot: (document.standing == Standing::Snapshot)
                .then_some(Position::new(document.base)),
        };
        engine.index.documents().map(info).collect()
    }

    /// How many documents are stored. May block for the length of one commit.
    #[must_use]
    pub fn document_count(&self) -> usize {
        self.handle.shared.engine.lock().index.stored()
    }

    /// The [`LogError::Damaged`] of every document that was found damaged at the start. Damage inside
    /// a record or a snapshot is found when the document is opened. May block for the length of one
    /// commit.
    #[must_use]
    pub fn damaged(&self) -> Vec<LogError> {
        let engine = self.handle.shared.engine.lock();
        let damage = |(_, document): (u64, &crate::index::Document)| {
            let what = document.damage.clone()?;
            Some(LogError::Damaged {
                document: document.name.clone(),
                what,
            })
        };
        engine.index.documents().filter_map(damage).collect()
    }

    /// Whether commits still succeed.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle
            .shared
            .queue
            .poisoned()
            .map_or(Health::Good, Health::Poisoned)
    }

    /// Returns when everything that was appended or snapshotted before the call is durable. Does not
    /// wait for the delay.
    ///
    /// # Errors
    /// [`LogError::Poisoned`].
    pub async fn flush(&self) -> Result<(), LogError> {
        let queue = &self.handle.shared.queue;
        let mut progress = queue.progress();
        let Some(through) = queue.hurry() else {
            return Ok(());
        };
        let reached = progress
            .wait_for(|progress| progress.committed >= through || progress.ended)
            .await;
        match reached {
            Ok(progress) if progress.committed >= through => Ok(()),
            _ => Err(self.handle.shared.refusal()),
        }
    }

    /// Makes everything durable, ends the thread and closes the store. Other handles, and documents
    /// that are still open, get [`LogError::Closed`] from then on.
    ///
    /// # Errors
    /// [`LogError::Poisoned`], when something appended could not be made durable.
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
        match shared.queue.poisoned() {
            Some(error) => Err((*error).clone()),
            None => Ok(()),
        }
    }
}

impl Handle {
    fn close(&self) {
        self.shared.queue.close();
        self.shared.room.close();
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
