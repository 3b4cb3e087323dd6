//! Encodes a room's messages as frames of the y-websocket wire, and decodes what comes in. A
//! message is encoded once for all its receivers, and an update that comes in shares its frame's
//! bytes.

use baton_room::{Incoming, Outgoing, SyncKind, ViewOf};
use baton_sync::awareness;
use baton_sync::y_websocket::{self, FrameError, Message, PayloadKind};
use bytes::Bytes;

use crate::connection::send_queue::FrameClass;
use crate::connection::ws_frame::Frame;

/// Returns the frame of a message, and its class in the send queue of its receiver.
pub(crate) fn encode(message: &Outgoing) -> (Frame, FrameClass) {
    match message {
        Outgoing::Step1(vector) => (Frame::new(PayloadKind::Step1, vector), FrameClass::Required),
        Outgoing::Step2(update) => (Frame::new(PayloadKind::Step2, update), FrameClass::Answer),
        Outgoing::Update(update) => (
            Frame::new(PayloadKind::Update, update),
            FrameClass::AnswerPart,
        ),
        // It must not be replaced by a difference, nor does it answer a Step1.
        Outgoing::Echo(update) => (Frame::new(PayloadKind::Update, update), FrameClass::Required),
        Outgoing::Barrier(version) => {
            (Frame::new(PayloadKind::Barrier, version), FrameClass::Required)
        }
        // This wire has no statuses: an awareness of no entries tells nothing.
        Outgoing::SyncStatus(_) => {
            let frame = Frame::copied(PayloadKind::Awareness, &awareness::nothing());
            (frame, FrameClass::Required)
        }
        Outgoing::Awareness(payload) => {
            let frame = Frame::new(PayloadKind::Awareness, payload);
            (frame, FrameClass::Awareness)
        }
        Outgoing::Denied(reason) => (denied(reason), FrameClass::Required),
        Outgoing::Channel(message) => {
            let class = ViewOf::of(message).map_or(FrameClass::Required, FrameClass::Latest);
            let frame = Frame::copied(PayloadKind::Baton, message.encode().as_bytes());
            (frame, class)
        }
    }
}

/// Returns the frame of a denial of access.
pub(crate) fn denied(reason: &str) -> Frame {
    Frame::copied(PayloadKind::Denied, reason.as_bytes())
}

/// Decodes a frame into a message for the room.
pub(crate) fn decode(frame: &Bytes) -> Result<Incoming<'_>, FrameError> {
    Ok(match y_websocket::decode(frame)? {
        Message::Step1(vector) => Incoming::Step1(vector),
        Message::Step2(update) => Incoming::Sync(SyncKind::Step2, frame.slice_ref(update)),
        Message::Update(update) => Incoming::Sync(SyncKind::Update, frame.slice_ref(update)),
        Message::Awareness(payload) => Incoming::Awareness(payload),
        Message::QueryAwareness => Incoming::QueryAwareness,
        Message::Baton(payload) => Incoming::Channel(payload),
        Message::Barrier(version) => Incoming::Barrier(version),
        Message::AuthDenied(_) | Message::Unknown(_) => Incoming::Other,
    })
}
