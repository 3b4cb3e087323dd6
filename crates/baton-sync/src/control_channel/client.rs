//! What a client says.

use serde::{Deserialize, Deserializer, Serialize};

use super::{FencingToken, LockMode, Paths, User};

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
        /// [`VERSION`](super::VERSION) of the client.
        version: u32,
        /// Goes on with a session instead of starting one.
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
        /// Who is editing.
        #[serde(default)]
        user: User,
        /// A secret of 16 to 256 bytes that all sessions of one user have in common; absent: a user of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_key: Option<String>,
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
    /// Wants a lock, and waits for it in the queue.
    Acquire {
        /// Echoed in the result.
        nonce: u64,
        /// What it should cover.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
    },
    /// Wants a lock if it is free now.
    Try {
        /// Echoed in the result.
        nonce: u64,
        /// What it should cover.
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
        /// Keeps the ticket, behind those who wait now; the lock is offered again after a pause.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        later: bool,
    },
    /// Hands a lock to another session, once this one is drained.
    Transfer {
        /// Echoed in the result.
        nonce: u64,
        /// The grant that is handed on.
        fence: FencingToken,
        /// To whom.
        to: u64,
    },
    /// Asks the holders for what they hold: they are told the note, and must give it up in time. Waits in the queue.
    Request {
        /// Echoed in the result.
        nonce: u64,
        /// What is wanted.
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
    /// Takes a lock from its holder, once that one is drained; needs [`Right::TakeOver`](super::Right::TakeOver).
    TakeOver {
        /// Echoed in the result.
        nonce: u64,
        /// What is taken.
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
        /// What is moved.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "named_paths"
        )]
        paths: Paths,
    },
    /// All edits under a grant that drains have been sent.
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
    /// Brings a park's edits into the document, as an edit of who says this.
    MergePark {
        /// Echoed in the result.
        nonce: u64,
        /// The park.
        id: u64,
    },
    /// Discards a park; it can be recovered for a time.
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
    /// Asks what a park would change.
    ShowPark {
        /// Echoed in the result and in the content.
        nonce: u64,
        /// The park.
        id: u64,
    },
    /// Changes the display name or colour.
    Profile {
        /// Who is editing.
        user: User,
    },
}

/// Reads `paths` that are there. An empty list, or an empty path in it, would cover the whole document in memory, which a
/// client says by leaving `paths` out; one that computed an empty list has made a mistake.
fn named_paths<'de, D: Deserializer<'de>>(from: D) -> Result<Paths, D::Error> {
    let paths = Paths::deserialize(from)?;
    if paths.is_empty() || paths.iter().any(Vec::is_empty) {
        return Err(serde::de::Error::custom(
            "`paths` or a path in it is empty; leave `paths` out for the whole document",
        ));
    }
    Ok(paths)
}
