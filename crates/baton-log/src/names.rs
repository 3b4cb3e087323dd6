//! Which document names are known and which of them are open, one writer for each.
//!
//! Short critical sections only; never held while a store works.

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

/// A document that has just been marked as open.
pub(crate) struct Claimed {
    pub(crate) id: u64,
    pub(crate) left: u64,
    pub(crate) watched: Arc<Watched>,
}

/// All names of one log.
#[derive(Debug, Default)]
pub(crate) struct Names {
    slots: Mutex<HashMap<Arc<str>, Slot>>,
}

impl Names {
    /// A stored document, found at the start. Gives the id that had this name before, if one did.
    pub(crate) fn insert(&mut self, name: Arc<str>, id: u64) -> Option<u64> {
        let slot = Slot {
            id,
            left: 0,
            open: None,
        };
        self.slots
            .get_mut()
            .insert(name, slot)
            .map(|before| before.id)
    }

    /// Marks a document as open, unless it is.
    pub(crate) fn claim(&self, name: &str) -> Result<Claimed, LogError> {
        let (len, limit) = (name.len(), MAX_NAME_BYTES);
        if len == 0 || len > limit {
            return Err(LogError::InvalidName { len, limit });
        }
        let mut slots = self.slots.lock();
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
        let watched = Arc::new(Watched::new(name, 0));
        slot.open = Some(watched.clone());
        Ok(Claimed {
            id: slot.id,
            left: slot.left,
            watched,
        })
    }

    /// The same for a name under which nothing was ever appended, and nothing else.
    pub(crate) fn claim_new(&self, name: &str) -> Result<Option<Claimed>, LogError> {
        if self.slots.lock().contains_key(name) {
            return Ok(None);
        }
        match self.claim(name) {
            // Somebody else was quicker.
            Err(LogError::AlreadyOpen { .. }) => Ok(None),
            Ok(claimed) if claimed.id != 0 => {
                self.release(name, claimed.id, claimed.left);
                Ok(None)
            }
            claimed => claimed.map(Some),
        }
    }

    /// Gives a document back. A name under which nothing was ever appended is forgotten.
    pub(crate) fn release(&self, name: &str, id: u64, left: u64) {
        let mut slots = self.slots.lock();
        if id == 0 {
            slots.remove(name);
        } else if let Some(slot) = slots.get_mut(name) {
            *slot = Slot {
                id,
                left,
                open: None,
            };
        }
    }

    /// Every open document.
    pub(crate) fn open(&self) -> Vec<Arc<Watched>> {
        self.slots
            .lock()
            .values()
            .filter_map(|slot| slot.open.clone())
            .collect()
    }
}
