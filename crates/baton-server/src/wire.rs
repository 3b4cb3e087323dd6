//! Between a room's messages and the frames of the y-websocket wire: each is encoded once, however many it goes to,
//! and an update that comes in shares its frame's bytes.

use baton_room::{Incoming, Kind, Outgoing, ViewOf};
use baton_sync::y_websocket::{self, FrameError, Message};
use bytes::Bytes;

use crate::outbox::Weight;

/// The frame, and how it counts against the queue of a connection.
pub(crate) fn encode(message: &Outgoing) -> (Bytes, Weight) {
    match message {
        Outgoing::Step1(vector) => (y_websocket::step1_bytes(vector), Weight::Counted),
        Outgoing::Step2(update) => (y_websocket::step2(update), Weight::Answer),
        Outgoing::Update(update) => (y_websocket::update(update), Weight::Counted),
        Outgoing::Awareness(payload) => (y_websocket::awareness(payload), Weight::Counted),
        Outgoing::Denied(reason) => (y_websocket::auth_denied(reason), Weight::Counted),
        Outgoing::Channel(message) => {
            let weight = ViewOf::of(message).map_or(Weight::Counted, Weight::View);
            (y_websocket::baton(&message.encode()), weight)
        }
    }
}

/// What a frame says to a room.
pub(crate) fn decode(frame: &Bytes) -> Result<Incoming<'_>, FrameError> {
    Ok(match y_websocket::decode(frame)? {
        Message::Step1(vector) => Incoming::Step1(vector),
        Message::Step2(update) => Incoming::Sync(Kind::Step2, frame.slice_ref(update)),
        Message::Update(update) => Incoming::Sync(Kind::Update, frame.slice_ref(update)),
        Message::Awareness(payload) => Incoming::Awareness(payload),
        Message::QueryAwareness => Incoming::QueryAwareness,
        Message::Baton(payload) => Incoming::Channel(payload),
        Message::AuthDenied(_) | Message::Unknown(_) => Incoming::Other,
    })
}
