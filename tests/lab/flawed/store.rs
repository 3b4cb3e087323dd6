//! The bug of a disk that lies: a commit is called durable when it is on its way.
//!
//! Owns the newest commit, which a kill takes with it. Everything else is the store's below.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use baton_log::{Batch, RedbStore, Store, StoreError, StoreTable, StoreView};
use bytes::Bytes;

/// A store that is always one commit ahead of its disk.
#[derive(Debug)]
pub(crate) struct Forgetful {
    disk: RedbStore,
    /// Acknowledged, and nowhere but here.
    newest: Mutex<Batch>,
}

impl Forgetful {
    pub(crate) fn new(disk: RedbStore) -> Self {
        Self {
            disk,
            newest: Mutex::default(),
        }
    }

    fn newest(&self) -> MutexGuard<'_, Batch> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Forgetful {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        Ok(Box::new(Ahead {
            disk: self.disk.view()?,
            newest: self.newest().clone(),
        }))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let older = std::mem::replace(&mut *self.newest(), batch);
        self.disk.commit(older)
    }
}

struct Ahead {
    disk: Box<dyn StoreView>,
    newest: Batch,
}

impl StoreView for Ahead {
    fn get(&self, table: StoreTable, key: u64) -> Result<Option<Bytes>, StoreError> {
        let mut puts = self.newest.puts.iter();
        if let Some((_, _, row)) = puts.find(|(of, at, _)| (*of, *at) == (table, key)) {
            return Ok(Some(row.clone()));
        }
        if self.newest.deletes.contains(&(table, key)) {
            return Ok(None);
        }
        self.disk.get(table, key)
    }

    fn scan(&self, table: StoreTable, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        let mut rows = BTreeMap::new();
        self.disk.scan(table, &mut |key, row| {
            rows.insert(key, Bytes::copy_from_slice(row));
        })?;
        for (_, key) in self.newest.deletes.iter().filter(|(of, _)| *of == table) {
            rows.remove(key);
        }
        for (of, key, row) in &self.newest.puts {
            if *of == table {
                rows.insert(*key, row.clone());
            }
        }
        for (key, row) in &rows {
            each(*key, row);
        }
        Ok(())
    }
}
