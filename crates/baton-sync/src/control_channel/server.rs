//! Messages of the server.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::views::{HandoverReason, LockView, ParkPart, ParkView, PeerView, Right};
use super::{FencingToken, Paths};

/// Timers of the server, in milliseconds, which a client has to keep up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimingsMs {
    /// Longest pause between two messages of the server.
    pub beat_every: u64,
    /// Silence of the server after which a client gives the connection up.
    pub server_silent_after: u64,
    /// Silence of a peer after which it is offline.
    pub offline_after: u64,
    /// Time in which an offer can be claimed.
    pub offer: u64,
    /// Time in which a holder whose connection is lost can come back.
    pub grace: u64,
    /// Time after which a holder stops editing, from the moment at which it sent the last answer
    /// that was confirmed.
    pub client_stop: u64,
    /// Time in which a draining holder can send its edits.
    pub drain: u64,
    /// Time for which a holder may keep a lock that another session requests.
    pub request: u64,
    /// Time without input after which a holder yields to a waiter.
    pub idle_yield: u64,
}

/// Outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// Done: acquired (an offer follows, or the lock is already yours), released, handed on,
    /// cancelled, decided.
    Done,
    /// In the queue.
    Queued,
    /// Another session has it, and the operation does not wait.
    Busy,
    /// The fence named is not a current one, or that lock is not yours.
    Stale,
    /// This session may not hold a lock.
    Forbidden,
    /// It would have to wait, and no session waits while it holds a lock: release that first, or
    /// acquire all at once.
    WouldWait,
    /// The session lacks the right for it.
    NotAllowed,
    /// A lock was taken over a short time ago; the message tells the time to wait.
    Cooldown,
    /// There is no such session, park or holder.
    Unknown,
    /// A limit is met; the message names it.
    Full,
    /// The operation was not understood, or names a scope that cannot be locked; the message tells
    /// the fault.
    Invalid,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "it is done",
            Self::Queued => "it is in the queue",
            Self::Busy => "another session has the lock",
            Self::Stale => "the fence is not a current one, or the lock is another session's",
            Self::Forbidden => "this session may not hold a lock",
            Self::WouldWait => "a session that holds a lock cannot wait for another one",
            Self::NotAllowed => "the session lacks the right for it",
            Self::Cooldown => "a lock was taken over a short time ago",
            Self::Unknown => "there is no such session, park or holder",
            Self::Full => "a limit is met",
            Self::Invalid => "the operation was not understood, or its scope cannot be locked",
        })
    }
}

/// Kind of a fault that the server reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// A message was not understood, or came at the wrong time.
    Protocol,
    /// A limit was met; the message names it.
    Limit,
    /// An update builds on edits that its sender lacks, too.
    Incomplete,
    /// No more edits can be parked: the edit was refused, and only its author has it.
    ParkFull,
    /// Another client writes under the same Yjs client id: no more edits of this connection are
    /// taken.
    ClientId,
    /// The session has no right to edit: its edit was not taken, and only it has it.
    ReadOnly,
    /// The client's access ended, and the connection is closed; or a token that it showed was not
    /// taken, and the one before counts on.
    Access,
    /// The server cannot save anything for the time being, and says so once. `saved` tells what is
    /// saved again.
    Unsaved,
}

/// Message from the server to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// Answers a hello, once the session is durable.
    Welcome {
        /// [`VERSION`](super::VERSION) of the server.
        version: u32,
        /// The session.
        session: u64,
        /// Token for the next hello with `resume`; works once.
        token: String,
        /// True when the session asked for was resumed; false when it is a new one.
        resumed: bool,
        /// Epoch of the store.
        epoch: u32,
        /// Timers of the server.
        timings: TimingsMs,
        /// Rights of this session.
        #[serde(default)]
        rights: Vec<Right>,
        /// All sessions in the document.
        roster: Vec<PeerView>,
        /// The locks.
        lock: LockView,
        /// The parks; discarded ones only with [`Right::Manage`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parks: Vec<ParkView>,
        /// The one of the hello's `encodings` that this connection's first sync may come in, which
        /// may have come already; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encoding: Option<String>,
    },
    /// The rights of this session changed.
    Rights {
        /// All rights that it has from now on.
        rights: Vec<Right>,
    },
    /// A heartbeat, to be answered at once.
    Beat {
        /// Number of the beat, for the answer.
        n: u64,
        /// The newest beat of this session whose answer came in time; 0 before the first.
        confirmed: u64,
    },
    /// A peer joined, changed, or left.
    Peer {
        /// The peer as it is now.
        peer: PeerView,
    },
    /// The locks changed.
    Lock {
        /// The locks as they are now.
        lock: LockView,
    },
    /// A lock is yours if you claim it in time.
    Offer {
        /// Fence to claim it with.
        fence: FencingToken,
        /// Scope of the lock.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Paths,
        /// Time in which it can be claimed, in milliseconds from sending.
        expires_ms: u64,
    },
    /// A lock is yours.
    Granted {
        /// The grant.
        fence: FencingToken,
        /// Scope of the lock.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Paths,
    },
    /// A lock, or an offer of it, is yours no more.
    Lost {
        /// The grant or offer that ended.
        fence: FencingToken,
        /// Reason, for people.
        reason: String,
    },
    /// Stop editing there, send your edits, then send `drained`: that lock passes on.
    Drain {
        /// The grant.
        fence: FencingToken,
        /// Reason.
        reason: HandoverReason,
        /// Session that gets it, if that is settled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u64>,
        /// Time for that, in milliseconds from sending; later edits are parked.
        expires_ms: u64,
    },
    /// Another session requests a lock of yours, and gets it after the given time.
    Requested {
        /// The grant.
        fence: FencingToken,
        /// Session that requests it.
        by: u64,
        /// Its note.
        #[serde(default)]
        note: String,
        /// Time for which you may keep it, in milliseconds from sending.
        expires_ms: u64,
    },
    /// A request is void: its session gave it up.
    RequestOver {
        /// The grant that was requested.
        fence: FencingToken,
    },
    /// You had no input for long, and another session waits: this grant passes on soon.
    IdleWarning {
        /// The grant.
        fence: FencingToken,
        /// Time in which an input can still keep it, in milliseconds from sending.
        left_ms: u64,
    },
    /// Outcome of the operation with this nonce.
    Result {
        /// The operation's nonce.
        nonce: u64,
        /// Its outcome.
        outcome: Outcome,
        /// Details, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The first `updates` sync messages (step 2 or update) of this connection are durable.
    Saved {
        /// Number of messages, counted from the start of the connection.
        updates: u64,
    },
    /// An edit of yours was set aside, durably, because you may not write there.
    Parked {
        /// Id of the park in this document.
        id: u64,
        /// Reason, for people.
        reason: String,
    },
    /// A park is new, grew, or was decided.
    Park {
        /// The park as it is now.
        park: ParkView,
    },
    /// The changes that a park would make; answers `show-park`.
    ParkContent {
        /// The operation's nonce.
        nonce: u64,
        /// The park.
        id: u64,
        /// The parts of the text diff, in reading order of each root type.
        parts: Vec<ParkPart>,
        /// True if there is more than fits.
        #[serde(default)]
        truncated: bool,
    },
    /// The access of this session ends soon, with its token: show another one.
    TokenExpiring {
        /// Time until then, in milliseconds from sending.
        left_ms: u64,
    },
    /// The server reports a fault.
    Error {
        /// Kind of fault.
        code: ErrorCode,
        /// Text for people: the party at fault, the change, the remedy.
        message: String,
        /// True if the same may work later.
        retry: bool,
    },
}
