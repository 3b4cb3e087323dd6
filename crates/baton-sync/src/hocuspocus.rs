//! The frames of the Hocuspocus wire: one WebSocket binary message, one protocol message of one of
//! the documents on the socket.
//!
//! Owns the layout of frames, both ways, for servers and clients, as written by
//! `@hocuspocus/provider` 4.5 to 4.8 and `@hocuspocus/server` 4.7. It never looks into a state
//! vector, an update, an awareness payload, a token or a stateless payload, never copies while
//! reading, and decides nothing: the receiver decides about a message, and about the name of a
//! document.
//!
//! A frame is `varString address | varUint type | payload`, except for two frames of one byte
//! without an address: Ping and Pong. An address is the name of a document, or that name, NUL and a
//! session id; an answer bears the address of its question ([`Address`]).
//!
//! Reading is total: any bytes are a frame or a [`HocuspocusError`]. As on the y-websocket wire,
//! bytes behind a message are refused and an unknown type is no error. The exception is a client's
//! Auth message: newer providers append to it, so bytes behind the token's version are ignored.

mod encode;
#[cfg(test)]
mod tests;

pub use encode::{
    HocuspocusPayload, authenticated, awareness, broadcast_stateless, close, close_request, header,
    permission_denied, ping, pong, query_awareness, stateless, step1, step1_bytes, step2,
    sync_reply, sync_status, token, token_request, update,
};

use crate::lib0::{self, Reader};

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const SYNC_REPLY: u64 = 4;
const STATELESS: u64 = 5;
const BROADCAST_STATELESS: u64 = 6;
const CLOSE: u64 = 7;
const SYNC_STATUS: u64 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const STEP1: u64 = 0;
const STEP2: u64 = 1;
const UPDATE: u64 = 2;

const TOKEN: u64 = 0;
const PERMISSION_DENIED: u64 = 1;
const AUTHENTICATED: u64 = 2;

/// Reason for which a frame is no message of this wire. The sender is at fault; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HocuspocusError {
    /// It is truncated, too long, has a number in a second spelling, or text that is not UTF-8.
    #[error("the frame is not a message of the Hocuspocus wire: {0}")]
    Malformed(#[from] lib0::DecodeError),
    /// A sync message that is neither Step1, Step2 nor Update.
    #[error("a sync message has the unknown step {0}")]
    UnknownSync(u64),
    /// An auth message that is neither a token, a denial nor a grant.
    #[error("an auth message has the unknown kind {0}")]
    UnknownAuth(u64),
    /// A grant that is neither `read-write` nor `readonly`.
    #[error("an auth message grants an unknown scope")]
    UnknownScope,
    /// A sync status that is neither 0 nor 1.
    #[error("a sync status is {0}, neither 0 nor 1")]
    UnknownStatus(u64),
}

/// Address of a message: the part of a socket that one provider of one document uses. Any text is
/// an address; the receiver checks the document's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// Name of the document: all before the first NUL.
    pub document: &'a str,
    /// Id that the provider drew for itself: all behind the first NUL.
    pub session: Option<&'a str>,
    /// The address as it was sent. An answer bears exactly this.
    pub raw: &'a str,
}

impl<'a> Address<'a> {
    /// Splits an address into its parts.
    #[must_use]
    pub fn parse(raw: &'a str) -> Self {
        let (document, session) = match raw.split_once('\0') {
            Some((document, session)) => (document, Some(session)),
            None => (raw, None),
        };
        Self {
            document,
            session,
            raw,
        }
    }
}

/// One frame, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HocuspocusFrame<'a> {
    /// A client's question for a sign of life. Answered with a Pong.
    Ping,
    /// The answer to a Ping.
    Pong,
    /// A message to one address.
    Message(Envelope<'a>),
}

/// A message with its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The provider from which the message comes, or to which it goes.
    pub address: Address<'a>,
    /// The message.
    pub message: HocuspocusMessage<'a>,
}

/// Access that a server grants to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessScope {
    /// The client may edit: `read-write`.
    ReadWrite,
    /// The client may only read: `readonly`.
    ReadOnly,
}

impl AccessScope {
    /// Returns the text of this scope on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "readonly",
        }
    }
}

