//! Messages of a client.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{FencingToken, LockMode, Paths, User};

/// Proof with which a client continues a session that it had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session.
    pub session: u64,
    /// Token of the last welcome; works once.
    pub token: String,
}

/// A token, which no log may show: `Debug` does not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelToken(String);

impl ChannelToken {
    /// Takes the text of a token.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret text.
    #[must_use]
    pub fn into_secret_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for ChannelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelToken(redacted)")
    }
}

/// Message from a client to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ClientMessage {
    /// Opts in; must be the connection's first message.
    Hello {
        /// [`VERSION`](super::VERSION) of the client.
        version: u32,
        /// Session to continue; absent: a new one begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
        /// Epoch that the client's copy of the document belongs to, when it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u32>,
        /// The fences of the locks that the client believes it holds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fences: Vec<FencingToken>,
        /// Version of the last view of the locks that the client saw: a hint.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locks: Option<u64>,
        /// Name and colour of the person.
        #[serde(default)]
        user: User,
        /// Secret of 16 to 256 bytes that all sessions of one user share; absent: a user of its
        /// own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_key: Option<String>,
        /// The Yjs client id of the client's document, so that rosters and cursors can be matched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<u64>,
        /// True for a client that only watches, which is never offered a lock.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        observer: bool,
        /// Names of the compressed forms that the client reads, such as
        /// [`DEFLATE_RAW`](crate::compressed_update::DEFLATE_RAW); others are ignored.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        encodings: Vec<String>,
    },
    /// Answers a beat, at once, from the page's own code.
    Answer {
        /// The beat's number.
        n: u64,
        /// True if the page is visible.
        #[serde(default)]
        visible: bool,
        /// Milliseconds since the person's last input.
        #[serde(default)]
        idle_ms: u64,
    },
    /// Acquires a lock, and waits for it in the queue.
    Acquire {
        /// Echoed in the result.
        nonce: u64,
        /// Scope of the lock.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
    },
    /// Acquires a lock if it is free now.
    Try {
        /// Echoed in the result.
        nonce: u64,
        /// Scope of the lock.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
    },
    /// Leaves the queue.
    Cancel {
        /// Echoed in the result.
        nonce: u64,
    },
    /// Gives a lock back, after the edits sent before it.
    Release {
        /// Echoed in the result.
        nonce: u64,
        /// The grant that is given back.
        fence: FencingToken,
    },
    /// Accepts an offer.
    Claim {
        /// The offer.
        fence: FencingToken,
    },
    /// Declines an offer, and leaves the queue.
    Decline {
        /// The offer.
        fence: FencingToken,
        /// Keeps the ticket, behind the present waiters; the lock is offered again after a pause.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        later: bool,
    },
    /// Hands a lock to another session, once this session has sent all its edits.
    Transfer {
        /// Echoed in the result.
        nonce: u64,
        /// The grant that is handed on.
        fence: FencingToken,
        /// Session that gets it.
        to: u64,
    },
    /// Asks the holders for a lock, and waits in the queue. The holders see the note, and must give
    /// the lock up in time.
    Request {
        /// Echoed in the result.
        nonce: u64,
        /// Scope of the lock.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
        /// For the holder to read; cut at [`MAX_NOTE`](super::MAX_NOTE).
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Takes a lock from its holder, once that one has sent all its edits. Needs
    /// [`Right::TakeOver`](super::Right::TakeOver).
    TakeOver {
        /// Echoed in the result.
        nonce: u64,
        /// Scope of the lock.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
    },
    /// Takes a lock from another session of the same user.
    MoveHere {
        /// Echoed in the result.
        nonce: u64,
        /// Scope of the lock.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
    },
    /// Reports that all edits under a draining grant have been sent.
    Drained {
        /// The grant.
        fence: FencingToken,
    },
    /// Changes the document's mode; needs [`Right::Manage`](super::Right::Manage).
    SetMode {
        /// Echoed in the result.
        nonce: u64,
        /// The mode.
        mode: LockMode,
    },
    /// Brings a park's edits into the document, as an edit of this session.
    MergePark {
        /// Echoed in the result.
        nonce: u64,
        /// The park.
        id: u64,
    },
    /// Discards a park, which can be recovered for a time.
    DiscardPark {
        /// Echoed in the result.
        nonce: u64,
        /// The park.
        id: u64,
    },
    /// Takes a discarded park back.
    RecoverPark {
        /// Echoed in the result.
        nonce: u64,
        /// The park.
        id: u64,
    },
    /// Asks for the changes that a park would make.
    ShowPark {
        /// Echoed in the result and in the content.
        nonce: u64,
        /// The park.
        id: u64,
    },
    /// Changes the display name or colour.
    Profile {
        /// Name and colour of the person.
        user: User,
    },
    /// Shows another token of the same user, which takes the place of the one before.
    Token {
        /// The token.
        token: ChannelToken,
    },
}

/// Reads `paths` that are present. An empty list, or an empty path in it, would mean the whole
/// document, for which a client leaves `paths` out. A client that computed an empty list has made a
/// mistake.
fn named_paths<'de, D: Deserializer<'de>>(from: D) -> Result<Paths, D::Error> {
    let paths = Paths::deserialize(from)?;
    if paths.is_empty() || paths.iter().any(Vec::is_empty) {
        return Err(serde::de::Error::custom(
            "`paths` or a path in it is empty; leave `paths` out for the whole document",
        ));
    }
    Ok(paths)
}
