//! Kinds of sync messages, verdicts on them, and faults.

use bytes::Bytes;

use crate::known_blocks::Clash;
use crate::replica_index::Refusal;
use crate::scan::ScanError;

/// Kind of the sync message that brought an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncKind {
    /// The answer to a Step1: all units that the client has and the document lacked.
    Step2,
    /// A new edit.
    Update,
}

/// Reason for which an update can never be taken. Its sender is at fault; nothing changed. After
/// the first two, close the connection (4400): its later edits build on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The bytes are not a sound update.
    #[error("the update was not understood: {0}")]
    Malformed(#[from] ScanError),
    /// The update breaks a rule that no later state of the document can satisfy.
    #[error("the update cannot be applied to any document: {0}")]
    Impossible(#[from] Refusal),
    /// Two clients write under one id, and the other one was first. Neither this update nor any
    /// later one of this connection is taken.
    #[error(transparent)]
    Clash(#[from] Clash),
}

/// The caller's task for an update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// This update adds nothing. Call [`Handshake::settled`](super::Handshake::settled) with the
    /// newest position of the log, or [`Handshake::parked`](super::Handshake::parked) if only the
    /// session's park holds it.
    Known(Bytes),
    /// Apply these bytes: all of the update, or its complete part. Then call
    /// [`Handshake::settled`](super::Handshake::settled) or
    /// [`Handshake::parked`](super::Handshake::parked) with their position in the log,
    /// [`Handshake::overtaken`](super::Handshake::overtaken) if they did not fit there, or
    /// [`Handshake::not_taken`](super::Handshake::not_taken).
    Admit(Bytes),
    /// Send our Step1.
    Ask,
    /// Do nothing: the update is kept aside, or an answer that will bring it is on its way.
    Wait,
    /// Close the connection, or report the clash to its client.
    Refuse(HandshakeError),
}

/// Reason for which a client is told that it lacks units itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// An update is kept until any connection brings the units that it builds on.
    Kept,
    /// An update is too large to keep, and was not taken.
    TooLarge,
}
