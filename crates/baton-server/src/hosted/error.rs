//! The errors of hosted documents.

use baton_sync::Broken;

use crate::connection::session::NotJoined;

/// The session of a hosted document is over, or could not begin. Everything that was reported as
/// durable is stored. Open the document again, unless the server stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the session in the document is over ({code}): {reason}; open the document again")]
#[non_exhaustive]
pub struct HostedDocumentEnded {
    /// The close code that a client would have been sent; see [`close`](crate::close).
    pub code: u16,
    /// The reason, for people.
    pub reason: String,
}

impl From<NotJoined> for HostedDocumentEnded {
    fn from(refused: NotJoined) -> Self {
        let NotJoined { code, reason } = refused;
        Self { code, reason }
    }
}

/// An edit of a hosted document that is not in the document, or of which it is not known. The next
/// edit begins with the document as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostedEditError {
    /// A lock of another session covers what the edit changes, or the author may not write.
    /// Nothing changed.
    #[error(
        "the edit was refused: another session has the lock, or the author may not write; nothing changed; try again when the lock is free"
    )]
    Refused,
    /// The edit is larger than a message may be. Nothing changed.
    #[error(
        "the edit has {bytes} bytes, more than the {most} of max_frame; nothing changed; make it in parts"
    )]
    TooLarge {
        /// Its size as an update, in bytes.
        bytes: usize,
        /// Most bytes of an update.
        most: usize,
    },
    /// A limit on what is stored keeps the edit out; or, on a node of a cluster, another session
    /// took the lock on another node just before it, and the edit is kept in a park.
    #[error(
        "the edit is not in the document: a limit on what is stored was reached, or another session took the lock just before it; make it again later"
    )]
    NotKept,
    /// The edit panicked, or made content that others would refuse. Nothing changed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The session ended first. It is not known if the edit is in the document.
    #[error(transparent)]
    Ended(#[from] HostedDocumentEnded),
}
