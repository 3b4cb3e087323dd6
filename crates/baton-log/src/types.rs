//! Values of the public interface: urgency, loaded documents, durability, health.
//!
//! Plain values; nothing here locks, waits or touches a store.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::LogError;
use crate::position::Position;

/// The time that a record may wait for others before it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Within [`LogOptions::commit_delay`](crate::LogOptions::commit_delay), or as soon as
    /// [`LogOptions::commit_bytes`](crate::LogOptions::commit_bytes) wait, or together with the
    /// next [`Urgency::Now`], whichever is first.
    Soon,
    /// At once, with all that waits. For records that are announced only when they are durable,
    /// such as the grant of a lock.
    Now,
    /// Within [`LogOptions::unawaited_delay`](crate::LogOptions::unawaited_delay), or with the next
    /// record that is more urgent. For records whose durability is not announced.
    Unawaited,
}

/// The stored content of a document when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedDocument {
    /// The newest snapshot and the position up to which it replaces the records, if there is one.
    pub snapshot: Option<(Position, Bytes)>,
    /// Every record after the snapshot, in order and without a gap. The positions of an embedded
    /// store have no gaps either; those of a cluster have.
    pub tail: Vec<(Position, Bytes)>,
    /// True if nothing is stored except the remains of an erasure.
    pub erased: bool,
}

impl LoadedDocument {
    /// Returns true if something is stored that was not erased.
    #[must_use]
    pub fn has_content(&self) -> bool {
        !self.erased && (self.snapshot.is_some() || !self.tail.is_empty())
    }
}

/// The whole content of a document that comes from another log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MovedContent {
    /// A snapshot of the document.
    Document(Bytes),
    /// The document was erased; this must remain.
    Remains(Bytes),
    /// The document was erased, and nothing remains.
    Erased,
}

impl MovedContent {
    /// Returns the bytes that a room reads, if there are any.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            MovedContent::Document(bytes) | MovedContent::Remains(bytes) => Some(bytes),
            MovedContent::Erased => None,
        }
    }
}

/// The durability of a document, as [`DocumentLog::watch`](crate::DocumentLog::watch) reports it.
#[derive(Clone, Debug)]
pub enum Durability {
    /// Every record up to and including this position is on stable storage.
    UpTo(Position),
    /// The store failed: of the records appended through this handle, no more will become durable.
    /// Drop it, and open the document again once the log is [`LogHealth::Good`].
    Failed(Arc<LogError>),
}

/// The health of the log as a whole.
#[derive(Clone, Debug)]
pub enum LogHealth {
    /// Commits succeed.
    Good,
    /// A commit failed. Nothing is accepted until the log has opened its store again, which it
    /// tries by itself.
    Failed(Arc<LogError>),
}

/// A stored document, as [`Log::documents`](crate::Log::documents) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentInfo {
    /// The document's name.
    pub name: Arc<str>,
    /// The last durable position.
    pub last: Position,
    /// The position of the stored snapshot, if there is one.
    pub snapshot: Option<Position>,
    /// Bytes of the records since that snapshot.
    pub tail_bytes: u64,
    /// True if nothing is stored except the remains of an erasure.
    pub erased: bool,
}
