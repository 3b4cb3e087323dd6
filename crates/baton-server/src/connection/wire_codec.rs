//! Encodes a room's messages as frames of a connection's wire, and decodes what comes in. An update
//! that comes in shares its frame's bytes.

use baton_room::{Incoming, Outgoing, SyncKind, ViewOf, WriteScope};
use baton_sync::hocuspocus::{
    self, AccessScope, Envelope, HocuspocusError, HocuspocusFrame, HocuspocusMessage,
    HocuspocusPayload, SyncStep,
};
use baton_sync::y_websocket::{self, FrameError, Message, PayloadKind};
use bytes::Bytes;

use crate::connection::send_queue::FrameClass;
use crate::connection::wire::Wire;
use crate::connection::ws_frame::{Frame, MessageHead};

/// The text before a payload of Baton's channel in a Stateless message, which sets it apart from
/// the messages of applications.
pub(crate) const CHANNEL_PREFIX: &str = "baton:";

/// Reason for which a frame is no message of its wire. The client is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    YWebsocket(#[from] FrameError),
    #[error(transparent)]
    Hocuspocus(#[from] HocuspocusError),
    #[error("a client's updates are not compressed; only the server's may be")]
    Compressed,
}

/// Returns the frame of a message, and its class in the send queue of its receiver; `None` if the
/// wire has no such message.
pub(crate) fn encode(wire: &Wire, message: &Outgoing) -> Option<(Frame, FrameClass)> {
    let class = class(message);
    let frame = match wire {
        Wire::YWebsocket => y_websocket_frame(message)?,
        Wire::Hocuspocus(address) => hocuspocus_frame(address.raw(), message)?,
    };
    Some((frame, class))
}

/// Returns the class of a message in the send queue of its receiver.
fn class(message: &Outgoing) -> FrameClass {
    match message {
        // An echo must not be replaced by a difference, nor does it answer a Step1.
        Outgoing::Step1(_)
        | Outgoing::Echo(_)
        | Outgoing::SyncStatus(_)
        | Outgoing::Barrier(_)
        | Outgoing::Denied(_)
        | Outgoing::TokenRequest
        | Outgoing::Scope(_) => FrameClass::Required,
        Outgoing::Step2(_) | Outgoing::CompressedStep2(_) => FrameClass::Answer,
        Outgoing::Update(_) | Outgoing::CompressedUpdate(_) => FrameClass::AnswerPart,
        Outgoing::Awareness(_) | Outgoing::AwarenessQuestion(_) => FrameClass::Awareness,
        Outgoing::Channel(message) => {
            ViewOf::of(message).map_or(FrameClass::Required, FrameClass::Latest)
        }
    }
}

fn y_websocket_frame(message: &Outgoing) -> Option<Frame> {
    Some(match message {
        Outgoing::Step1(vector) => Frame::new(PayloadKind::Step1, vector),
        Outgoing::Step2(update) => Frame::new(PayloadKind::Step2, update),
        Outgoing::Update(update) | Outgoing::Echo(update) => {
            Frame::new(PayloadKind::Update, update)
        }
        Outgoing::CompressedStep2(update) => {
            Frame::new(PayloadKind::CompressedStep2, update.payload())
        }
        Outgoing::CompressedUpdate(update) => {
            Frame::new(PayloadKind::CompressedUpdate, update.payload())
        }
        Outgoing::Barrier(version) => Frame::new(PayloadKind::Barrier, version),
        Outgoing::SyncStatus(_) | Outgoing::TokenRequest | Outgoing::Scope(_) => return None,
        Outgoing::Awareness(payload) | Outgoing::AwarenessQuestion(payload) => {
            Frame::new(PayloadKind::Awareness, payload)
        }
        Outgoing::Denied(reason) => denied(reason),
        Outgoing::Channel(message) => {
            Frame::copied(PayloadKind::Baton, message.encode().as_bytes())
        }
    })
}

