//! Messages between clients and a room, by meaning and not by frame: the same room serves any wire.

use std::sync::Arc;

use baton_presence::Rights;
use baton_sync::compressed_update::CompressedUpdate;
use baton_sync::control_channel::ServerMessage;
use baton_sync::handshake::SyncKind;
use bytes::Bytes;

use crate::token::Source;

/// A connection, by a number that the caller chose and never uses again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The connections that a room closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToClose {
    /// This one.
    One(ConnectionId),
    /// All that it has.
    All,
}

impl From<ConnectionId> for ToClose {
    fn from(connection: ConnectionId) -> Self {
        Self::One(connection)
    }
}

/// A message from a client, of the document or of Baton's own channel, freed from its wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// "This is what I have": an encoded state vector.
    Step1(&'a [u8]),
    /// An update: an edit, or the answer to a Step1.
    Sync(SyncKind, Bytes),
    /// An awareness payload.
    Awareness(&'a [u8]),
    /// "Tell me who is here."
    QueryAwareness,
    /// A payload of Baton's own channel.
    Channel(&'a str),
    /// "Is all that I sent before this saved?": answered with these bytes once it is.
    Barrier(&'a [u8]),
    /// The client has sent all that it had queued while it was offline. Only for one that counts
    /// statuses ([`Receipts::EachUpdate`]).
    QueueSent,
    /// A message without a meaning for a room.
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
    /// A Step2 with a compressed update, for a client that asked for it in its hello.
    CompressedStep2(CompressedUpdate),
    /// A compressed update, before the Step2 that ends the answer.
    CompressedUpdate(CompressedUpdate),
    /// An update that the client sent itself, back to it: it is durable in the document. Never
    /// replaced by a difference: that may hold edits of the client which are not durable yet.
    Echo(Bytes),
    /// The answer to one Step2 or Update of the client: true only if it is durable in the document.
    SyncStatus(bool),
    /// The answer to a barrier: all that the client sent before it is durable in the document.
    Barrier(Bytes),
    /// An awareness payload.
    Awareness(Bytes),
    /// An awareness payload that removes entries of the receiver itself, which is to state them
    /// again at a newer clock. A wire whose clients do not do so by themselves asks them to.
    AwarenessQuestion(Bytes),
    /// Access is denied, with the reason; a closing follows.
    Denied(String),
    /// The client is asked for its token again. For wires that have words for it.
    TokenRequest,
    /// The client may write from now on, or may only read. For wires that have words for it.
    Scope(WriteScope),
    /// Baton's own channel.
    Channel(Arc<ServerMessage>),
}

/// The subject of a view: a newer view of the same subject makes an older one that still waits
/// superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewOf {
    /// All locks.
    Locks,
    /// The park of this id.
    Park(u64),
}

impl ViewOf {
    /// Returns the subject of a message, if it is a view.
    #[must_use]
    pub fn of(message: &ServerMessage) -> Option<Self> {
        match message {
            ServerMessage::Lock { .. } => Some(Self::Locks),
            ServerMessage::Park { park } => Some(Self::Park(park.id)),
            _ => None,
        }
    }
}

/// The reason for which a room ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It broke the protocol.
    Protocol,
    /// Its client's token counts no longer: it is over, or was revoked.
    Unauthorized,
    /// Its client may not open the document any longer.
    Forbidden,
    /// Its session went on over another connection.
    Superseded,
    /// Another client that is here writes under its Yjs client id.
    ClientId,
    /// Its copy of the document is of another epoch.
    Epoch,
    /// The document was erased.
    Erased,
    /// Its edit was refused for a storage limit, and nothing else can tell its client.
    Limit,
    /// Its edit was parked, and nothing else can tell its client.
    Locked,
    /// Nothing came from it for the deadline.
    Silent,
    /// Its access ended with its token: its client may come again with a new one.
    Expired,
    /// The document failed, and must be opened again.
    Unavailable,
    /// The log takes nothing more.
    StoreFailed,
    /// The server is going away.
    GoingAway,
}

impl Ending {
    /// Returns true if the client is denied the document, with the access or token that it has.
    pub(crate) const fn denies(self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::Forbidden | Self::Expired | Self::Erased
        )
    }
}

/// The part of the rights that a wire without Baton's channel has words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteScope {
    /// The client may edit the document.
    ReadWrite,
    /// The client may only read.
    ReadOnly,
}

