//! Baton's own channel: what a client and the server tell each other about sessions, liveness, the edit lock
//! and durability, beside the document itself.
//!
//! Owns the payloads and their JSON form; never decides anything. The same payloads ride on every wire: on
//! y-websocket as one extra message type ([`crate::y_websocket::BATON`]). docs/protocol.md is the specification
//! for other languages, and a test replays its examples through these types.

use serde::{Deserialize, Serialize};

/// The version of this channel that this crate speaks.
pub const VERSION: u32 = 1;

/// Longest payload that is decoded, in bytes of UTF-8.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Why a payload was not understood. The sender is at fault; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The payload is longer than [`MAX_PAYLOAD`].
    #[error("the payload has {0} bytes, more than {MAX_PAYLOAD}")]
    TooLong(usize),
    /// The payload is no JSON object of a known type; the text says where it stopped making sense.
    #[error("the payload is not a message of this channel: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// A grant's fencing token on the wire: compared by epoch, then by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// Epoch of the store; raised when a document is restored from a backup.
    pub epoch: u32,
    /// Position of the grant's record in the document's log.
    pub position: u64,
}

/// What a person wants to be called, and drawn in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Display name; at most 256 bytes are kept.
    #[serde(default)]
    pub name: String,
    /// A CSS colour; at most 64 bytes are kept.
    #[serde(default)]
    pub color: String,
}

/// What a client shows to go on with a session that it had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session.
    pub session: u64,
    /// The token that the last welcome gave out; works once.
    pub token: String,
}

/// From a client to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ClientMessage {
    /// Opts in; must be the connection's first message.
    Hello {
        /// [`VERSION`] of the client.
        version: u32,
        /// Goes on with a session instead of starting one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
        /// Epoch that the client's copy of the document belongs to, when it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u32>,
        /// The fence of the lock that the client believes it holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<Fence>,
        /// Who is editing.
        #[serde(default)]
        user: User,
        /// The Yjs client id of the client's document, so that rosters and cursors can be matched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<u64>,
        /// True for one that only watches: never offered the lock.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        observer: bool,
    },
    /// Answers a beat, at once, from the page's own code.
    Answer {
        /// The beat's number.
        n: u64,
        /// Whether the page is visible.
        #[serde(default)]
        visible: bool,
        /// Milliseconds since the person's last input.
        #[serde(default)]
        idle_ms: u64,
    },
    /// Wants the lock, and waits for it in the queue.
    Acquire {
        /// Echoed in the result.
        nonce: u64,
    },
    /// Wants the lock if it is free now.
    Try {
        /// Echoed in the result.
        nonce: u64,
    },
    /// Leaves the queue.
    Cancel {
        /// Echoed in the result.
        nonce: u64,
    },
    /// Gives the lock back, after the edits sent before it.
    Release {
        /// Echoed in the result.
        nonce: u64,
        /// The grant that is given back.
        fence: Fence,
    },
    /// Accepts an offer.
    Claim {
        /// The offer.
        fence: Fence,
    },
    /// Declines an offer; the ticket is kept.
    Decline {
        /// The offer.
        fence: Fence,
    },
    /// Changes the display name or colour.
    Profile {
        /// Who is editing.
        user: User,
    },
}

/// How alive a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerState {
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
pub struct Peer {
    /// The session; a smaller number has been in the document longer.
    pub session: u64,
    /// Who.
    pub user: User,
    /// Yjs client id, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u64>,
    /// How alive.
    pub state: PeerState,
    /// Whether it speaks this channel, and so can hold the lock.
    pub lock: bool,
    /// Whether it only watches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observer: bool,
}

/// What state a lock is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockState {
    /// Nobody has it: all may write.
    Free,
    /// Offered to `session`, who has not claimed it yet: nobody may write.
    Offered,
    /// Held by `session`: only they may write.
    Held,
    /// Held by `session`, whose connection is gone, for the grace time.
    Suspect,
    /// Held by `session` before the server started again, for the recovery time.
    Recovering,
}

