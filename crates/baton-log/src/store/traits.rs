//! What the log asks of a store: four ordered tables of bytes, an unmoving view and an atomic, durable
//! commit.
//!
//! A store knows keys and values and nothing of what they mean: layout and checksums are the log's, and
//! are the same on every store.

use std::path::PathBuf;

use bytes::Bytes;

/// The four tables of a store. Each maps a 64-bit number to bytes, in the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row about the store itself.
    Meta,
    /// One row for each document.
    Documents,
    /// One row for each group commit (several for a large one).
    Journal,
    /// At most one row for each document.
    Snapshots,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 4] = [
        Table::Meta,
        Table::Documents,
        Table::Journal,
        Table::Snapshots,
    ];
}

/// What one commit changes: all of it, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows to write, replacing what is there.
    pub puts: Vec<(Table, u64, Bytes)>,
    /// Rows to remove; removing what is not there is no error. Never a row of `puts`.
    pub deletes: Vec<(Table, u64)>,
}

/// A place that keeps the log's rows. The log is the only user of it: one thread commits, several read.
pub trait Store: Send + Sync + 'static {
    /// A view of what is committed now, unmoved by later commits. Kept only as long as one document
    /// is being read, or one backup written. Does not wait for a commit that is under way.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn view(&self) -> Result<Box<dyn View>, StoreError>;

    /// Applies the batch in one step and returns when it is on stable storage.
    ///
    /// # Errors
    /// When it is not certain that the batch is durable. The log then commits nothing more before
    /// [`reopen`](Self::reopen) has succeeded.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// After a failed commit: forgets all that it believes about the storage, and opens again what is
    /// on it. Until this returns `Ok`, the store is closed. Afterwards a view gives what surely survives a
    /// crash: all that was committed before, and of the failed batch all or nothing.
    ///
    /// # Errors
    /// When it cannot be opened (yet); the log tries again later. A store that is never opened again need
    /// not implement this.
    fn reopen(&self) -> Result<(), StoreError> {
        Err(StoreError::failed(
            "opening the store again",
            "this kind of store cannot be opened again",
        ))
    }

    /// Bytes that the store takes on its disk, if it knows.
    fn bytes_stored(&self) -> Option<u64> {
        None
    }
}

/// An unmoving view of a [`Store`].
pub trait View {
    /// The row with this key, if there is one.
    ///
    /// # Errors
    /// When it cannot be read. A row that cannot be read is never `None`.
    fn get(&self, table: Table, key: u64) -> Result<Option<Bytes>, StoreError>;

    /// Every row of a table, in the order of the keys.
    ///
    /// # Errors
    /// When some row cannot be read.
    fn scan(&self, table: Table, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError>;
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else has the store open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The store could not do its work.
    #[error("{doing}: {reason}")]
    Failed {
        /// What it was about.
        doing: &'static str,
        /// What went wrong, in the words of the store or the system.
        reason: String,
    },
}

impl StoreError {
    /// An error from what was being done and what went wrong.
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