impl WriteScope {
    /// Returns the scope of these rights.
    pub(crate) const fn of(rights: Rights) -> Self {
        if rights.contains(Rights::WRITE) {
            Self::ReadWrite
        } else {
            Self::ReadOnly
        }
    }
}

/// News for the client of a connection about its access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessNews {
    /// It ends soon.
    Expiring {
        /// Time until then, in milliseconds.
        left_ms: u64,
    },
    /// The token that the client showed has taken the place of the one before, and gives the same
    /// rights.
    Renewed,
    /// A token that the client showed cannot take the place of the one before, which counts on; or
    /// the access ended, and the connection is closed.
    Refused {
        /// The reason, for people.
        reason: String,
        /// True if the client may succeed later, or with a new token on a new connection.
        retry: bool,
    },
}

/// The reason for closing the connections of a document that was erased.
pub const ERASED: &str =
    "the document was erased by the operator of the server; open it afresh for an empty one";

/// The end of a connection, as its client made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The client said that it is done (close code 1000).
    Done,
    /// Any other end.
    Dropped,
}

/// The user of a connection, as its token states it. The room shows this user to others, in place
/// of what the client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    id: String,
    name: Option<String>,
    color: Option<String>,
}

impl Identity {
    /// A user with this id, which is the user's own among all users. The caller bounds the texts:
    /// 256 bytes of the id and of the name and 64 of the colour are kept.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        let (name, color) = (None, None);
        Self {
            id: id.into(),
            name,
            color,
        }
    }

    /// Sets the name that others are shown. Without it they are shown the id.
    #[must_use]
    pub fn with_name(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// Sets the colour that others are shown. Without it the client chooses one.
    #[must_use]
    pub fn with_color(mut self, color: Option<String>) -> Self {
        self.color = color;
        self
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name that others are shown.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Returns the colour that others are shown, if it is settled.
    #[must_use]
    pub fn color(&self) -> Option<&str> {
        self.color.as_deref()
    }
}

/// The means by which a wire tells a client that its edits are saved, beside Baton's channel and
/// the barriers that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Receipts {
    /// None.
    #[default]
    None,
    /// [`Outgoing::SyncStatus`] for each Step2 and Update of the client, in order. Its Step1 is
    /// answered with our Step1 before the Step2, and no Step1 is sent before: with each Step1 the
    /// client sets its count to one, for the answer to ours. The answer to a Step1 of ours that it
    /// did not ask for gets a false one, and so does an update that it wrote before its Step1. An
    /// update that only deletes is taken for one of those until [`Incoming::QueueSent`].
    EachUpdate,
    /// [`Outgoing::Echo`] for each update of the client.
    Echo,
}

/// The facts about a connection that come with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arrival {
    /// Rights of its session. Those of an observer's session end with [`Rights::WRITE`].
    pub rights: Rights,
    /// User of the connection, if a token states one.
    pub identity: Option<Identity>,
    /// Source of the connection. Equal edits that stock clients of one source park become one park;
    /// without a source each has a park of its own.
    pub source: Option<Source>,
    /// The way in which its client is told that an edit is saved.
    pub receipts: Receipts,
    /// True if its wire has frames for compressed updates.
    pub may_compress: bool,
}

impl Arrival {
    /// A connection with these rights, without a user and without a source, over a wire without
    /// frames for compressed updates.
    #[must_use]
    pub const fn new(rights: Rights) -> Self {
        let (identity, source) = (None, None);
        Self {
            rights,
            identity,
            source,
            receipts: Receipts::None,
            may_compress: false,
        }
    }

    /// Sets the user that a token states.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Sets the source.
    #[must_use]
    pub fn with_source(mut self, source: Option<Source>) -> Self {
        self.source = source;
        self
    }

    /// Sets the way in which the client is told that an edit is saved.
    #[must_use]
    pub const fn with_receipts(mut self, receipts: Receipts) -> Self {
        self.receipts = receipts;
        self
    }

    /// Sets if the wire has frames for compressed updates. They go to a client that asks for them.
    #[must_use]
    pub const fn with_compression(mut self, may_compress: bool) -> Self {
        self.may_compress = may_compress;
        self
    }
}

impl From<Rights> for Arrival {
    fn from(rights: Rights) -> Self {
        Self::new(rights)
    }
}
