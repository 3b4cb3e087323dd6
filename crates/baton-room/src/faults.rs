//! What can go wrong with a document as a whole: it cannot be opened, go on, or be stored anew.
//!
//! Owns the words of it; nothing here decides what follows.

use baton_presence::TimingsError;
use baton_sync::Rejected;
use baton_sync::compact::CompactError;

use crate::record::RecordError;

/// Why a document cannot be opened. It stays stored as it is; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A record does not decode.
    #[error("the record at position {position} cannot be read: {source}")]
    Record {
        /// Where.
        position: u64,
        /// Why.
        source: RecordError,
    },
    /// The snapshot does not decode.
    #[error("the snapshot at position {position} cannot be read: {message}")]
    Snapshot {
        /// Where.
        position: u64,
        /// Why.
        message: String,
    },
    /// The timings contradict each other.
    #[error(transparent)]
    Timings(#[from] TimingsError),
    /// The loader itself failed.
    #[error("the loader failed: {0}")]
    Panicked(String),
}

/// Why no snapshot could be made. Nothing was changed; the log keeps all records.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It could not be encoded.
    #[error("the room's state could not be encoded: {0}")]
    Encoding(#[from] postcard::Error),
    /// A copy of the document, of which everything is to be deleted, could not be made or changed.
    #[error("a copy of the document could not be emptied: {0}")]
    NotEmptied(#[from] Rejected),
    /// What was deleted could not be removed.
    #[error("what was deleted could not be removed: {0}")]
    NotRemoved(CompactError),
}
