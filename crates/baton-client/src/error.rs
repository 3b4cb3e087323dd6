//! The errors of this crate. Owns the types only.

use baton_sync::control_channel::Outcome;
use baton_sync::{ApplyError, Broken};

use crate::events::EditPermission;

/// The address of a document cannot be used. The caller's fault; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The address does not begin with `ws://`. A proxy does TLS.
    #[error(
        "the address {0:?} does not begin with ws://; \
         for TLS, connect through a proxy that speaks it"
    )]
    Scheme(String),
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

/// A client could not be started. The caller's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address or the document name is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The copy in the options is damaged, or is not a copy of a document.
    #[error("the copy of the document cannot be used: {0}; connect without it")]
    Copy(#[from] ApplyError),
}

/// An edit was not made. The document is unchanged, except if it broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The edit would be parked, or never sent. Wait until
    /// [`Client::may_edit`](crate::Client::may_edit) returns true.
    #[error("this client may not edit now: {0:?}; nothing changed; acquire the lock first")]
    NotNow(EditPermission),
    /// The document can no longer be used: open it with another client.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// The client can no longer do what the caller waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientEnded {
    /// The client was closed, or the server turned it away for good with this code.
    #[error(
        "the client is closed ({}): {reason}",
        code.map_or_else(|| "without a code".to_owned(), |code| code.to_string())
    )]
    Closed {
        /// The close code, if there was one.
        code: Option<u16>,
        /// The reason, for people.
        reason: String,
    },
    /// An edit of this copy was parked, and nothing more of the copy is sent. Under
    /// [`DivergencePolicy::Afresh`](crate::DivergencePolicy::Afresh) the client has continued with
    /// a fresh copy, but the caller waited for the one before.
    #[error(
        "an edit was parked because another session held the lock, \
         and nothing more of that copy is sent; continue with a fresh one"
    )]
    Diverged,
}

/// An operation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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

/// A park was not shown. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShowParkError {
    /// The server refused: there is no such park, or this session may not see it.
    #[error("the server does not show the park: {0:?}")]
    Refused(Outcome),
    /// The server did not answer.
    #[error(transparent)]
    NoAnswer(#[from] OperationError),
}
