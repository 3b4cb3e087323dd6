//! The store, the index of what it holds, and everything that the handles share.
//!
//! Three locks, always taken in this order: the engine's, for a whole commit or a whole recovery; the store's, shared by all
//! who use it, exclusive only to close it; the index's, for moments. Appending takes none of them, and opening
//! a document not the engine's, unless what it read makes no sense: a commit that was under way may have moved rows between the
//! look at the index and the view, and with the engine's lock the two agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::counts::Counts;
use crate::index::Index;
use crate::names::Names;
use crate::options::LogOptions;
use crate::queue::Queue;
use crate::recovery::Found;
use crate::shares::Room;
use crate::store::{Store, StoreError, View};

/// What only commits look at.
pub(crate) struct Engine {
    pub(crate) next_commit: u64,
    pub(crate) epoch: u32,
}

/// What is known of the store's content.
pub(crate) struct Known {
    pub(crate) index: Index,
    /// Why a name that is not known cannot be taken for new, if it cannot.
    pub(crate) unnamed: Option<Arc<str>>,
}

/// What the handles, the documents and the commit thread share.
pub(crate) struct Shared {
    pub(crate) options: LogOptions,
    pub(crate) epoch: u32,
    pub(crate) queue: Queue,
    /// Another one after each failure, since those who wait for room are to be told.
    room: Mutex<Arc<Room>>,
    pub(crate) names: Names,
    pub(crate) engine: Mutex<Engine>,
    /// `None` once the log has ended and the store is closed.
    pub(crate) store: RwLock<Option<Box<dyn Store>>>,
    pub(crate) known: RwLock<Known>,
    pub(crate) counts: Counts,
    next_id: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: LogOptions, store: Box<dyn Store>, found: Found) -> Shared {
        let (on_disk, grown) = (store.bytes_stored(), found.known.index.grown());
        let shared = Shared {
            epoch: found.engine.epoch,
            queue: Queue::new(&options),
            room: Mutex::new(Arc::new(Room::new(&options))),
            names: found.names,
            next_id: AtomicU64::new(found.known.index.next_id()),
            engine: Mutex::new(found.engine),
            store: RwLock::new(Some(store)),
            known: RwLock::new(found.known),
            counts: Counts::default(),
            options,
        };
        shared.look_at_disk(on_disk, grown);
        shared
    }

    /// Compares what the store takes of its disk with what it may.
    pub(crate) fn look_at_disk(&self, on_disk: Option<u64>, grown: i64) {
        self.counts.stored(on_disk, grown, self.options.store_bytes);
    }

    /// The room of the queue, in this life of the log.
    pub(crate) fn room(&self) -> Arc<Room> {
        self.room.lock().clone()
    }

    /// Room for a new life.
    pub(crate) fn renew_room(&self) {
        *self.room.lock() = Arc::new(Room::new(&self.options));
    }

    /// A view of the store.
    pub(crate) fn view(&self) -> Result<Box<dyn View>, StoreError> {
        match &*self.store.read() {
            Some(store) => store.view(),
            None => Err(StoreError::failed(
                "beginning to read",
                "the store is closed",
            )),
        }
    }

    /// An id that no document has or had.
    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
