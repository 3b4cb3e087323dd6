//! What everybody sees: the roster, the locks, the parks.

use serde::{Deserialize, Serialize};

use super::{FencingToken, HandoverReason, Paths, User};

/// How alive a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerStatus {
    /// Answers in time.
    Online,
    /// Missed a heartbeat.
    Shaky,
    /// Silent beyond the deadline, or its connection is gone; may come back.
    Offline,
    /// Not in the document any more.
    Gone,
}

/// One line of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// The session; a smaller number has been in the document longer.
    pub session: u64,
    /// Who.
    pub user: User,
    /// Yjs client id, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u64>,
    /// How alive.
    pub state: PeerStatus,
    /// Whether it speaks this channel, and so can hold a lock.
    pub lock: bool,
    /// Whether it only watches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observer: bool,
}

/// What a session may do beside editing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Take a lock from its holder.
    TakeOver,
    /// Change the mode, and decide parks.
    Manage,
}

/// What locks mean in a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockMode {
    /// Locks are advisory: all may write.
    Open,
    /// What nobody holds may be written by all, the rest by its holder only.
    #[default]
    ExclusiveWhenHeld,
    /// Only a holder may write.
    Required,
}

/// What state a grant is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantStatus {
    /// Offered to `session`, who has not claimed it yet: nobody may write there.
    Offered,
    /// Held by `session`: only they may write there.
    Held,
    /// Held by `session`, whose connection is gone, for the grace time.
    Suspect,
    /// Held by `session` before the server started again, for the recovery time.
    Recovering,
    /// Still held by `session`, which sends what it has, and then passed on.
    Draining,
}

/// One lock that is offered or held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// What it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Paths,
    /// State.
    pub state: GrantStatus,
    /// Who holds it, or is offered it.
    pub session: u64,
    /// Its fence.
    pub fence: FencingToken,
    /// Who asked for it, with a clock running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<u64>,
    /// To whom it passes once it is drained, if that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Why it drains; absent in every other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<HandoverReason>,
}

/// One ticket of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Who waits.
    pub session: u64,
    /// For what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Paths,
}

/// The locks as watchers see them; each view replaces the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    /// Position of the log that this shows; a view with a smaller one is older.
    pub version: u64,
    /// What locks mean here.
    #[serde(default)]
    pub mode: LockMode,
    /// Every lock that is offered or held; none: all is free.
    pub grants: Vec<GrantView>,
    /// Who waits, in order; the first 100.
    pub queue: Vec<Waiter>,
    /// How many wait.
    pub waiting: u32,
}

/// Why edits stand in a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkCause {
    /// Their author might not write there then.
    Locked,
    /// The document library failed on them.
    Quarantined,
}

/// What became of a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkStatus {
    /// Somebody has to decide.
    Open,
    /// Its edits are in the document.
    Merged,
    /// Nobody wants its edits; they can be recovered until `until_ms`.
    Discarded,
}

/// One session's edits that are not in the document, as watchers see them; each view replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkView {
    /// Names the park in its document.
    pub id: u64,
    /// Whose edits.
    pub session: u64,
    /// Who that was.
    pub user: User,
    /// When it began, in milliseconds of Unix time.
    pub at_ms: u64,
    /// Why.
    pub reason: ParkCause,
    /// How many updates.
    pub edits: u32,
    /// What they insert, in units of text and elements.
    pub inserted: u64,
    /// What they delete, in units of text and elements.
    pub deleted: u64,
    /// Their size.
    pub bytes: u64,
    /// What became of it.
    pub state: ParkStatus,
    /// Until when one that was discarded can be recovered, in milliseconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Session that made it what it is now. Absent where no person did, and for a park that was recovered before this
    /// view was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u64>,
}

/// What a part of a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// It is in both.
    Equal,
    /// The park adds it.
    Insert,
    /// The park takes it away.
    Delete,
}

/// One part of the readable difference that a park would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkPart {
    /// The root type.
    pub root: String,
    /// What it says.
    pub kind: PartKind,
    /// The text, shortened with "…" where it is long and the same in both.
    pub text: String,
}
