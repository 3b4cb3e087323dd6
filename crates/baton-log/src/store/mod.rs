//! What the log asks of a store: ordered tables of bytes and an atomic, durable commit.
//!
//! A store knows keys and values and nothing of what they mean: layout and checksums are the log's.

mod embedded;
mod memory;

use bytes::Bytes;

pub use embedded::RedbStore;
pub use memory::MemoryStore;

/// The four tables of a store. Each maps a 64-bit number to bytes, in the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row about the store itself.
    Meta,
    /// One row for each document.
    Documents,
    /// One row for each group commit.
    Journal,
    /// At most one row for each document.
    Snapshots,
}

/// What one commit changes: all of it, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows to write, replacing what is there.
    pub puts: Vec<(Table, u64, Bytes)>,
    /// Rows to remove; removing what is not there is no error.
    pub deletes: Vec<(Table, u64)>,
}

/// A place that keeps the log's rows.
pub trait Store: Send + 'static {
    /// A view of what is committed now, unmoved by later commits.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn view(&self) -> Result<Box<dyn View>, StoreError>;

    /// Applies the batch in one step and returns when it is on stable storage.
    ///
    /// # Errors
    /// When it is not certain that the batch is durable. The log is then poisoned: it never commits
    /// to this store again.
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError>;
}

/// An unmoving view of a [`Store`].
pub trait View {
    /// The row with this key.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, table: Table, key: u64) -> Result<Option<Bytes>, StoreError>;

    /// Every row of a table, in the order of the keys.
    ///
    /// # Errors
    /// When some row cannot be read.
    fn scan(&self, table: Table, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError>;
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {reason}")]
pub struct StoreError {
    doing: &'static str,
    reason: String,
}

impl StoreError {
    /// An error from what was being done and what went wrong.
    pub fn new(doing: &'static str, reason: impl ToString) -> StoreError {
        StoreError {
            doing,
            reason: reason.to_string(),
        }
    }
}
