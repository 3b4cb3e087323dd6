//! Reactions: the decisions of sessions and intake, which the room carries out in order.

use std::sync::Arc;
use std::time::Duration;

use baton_presence::{Event, Fence, SessionId};
use baton_sync::StateVector;
use baton_sync::control_channel::{ErrorCode, Outcome, ServerMessage};
use baton_sync::handshake::SyncKind;
use bytes::Bytes;

use crate::message::{ConnectionId, Ending, Outgoing};
use crate::replica::{CheckedUpdate, Record};
use crate::token::{ResumeToken, TokenHash};

/// The addressee of a proposal's result, once it has its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// No client: it follows from a timer or from another record, or changes what all are told.
    Unanswered,
    /// A connection whose session begins, and the token for its next one.
    Join(ConnectionId, ResumeToken),
    /// A connection whose session goes on.
    Resume(ConnectionId, Resumption),
    /// An operation with a nonce.
    Operation(ConnectionId, u64),
    /// A request with a nonce and a note for the holders.
    Request(ConnectionId, u64, String),
    /// An edit.
    Update(ConnectionId),
    /// An edit behind others of its connection that had no position yet: it is judged at its own.
    Streamed(ConnectionId, StreamedUpdate),
    /// A message without a nonce about a fence: a claim, a decline, or that a lock is drained.
    FenceMessage(ConnectionId),
}

impl Origin {
    /// The connection of an edit.
    pub(crate) const fn author(&self) -> Option<ConnectionId> {
        match self {
            Self::Update(connection) | Self::Streamed(connection, _) => Some(*connection),
            _ => None,
        }
    }

    /// The connection whose further operations wait until the record has its position: they are
    /// judged by what it changes.
    pub(crate) const fn operator(&self) -> Option<ConnectionId> {
        match self {
            Self::Join(connection, _)
            | Self::Resume(connection, _)
            | Self::Operation(connection, _)
            | Self::Request(connection, _, _)
            | Self::FenceMessage(connection) => Some(*connection),
            Self::Unanswered | Self::Update(_) | Self::Streamed(..) => None,
        }
    }

    /// True if the session of its connection begins or goes on by the record.
    pub(crate) const fn is_entrance(&self) -> bool {
        matches!(self, Self::Join(..) | Self::Resume(..))
    }
}

/// A sync message that was proposed before it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamedUpdate {
    /// Its number among the messages of its connection.
    pub(crate) number: u64,
    pub(crate) kind: SyncKind,
}

/// The facts about a session that goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resumption {
    /// The token for its next connection.
    pub(crate) token: ResumeToken,
    /// The token that was shown.
    pub(crate) shown: TokenHash,
    /// The grants that its client believes it has.
    pub(crate) believed: Vec<Fence>,
}

/// A record that wants a position.
pub(crate) enum ProposedRecord {
    /// A record.
    Record(Record, Origin),
    /// An edit. Its session is read when it gets its position: a stock client's first update comes
    /// before its own join has one.
    Update {
        connection: ConnectionId,
        update: CheckedUpdate,
        /// Arrival in milliseconds of Unix time, if it is to be parked.
        at_ms: Option<u64>,
        /// True if its author has no right to write.
        is_suggestion: bool,
        /// Set if it is not judged yet.
        streamed: Option<StreamedUpdate>,
    },
}

impl ProposedRecord {
    /// Proposes a record that answers no client.
    pub(crate) const fn unanswered(record: Record) -> Self {
        Self::Record(record, Origin::Unanswered)
    }

    /// Returns true if further operations of its connection wait for it.
    pub(crate) const fn is_operation(&self) -> bool {
        match self {
            Self::Record(_, origin) => origin.operator().is_some(),
            Self::Update { .. } => false,
        }
    }

    /// Returns true if this connection proposes it.
    pub(crate) fn is_of(&self, by: ConnectionId) -> bool {
        match self {
            Self::Record(_, origin) => origin.operator() == Some(by),
            Self::Update { connection, .. } => *connection == by,
        }
    }

    /// Proposes a presence event that answers no client.
    pub(crate) const fn event(event: Event) -> Self {
        Self::unanswered(Record::Presence(event))
    }
}

/// A message to one connection.
pub(crate) enum Answer {
    /// A message of the document's protocol, at once.
    Send(Outgoing),
    /// A message of Baton's channel: at once, or behind the welcome if that waits for the disk.
    Tell(Arc<ServerMessage>),
    /// The document's part that a client with this state vector lacks.
    Lacking(StateVector),
    /// The preview of a park with these edits.
    Show {
        nonce: u64,
        id: u64,
        updates: Vec<Bytes>,
    },
    /// A ping that the connection must answer, with this mark.
    Probe(u64),
    /// An edit of this connection is in this park already.
    ParkedBefore(u64),
    /// An update of this connection that the document has already, back to it once all is durable.
    Echo(Bytes),
    /// Some updates of this connection may be durable now, or were refused.
    Receipts,
}

impl Answer {
    /// Answers an operation that needs no record.
    pub(crate) fn result(nonce: u64, outcome: Outcome, message: Option<String>) -> Self {
        Self::Tell(Arc::new(ServerMessage::Result {
            nonce,
            outcome,
            message,
        }))
    }

    /// Tells a client of a limit that it met, in a way that its kind understands. It goes on.
    pub(crate) fn limit(is_stock: bool, reason: String) -> Self {
        if is_stock {
            Self::Send(Outgoing::Denied(reason))
        } else {
            Self::complaint(ErrorCode::Limit, reason, false)
        }
    }

    /// Complains of a message without a nonce.
    pub(crate) fn complaint(code: ErrorCode, message: String, retry: bool) -> Self {
        Self::Tell(Arc::new(ServerMessage::Error {
            code,
            message,
            retry,
        }))
    }
}

/// A decision that the room carries out.
pub(crate) enum Reaction {
    Propose(ProposedRecord),
    Answer(ConnectionId, Answer),
    /// To every connection.
    Broadcast(Outgoing),
    /// An awareness payload about clients here, to every connection and to the other hosts.
    Announce(Bytes),
    /// The page of a session answered this beat, and had its last input this long ago.
    BeatAnswered(SessionId, u64, Duration),
    Close(ConnectionId, Ending, String),
}

impl Reaction {
    /// Closes a connection for a fault of its client.
    pub(crate) fn malformed(connection: ConnectionId, fault: &str) -> Self {
        Self::Close(connection, Ending::Protocol, protocol_fault(fault))
    }
}

/// Returns the reason for closing a connection that broke the protocol.
#[must_use]
pub fn protocol_fault(fault: &str) -> String {
    format!("{fault}; nothing changed; this is the client's mistake")
}
