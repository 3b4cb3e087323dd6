//! Baton's own channel: what a client and the server tell each other about sessions, liveness, the edit lock,
//! parks and durability, beside the document itself.
//!
//! Owns the payloads and their JSON form; never decides anything. The same payloads ride on every wire: on
//! y-websocket as one extra message type ([`crate::y_websocket::BATON`]). docs/protocol.md is the specification
//! for other languages, and a test replays its examples through these types.
//!
//! [`ClientMessage`] goes one way, [`ServerMessage`] the other; [`LockView`] and [`ParkView`] are what everybody sees
//! of locks and parks.

mod client;
mod server;
mod views;

use serde::{Deserialize, Serialize};

pub use client::{ClientMessage, Resume};
pub use server::{DrainReason, ErrorCode, Outcome, ServerMessage, TimingsMs};
pub use views::{
    GrantState, GrantView, LockView, Mode, ParkPart, ParkReason, ParkState, ParkView, PartKind,
    Peer, PeerState, Right, Waiter,
};

/// The version of this channel that this crate speaks.
pub const VERSION: u32 = 1;

/// Longest payload of a client that is decoded, in bytes of UTF-8.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Longest payload of a server that is decoded, in bytes of UTF-8: a welcome names everybody who is here.
pub const MAX_SERVER_PAYLOAD: usize = 16 * 1024 * 1024;

/// Longest note of a request, in bytes of UTF-8; a longer one is cut at a character.
pub const MAX_NOTE: usize = 512;

/// Why a payload was not understood. The sender is at fault; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The payload is longer than its limit.
    #[error("the payload has {bytes} bytes, more than {most}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// [`MAX_PAYLOAD`] or [`MAX_SERVER_PAYLOAD`].
        most: usize,
    },
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

/// What a lock covers: a list of paths, each a list of names from a root type of the document downwards. Empty, and so
/// absent in JSON: the whole document.
pub type Paths = Vec<Vec<String>>;

impl ClientMessage {
    /// Reads a payload.
    ///
    /// # Errors
    /// The sender's fault; see [`ChannelError`].
    pub fn decode(payload: &str) -> Result<Self, ChannelError> {
        decode(payload, MAX_PAYLOAD)
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
        decode(payload, MAX_SERVER_PAYLOAD)
    }

    /// Writes the payload.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

fn decode<'a, T: Deserialize<'a>>(payload: &'a str, most: usize) -> Result<T, ChannelError> {
    let bytes = payload.len();
    if bytes > most {
        return Err(ChannelError::TooLong { bytes, most });
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

    const FENCE: Fence = Fence {
        epoch: 1,
        position: 7,
    };

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
            fence: FENCE,
            paths: Vec::new(),
            expires_ms: 2000,
        };
        assert_eq!(
            offer.encode(),
            r#"{"type":"offer","fence":{"epoch":1,"position":7},"expires_ms":2000}"#
        );
        assert_eq!(ServerMessage::decode(&offer.encode()).unwrap(), offer);
    }

    #[test]
    fn no_paths_are_the_whole_document() {
        let whole = ClientMessage::Acquire {
            nonce: 1,
            paths: Vec::new(),
        };
        assert_eq!(whole.encode(), r#"{"type":"acquire","nonce":1}"#);
        let title = r#"{"type":"take-over","nonce":2,"paths":[["title"],["rows","7"]]}"#;
        let message = ClientMessage::decode(title).unwrap();
        assert_eq!(message.encode(), title);
    }

    #[test]
    fn a_draining_grant_says_to_whom_and_why() {
        let drain = ServerMessage::Drain {
            fence: FENCE,
            reason: DrainReason::TakenOver,
            to: Some(9),
            expires_ms: 3000,
        };
        assert_eq!(
            drain.encode(),
            r#"{"type":"drain","fence":{"epoch":1,"position":7},"reason":"taken-over","to":9,"expires_ms":3000}"#
        );
    }

    #[test]
    fn nonsense_is_the_senders_fault() {
        assert!(ClientMessage::decode("{\"type\":\"dance\"}").is_err());
        assert!(ClientMessage::decode(&" ".repeat(MAX_PAYLOAD + 1)).is_err());
    }
}
