//! The events that a client reports, and the states in them. Owns the types only.

use std::time::Duration;

use baton_sync::ClientId;
use baton_sync::control_channel::{
    ErrorCode, FencingToken, HandoverReason, LockMode, LockView, Outcome, ParkView, PeerView, Right,
};

use crate::close_cause::CloseCause;
use crate::draft::Draft;
use crate::remote_change::RemoteChange;
use crate::scope::LockScope;

/// The state of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// An attempt is under way.
    Connecting,
    /// The WebSocket is open; the copy is not in step yet.
    Connected,
    /// There is no connection: it was lost, given up, or not wanted.
    Disconnected,
}

/// The next attempt after a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReconnectPolicy {
    /// The client reconnects by itself after this delay.
    After(Duration),
    /// The client reconnects when the program calls
    /// [`Client::reconnect`](crate::Client::reconnect).
    WhenAsked,
    /// The client never reconnects: the server turned it away for good, or it was closed.
    Never,
}

/// The permission to edit at a moment, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditPermission {
    /// No: the locks are not known yet, or a fresh copy is not in step yet.
    Connecting,
    /// Yes: the lock is free.
    Free,
    /// Yes: the lock was free when the connection was lost. By the time the edits are sent, another
    /// session may hold it; then they are parked.
    FreeOffline,
    /// Yes: this session holds the lock, and the server has confirmed it recently enough.
    Holder,
    /// No: this session may hold the lock, but the server has not confirmed it for too long.
    Unconfirmed,
    /// No: this session is offered the lock and has not been granted it yet.
    Offered,
    /// No: this session is giving the lock back.
    Releasing,
    /// No: the lock is about to pass on from this session.
    Draining,
    /// No: another session holds the lock, or is offered it.
    Theirs,
    /// No: the lock is free, but only holders may edit this document ([`LockMode::Required`]).
    Required,
    /// Yes: locks bind no session in this document ([`LockMode::Open`]).
    Advisory,
    /// No: this session has no right to edit ([`Right::Write`]).
    ReadOnly,
    /// No: an edit of this copy was parked, and nothing more of it is sent.
    Diverged,
    /// No: the client is closed.
    Closed,
}

/// Says why editing is permitted or not.
impl std::fmt::Display for EditPermission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "the document or its locks are not known yet",
            Self::Free => "the lock is free",
            Self::FreeOffline => "the lock was free when the connection was lost",
            Self::Holder => "this session holds the lock",
            Self::Unconfirmed => "the server has not confirmed this session's lock for too long",
            Self::Offered => "the lock is offered to this session and not granted yet",
            Self::Releasing => "this session is giving the lock back",
            Self::Draining => "the lock is about to pass on from this session",
            Self::Theirs => "another session has the lock",
            Self::Required => "only holders of a lock may edit this document",
            Self::Advisory => "locks bind no session in this document",
            Self::ReadOnly => "this session has no right to edit",
            Self::Diverged => "an edit of this copy was parked",
            Self::Closed => "the client has ended",
        })
    }
}

impl EditPermission {
    /// Returns true if editing is permitted.
    #[must_use]
    pub const fn may_edit(self) -> bool {
        matches!(
            self,
            Self::Free | Self::FreeOffline | Self::Holder | Self::Advisory
        )
    }
}

/// The relation of this session to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockStatus {
    /// The locks are not known yet.
    Unknown,
    /// The lock is free.
    Free,
    /// Another session has the lock, or is offered it.
    Theirs,
    /// This session waits for the lock.
    Waiting,
    /// This session is offered the lock.
    Offered,
    /// This session holds the lock.
    Mine,
    /// This session still has the lock, which is about to pass on: its edits are being sent.
    Draining,
    /// This session is giving the lock back.
    Releasing,
}

/// Visibility of the document to the person at this client. A program without a person sets it
/// by its own work on the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Visibility {
    /// The document is in the foreground.
    #[default]
    Visible,
    /// The document is in the background.
    Hidden,
}

/// Another session asks for a lock that this session holds. After the time that is left it drains.
#[derive(Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// The grant that is asked for.
    pub fence: FencingToken,
    /// The scope of that grant.
    pub scope: LockScope,
    /// The session that asks.
    pub by: u64,
    /// Its note, which may be empty.
    pub note: String,
    /// The time for which the lock may still be kept.
    pub left: Duration,
}

/// Leaves out the note, so that the output may be logged.
impl std::fmt::Debug for LockRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockRequest")
            .field("fence", &self.fence)
            .field("scope", &self.scope)
            .field("by", &self.by)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Clients whose awareness changed: their Yjs client ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AwarenessChange {
    /// Clients that have a state now and had none.
    pub added: Vec<ClientId>,
    /// Clients that have another state now.
    pub updated: Vec<ClientId>,
    /// Clients that have no state any more.
    pub removed: Vec<ClientId>,
}

