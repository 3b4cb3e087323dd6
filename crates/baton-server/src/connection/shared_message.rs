//! A message for several connections, encoded once for all that have the same frame.

use std::cell::OnceCell;

use baton_room::Outgoing;

use crate::connection::send_queue::{BroadcastUpdate, FrameClass, NeedsFlush};
use crate::connection::socket_writer::SocketWriter;
use crate::connection::wire::Wire;
use crate::connection::wire_codec;

/// See the module.
pub(crate) struct SharedMessage<'a> {
    message: &'a Outgoing,
    /// True for an edit of others, which a later difference may replace.
    is_edit: bool,
    y_websocket: OnceCell<Option<SharedFrame>>,
    hocuspocus: OnceCell<Option<SharedFrame>>,
}

struct SharedFrame {
    update: BroadcastUpdate,
    class: FrameClass,
}

impl<'a> SharedMessage<'a> {
    /// Returns a message for these connections and no others.
    pub(crate) const fn to_some(message: &'a Outgoing) -> Self {
        Self {
            message,
            is_edit: false,
            y_websocket: OnceCell::new(),
            hocuspocus: OnceCell::new(),
        }
    }

    /// Returns a message for all connections: an update is an edit.
    pub(crate) const fn to_all(message: &'a Outgoing) -> Self {
        let mut shared = Self::to_some(message);
        shared.is_edit = matches!(message, Outgoing::Update(_));
        shared
    }

    /// Queues the message for a connection.
    pub(crate) fn queue(&self, writer: &SocketWriter) -> NeedsFlush {
        let wire = writer.wire();
        let encode = || {
            let (frame, class) = wire_codec::encode(wire, self.message)?;
            let update = BroadcastUpdate::new(frame);
            Some(SharedFrame { update, class })
        };
        let own;
        let shared = match wire {
            Wire::YWebsocket => self.y_websocket.get_or_init(encode),
            Wire::Hocuspocus(address) if address.is_document() => {
                self.hocuspocus.get_or_init(encode)
            }
            Wire::Hocuspocus(_) => {
                own = encode();
                &own
            }
        };
        match shared {
            None => NeedsFlush::No,
            Some(frame) if self.is_edit => writer.outbox().edit(&frame.update),
            Some(frame) => {
                let (frame, class) = (frame.update.frame.clone(), frame.class);
                writer.outbox().send(frame, class)
            }
        }
    }
}
