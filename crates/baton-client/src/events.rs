//! What a client tells, and the words for where it stands. Owns the types only.

use std::time::Duration;

use baton_sync::channel::{DrainReason, ErrorCode, Fence, LockView, Mode, Outcome, ParkView, Peer};

use crate::draft::Draft;
use crate::scope::Scope;

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
    /// No: the server has not said yet how the lock is, or what is in a document that was opened afresh.
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
    /// No: the lock is about to pass on from this session.
    Draining,
    /// No: somebody else holds the lock, or is offered it.
    Theirs,
    /// No: nobody has the lock, but this document is written by holders only ([`Mode::Required`]).
    Required,
    /// Yes: whoever has the lock, it binds nobody in this document ([`Mode::Open`]).
    Advisory,
    /// No: an edit of this copy was parked, so nothing of it is sent any more.
    Diverged,
    /// No: the client is closed.
    Closed,
}

impl EditRight {
    /// Whether this is a yes.
    #[must_use]
    pub const fn may_edit(self) -> bool {
        matches!(
            self,
            Self::Free | Self::FreeOffline | Self::Holder | Self::Advisory
        )
    }
}

/// What a lock is to this session.
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
    /// This session still has it, and it is about to pass on: what was edited is being sent.
    Draining,
    /// This session is giving it back.
    Releasing,
}

/// Whether the person at this client can see the document; for a program, whether it works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// In front of somebody.
    #[default]
    Visible,
    /// In the background.
    Hidden,
}

/// Somebody asks for a lock that this session holds. Giving it up is polite; when the time is over it drains.
#[derive(Clone, PartialEq, Eq)]
pub struct Requested {
    /// The grant that is wanted.
    pub fence: Fence,
    /// What that grant covers.
    pub scope: Scope,
    /// Who wants it.
    pub by: u64,
    /// What they say; may be empty.
    pub note: String,
    /// How long it may be kept.
    pub left: Duration,
}

/// Without the note, which is for its reader: this may be logged.
impl std::fmt::Debug for Requested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requested")
            .field("fence", &self.fence)
            .field("scope", &self.scope)
            .field("by", &self.by)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
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
    /// The locks, or the queue, changed.
    Lock(LockView),
    /// What locks mean in this document changed.
    Mode(Mode),
    /// Whether this client may edit the whole document changed.
    MayEdit(EditRight),
    /// Whether this client may edit where it holds, or held, a lock of a part changed.
    MayEditThere {
        /// The part.
        scope: Scope,
        /// The right.
        right: EditRight,
    },
    /// A lock can be had. Under [`Claim::Auto`](crate::Claim::Auto) it is being claimed already.
    Offer {
        /// To claim with.
        fence: Fence,
        /// What it covers.
        scope: Scope,
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
    /// A lock is this session's.
    Granted {
        /// The grant.
        fence: Fence,
        /// What it covers.
        scope: Scope,
        /// Whether it is a grant from before a lost connection, which goes on.
        kept: bool,
    },
    /// A lock passes on from this session: there are no more edits, and what was edited is being sent.
    /// [`Event::Lost`] is its end.
    Draining {
        /// The grant.
        fence: Fence,
        /// What it covers.
        scope: Scope,
        /// Why.
        reason: DrainReason,
        /// To whom, if that is settled.
        to: Option<u64>,
        /// How long the server waits, from its sending.
        expires: Duration,
    },
    /// Somebody asks for a lock that this session holds.
    Requested(Requested),
    /// Nobody asks for it any more.
    RequestOver {
        /// The grant.
        fence: Fence,
    },
    /// There was no input for long, and somebody waits: the lock passes on unless there is one
    /// ([`Client::touched`](crate::Client::touched)).
    IdleWarning {
        /// The grant.
        fence: Fence,
        /// How long an input can still keep it, from the warning's sending.
        left: Duration,
    },
    /// A lock is this session's no more, without its having given it back.
    Lost {
        /// The grant that ended.
        fence: Fence,
        /// What it covered.
        scope: Scope,
        /// Why, for people.
        reason: String,
    },
    /// All edits of this copy are durable.
    Saved,
    /// An edit came under somebody else's lock and was set aside, durably. What follows is
    /// [`ClientOptions::divergence`](crate::ClientOptions::divergence)'s to say.
    Parked {
        /// Names the park in this document.
        id: u64,
        /// Why, for people.
        reason: String,
    },
    /// The copy could not be brought together with the document: it is kept as a draft, and from now on the client has
    /// a fresh copy, under another [`Client::client_id`](crate::Client::client_id). Nothing may be edited until that
    /// one is [`Event::Synced`].
    Diverged {
        /// Where the edits are on the server; `None` when it took none of them.
        park: Option<u64>,
        /// The copy as it was.
        draft: Draft,
    },
    /// A draft was dropped: its park was merged, or discarded.
    DraftDropped(Draft),
    /// A park is new, grew, or was decided.
    Park(ParkView),
    /// The server had more to say about what became of an operation.
    Explained {
        /// What became of it.
        outcome: Outcome,
        /// For people.
        message: String,
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
