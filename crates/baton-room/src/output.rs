//! What a room is told and what it wants done: messages in, messages out, connections to close.
//!
//! Owns the vocabulary between a room and whoever carries it out. Names meanings, not frames: the same room serves
//! any wire.

use std::sync::Arc;

use baton_sync::channel::ServerMessage;
use baton_sync::handshake::Kind;
use bytes::Bytes;

use crate::viewing::Sketch;

/// One connection, by a number that its caller chose and never uses again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A message from a client, of the document or of Baton's own channel, freed from its wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// "This is what I have": an encoded state vector.
    Step1(&'a [u8]),
    /// An update: an edit, or the answer to a Step1.
    Sync(Kind, Bytes),
    /// An awareness payload.
    Awareness(&'a [u8]),
    /// "Tell me who is here."
    QueryAwareness,
    /// A payload of Baton's own channel.
    Channel(&'a str),
    /// Something that says nothing to a room.
    Other,
}

/// A message to a client, of the document or of Baton's own channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// "This is what I have": an encoded state vector.
    Step1(Bytes),
    /// "This is what you lack": an update.
    Step2(Bytes),
    /// A new edit: an update.
    Update(Bytes),
    /// An awareness payload.
    Awareness(Bytes),
    /// Access is denied, and why; a closing follows.
    Denied(String),
    /// Baton's own channel.
    Channel(Arc<ServerMessage>),
}

/// What a message is a view of: a newer view of the same thing makes an older one that still waits superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewOf {
    /// All locks.
    Locks,
    /// The park of this id.
    Park(u64),
}

impl ViewOf {
    /// What the message shows, if it is a view.
    #[must_use]
    pub fn of(message: &ServerMessage) -> Option<Self> {
        match message {
            ServerMessage::Lock { .. } => Some(Self::Locks),
            ServerMessage::Park { park } => Some(Self::Park(park.id)),
            _ => None,
        }
    }
}

/// One thing to do. Outputs are to be carried out in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To one connection.
    Send {
        /// Which.
        to: ConnectionId,
        /// What.
        message: Outgoing,
    },
    /// To several.
    Multicast {
        /// Which.
        to: Vec<ConnectionId>,
        /// What.
        message: Outgoing,
    },
    /// To every connection of the room. An update need not go to one that was not sent a Step2 yet: that will hold it.
    Broadcast {
        /// But not to this one.
        except: Option<ConnectionId>,
        /// What.
        message: Outgoing,
    },
    /// To work out what a park would change, on which nothing else of the room depends, and to send the answer to one
    /// connection: [`Sketch::render`]. It takes as long as loading the document.
    Show {
        /// Which connection.
        to: ConnectionId,
        /// What is worked out.
        sketch: Sketch,
    },
    /// A ping of the transport.
    Ping {
        /// To which.
        to: ConnectionId,
    },
    /// A ping of the transport with a payload, whose pong is reported by [`Room::probed`](crate::Room::probed): only
    /// that pong proves that the client is still there, because older bytes of it may still arrive.
    Probe {
        /// To which.
        to: ConnectionId,
        /// The payload, as a number; never used twice in one room.
        mark: u64,
    },
    /// Close it, after what was sent before. The room has forgotten the connection already.
    Close {
        /// Which.
        to: ConnectionId,
        /// Why, for machines.
        why: Ending,
        /// Why, for people: whose fault, what changed, what to do.
        reason: String,
    },
}

/// Why a room ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It sent what is not in the protocol.
    Protocol,
    /// Its session went on over another connection.
    Superseded,
    /// Another client that is here writes under its Yjs client id.
    ClientId,
    /// Its copy of the document is of another epoch.
    Epoch,
    /// The document was erased.
    Erased,
    /// It cannot be told otherwise that its edit was refused, for a limit on what is stored.
    Limit,
    /// It cannot be told otherwise that its edit was parked.
    Locked,
    /// Nothing came from it for the deadline.
    Silent,
    /// The document failed, and must be opened again.
    Unavailable,
    /// The log takes nothing more.
    StoreFailed,
    /// The server is going away.
    GoingAway,
}
