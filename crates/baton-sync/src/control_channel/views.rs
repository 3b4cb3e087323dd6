//! The views that all sessions get: the roster, the locks, the parks.

use serde::{Deserialize, Serialize};

use super::{FencingToken, Paths, User};

/// Liveness of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PeerStatus {
    /// It answers in time.
    Online,
    /// It missed a heartbeat.
    Shaky,
    /// It is silent beyond the deadline, or its connection is gone; it may come back.
    Offline,
    /// It is not in the document any more.
    Gone,
}

/// One line of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// The session; a smaller number has been in the document longer.
    pub session: u64,
    /// Name and colour.
    pub user: User,
    /// Yjs client id, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u64>,
    /// Liveness.
    pub state: PeerStatus,
    /// True if it speaks this channel, and so can hold a lock.
    pub lock: bool,
    /// True if it only watches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observer: bool,
    /// True if it may not edit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// A right of a session. One without any only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Right {
    /// Edit the document.
    Write,
    /// Hold a lock, and wait for one.
    Lock,
    /// Take a lock from its holder.
    TakeOver,
    /// Change the mode, and decide about parks.
    Manage,
}

/// Effect of locks in a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LockMode {
    /// Locks are advisory: all sessions may write.
    Open,
    /// All sessions may write where no lock is held; elsewhere only its holder.
    #[default]
    ExclusiveWhenHeld,
    /// Only holders may write.
    Required,
}

/// State of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GrantStatus {
    /// Offered to `session`, which has not claimed it yet: no session may write there.
    Offered,
    /// Held by `session`: only that session may write there.
    Held,
    /// Held by `session`, whose connection is gone, for the grace time.
    Suspect,
    /// Held by `session` before the server started again or its own was lost, for the recovery
    /// time.
    Recovering,
    /// Still held by `session`, which sends its edits; then it passes on.
    Draining,
}

/// Reason for which a holder has to give up its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandoverReason {
    /// The holder hands the lock on.
    Transfer,
    /// A session with the right to do so takes it over.
    TakenOver,
    /// The same user continues in another session.
    Moved,
    /// The time of a request ran out.
    Requested,
    /// The holder had no input for long, and another session waits.
    Idle,
    /// The holder may no longer hold a lock.
    Revoked,
}

/// One lock that is offered or held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Scope of the lock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Paths,
    /// State.
    pub state: GrantStatus,
    /// Session that holds it, or is offered it.
    pub session: u64,
    /// Its fence.
    pub fence: FencingToken,
    /// Session whose request for it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<u64>,
    /// Session that gets it once it is drained, if that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Reason for which it drains; absent in every other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<HandoverReason>,
}

/// One ticket of the queue for locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Session that waits.
    pub session: u64,
    /// Scope that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Paths,
}

/// The locks, as all sessions see them; each view replaces the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    /// Position in the log that the view shows; a view with a smaller one is older.
    pub version: u64,
    /// Effect of locks in this document.
    #[serde(default)]
    pub mode: LockMode,
    /// All locks that are offered or held; without any, the whole document is free.
    pub grants: Vec<GrantView>,
    /// Waiters, in order; the first 100.
    pub queue: Vec<Waiter>,
    /// Number of waiters.
    pub waiting: u32,
}

/// Cause for which edits were parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ParkCause {
    /// Their author might not write there at that time.
    Locked,
    /// The document library failed on them.
    Quarantined,
    /// Their author has no right to edit, and the server keeps what such people write.
    Suggestion,
}

/// State of a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ParkStatus {
    /// Not decided yet.
    Open,
    /// Its edits are in the document.
    Merged,
    /// A session has discarded its edits; they can be recovered until `until_ms`.
    Discarded,
}

/// One session's parked edits, as all sessions see them; each view replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkView {
    /// Id of the park in its document.
    pub id: u64,
    /// Session of the edits.
    pub session: u64,
    /// Name and colour of their author.
    pub user: User,
    /// Time of the first edit, in milliseconds of Unix time.
    pub at_ms: u64,
    /// Cause.
    pub reason: ParkCause,
    /// Number of updates.
    pub edits: u32,
    /// Units of text and elements that they insert.
    pub inserted: u64,
    /// Units of text and elements that they delete.
    pub deleted: u64,
    /// Size of the updates, in bytes.
    pub bytes: u64,
    /// State.
    pub state: ParkStatus,
    /// End of the time in which a discarded park can be recovered, in milliseconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Session that brought it into its present state. Absent if no session did, and for a park
    /// that was recovered before this view was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u64>,
}

/// Kind of a part of a text diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PartKind {
    /// The text is in both.
    Equal,
    /// The park inserts it.
    Insert,
    /// The park deletes it.
    Delete,
}

/// One part of the text diff of a park.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkPart {
    /// The root type.
    pub root: String,
    /// Kind of part.
    pub kind: PartKind,
    /// The text. Long text that is in both is shortened with "…".
    pub text: String,
}
