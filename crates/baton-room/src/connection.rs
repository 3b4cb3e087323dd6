//! What a room remembers of one connection, and of what that connection asked for.
//!
//! Owns plain data only: where a connection is on its way in, whom a record answers, what waits for the disk.

use std::sync::Arc;

use baton_presence::{Fence, Rights, SessionId, Time};
use baton_sync::channel::{ClientMessage, ServerMessage};
use baton_sync::handshake::Handshake;
use bytes::Bytes;

use crate::output::{ConnectionId, Ending, Output, ViewOf};
use crate::record::Record;
use crate::token::{ResumeToken, Source, TokenHash};
use crate::withheld::{Bringing, Withheld};

/// Whom a proposal answers, once it has its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// Nobody in particular: a timer, or one who is told like everybody else.
    Nobody,
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
    /// Something about a fence that has no nonce: a claim, a decline, the word that a lock is drained.
    Word(ConnectionId),
}

/// What goes with a session that goes on.
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
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proposal {
    pub(crate) record: Record,
    pub(crate) origin: Origin,
}

/// Where a connection is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not said anything.
    Greeting,
    /// It said hello with a client id that another live connection has said; see [`crate::claims`].
    Contesting,
    /// Its session has been proposed.
    Joining,
    /// It is this session's connection.
    In(SessionId),
}

/// Whether a connection takes part in Baton's own channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// A stock client, or one that has not said hello.
    Closed,
    /// It said hello, and its welcome is on the way to the disk.
    Opening,
    /// It has its welcome.
    Open,
}

pub(crate) struct Connection {
    pub(crate) stage: Stage,
    pub(crate) channel: Channel,
    /// What the server grants whoever comes over it.
    pub(crate) rights: Rights,
    /// From where it comes, if the server says so.
    pub(crate) source: Option<Source>,
    pub(crate) handshake: Handshake,
    /// Sync messages that are too early to judge.
    pub(crate) withheld: Withheld,
    /// Whether it still has to bring what its client has.
    pub(crate) bringing: Bringing,
    /// What gives a lock away, and waits for edits that the client sent before it and was asked for again.
    pub(crate) deferred: Vec<ClientMessage>,
    /// When it was last sent something of its own; see `keepalive`.
    pub(crate) told_at: Option<Time>,
}

/// What waits until everything up to its position is durable.
pub(crate) enum Held {
    Output(Output),
    /// To one connection, if it is in Baton's channel by then.
    To(ConnectionId, Arc<ServerMessage>),
    /// To everybody who is in Baton's channel by then: a newcomer's welcome holds what went before it.
    Channel(Arc<ServerMessage>),
    /// A view for everybody who is in Baton's channel by then; see [`crate::views`].
    View(ViewOf),
    /// Opens the channel of this connection.
    Welcome(ConnectionId, Arc<ServerMessage>),
    Close(ConnectionId, Ending, String),
}

/// A proposal before its session is known: a stock client's first update stands behind its own join.
pub(crate) enum Proposed {
    Ready(Proposal),
    Update {
        connection: ConnectionId,
        update: Bytes,
        /// When it came, if it is to be parked.
        at_ms: Option<u64>,
    },
}
