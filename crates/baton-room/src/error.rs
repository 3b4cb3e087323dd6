//! Errors of a document as a whole: it cannot be opened, or cannot be stored anew.

use baton_presence::TimingsError;
use baton_sync::Rejected;
use baton_sync::compact::CompactError;

use crate::replica::RecordError;

/// A document cannot be opened. It stays stored as it is; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A record does not decode.
    #[error("the record at position {position} cannot be read: {source}")]
    Record {
        /// Position of the record or snapshot.
        position: u64,
        /// Cause.
        source: RecordError,
    },
    /// The snapshot does not decode.
    #[error("the snapshot at position {position} cannot be read: {message}")]
    Snapshot {
        /// Position of the record or snapshot.
        position: u64,
        /// Cause.
        message: String,
    },
    /// The timings contradict each other.
    #[error(transparent)]
    Timings(#[from] TimingsError),
    /// The loader itself failed.
    #[error("the loader failed: {0}")]
    Panicked(String),
}

/// A document cannot be taken to another log. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its state cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// No snapshot could be made. Nothing was changed; the log keeps all records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It could not be encoded.
    #[error("the room's state could not be encoded: {0}")]
    Encoding(#[from] postcard::Error),
    /// A copy of the document could not be made, or could not be emptied.
    #[error("a copy of the document could not be emptied: {0}")]
    NotEmptied(#[from] Rejected),
    /// Deleted content could not be removed.
    #[error("what was deleted could not be removed: {0}")]
    NotRemoved(CompactError),
}
