//! What can go wrong with a document as a whole: it cannot be opened, go on, or be stored anew.
//!
//! Owns the words of it; nothing here decides what follows.

use baton_presence::TimingsError;
use baton_sync::compact::CompactError;
use baton_sync::document::{ApplyError, Broken as Failed};

use crate::record::RecordError;

/// How many records may be quarantined before a document counts as unreadable.
pub(crate) const MOST_QUARANTINED: usize = 256;

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
    /// Too many records make the CRDT library fail.
    #[error(
        "more than {MOST_QUARANTINED} records make the document library fail, the last at position {0}"
    )]
    Broken(u64),
}

/// The document failed on a record: the room must be opened again from its log, which sets that record aside.
#[derive(Debug, thiserror::Error)]
#[error("the document library failed at position {position}: {source}")]
pub struct Broken {
    /// The record's position.
    pub position: u64,
    /// What failed.
    pub source: ApplyError,
}

impl Broken {
    /// Whether the document failed on what it was before: the record is not to blame.
    pub(crate) fn was_waking(&self) -> bool {
        matches!(&self.source, ApplyError::Broken(broken) if broken.was_waking())
    }
}

/// Why no snapshot could be made. Nothing was changed; the log keeps all records.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The document failed; the room must be opened again.
    #[error(transparent)]
    Document(#[from] Failed),
    /// It could not be encoded.
    #[error("the room's state could not be encoded: {0}")]
    Encoding(#[from] postcard::Error),
    /// A copy of the document, of which everything is to be deleted, could not be made or changed.
    #[error("a copy of the document could not be emptied: {0}")]
    NotEmptied(#[from] ApplyError),
    /// What was deleted could not be removed.
    #[error("what was deleted could not be removed: {0}")]
    NotRemoved(CompactError),
}
