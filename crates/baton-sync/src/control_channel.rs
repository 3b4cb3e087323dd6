//! Baton's control channel: messages of a client and the server about sessions, liveness, the edit
//! lock, parks and durability, beside the document itself.
//!
//! Owns the payloads and their JSON form; decides nothing. The same payloads go over every wire:
//! over y-websocket as one more message type ([`crate::y_websocket::BATON`]). docs/protocol.md is
//! the specification for other languages, and a test replays its examples through these types.
//!
//! [`ClientMessage`] goes one way, [`ServerMessage`] the other. [`PeerView`], [`LockView`] and
//! [`ParkView`] are the roster, the locks and the parks, as all sessions see them.
//!
//! The crate `baton-presence` decides about locks and does not know this one. Its types have other
//! names: a [`FencingToken`] is its `Fence`, a [`LockMode`] its `Mode`, a [`GrantStatus`] its
//! `GrantState`, a [`HandoverReason`] its `DrainReason`. With the feature `presence`, fences and
//! modes convert with `From`, in both directions.

mod client;
mod payload;
#[cfg(feature = "presence")]
mod presence_types;
mod server;
mod views;

use serde::{Deserialize, Serialize};

pub use client::{ChannelToken, ClientMessage, Resume};
pub use payload::{ChannelError, MAX_PAYLOAD, MAX_SERVER_PAYLOAD};
pub use server::{ErrorCode, Outcome, ServerMessage, TimingsMs};
pub use views::{
    GrantStatus, GrantView, HandoverReason, LockMode, LockView, ParkCause, ParkPart, ParkStatus,
    ParkView, PartKind, PeerStatus, PeerView, Right, Waiter,
};

/// Version of this channel that this crate speaks.
pub const VERSION: u32 = 1;

/// Longest note of a request, in bytes of UTF-8; a longer one is cut at a character.
pub const MAX_NOTE: usize = 512;

/// Fencing token of a grant: compared by epoch, then by position. A later grant has a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FencingToken {
    /// Epoch of the store; raised when a document is restored from a backup.
    pub epoch: u32,
    /// Position of the grant's record in the document's log.
    pub position: u64,
}

/// Name and colour of a person, as the client chooses them. The server shows those of a token in
/// their place, and the id with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Display name; at most 256 bytes are kept.
    #[serde(default)]
    pub name: String,
    /// A CSS colour; at most 64 bytes are kept.
    #[serde(default)]
    pub color: String,
    /// Id of the user, if a token stated it. From a client it means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Scope of a lock: a list of paths, each a list of names from a root type of the document
/// downwards. Empty, and so absent in JSON, for the whole document.
pub type Paths = Vec<Vec<String>>;

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: FencingToken = FencingToken {
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
            reason: HandoverReason::TakenOver,
            to: Some(9),
            expires_ms: 3000,
        };
        assert_eq!(
            drain.encode(),
            r#"{"type":"drain","fence":{"epoch":1,"position":7},"reason":"taken-over","to":9,"expires_ms":3000}"#
        );
    }

    /// Each message with each of its optional fields as `null` is the message without that field.
    #[test]
    fn null_is_as_absent_in_every_optional_field() {
        for (kind, required, optional) in [
            (
                "hello",
                r#""version":1"#,
                &[
                    "resume",
                    "epoch",
                    "fences",
                    "locks",
                    "user",
                    "user_key",
                    "client",
                    "observer",
                    "encodings",
                ][..],
            ),
            ("answer", r#""n":7"#, &["visible", "idle_ms"]),
            ("acquire", r#""nonce":1"#, &["paths"]),
            ("try", r#""nonce":1"#, &["paths"]),
            ("take-over", r#""nonce":1"#, &["paths"]),
            ("move-here", r#""nonce":1"#, &["paths"]),
            ("request", r#""nonce":1"#, &["paths", "note"]),
        ] {
            let without = format!(r#"{{"type":"{kind}",{required}}}"#);
            let without = ClientMessage::decode(&without).unwrap();
            for field in optional {
                let with = format!(r#"{{"type":"{kind}",{required},"{field}":null}}"#);
                assert_eq!(ClientMessage::decode(&with).unwrap(), without, "{with}");
            }
        }
        let nested = r#"{"type":"profile","user":{"name":null,"color":"red"}}"#;
        let ClientMessage::Profile { user } = ClientMessage::decode(nested).unwrap() else {
            panic!("a profile");
        };
        assert_eq!((user.name.as_str(), user.color.as_str()), ("", "red"));
        // A required field cannot be null.
        assert!(ClientMessage::decode(r#"{"type":"acquire","nonce":null}"#).is_err());
    }

    #[test]
    fn an_integer_may_be_written_as_a_float() {
        let read = |nonce: &str| {
            let text = format!(
                r#"{{"type":"release","nonce":{nonce},"fence":{{"epoch":1.0,"position":7e0}}}}"#
            );
            ClientMessage::decode(&text).ok()
        };
        let release = |nonce| {
            Some(ClientMessage::Release {
                nonce,
                fence: FENCE,
            })
        };
        assert_eq!(read("3.0"), release(3));
        assert_eq!(read("0.0"), release(0));
        assert_eq!(read("9007199254740992.0"), release(1 << 53));
        for wrong in ["3.5", "-1.0", "-1", "1e300", "9007199254740994.0", "\"3\""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    /// They once locked the whole document, which is what leaving `paths` out means.
    #[test]
    fn paths_that_name_nothing_are_refused_and_the_operation_can_be_answered() {
        for kind in ["acquire", "try", "take-over", "move-here", "request"] {
            for paths in ["[]", "[[]]", r#"[["title"],[]]"#] {
                let text = format!(r#"{{"type":"{kind}","nonce":5,"paths":{paths}}}"#);
                let error = ClientMessage::decode(&text).unwrap_err();
                assert_eq!(error.nonce(), Some(5), "{text}");
                assert!(error.to_string().contains("leave `paths` out"), "{error}");
            }
        }
    }

    #[test]
    fn what_was_not_understood_names_its_nonce_if_it_has_one() {
        let nonce = |text: &str| ClientMessage::decode(text).unwrap_err().nonce();
        assert_eq!(nonce(r#"{"type":"dance","nonce":5}"#), Some(5));
        assert_eq!(nonce(r#"{"type":"release","nonce":5.0}"#), Some(5));
        for without in [
            r#"{"type":"dance"}"#,
            r#"{"type":"acquire","nonce":-1}"#,
            r#"{"type":"acquire","nonce":"5"}"#,
            r#"[{"nonce":5}]"#,
            r#"{"nonce":5"#,
        ] {
            assert_eq!(nonce(without), None, "{without}");
        }
    }

    #[test]
    fn a_token_is_written_and_never_shown() {
        let token = ClientMessage::Token {
            token: ChannelToken::new("a.secret"),
        };
        assert_eq!(token.encode(), r#"{"type":"token","token":"a.secret"}"#);
        assert_eq!(ClientMessage::decode(&token.encode()).unwrap(), token);
        assert!(!format!("{token:?}").contains("secret"), "{token:?}");
    }

    #[test]
    fn nonsense_is_the_senders_fault() {
        assert!(ClientMessage::decode("{\"type\":\"dance\"}").is_err());
        assert!(ClientMessage::decode(&" ".repeat(MAX_PAYLOAD + 1)).is_err());
    }
}
