//! The name of a snapshot, and the result of storing one: the same in every place.

use crate::core::{DocumentKey, StreamPosition};

/// Identifies a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotKey {
    /// The document.
    pub document: DocumentKey,
    /// The position up to which it replaces the records.
    pub at: StreamPosition,
}

/// The result of storing a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored durably.
    Stored,
    /// Its place was taken, by another one or by an earlier put of this one; nothing was changed.
    Taken,
}
