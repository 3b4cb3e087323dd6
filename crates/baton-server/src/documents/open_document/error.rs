//! The errors of an open document.

use std::sync::Arc;

use baton_log::LogError;
use baton_room::{RecordError, SnapshotError};

/// The document has left memory: open it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server closed the document in the meantime; nothing was changed; open it again")]
pub(crate) struct Gone;

/// The reason for which a step could not be completed. The room is closed after it, and its clients
/// are told to reconnect.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The reason for which a connection could not join. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error(
        "this document has {0} connections, which is the limit (max_connections_per_document); reconnect later"
    )]
    Full(usize),
}

/// The reason for which a document was not erased. Its content is unchanged, unless the variant
/// says otherwise; its clients may have been disconnected, and reconnect.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NotErased {
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The log does not say that the erasure has its position. It may get it later.
    #[error("the log does not answer")]
    Unanswered,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Snapshot(#[from] Arc<SnapshotError>),
}
