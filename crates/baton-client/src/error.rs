//! The errors of this crate. Owns the types only.

use baton_sync::control_channel::Outcome;
use baton_sync::{ApplyError, Broken};

use crate::close_cause::CloseCause;
use crate::events::EditPermission;

/// The address of a document cannot be used. The caller's fault; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The address begins neither with `ws://` nor with `wss://`.
    #[error("the address {0:?} begins neither with ws:// nor with wss://; correct it")]
    Scheme(String),
    /// The address begins with `wss://`, and this crate was built without TLS.
    #[error(
        "the address {0:?} asks for TLS; build baton-client with its feature `rustls`, \
         or connect through a proxy that does TLS"
    )]
    NoTls(String),
    /// The address cannot be parsed.
    #[error("the address {url:?} cannot be used: {reason}; correct it")]
    Malformed {
        /// The address as given.
        url: String,
        /// The part that is wrong.
        reason: String,
    },
    /// The document name is empty, longer than 1024 bytes, or has control characters.
    #[error("{0:?} is not a document name: 1 to 1024 bytes without control characters")]
    Document(String),
}

/// A header cannot be sent. The caller's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not the name of an HTTP header.
    #[error("{0:?} is not the name of an HTTP header; correct it")]
    Name(String),
    /// The value of the header of this name has characters that cannot be sent.
    #[error("the value of the header {0} has characters that cannot be sent; encode it")]
    Value(String),
    /// The handshake sets this header itself.
    #[error("the header {0} is set by the handshake itself; leave it out")]
    Reserved(String),
}

/// A client could not be started. The caller's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address or the document name is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The copy in the options is damaged, or is not a copy of a document.
    #[error("the copy of the document cannot be used: {0}; connect without it")]
    Copy(#[from] ApplyError),
    /// No TLS can be done: the platform has no certificates, or they cannot be read.
    #[cfg(feature = "rustls")]
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
}

/// An edit was not made. The document is unchanged, except if it broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The edit would be parked, or never sent. Wait until
    /// [`Client::may_edit`](crate::Client::may_edit) returns true.
    #[error("this client may not edit now ({0}); nothing changed; acquire the lock first")]
    NotNow(EditPermission),
    /// The document can no longer be used: open it with another client.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// The client can no longer do what the caller waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientEnded {
    /// The client was closed, or the server turned it away for good.
    #[error("the client has ended: {0}")]
    Closed(CloseCause),
    /// An edit of this copy was parked, and nothing more of the copy is sent. Under
    /// [`DivergencePolicy::Afresh`](crate::DivergencePolicy::Afresh) the client has continued with
    /// a fresh copy, but the caller waited for the one before.
    #[error(
        "an edit was parked because another session held the lock, \
         and nothing more of that copy is sent; continue with a fresh one"
    )]
    Diverged,
}

/// A state of awareness cannot be set. The caller's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AwarenessStateError {
    /// It has so many bytes of JSON: 256 KiB are allowed.
    #[error("a state of awareness has at most 262144 bytes of JSON, and this one has {0}")]
    TooLarge(usize),
    /// It cannot be written as JSON.
    #[error("the state of awareness cannot be written as JSON: {0}")]
    Json(String),
}

/// A cursor cannot be shown. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// An end of it is beyond the end of the text in this root type. The caller's fault.
    #[error("the cursor is beyond the end of the text {0:?}; the document may have changed")]
    Beyond(String),
    /// The state with the cursor cannot be set.
    #[error(transparent)]
    State(#[from] AwarenessStateError),
    /// The document can no longer be used: open it with another client.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// An operation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// There is no connection, or it ended before the result came. It is not known if the server
    /// carried the operation out.
    #[error("the connection ended before the server answered; ask again")]
    Disconnected,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// Too many operations (1024) wait for their answers. The operation was not sent; the program
    /// asks for more than it waits for.
    #[error("too many operations wait for their answers; this one was not sent; await some first")]
    TooMany,
}

/// A lock was asked for, and will not be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// The server refused, and the session does not wait for the lock.
    #[error("the server refused the lock: {}", refusal(*.0))]
    Refused(Outcome),
    /// There was no answer.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The client ended before it held the lock.
    #[error(transparent)]
    Ended(#[from] ClientEnded),
}

/// Returns the reason of a refused lock, with the remedy.
const fn refusal(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Forbidden => {
            "this session may not hold it; it only watches, or its user lacks the right"
        }
        Outcome::WouldWait => {
            "another session has it, and no session waits while it holds a lock; release that first"
        }
        Outcome::Full => "its queue is full; ask again later",
        Outcome::Invalid => "there is no such scope; correct it",
        _ => "it cannot be had now; ask again later",
    }
}

/// A park was not shown. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShowParkError {
    /// The server refused: there is no such park, or this session may not see it.
    #[error("the server does not show the park: {0}")]
    Refused(Outcome),
    /// The server did not answer.
    #[error(transparent)]
    NoAnswer(#[from] OperationError),
}
