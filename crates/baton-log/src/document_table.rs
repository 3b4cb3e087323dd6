//! The table of document names: the id of each, and the handle of each open document.
//!
//! Held for short steps only, never while a store works. Knows in which *generation* of the log a
//! document was opened: after a failure, handles of the generation before still live, and must not
//! be mistaken for new ones.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::document_watch::DocumentWatch;
use crate::error::LogError;

/// Longest document name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// A name that is open or stored.
#[derive(Debug)]
struct DocumentEntry {
    /// 0 until something was appended.
    id: u64,
    /// Number of pushes that the log had seen when the last handle was dropped. The records that
    /// the handle left in the queue are durable once that many pushes are.
    queued_through: u64,
    open: Option<Arc<DocumentWatch>>,
}

/// The names, and the generation of the log.
#[derive(Debug, Default)]
struct Entries {
    entries: HashMap<Arc<str>, DocumentEntry>,
    generation: u64,
}

/// A document that was just marked as open.
pub(crate) struct ClaimedDocument {
    pub(crate) id: u64,
    pub(crate) queued_through: u64,
    pub(crate) watch: Arc<DocumentWatch>,
}

/// All names of one log.
#[derive(Debug, Default)]
pub(crate) struct DocumentTable {
    inner: Mutex<Entries>,
}

impl DocumentTable {
    /// Adds a stored document that was found at the start. Returns the id that had this name
    /// before, if one did.
    pub(crate) fn insert(&mut self, name: Arc<str>, id: u64) -> Option<u64> {
        let entry = DocumentEntry {
            id,
            queued_through: 0,
            open: None,
        };
        self.inner
            .get_mut()
            .entries
            .insert(name, entry)
            .map(|before| before.id)
    }

    /// Returns the id of a document that is open, or was stored when its last handle was dropped.
    pub(crate) fn id(&self, name: &str) -> Option<u64> {
        let inner = self.inner.lock();
        inner.entries.get(name).map(|entry| entry.id)
    }

    /// Marks a document as open, unless it is.
    pub(crate) fn claim(&self, name: &str) -> Result<ClaimedDocument, LogError> {
        let (len, limit) = (name.len(), MAX_NAME_BYTES);
        if len == 0 || len > limit {
            return Err(LogError::InvalidName { len, limit });
        }
        let mut inner = self.inner.lock();
        let (generation, entries) = (inner.generation, &mut inner.entries);
        let name = match entries.get_key_value(name) {
            Some((known, _)) => known.clone(),
            None => Arc::from(name),
        };
        let entry = entries.entry(name.clone()).or_insert(DocumentEntry {
            id: 0,
            queued_through: 0,
            open: None,
        });
        if entry.open.is_some() {
            return Err(LogError::AlreadyOpen { document: name });
        }
        let watch = Arc::new(DocumentWatch::new(name, generation));
        entry.open = Some(watch.clone());
        Ok(ClaimedDocument {
            id: entry.id,
            queued_through: entry.queued_through,
            watch,
        })
    }

    /// Marks a document as open if nothing was ever appended under its name.
    pub(crate) fn claim_new(&self, name: &str) -> Result<Option<ClaimedDocument>, LogError> {
        if self.inner.lock().entries.contains_key(name) {
            return Ok(None);
        }
        match self.claim(name) {
            // Another caller was faster.
            Err(LogError::AlreadyOpen { .. }) => Ok(None),
            Ok(claimed) if claimed.id != 0 => {
                self.release(&claimed.watch, claimed.id, claimed.queued_through);
                Ok(None)
            }
            claimed => claimed.map(Some),
        }
    }

    /// Marks a document as closed. A name under which nothing was ever appended is forgotten.
    pub(crate) fn release(&self, watch: &DocumentWatch, id: u64, queued_through: u64) {
        let mut inner = self.inner.lock();
        let late = watch.generation() != inner.generation;
        let Some(entry) = inner.entries.get_mut(watch.name()) else {
            return;
        };
        entry.open = None;
        // Records of an earlier generation were lost, or were found again with the store.
        if !late {
            (entry.id, entry.queued_through) = (id, queued_through);
        }
        if entry.id == 0 {
            inner.entries.remove(watch.name());
        }
    }

    /// Begins a new generation with the names that the reopened store holds. Handles that still
    /// live keep their documents closed to others until they are dropped. Returns the new
    /// generation, and those handles.
    pub(crate) fn renew(&self, found: DocumentTable) -> (u64, Vec<Arc<DocumentWatch>>) {
        let mut found = found.inner.into_inner().entries;
        let mut inner = self.inner.lock();
        let mut open = Vec::new();
        for (name, entry) in inner.entries.drain() {
            if let Some(watch) = entry.open {
                open.push(watch.clone());
                found
                    .entry(name)
                    .or_insert(DocumentEntry {
                        id: 0,
                        queued_through: 0,
                        open: None,
                    })
                    .open = Some(watch);
            }
        }
        inner.entries = found;
        inner.generation += 1;
        (inner.generation, open)
    }

    /// Returns the handles of all open documents.
    pub(crate) fn open(&self) -> Vec<Arc<DocumentWatch>> {
        self.inner
            .lock()
            .entries
            .values()
            .filter_map(|entry| entry.open.clone())
            .collect()
    }
}
