//! What a client tells, and the words for where it stands. Owns the types only.

use std::time::Duration;

use baton_sync::channel::{ErrorCode, Fence, LockView, Peer};

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// An attempt is under way.
    Connecting,
    /// The WebSocket is open; nothing is in step yet.
    Connected,
    /// There is none: it was lost, given up, or not wanted.
    Disconnected,
}

/// Whether this client comes again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comeback {
    /// After this delay.
    After(Duration),
    /// Only when it is told to ([`Client::reconnect`](crate::Client::reconnect)).
    WhenAsked,
    /// Never: the server turned it away for good, or it was closed.
    Never,
}

/// Whether this client may edit now, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditRight {
    /// No: the server has not said yet how the lock is.
    Connecting,
    /// Yes: nobody has the lock.
    Free,
    /// Yes: nobody had the lock when the connection was lost. What is edited may meet somebody's lock, and be
    /// parked.
    FreeOffline,
    /// Yes: this session holds the lock, and the server has confirmed it recently enough.
    Holder,
    /// No: this session may hold the lock, but the server has not confirmed it for too long.
    Unconfirmed,
    /// No: this session is being offered the lock and has not been granted it yet.
    Offered,
    /// No: this session is giving the lock back.
    Releasing,
    /// No: somebody else holds the lock, or is offered it.
    Theirs,
    /// No: an edit of this copy was parked, so nothing of it is sent any more.
    Diverged,
    /// No: the client is closed.
    Closed,
}

impl EditRight {
    /// Whether this is a yes.
    #[must_use]
    pub const fn may_edit(self) -> bool {
        matches!(self, Self::Free | Self::FreeOffline | Self::Holder)
    }
}

/// What the lock is to this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known yet.
    Unknown,
    /// Nobody has it.
    Free,
    /// Somebody else has it, or is offered it.
    Theirs,
    /// This session wants it, and waits.
    Waiting,
    /// This session is being offered it.
    Offered,
    /// This session holds it.
    Mine,
    /// This session is giving it back.
    Releasing,
}

/// Something that happened. Events come in order; a receiver that reads too slowly misses the oldest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection changed.
    Status(Status),
    /// The server knows this session; `resumed` when it is the one from before.
    Welcome {
        /// The session.
        session: u64,
        /// Whether it went on.
        resumed: bool,
    },
    /// The copy has all that the server had when it was asked; from now on it stays in step.
    Synced,
    /// Others changed the document.
    Changed,
    /// A peer came, changed, or went.
    Peer(Peer),
    /// The lock changed.
    Lock(LockView),
    /// Whether this client may edit changed.
    MayEdit(EditRight),
    /// The lock can be had. Under [`Claim::Auto`](crate::Claim::Auto) it is being claimed already.
    Offer {
        /// To claim with.
        fence: Fence,
        /// How long it stands, from its sending.
        expires: Duration,
    },
    /// An offer ended before it became a grant.
    OfferEnded {
        /// The offer.
        fence: Fence,
        /// Why, for people.
        reason: String,
    },
    /// The lock is this session's.
    Granted {
        /// The grant.
        fence: Fence,
        /// Whether it is a grant from before a lost connection, which goes on.
        kept: bool,
    },
    /// The lock is this session's no more, without its having given it back.
    Lost {
        /// The grant that ended.
        fence: Fence,
        /// Why, for people.
        reason: String,
    },
    /// All edits of this copy are durable.
    Saved,
    /// An edit came under somebody else's lock and was set aside, durably. Nothing more of this copy is sent: it is a
    /// draft now. Open the document afresh with another client to go on.
    Parked {
        /// Names the park in this document.
        id: u64,
        /// Why, for people.
        reason: String,
    },
    /// The server complains, or is not understood.
    Error {
        /// What.
        code: ErrorCode,
        /// For people: whose fault, what changed, what to do.
        message: String,
        /// Whether the same may work later.
        retry: bool,
    },
    /// The connection, or an attempt at one, ended.
    Closed {
        /// The close code; `None` when there was no close frame.
        code: Option<u16>,
        /// Why, for people.
        reason: String,
        /// Whether the client comes again.
        comeback: Comeback,
    },
}
