//! The interface of a store: four ordered tables of bytes, a stable view, and an atomic, durable
//! commit.
//!
//! A store knows keys and values, not their meaning. The log owns the layout and the checksums,
//! which are the same on every store.

use std::path::PathBuf;

use bytes::Bytes;

/// The four tables of a store. Each maps a 64-bit number to bytes, in the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreTable {
    /// One row about the store itself.
    Meta,
    /// One row for each document.
    Documents,
    /// One row for each group commit (several for a large one).
    Journal,
    /// At most one row for each document.
    Snapshots,
}

impl StoreTable {
    /// Every table.
    pub const ALL: [StoreTable; 4] = [
        StoreTable::Meta,
        StoreTable::Documents,
        StoreTable::Journal,
        StoreTable::Snapshots,
    ];
}

/// The changes of one commit: all are made, or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows to write, replacing what is there.
    pub puts: Vec<(StoreTable, u64, Bytes)>,
    /// Rows to remove, none of them in `puts`. It is no error if a row does not exist.
    pub deletes: Vec<(StoreTable, u64)>,
}

/// A place that keeps the rows of a log, its only user: one thread commits, several read.
pub trait Store: Send + Sync + 'static {
    /// Opens a view of what is committed now, which later commits do not change. It is kept only
    /// while one document is read, or one backup written. Does not wait for a commit.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError>;

    /// Applies the batch in one step and returns when it is on stable storage.
    ///
    /// # Errors
    /// [`StoreError`] if it is not certain that the batch is durable. The log then commits nothing
    /// more before [`reopen`](Self::reopen) has succeeded.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Discards all that is cached of the storage after a failed commit, and opens it again. Until
    /// this returns `Ok`, the store is closed. Afterwards a view shows what certainly survives a
    /// crash: all earlier commits, and all or nothing of the failed batch.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened yet; the log tries again later. A store that can never
    /// be opened again need not implement this.
    fn reopen(&self) -> Result<(), StoreError> {
        Err(StoreError::failed(
            "opening the store again",
            "this kind of store cannot be opened again",
        ))
    }

    /// Returns the bytes that the store takes of its disk, if it knows.
    fn bytes_stored(&self) -> Option<u64> {
        None
    }
}

/// A view of a [`Store`] that later commits do not change.
pub trait StoreView {
    /// Returns the row with this key, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read. A row that cannot be read is never `None`.
    fn get(&self, table: StoreTable, key: u64) -> Result<Option<Bytes>, StoreError>;

    /// Passes every row of a table to `each`, in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`] if a row cannot be read.
    fn scan(&self, table: StoreTable, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError>;
}

/// The failure of a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the store open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The store could not do its work.
    #[error("{doing}: {reason}")]
    Failed {
        /// The work that failed.
        doing: &'static str,
        /// The fault, as the store or the system describes it.
        reason: String,
    },
}

impl StoreError {
    /// Makes an error of the work that failed and the fault.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors are handed over, not lent"
    )]
    pub fn failed(doing: &'static str, reason: impl ToString) -> StoreError {
        StoreError::Failed {
            doing,
            reason: reason.to_string(),
        }
    }
}
