//! The documents in memory, by name.
//!
//! Owns the map from a name to its slot, and the limit `max_documents`. Its lock is never held over
//! an await.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::config::Settings;
use crate::documents::open_document::OpenDocument;

/// The slot of one document: empty while the document is being loaded.
pub(crate) type Slot = Arc<OnceCell<Arc<OpenDocument>>>;

/// The reason for which a document is not opened. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error(
        "the server has {0} documents in memory, which is the limit (max_documents); reconnect later"
    )]
    TooMany(usize),
    #[error("the server is stopping; nothing was changed; reconnect later")]
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
    /// Returns an empty map for at most `most` documents.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            slots: Mutex::default(),
        }
    }

    /// Returns the slot of this name, which may be empty.
    ///
    /// # Errors
    /// There is no slot yet, and the limit is reached or the server stops.
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

    /// Takes a document out of memory if it is idle. Returns true if it has left. The map's lock is
    /// held until its log is given back, so that no task opens it a second time before.
    pub(crate) fn unload_if_idle(&self, document: &Arc<OpenDocument>, settings: &Settings) -> bool {
        let mut slots = self.slots.lock();
        if !document.unload_if_idle(settings) {
            return false;
        }
        slots.remove(document);
        true
    }

    /// Removes a document that has left memory already.
    pub(crate) fn forget(&self, document: &Arc<OpenDocument>) {
        self.slots.lock().remove(document);
    }

    /// Removes a slot whose loading failed.
    pub(crate) fn forget_failed(&self, name: &str, slot: &Slot) {
        let mut slots = self.slots.lock();
        // A task that waited for the same load may be trying again with this slot, which then
        // belongs to that task.
        let alone = Arc::strong_count(slot) <= 2 && !slot.initialized();
        let here = slots.by_name.get(name);
        if alone && here.is_some_and(|here| Arc::ptr_eq(here, slot)) {
            slots.by_name.remove(name);
        }
    }

    /// Opens no document any more. Returns those in memory.
    pub(crate) fn close(&self) -> Vec<Arc<OpenDocument>> {
        let mut slots = self.slots.lock();
        slots.closing = true;
        let open = slots.by_name.values();
        open.filter_map(|slot| slot.get().cloned()).collect()
    }

    /// Returns every document in memory.
    pub(crate) fn all(&self) -> Vec<Arc<OpenDocument>> {
        let slots = self.slots.lock();
        let open = slots.by_name.values();
        open.filter_map(|slot| slot.get().cloned()).collect()
    }

    /// Returns the document of this name, if it is in memory.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<OpenDocument>> {
        let slots = self.slots.lock();
        slots.by_name.get(name)?.get().cloned()
    }

    /// Returns true if the document of this name is in memory or being loaded.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.slots.lock().by_name.contains_key(name)
    }

    /// Returns how many documents are in memory.
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().by_name.len()
    }
}

impl Slots {
    fn remove(&mut self, document: &Arc<OpenDocument>) {
        let slot = self.by_name.get(document.name());
        let here = slot.and_then(|slot| slot.get());
        if here.is_some_and(|here| Arc::ptr_eq(here, document)) {
            self.by_name.remove(document.name());
        }
    }
}
