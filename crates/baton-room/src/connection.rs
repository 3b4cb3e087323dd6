//! What a room remembers of one connection, and of what that connection asked for.
//!
//! Owns plain data only: where a connection is on its way in, whom a record answers, what waits for the disk.

use std::sync::Arc;

use baton_presence::{Fence, SessionId};
use baton_sync::channel::ServerMessage;
use baton_sync::handshake::Handshake;
use bytes::Bytes;

use crate::output::{ConnectionId, Ending, Output};
use crate::record::Record;
use crate::token::ResumeToken;

/// Whom a proposal answers, once it has its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// Nobody in particular: a timer, or one who is told like everybody else.
    Nobody,
    /// A connection whose session begins, and the token for its next one.
    Join(ConnectionId, ResumeToken),
    /// A connection whose session goes on, the token for its next one, and the grant it believes it has.
    Resume(ConnectionId, ResumeToken, Option<Fence>),
    /// An operation with a nonce.
    Operation(ConnectionId, u64),
    /// An edit.
    Update(ConnectionId),
}

/// A record that wants a position.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The record.
    pub record: Record,
    pub(crate) origin: Origin,
}

/// Where a connection is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not said anything.
    Greeting,
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
    pub(crate) handshake: Handshake,
}

/// What waits until everything up to its position is durable.
pub(crate) enum Held {
    Output(Output),
    /// To one connection, if it is in Baton's channel by then.
    To(ConnectionId, Arc<ServerMessage>),
    /// To everybody who is in Baton's channel by then: a newcomer's welcome holds what went before it.
    Channel(Arc<ServerMessage>),
    /// Opens the channel of this connection.
    Welcome(ConnectionId, Arc<ServerMessage>),
    Close(ConnectionId, Ending, String),
}

/// A proposal before its session is known: a stock client's first update stands behind its own join.
pub(crate) enum Proposed {
    Ready(Proposal),
    Update(ConnectionId, Bytes),
}
