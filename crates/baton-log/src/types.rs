//! The words of the log: positions, urgency, what a load gives, how durability is told.
//!
//! Plain values only; nothing here locks, waits or touches a store.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::LogError;
use crate::position::Position;

/// How long a record may wait for company before it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Within [`LogOptions::commit_delay`](crate::LogOptions::commit_delay), or as soon as
    /// [`LogOptions::commit_bytes`](crate::LogOptions::commit_bytes) wait, or together with the
    /// next [`Urgency::Now`], whichever is first.
    Soon,
    /// At once, with all that waits. For records that somebody must be told about only when they
    /// are durable, such as the grant of a lock.
    Now,
    /// Within [`LogOptions::unawaited_delay`](crate::LogOptions::unawaited_delay), or with the next record
    /// that is in more of a hurry. For records that nobody is told about when they are durable.
    Unawaited,
}

/// What is stored of a document when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The newest snapshot and the position that it stands for, if there is one.
    pub snapshot: Option<(Position, Bytes)>,
    /// Every record after the snapshot, in order and without a gap.
    pub tail: Vec<(Position, Bytes)>,
}

/// How far a document's log is durable, as told by [`DocumentLog::watch`](crate::DocumentLog::watch).
#[derive(Clone, Debug)]
pub enum Durability {
    /// Every record up to and including this position is on stable storage.
    UpTo(Position),
    /// The store failed: nothing more of what was appended through this handle will become durable. Drop it, and open
    /// the document again when the log is [`Health::Good`].
    Failed(Arc<LogError>),
}

/// Whether the log as a whole can go on.
#[derive(Clone, Debug)]
pub enum Health {
    /// Commits succeed.
    Good,
    /// A commit failed. Nothing is accepted until the store could be opened again, which the log tries by itself.
    Failed(Arc<LogError>),
}

/// One stored document, as listed by [`Log::documents`](crate::Log::documents).
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
    /// Nothing is stored of it but what an erasure left.
    pub erased: bool,
}
