//! Which document names are known and which of them are open, one writer for each.
//!
//! Short critical sections only; never held while a store works. Knows in which *life* of the log a document was opened:
//! after a failure the handles of before are still there, and must not be mistaken for new ones.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::LogError;
use crate::queue::Watched;

/// The longest document name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// A name that has been opened, or is stored.
#[derive(Debug)]
struct Slot {
    /// 0 as long as nothing was appended.
    id: u64,
    /// How many pushes the log had seen when the last handle was dropped: what it left in the queue
    /// is durable when so many are.
    left: u64,
    open: Option<Arc<Watched>>,
}

/// The slots, and how often the log has come back from a failure.
#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<Arc<str>, Slot>,
    life: u64,
}

/// A document that has just been marked as open.
pub(crate) struct Claimed {
    pub(crate) id: u64,
    pub(crate) left: u64,
    pub(crate) watched: Arc<Watched>,
}

/// All names of one log.
#[derive(Debug, Default)]
pub(crate) struct Names {
    inner: Mutex<Inner>,
}

impl Names {
    /// A stored document, found at the start. Gives the id that had this name before, if one did.
    pub(crate) fn insert(&mut self, name: Arc<str>, id: u64) -> Option<u64> {
        let slot = Slot {
            id,
            left: 0,
            open: None,
        };
        self.inner
            .get_mut()
            .slots
            .insert(name, slot)
            .map(|before| before.id)
    }

    /// The id of a document that was stored when its last handle was dropped, or is open.
    pub(crate) fn id(&self, name: &str) -> Option<u64> {
        let inner = self.inner.lock();
        inner.slots.get(name).map(|slot| slot.id)
    }

    /// Marks a document as open, unless it is.
    pub(crate) fn claim(&self, name: &str) -> Result<Claimed, LogError> {
        let (len, limit) = (name.len(), MAX_NAME_BYTES);
        if len == 0 || len > limit {
            return Err(LogError::InvalidName { len, limit });
        }
        let mut inner = self.inner.lock();
        let (life, slots) = (inner.life, &mut inner.slots);
        let name = match slots.get_key_value(name) {
            Some((known, _)) => known.clone(),
            None => Arc::from(name),
        };
        let slot = slots.entry(name.clone()).or_insert(Slot {
            id: 0,
            left: 0,
            open: None,
        });
        if slot.open.is_some() {
            return Err(LogError::AlreadyOpen { document: name });
        }
        let watched = Arc::new(Watched::new(name, life));
        slot.open = Some(watched.clone());
        Ok(Claimed {
            id: slot.id,
            left: slot.left,
            watched,
        })
    }

    /// The same for a name under which nothing was ever appended, and nothing else.
    pub(crate) fn claim_new(&self, name: &str) -> Result<Option<Claimed>, LogError> {
        if self.inner.lock().slots.contains_key(name) {
            return Ok(None);
        }
        match self.claim(name) {
            // Somebody else was quicker.
            Err(LogError::AlreadyOpen { .. }) => Ok(None),
            Ok(claimed) if claimed.id != 0 => {
                self.release(&claimed.watched, claimed.id, claimed.left);
                Ok(None)
            }
            claimed => claimed.map(Some),
        }
    }

    /// Gives a document back. A name under which nothing was ever appended is forgotten.
    pub(crate) fn release(&self, watched: &Watched, id: u64, left: u64) {
        let mut inner = self.inner.lock();
        let late = watched.life != inner.life;
        let Some(slot) = inner.slots.get_mut(&watched.name) else {
            return;
        };
        slot.open = None;
        // What a handle of an earlier life appended was lost, or was found again with the store.
        if !late {
            (slot.id, slot.left) = (id, left);
        }
        if slot.id == 0 {
            inner.slots.remove(&watched.name);
        }
    }

    /// The store was opened again and holds these names: a new life begins. Handles that are still there keep their
    /// documents to themselves until they are dropped. Gives the new life, and those handles.
    pub(crate) fn renew(&self, found: Names) -> (u64, Vec<Arc<Watched>>) {
        let mut found = found.inner.into_inner().slots;
        let mut inner = self.inner.lock();
        let mut open = Vec::new();
        for (name, slot) in inner.slots.drain() {
            if let Some(watched) = slot.open {
                open.push(watched.clone());
                found
                    .entry(name)
                    .or_insert(Slot {
                        id: 0,
                        left: 0,
                        open: None,
                    })
                    .open = Some(watched);
            }
        }
        inner.slots = found;
        inner.life += 1;
        (inner.life, open)
    }

    /// Every open document.
    pub(crate) fn open(&self) -> Vec<Arc<Watched>> {
        self.inner
            .lock()
            .slots
            .values()
            .filter_map(|slot| slot.open.clone())
            .collect()
    }
}
