//! Which documents are in memory.
//!
//! Owns the map from a name to its slot, and the limit on documents. Its lock is held for moments,
//! never over an await.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::config::Settings;
use crate::documents::open_document::OpenDocument;

/// A document's place: empty while it is being loaded.
pub(crate) type Slot = Arc<OnceCell<Arc<OpenDocument>>>;

/// Why no document can be let in. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error(
        "the server has {0} documents in memory, which is all it may (max_documents); come again later"
    )]
    TooMany(usize),
    #[error("the server is going away; come again")]
    Closing,
}

/// The documents in memory; see the module.
pub(crate) struct OpenDocuments {
    most: usize,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_name: HashMap<Arc<str>, Slot>,
    closing: bool,
}

impl OpenDocuments {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            slots: Mutex::default(),
        }
    }

    /// The slot of this name, which may be empty.
    pub(crate) fn slot(&self, name: &str) -> Result<Slot, NotOpened> {
        let mut slots = self.slots.lock();
        if slots.closing {
            return Err(NotOpened::Closing);
        }
        if let Some(slot) = slots.by_name.get(name) {
            return Ok(Arc::clone(slot));
        }
        if slots.by_name.len() >= self.most {
            return Err(NotOpened::TooMany(self.most));
        }
        let slot = Slot::default();
        slots.by_name.insert(Arc::from(name), Arc::clone(&slot));
        Ok(slot)
    }

    /// Takes a document out of memory if it is idle. The map's lock is held while its log is given
    /// back, so that no task
    /// opens it a second time before.
    pub(crate) fn unload_if_idle(&self, hosted: &Arc<OpenDocument>, settings: &Settings) -> bool {
        let mut slots = self.slots.lock();
        if !hosted.unload_if_idle(settings) {
            return false;
        }
        slots.remove(hosted);
        true
    }

    /// Forgets a document that is out of memory already.
    pub(crate) fn forget(&self, hosted: &Arc<OpenDocument>) {
        self.slots.lock().remove(hosted);
    }

    /// Forgets a slot whose loading failed.
    pub(crate) fn forget_failed(&self, name: &str, slot: &Slot) {
        let mut slots = self.slots.lock();
        // A task that waited for the same load may be trying again with this very slot; then it is
        // that task's.
        let alone = Arc::strong_count(slot) <= 2 && !slot.initialized();
        let here = slots.by_name.get(name);
        if alone && here.is_some_and(|here| Arc::ptr_eq(here, slot)) {
            slots.by_name.remove(name);
        }
    }

    /// Lets no document in any more. Returns those that are here.
    pub(crate) fn close(&self) -> Vec<Arc<OpenDocument>> {
        let mut slots = self.slots.lock();
        slots.closing = true;
        let open = slots.by_name.values();
        open.filter_map(|slot| slot.get().cloned()).collect()
    }

    /// Every document in memory.
    pub(crate) fn all(&self) -> Vec<Arc<OpenDocument>> {
        let slots = self.slots.lock();
        let open = slots.by_name.values();
        open.filter_map(|slot| slot.get().cloned()).collect()
    }

    /// Returns true if the document of this name is in memory, or being loaded.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.slots.lock().by_name.contains_key(name)
    }

    /// Returns how many documents are in memory.
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().by_name.len()
    }
}

impl Slots {
    fn remove(&mut self, hosted: &Arc<OpenDocument>) {
        let slot = self.by_name.get(&hosted.name);
        let here = slot.and_then(|slot| slot.get());
        if here.is_some_and(|here| Arc::ptr_eq(here, hosted)) {
            self.by_name.remove(&hosted.name);
        }
    }
}