/// Part of the sync handshake, or an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStep<'a> {
    /// The sender's state vector, encoded. Answered with a Step2.
    Step1(&'a [u8]),
    /// An update with everything that the receiver lacks, in answer to a Step1.
    Step2(&'a [u8]),
    /// An update with a new edit.
    Update(&'a [u8]),
}

/// One message, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HocuspocusMessage<'a> {
    /// Part of the sync handshake, or an edit. A server answers a client's Step1 with its own Step1
    /// before its Step2.
    Sync(SyncStep<'a>),
    /// As [`HocuspocusMessage::Sync`], but never answered with a Step1.
    SyncReply(SyncStep<'a>),
    /// An awareness payload ([`crate::awareness`]).
    Awareness(&'a [u8]),
    /// A question for the awareness of all clients.
    QueryAwareness,
    /// A client's token, the first time or again.
    Token {
        /// The token. Secret: it never goes into a log or an error.
        token: &'a str,
        /// Version of the provider. Absent from providers before 4, and when it cannot be read.
        version: Option<&'a str>,
    },
    /// A server's request that the client send its token again.
    TokenRequest,
    /// A server's grant of access.
    Authenticated(AccessScope),
    /// A server's denial of access, with its reason. The socket stays open, and the client may send
    /// another token.
    PermissionDenied(&'a str),
    /// Text of the application.
    Stateless(&'a str),
    /// Text for all clients of the document. Only servers send it to one another; a server refuses
    /// it from a client.
    BroadcastStateless(&'a str),
    /// A client's notice that it leaves this address (no reason), or a server's, with its reason.
    Close(Option<&'a str>),
    /// A server's answer to one Step2 or Update of the client: true if the server has it safe.
    SyncStatus(bool),
    /// A type that this version does not know; to be ignored.
    Unknown(u64),
}

/// Reads a frame. The receiver bounds its length (with the WebSocket's limit).
///
/// # Errors
/// See [`HocuspocusError`]; the sender is at fault.
pub fn decode(frame: &[u8]) -> Result<HocuspocusFrame<'_>, HocuspocusError> {
    match frame {
        [PING] => return Ok(HocuspocusFrame::Ping),
        [PONG] => return Ok(HocuspocusFrame::Pong),
        _ => {}
    }
    let mut reader = Reader::new(frame);
    let address = Address::parse(reader.var_string()?);
    let message = match reader.var_uint()? {
        SYNC => HocuspocusMessage::Sync(sync_step(&mut reader)?),
        SYNC_REPLY => HocuspocusMessage::SyncReply(sync_step(&mut reader)?),
        AWARENESS => HocuspocusMessage::Awareness(reader.var_buf()?),
        QUERY_AWARENESS => HocuspocusMessage::QueryAwareness,
        AUTH => auth(&mut reader)?,
        STATELESS => HocuspocusMessage::Stateless(reader.var_string()?),
        BROADCAST_STATELESS => HocuspocusMessage::BroadcastStateless(reader.var_string()?),
        CLOSE if reader.is_empty() => HocuspocusMessage::Close(None),
        CLOSE => HocuspocusMessage::Close(Some(reader.var_string()?)),
        SYNC_STATUS => match reader.var_uint()? {
            status @ (0 | 1) => HocuspocusMessage::SyncStatus(status == 1),
            status => return Err(HocuspocusError::UnknownStatus(status)),
        },
        other => {
            let message = HocuspocusMessage::Unknown(other);
            return Ok(HocuspocusFrame::Message(Envelope { address, message }));
        }
    };
    reader.finish()?;
    Ok(HocuspocusFrame::Message(Envelope { address, message }))
}

fn sync_step<'a>(reader: &mut Reader<'a>) -> Result<SyncStep<'a>, HocuspocusError> {
    match reader.var_uint()? {
        STEP1 => Ok(SyncStep::Step1(reader.var_buf()?)),
        STEP2 => Ok(SyncStep::Step2(reader.var_buf()?)),
        UPDATE => Ok(SyncStep::Update(reader.var_buf()?)),
        step => Err(HocuspocusError::UnknownSync(step)),
    }
}

fn auth<'a>(reader: &mut Reader<'a>) -> Result<HocuspocusMessage<'a>, HocuspocusError> {
    match reader.var_uint()? {
        TOKEN if reader.is_empty() => Ok(HocuspocusMessage::TokenRequest),
        TOKEN => {
            let token = reader.var_string()?;
            // Informative only, so that an unreadable one must not keep the client out.
            let version = reader.var_string().ok();
            *reader = Reader::new(&[]);
            Ok(HocuspocusMessage::Token { token, version })
        }
        PERMISSION_DENIED => Ok(HocuspocusMessage::PermissionDenied(reader.var_string()?)),
        AUTHENTICATED => {
            let scope = reader.var_string()?;
            let scope = [AccessScope::ReadWrite, AccessScope::ReadOnly]
                .into_iter()
                .find(|known| known.as_str() == scope)
                .ok_or(HocuspocusError::UnknownScope)?;
            Ok(HocuspocusMessage::Authenticated(scope))
        }
        kind => Err(HocuspocusError::UnknownAuth(kind)),
    }
}
