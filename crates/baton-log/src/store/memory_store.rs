//! A store in memory: durable as long as the process lives. For tests, demos and embedding.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::traits::{Batch, Store, StoreError, StoreTable, StoreView};

type Tables = BTreeMap<(u8, u64), Bytes>;

/// A [`Store`] in memory. Clones share the rows, so that a log can be stopped and started on them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Arc<Tables>>>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }
}

impl Store for MemoryStore {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        Ok(Box::new(MemoryView {
            tables: self.tables.lock().clone(),
        }))
    }

    /// Copies the map (not the rows) once while a view lives.
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        let tables = Arc::make_mut(&mut tables);
        for (table, key) in batch.deletes {
            tables.remove(&(table as u8, key));
        }
        for (table, key, value) in batch.puts {
            tables.insert((table as u8, key), value);
        }
        Ok(())
    }

    /// Succeeds always: memory has no page that a failed write left uncertain.
    fn reopen(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct MemoryView {
    tables: Arc<Tables>,
}

impl StoreView for MemoryView {
    fn get(&self, table: StoreTable, key: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.tables.get(&(table as u8, key)).cloned())
    }

    fn scan(&self, table: StoreTable, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        for ((_, key), value) in self
            .tables
            .range((table as u8, 0)..=(table as u8, u64::MAX))
        {
            each(*key, value);
        }
        Ok(())
    }
}
