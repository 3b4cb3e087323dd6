//! What can go wrong, and for whom. Owns the types only.

use baton_sync::Broken;
use baton_sync::channel::Outcome;

use crate::events::EditRight;

/// No client was started, for want of an address. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The address does not begin with `ws://`. TLS is left to a proxy.
    #[error(
        "the address {0:?} does not begin with ws://; for TLS, connect through a proxy that speaks it"
    )]
    Scheme(String),
    /// The address is none.
    #[error("the address {url:?} cannot be used: {reason}")]
    Malformed {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The document name is empty, longer than 1024 bytes, or has control characters.
    #[error("{0:?} is not a document name: 1 to 1024 bytes without control characters")]
    Document(String),
}

/// An edit was not made. The document is as before, except when it broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It would be parked, or never sent. Wait until [`Client::may_edit`](crate::Client::may_edit) says yes.
    #[error("this client may not edit now: {0:?}")]
    NotNow(EditRight),
    /// The document cannot be used any more: open it with another client.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// What was waited for cannot come any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The client was closed, or turned away for good with this code.
    #[error("the client is closed ({}): {reason}", code.map_or_else(|| "without a code".to_owned(), |code| code.to_string()))]
    Closed {
        /// The close code, if there was one.
        code: Option<u16>,
        /// Why, for people.
        reason: String,
    },
    /// An edit of this copy was parked, and nothing more of it is sent. Under
    /// [`Divergence::Afresh`](crate::Divergence::Afresh) the client has gone on with a fresh copy, and what was waited
    /// for belongs to the one before.
    #[error(
        "an edit was parked under somebody else's lock, and nothing more of that copy is sent; go on with a fresh one"
    )]
    Diverged,
}

/// An operation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// There is no connection, or it ended before the result came; what the server did is not known.
    #[error("the connection ended before the server answered")]
    Disconnected,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// So many operations wait for a connection, or for their answers, that this one was not taken up: the program asks
    /// for more than it waits for.
    #[error("too many operations wait for their answers; this one was not asked for")]
    TooMany,
}

/// A park was not shown. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// The server's answer: there is no such park, or it is not for this session to see.
    #[error("the server does not show the park: {0:?}")]
    Refused(Outcome),
    /// There was none.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}
