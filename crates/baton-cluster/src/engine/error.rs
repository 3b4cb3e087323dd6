//! The errors of the engine. Each says whose fault it is, what changed, and what to do.
//!
//! Errors carry names and numbers, never credentials and never the content of a record.

use async_nats::jetstream::ErrorCode;

/// The reason why the engine did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A setting is wrong.
    #[error("{what}; nothing was changed; correct the configuration")]
    Configuration {
        /// The rule that is broken.
        what: String,
    },
    /// No server could be reached at the start.
    #[error(
        "no server of {servers} could be reached ({reason}); nothing was changed; check the \
         addresses, the network and that the servers run"
    )]
    Unreachable {
        /// The addresses, without credentials.
        servers: String,
        /// The last failure.
        reason: String,
    },
    /// The servers do not accept this node.
    #[error(
        "the servers of {servers} refuse the credentials; nothing was changed; correct the user, \
         token or credentials file, or give the account the right"
    )]
    Unauthorized {
        /// The addresses, without credentials.
        servers: String,
    },
    /// The engine is not fit to keep what Baton calls saved.
    #[error("{what}; nothing was changed; {mend}")]
    Unfit {
        /// The requirement that is not met.
        what: String,
        /// The command or the lines of configuration that mend it.
        mend: String,
    },
    /// Fewer servers are there than copies are asked for. Others may be starting.
    #[error(
        "{copies} copies are asked for, and the servers cannot hold them ({reason}); nothing was \
         changed; start {copies} nats-servers as one cluster (`cluster {{ name: baton, routes: \
         [...] }}`) and see that each runs, or ask for fewer copies with `--cluster-replicas`"
    )]
    TooFewServers {
        /// The setting [`EngineOptions::replicas`](super::EngineOptions::replicas).
        copies: usize,
        /// JetStream's text.
        reason: String,
    },
    /// The engine did not answer, or answered during an election. A request that changes something
    /// may have changed it or not.
    #[error(
        "the engine gave no answer to {operation} ({reason}); it is not known what was changed; \
         it is tried again, and if this stays, check the servers and the network"
    )]
    Unanswered {
        /// The request.
        operation: &'static str,
        /// The failure.
        reason: String,
    },
    /// The engine has no room. Nothing was changed by the request.
    #[error(
        "the engine has no room for {operation} ({reason}); nothing was changed; it is tried again: \
         raise max_file_store of the servers, make room on their disks, or erase documents"
    )]
    Full {
        /// The request.
        operation: &'static str,
        /// JetStream's text.
        reason: String,
    },
    /// The engine refused.
    #[error(
        "the engine refuses {operation} (error {code}: {reason}); nothing was changed by this \
         request; check the engine's log, its limits and the rights of the account"
    )]
    Rejected {
        /// The request.
        operation: &'static str,
        /// JetStream's number of the error.
        code: u64,
        /// JetStream's text.
        reason: String,
    },
    /// The store of the snapshots did not answer. A request that changes something may have changed
    /// it or not.
    #[error(
        "the snapshot store {place} gave no answer to {operation} ({reason}); it is not known what \
         was changed; it is tried again, and if this stays, check the store, AWS_ENDPOINT_URL and \
         the network"
    )]
    StoreUnanswered {
        /// The bucket and prefix.
        place: String,
        /// The request.
        operation: &'static str,
        /// The failure.
        reason: String,
    },
    /// The store of the snapshots refused.
    #[error(
        "the snapshot store {place} refuses {operation} ({reason}); nothing was changed by this \
         request; check the bucket, AWS_REGION, the credentials (AWS_ACCESS_KEY_ID and others) and \
         their rights to get, put, list and delete objects"
    )]
    StoreRefused {
        /// The bucket and prefix.
        place: String,
        /// The request.
        operation: &'static str,
        /// The store's words.
        reason: String,
    },
    /// Something stored does not have the form in which Baton stores it.
    #[error(
        "what is stored at {place} is not of Baton's form ({what}); nothing was changed; see that \
         no other program writes to these subjects"
    )]
    Foreign {
        /// The stream and sequence, or the subject.
        place: String,
        /// The rule that is broken.
        what: &'static str,
    },
}

impl EngineError {
    pub(crate) fn unanswered(operation: &'static str, reason: &impl ToString) -> EngineError {
        EngineError::Unanswered {
            operation,
            reason: reason.to_string(),
        }
    }

    /// Sorts an error that JetStream sent: some only mean that no answer can be given now.
    pub(crate) fn from_jetstream(
        operation: &'static str,
        error: &async_nats::jetstream::Error,
    ) -> EngineError {
        if NO_ROOM.contains(&error.error_code()) {
            return EngineError::Full {
                operation,
                reason: error.to_string(),
            };
        }
        if is_passing(error.error_code(), error.code()) {
            return EngineError::unanswered(operation, &error);
        }
        EngineError::Rejected {
            operation,
            code: error.error_code().0,
            reason: error.to_string(),
        }
    }

    /// Returns true if the same request may succeed later without a change.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            EngineError::Unanswered { .. }
                | EngineError::Full { .. }
                | EngineError::Unreachable { .. }
                | EngineError::TooFewServers { .. }
                | EngineError::StoreUnanswered { .. }
        )
    }
}

/// Errors of a server, an account or a stream that has reached its limit of bytes.
const NO_ROOM: [ErrorCode; 4] = [
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_STORE_FAILED,
];

/// Returns true for the errors of elections, of overload and of a request that is still under way:
/// the request may have been stored or not, and the answer differs later.
fn is_passing(error: ErrorCode, status: usize) -> bool {
    const PASSING: [ErrorCode; 11] = [
        ErrorCode::CLUSTER_NOT_AVAILABLE,
        ErrorCode::CLUSTER_NOT_LEADER,
        ErrorCode::CLUSTER_NOT_ASSIGNED,
        ErrorCode::CLUSTER_INCOMPLETE,
        ErrorCode::RAFT_GENERAL,
        ErrorCode::STREAM_OFFLINE,
        ErrorCode::STREAM_TOO_MANY_REQUESTS,
        // The same message id is being stored: by a request whose answer was lost.
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT,
        ErrorCode::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY,
        // A part of the batch was lost on the way, or a new leader has not seen it.
        ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH,
        ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT,
    ];
    PASSING.contains(&error) || (status == 503 && !is_lasting(error))
}

/// Returns true for the errors with status 503 that stay until an operator acts.
fn is_lasting(error: ErrorCode) -> bool {
    [
        ErrorCode::JETSTREAM_NOT_ENABLED,
        ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
        ErrorCode::NO_ACCOUNT,
    ]
    .contains(&error)
}
