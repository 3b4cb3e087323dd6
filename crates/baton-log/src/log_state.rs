//! State shared by the handles, the documents and the commit thread.
//!
//! Three locks, always taken in this order: `commit`, for a whole commit or recovery; `store`,
//! shared by all users and exclusive only to close it; `content`, for moments. Appending takes none
//! of them. Opening a document takes `commit` only if what it read makes no sense: a commit under
//! way may have moved rows between reading the index and the view, and with that lock the two
//! agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::commit_queue::CommitQueue;
use crate::document_table::DocumentTable;
use crate::metrics::LogMetrics;
use crate::options::LogOptions;
use crate::queue_room::QueueRoom;
use crate::store::traits::{Store, StoreError, StoreView};
use crate::store_index::StoreIndex;

/// State that only commits use.
pub(crate) struct CommitState {
    pub(crate) next_commit: u64,
    pub(crate) epoch: u32,
}

/// The content of the store, as far as it is held in memory.
pub(crate) struct StoreContent {
    pub(crate) index: StoreIndex,
    /// The reason, if there is one, why an unknown name cannot be taken for a new one.
    pub(crate) unnamed: Option<Arc<str>>,
}

/// The content of a store that was just opened.
pub(crate) struct RecoveredStore {
    pub(crate) commit: CommitState,
    pub(crate) content: StoreContent,
    pub(crate) documents: DocumentTable,
}

/// State shared by the handles, the documents and the commit thread.
pub(crate) struct LogState {
    pub(crate) options: LogOptions,
    pub(crate) epoch: u32,
    pub(crate) queue: CommitQueue,
    /// Replaced after each failure, because callers that wait for room must be told.
    room: Mutex<Arc<QueueRoom>>,
    pub(crate) documents: DocumentTable,
    pub(crate) commit: Mutex<CommitState>,
    /// `None` once the log has ended and the store is closed.
    pub(crate) store: RwLock<Option<Box<dyn Store>>>,
    pub(crate) content: RwLock<StoreContent>,
    pub(crate) metrics: LogMetrics,
    next_id: AtomicU64,
}

impl LogState {
    pub(crate) fn new(
        options: LogOptions,
        store: Box<dyn Store>,
        found: RecoveredStore,
    ) -> LogState {
        let (on_disk, grown) = (store.bytes_stored(), found.content.index.grown());
        let state = LogState {
            epoch: found.commit.epoch,
            queue: CommitQueue::new(&options),
            room: Mutex::new(Arc::new(QueueRoom::new(&options))),
            documents: found.documents,
            next_id: AtomicU64::new(found.content.index.next_id()),
            commit: Mutex::new(found.commit),
            store: RwLock::new(Some(store)),
            content: RwLock::new(found.content),
            metrics: LogMetrics::default(),
            options,
        };
        state.look_at_disk(on_disk, grown);
        state
    }

    /// Compares the disk space of the store with its limit. `grown` is the net growth of its rows
    /// since the start, in bytes.
    pub(crate) fn look_at_disk(&self, on_disk: Option<u64>, grown: i64) {
        self.metrics
            .stored(on_disk, grown, self.options.store_bytes);
    }

    /// Returns the room of the queue, in this generation of the log.
    pub(crate) fn room(&self) -> Arc<QueueRoom> {
        self.room.lock().clone()
    }

    /// Replaces the room, for a new generation.
    pub(crate) fn renew_room(&self) {
        *self.room.lock() = Arc::new(QueueRoom::new(&self.options));
    }

    /// Opens a view of the store.
    pub(crate) fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        match &*self.store.read() {
            Some(store) => store.view(),
            None => Err(StoreError::failed(
                "beginning to read",
                "the store is closed",
            )),
        }
    }

    /// Returns an id that no document has or had.
    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for LogState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
