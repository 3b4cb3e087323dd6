//! The embedded store: one redb file in a folder, exclusively ours.

use super::{Batch, Store, StoreError, View};

/// A [`Store`] in a redb file.
#[derive(Debug)]
pub struct RedbStore {}

impl Store for RedbStore {
    fn view(&self) -> Result<Box<dyn View>, StoreError> {
        Err(StoreError::new("reading", "not built yet"))
    }

    fn commit(&mut self, _batch: Batch) -> Result<(), StoreError> {
        Err(StoreError::new("committing", "not built yet"))
    }
}
