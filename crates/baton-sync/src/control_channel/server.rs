//! What the server says.

use serde::{Deserialize, Serialize};

use super::{FencingToken, LockView, ParkPart, ParkView, Paths, PeerView, Right};

/// The server's clocks, in milliseconds, for a client to keep in step with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimingsMs {
    /// A message comes at least this often.
    pub beat_every: u64,
    /// A client that heard nothing for this long gives the connection up.
    pub server_silent_after: u64,
    /// A peer silent for this long is offline.
    pub offline_after: u64,
    /// How long an offer stands.
    pub offer: u64,
    /// How long a holder's lost connection is waited for.
    pub grace: u64,
    /// A holder stops editing this long after it sent the last answer that was confirmed.
    pub client_stop: u64,
    /// How long a draining holder has to send what it has.
    pub drain: u64,
    /// How long a holder may keep what somebody requests.
    pub request: u64,
    /// A holder without input for this long yields to who waits.
    pub idle_yield: u64,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done: acquired (an offer follows or the lock is already yours), released, handed on, cancelled, decided.
    Done,
    /// In the queue.
    Queued,
    /// Somebody else has it, and the operation does not wait.
    Busy,
    /// The fence named is not a current one, or that lock is not yours.
    Stale,
    /// This session may not hold a lock.
    Forbidden,
    /// It would have to wait, and nobody waits while holding: release what is held, or acquire all at once.
    WouldWait,
    /// The right for it is missing.
    NotAllowed,
    /// Somebody took a lock over a short time ago; the message says how long to wait.
    Cooldown,
    /// There is no such session, park or holder.
    Unknown,
    /// A limit is met; the message names it.
    Full,
    /// The operation was not understood, or names what cannot be a lock; the message says what is wrong with it.
    Invalid,
}

/// Why a holder has to give up its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandoverReason {
    /// It hands the lock on itself.
    Transfer,
    /// Somebody with the right to takes it.
    TakenOver,
    /// The same user goes on in another session.
    Moved,
    /// A request ran out.
    Requested,
    /// It had no input for long, and somebody waits.
    Idle,
}

/// What the server complains of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// A message was not understood, or came at the wrong time.
    Protocol,
    /// A limit was met; the message names it.
    Limit,
    /// An update lacks something that its sender lacks, too.
    Incomplete,
    /// No more can be parked; the edit was refused, and is only with its author.
    ParkFull,
    /// Another client writes under the same Yjs client id; nothing more of this connection is taken.
    ClientId,
}

/// From the server to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// Answers a hello, once the session is durable.
    Welcome {
        /// [`VERSION`](super::VERSION) of the server.
        version: u32,
        /// The session.
        session: u64,
        /// For the next hello with `resume`; works once.
        token: String,
        /// True when the session asked for was resumed; false when it is a new one.
        resumed: bool,
        /// Epoch of the store.
        epoch: u32,
        /// The server's clocks.
        timings: TimingsMs,
        /// What this session may do beside editing.
        #[serde(default)]
        rights: Vec<Right>,
        /// Everybody in the document.
        roster: Vec<PeerView>,
        /// The locks.
        lock: LockView,
        /// What stands in parks; the discarded ones only with [`Right::Manage`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parks: Vec<ParkView>,
    },
    /// To be answered at once.
    Beat {
        /// Number to answer with.
        n: u64,
        /// The newest beat of this session whose answer came in time; 0 before the first.
        confirmed: u64,
    },
    /// A peer came, changed, or went.
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
        /// To claim with.
        fence: FencingToken,
        /// What it covers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Paths,
        /// How long it stands, in milliseconds from sending.
        expires_ms: u64,
    },
    /// A lock is yours.
    Granted {
        /// The grant.
        fence: FencingToken,
        /// What it covers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Paths,
    },
    /// A lock, or an offer of it, is yours no more.
    Lost {
        /// The grant or offer that ended.
        fence: FencingToken,
        /// Why, for people.
        reason: String,
    },
    /// Stop editing there, send what you have, then say `drained`: that lock passes on.
    Drain {
        /// The grant.
        fence: FencingToken,
        /// Why.
        reason: HandoverReason,
        /// To whom it passes, if that is settled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u64>,
        /// How long it is waited for, in milliseconds from sending; later edits are parked.
        expires_ms: u64,
    },
    /// Somebody wants what you hold, and gets it when the time is over.
    Requested {
        /// The grant.
        fence: FencingToken,
        /// Who.
        by: u64,
        /// What they say.
        #[serde(default)]
        note: String,
        /// How long you may keep it, in milliseconds from sending.
        expires_ms: u64,
    },
    /// A request is void: who made it gave it up.
    RequestOver {
        /// The grant that it was for.
        fence: FencingToken,
    },
    /// You had no input for long, and somebody waits for this grant: it passes on soon.
    IdleWarning {
        /// The grant.
        fence: FencingToken,
        /// How long an input can still keep it, in milliseconds from sending.
        left_ms: u64,
    },
    /// What became of the operation with this nonce.
    Result {
        /// The operation's nonce.
        nonce: u64,
        /// What became of it.
        outcome: Outcome,
        /// For people, where there is more to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Durable: all of the first `updates` sync messages (step 2 or update) that this connection sent.
    Saved {
        /// Counted from the connection's start.
        updates: u64,
    },
    /// An edit of yours was set aside, durably, because you may not write there.
    Parked {
        /// Names the park in this document.
        id: u64,
        /// Why, for people.
        reason: String,
    },
    /// A park is new, grew, or was decided.
    Park {
        /// The park as it is now.
        park: ParkView,
    },
    /// What a park would change: answers `show-park`.
    ParkContent {
        /// The operation's nonce.
        nonce: u64,
        /// The park.
        id: u64,
        /// The difference, in reading order of each root type.
        parts: Vec<ParkPart>,
        /// Whether there is more than fits.
        #[serde(default)]
        truncated: bool,
    },
    /// Something went wrong.
    Error {
        /// What.
        code: ErrorCode,
        /// For people: whose fault, what changed, what to do.
        message: String,
        /// Whether the same may work later.
        retry: bool,
    },
}