impl AwarenessChange {
    /// Returns true if nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.updated.is_empty() && self.removed.is_empty()
    }
}

/// An event. Events come in order; a receiver that reads too slowly misses the oldest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The state of the connection changed.
    Status(ConnectionStatus),
    /// The server welcomed this session.
    Welcome {
        /// The number of the session.
        session: u64,
        /// True if it is the session from before the connection was lost.
        resumed: bool,
    },
    /// The rights of this session changed. What it may no longer hold drains or is lost.
    Rights(Vec<Right>),
    /// The token of this session expires soon: call
    /// [`Client::refresh_token`](crate::Client::refresh_token) with another one of the same user.
    TokenExpiring {
        /// The time until then.
        left: Duration,
    },
    /// The copy has all that the server had when it was asked, and stays in step from now on.
    Synced,
    /// Other sessions changed the document.
    Changed(RemoteChange),
    /// The awareness of other clients changed
    /// ([`Client::awareness`](crate::Client::awareness)).
    Awareness(AwarenessChange),
    /// A peer came, changed, or left.
    Peer(PeerView),
    /// The locks or the queue changed.
    Lock(LockView),
    /// The meaning of locks in this document changed.
    Mode(LockMode),
    /// The permission to edit the whole document changed.
    MayEdit(EditPermission),
    /// The permission to edit a part changed, where this session holds or held a lock.
    MayEditThere {
        /// The part.
        scope: LockScope,
        /// The permission.
        permission: EditPermission,
    },
    /// A lock is offered. Under [`ClaimPolicy::Auto`](crate::ClaimPolicy::Auto) the client claims
    /// it by itself.
    Offer {
        /// The fence to claim it with.
        fence: FencingToken,
        /// The scope that it covers.
        scope: LockScope,
        /// The time for which the offer stands, from its sending.
        expires: Duration,
    },
    /// An offer ended before it became a grant.
    OfferEnded {
        /// The offer.
        fence: FencingToken,
        /// The reason, for people.
        reason: String,
    },
    /// This session holds a lock.
    Granted {
        /// The grant.
        fence: FencingToken,
        /// The scope that it covers.
        scope: LockScope,
        /// True if this session had the grant before the connection was lost.
        kept: bool,
    },
    /// A lock is about to pass on from this session: no more edits, and those made are being sent.
    /// [`ClientEvent::Lost`] is its end.
    Draining {
        /// The grant.
        fence: FencingToken,
        /// The scope that it covers.
        scope: LockScope,
        /// The reason.
        reason: HandoverReason,
        /// The next holder, if that is decided.
        to: Option<u64>,
        /// The time for which the server waits, from its sending.
        expires: Duration,
    },
    /// Another session asks for a lock that this session holds.
    Requested(LockRequest),
    /// The request for a lock of this session was withdrawn.
    RequestOver {
        /// The grant.
        fence: FencingToken,
    },
    /// There was no input for a long time, and other sessions wait: the lock passes on unless there
    /// is input ([`Client::touched`](crate::Client::touched)).
    IdleWarning {
        /// The grant.
        fence: FencingToken,
        /// The time in which an input still keeps the lock, from the warning's sending.
        left: Duration,
    },
    /// This session lost a lock that it was not giving back.
    Lost {
        /// The grant that ended.
        fence: FencingToken,
        /// The scope that it covered.
        scope: LockScope,
        /// The reason, for people.
        reason: String,
    },
    /// All edits of this copy are durable.
    Saved,
    /// An edit came while another session held the lock, and the server parked it, durably.
    /// [`ClientOptions::divergence`](crate::ClientOptions::divergence) decides about this copy.
    Parked {
        /// The number of the park in this document.
        id: u64,
        /// The reason, for people.
        reason: String,
    },
    /// The copy's edits cannot reach the document. The copy is kept as a draft, and the client has
    /// a fresh one under another [`Client::client_id`](crate::Client::client_id). Nothing may be
    /// edited until the fresh copy is [`ClientEvent::Synced`].
    Diverged {
        /// The park that has the edits; `None` if the server took none of them.
        park: Option<u64>,
        /// The copy as it was.
        draft: Draft,
    },
    /// A draft was dropped: its park was merged or discarded.
    DraftDropped(Draft),
    /// A park is new, grew, or was decided.
    Park(ParkView),
    /// The server explains the outcome of an operation.
    Explained {
        /// The outcome.
        outcome: Outcome,
        /// The explanation, for people.
        message: String,
    },
    /// The server reports a fault, or cannot be understood.
    Error {
        /// The kind of fault.
        code: ErrorCode,
        /// For people: whose fault it is, what changed, what to do.
        message: String,
        /// True if the same may work later.
        retry: bool,
    },
    /// The connection, or an attempt at one, ended.
    Closed {
        /// The cause, with whose fault it is.
        cause: CloseCause,
        /// The next attempt.
        reconnect: ReconnectPolicy,
    },
}