/// The lock as watchers see it; each replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    /// Position of the log that this shows; a view with a smaller one is older.
    pub version: u64,
    /// State.
    pub state: LockState,
    /// Who holds it, or is offered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Fence of that grant or offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// Who waits, in order; the first 100.
    pub queue: Vec<u64>,
    /// How many wait.
    pub waiting: u32,
}

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
}

/// What became of a lock operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done: acquired (an offer follows or the lock is already yours), released, or cancelled.
    Done,
    /// In the queue.
    Queued,
    /// Somebody else has it, and the operation does not wait.
    Busy,
    /// The fence named is not the current one, or the lock is not yours.
    Stale,
    /// This session may not hold a lock.
    Forbidden,
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
}

/// From the server to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// Answers a hello, once the session is durable.
    Welcome {
        /// [`VERSION`] of the server.
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
        /// Everybody in the document.
        roster: Vec<Peer>,
        /// The lock.
        lock: LockView,
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
        peer: Peer,
    },
    /// The lock changed.
    Lock {
        /// The lock as it is now.
        lock: LockView,
    },
    /// The lock is yours if you claim it in time.
    Offer {
        /// To claim with.
        fence: Fence,
        /// How long it stands, in milliseconds from sending.
        expires_ms: u64,
    },
    /// The lock is yours.
    Granted {
        /// The grant.
        fence: Fence,
    },
    /// The lock, or an offer of it, is yours no more.
    Lost {
        /// The grant or offer that ended.
        fence: Fence,
        /// Why, for people.
        reason: String,
    },
    /// What became of the operation with this nonce.
    Result {
        /// The operation's nonce.
        nonce: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// Durable: all of the first `updates` sync messages (step 2 or update) that this connection sent.
    Saved {
        /// Counted from the connection's start.
        updates: u64,
    },
    /// An edit was set aside, durably, because somebody else holds the lock.
    Parked {
        /// Names the park in this document.
        id: u64,
        /// Why, for people.
        reason: String,
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

impl ClientMessage {
    /// Reads a payload.
    ///
    /// # Errors
    /// The sender's fault; see [`ChannelError`].
    pub fn decode(payload: &str) -> Result<Self, ChannelError> {
        decode(payload)
    }

    /// Writes the payload.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

impl ServerMessage {
    /// Reads a payload.
    ///
    /// # Errors
    /// The sender's fault; see [`ChannelError`].
    pub fn decode(payload: &str) -> Result<Self, ChannelError> {
        decode(payload)
    }

    /// Writes the payload.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

fn decode<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, ChannelError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(ChannelError::TooLong(payload.len()));
    }
    Ok(serde_json::from_str(payload)?)
}

fn encode<T: Serialize>(message: &T) -> String {
    // Plain structs of numbers, strings and lists always have a JSON form; an empty payload would be refused
    // by the receiver as malformed, so even a mistake here cannot pass for a message.
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_may_be_short() {
        let hello = ClientMessage::decode(r#"{"type":"hello","version":1}"#).unwrap();
        assert!(matches!(
            hello,
            ClientMessage::Hello {
                version: 1,
                resume: None,
                observer: false,
                ..
            }
        ));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let offer = ServerMessage::Offer {
            fence: Fence {
                epoch: 1,
                position: 7,
            },
            expires_ms: 2000,
        };
        assert_eq!(
            offer.encode(),
            r#"{"type":"offer","fence":{"epoch":1,"position":7},"expires_ms":2000}"#
        );
        assert_eq!(ServerMessage::decode(&offer.encode()).unwrap(), offer);
    }

    #[test]
    fn nonsense_is_the_senders_fault() {
        assert!(ClientMessage::decode("{\"type\":\"dance\"}").is_err());
        assert!(ClientMessage::decode(&" ".repeat(MAX_PAYLOAD + 1)).is_err());
    }
}
