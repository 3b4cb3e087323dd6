//! The store together with the index of what it holds, and everything that the handles share.
//!
//! The engine's lock is held for a whole commit and for the moment in which a load takes its view,
//! so that index and view always agree. Appending never takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::error::LogError;
use crate::index::Index;
use crate::names::Names;
use crate::options::LogOptions;
use crate::queue::Queue;
use crate::store::Store;

/// The store and the index of it.
pub(crate) struct Engine {
    /// `None` once the log has ended and the store is closed.
    pub(crate) store: Option<Box<dyn Store>>,
    pub(crate) index: Index,
    pub(crate) next_commit: u64,
    pub(crate) epoch: u32,
    /// Why a name that is not known cannot be taken for new, if it cannot.
    pub(crate) unnamed: Option<Arc<str>>,
}

/// What the handles, the documents and the commit thread share.
pub(crate) struct Shared {
    pub(crate) options: LogOptions,
    pub(crate) epoch: u32,
    pub(crate) queue: Queue,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) names: Names,
    /// Whether a name that is not known is new.
    pub(crate) all_named: bool,
    pub(crate) engine: Mutex<Engine>,
    next_id: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: LogOptions, engine: Engine, names: Names) -> Shared {
        Shared {
            epoch: engine.epoch,
            queue: Queue::new(&options),
            room: Arc::new(Semaphore::new(options.queue_bytes)),
            names,
            all_named: engine.unnamed.is_none(),
            next_id: AtomicU64::new(engine.index.next_id()),
            engine: Mutex::new(engine),
            options,
        }
    }

    /// An id that no document has or had.
    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Why the log takes nothing, or the general answer if it does by now.
    pub(crate) fn refusal(&self) -> LogError {
        self.queue.check().err().unwrap_or(LogError::Closed)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
