//! A store in memory: durable as long as the process lives.

use bytes::Bytes;

use super::{Batch, Store, StoreError, Table, View};

/// A [`Store`] in memory. Clones share the rows, so that a log can be stopped and started on them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {}

struct MemoryView;

impl Store for MemoryStore {
    fn view(&self) -> Result<Box<dyn View>, StoreError> {
        Ok(Box::new(MemoryView))
    }

    fn commit(&mut self, _batch: Batch) -> Result<(), StoreError> {
        Err(StoreError::new("committing", "not built yet"))
    }
}

impl View for MemoryView {
    fn get(&self, _table: Table, _key: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn scan(&self, _table: Table, _each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        Ok(())
    }
}