/// A denial has no frame here: a Close with the same reason follows it, or it tells of a limit. To
/// a provider it would mean that its user has to log in again.
fn hocuspocus_frame(address: &str, message: &Outgoing) -> Option<Frame> {
    use HocuspocusPayload::{Awareness, Stateless, Step1, Step2, Update};
    let head = |kind| MessageHead::Hocuspocus(address, kind);
    Some(match message {
        Outgoing::Step1(vector) => Frame::new(head(Step1), vector),
        Outgoing::Step2(update) => Frame::new(head(Step2), update),
        Outgoing::Update(update) | Outgoing::Echo(update) => Frame::new(head(Update), update),
        Outgoing::SyncStatus(saved) => Frame::encoded(&hocuspocus::sync_status(address, *saved)),
        Outgoing::Awareness(payload) => Frame::new(head(Awareness), payload),
        // A provider raises its clock at the removal, and states it when it is asked.
        Outgoing::AwarenessQuestion(removal) => {
            let removal = hocuspocus::awareness(address, removal);
            Frame::two(&removal, &hocuspocus::query_awareness(address))
        }
        Outgoing::TokenRequest => Frame::encoded(&hocuspocus::token_request(address)),
        Outgoing::Scope(scope) => {
            let scope = match scope {
                WriteScope::ReadWrite => AccessScope::ReadWrite,
                WriteScope::ReadOnly => AccessScope::ReadOnly,
            };
            Frame::encoded(&hocuspocus::authenticated(address, scope))
        }
        // No client of this wire is sent compressed updates: its provider reads sync messages.
        Outgoing::Barrier(_)
        | Outgoing::Denied(_)
        | Outgoing::CompressedStep2(_)
        | Outgoing::CompressedUpdate(_) => return None,
        Outgoing::Channel(message) => {
            let text = [CHANNEL_PREFIX, &message.encode()].concat();
            Frame::copied(head(Stateless), text.as_bytes())
        }
    })
}

/// Returns the frame of a denial of access on the y-websocket wire.
pub(crate) fn denied(reason: &str) -> Frame {
    Frame::copied(PayloadKind::Denied, reason.as_bytes())
}

/// Decodes a frame into a message for the room.
pub(crate) type Decoder = for<'a> fn(&'a Bytes) -> Result<Incoming<'a>, WireError>;

/// Returns the decoder of the frames of a wire.
pub(crate) const fn decoder(wire: &Wire) -> Decoder {
    match wire {
        Wire::YWebsocket => from_y_websocket,
        Wire::Hocuspocus(_) => from_hocuspocus,
    }
}

fn from_y_websocket(frame: &Bytes) -> Result<Incoming<'_>, WireError> {
    Ok(match y_websocket::decode(frame)? {
        Message::Step1(vector) => Incoming::Step1(vector),
        Message::Step2(update) => Incoming::Sync(SyncKind::Step2, frame.slice_ref(update)),
        Message::Update(update) => Incoming::Sync(SyncKind::Update, frame.slice_ref(update)),
        Message::Awareness(payload) => Incoming::Awareness(payload),
        Message::QueryAwareness => Incoming::QueryAwareness,
        Message::Baton(payload) => Incoming::Channel(payload),
        Message::Barrier(version) => Incoming::Barrier(version),
        Message::CompressedStep2(_) | Message::CompressedUpdate(_) => {
            return Err(WireError::Compressed);
        }
        Message::AuthDenied(_) | Message::Unknown(_) => Incoming::Other,
    })
}

fn from_hocuspocus(frame: &Bytes) -> Result<Incoming<'_>, WireError> {
    let message = match hocuspocus::decode(frame)? {
        HocuspocusFrame::Message(Envelope { message, .. }) => message,
        // The answer to the Ping with which the server begins, once for each address.
        HocuspocusFrame::Pong => return Ok(Incoming::QueueSent),
        HocuspocusFrame::Ping => return Ok(Incoming::Other),
    };
    Ok(match message {
        // No published client sends one. Its answer would hold a Step1, which it must not.
        HocuspocusMessage::SyncReply(SyncStep::Step1(_)) => Incoming::Other,
        HocuspocusMessage::Sync(step) | HocuspocusMessage::SyncReply(step) => match step {
            SyncStep::Step1(vector) => Incoming::Step1(vector),
            SyncStep::Step2(update) => Incoming::Sync(SyncKind::Step2, frame.slice_ref(update)),
            SyncStep::Update(update) => Incoming::Sync(SyncKind::Update, frame.slice_ref(update)),
        },
        HocuspocusMessage::Awareness(payload) => Incoming::Awareness(payload),
        HocuspocusMessage::QueryAwareness => Incoming::QueryAwareness,
        HocuspocusMessage::Stateless(text) => text
            .strip_prefix(CHANNEL_PREFIX)
            .map_or(Incoming::Other, Incoming::Channel),
        _ => Incoming::Other,
    })
}
