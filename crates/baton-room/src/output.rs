//! The outputs of a room: messages to send, and connections to close.

use bytes::Bytes;

use crate::message::{ConnectionId, Ending, Outgoing};
use crate::park_preview::ParkPreview;

/// One thing that the caller does for a room. Outputs are to be carried out in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To one connection.
    Send {
        /// The connection.
        to: ConnectionId,
        /// The message.
        message: Outgoing,
    },
    /// To several.
    Multicast {
        /// The connections.
        to: Vec<ConnectionId>,
        /// The message.
        message: Outgoing,
    },
    /// To every connection of the room. An update need not go to a connection that was not sent a
    /// Step2 yet: the Step2 will hold it.
    Broadcast {
        /// The one connection to leave out.
        except: Option<ConnectionId>,
        /// The message.
        message: Outgoing,
    },
    /// Render the preview of a park with [`ParkPreview::render`], and send it to one connection.
    /// Nothing else of the room depends on it. It takes as long as loading the document.
    Show {
        /// The connection.
        to: ConnectionId,
        /// The preview.
        preview: ParkPreview,
    },
    /// A ping of the transport.
    Ping {
        /// The connection.
        to: ConnectionId,
    },
    /// A ping of the transport with a payload. Its pong is reported by
    /// [`Room::heard`](crate::Room::heard). Only that pong proves that the client is still there,
    /// because older bytes of it may still arrive.
    Probe {
        /// The connection.
        to: ConnectionId,
        /// The payload, as a number; never used twice in one room.
        mark: u64,
    },
    /// An awareness payload for the rooms of this document on other hosts, to be given to
    /// [`Room::relayed`](crate::Room::relayed) there. It may be lost: a full exchange makes up for
    /// it. Only if [`RoomOptions::host`](crate::RoomOptions::host) is set.
    Relay(Bytes),
    /// Close it, after what was sent before. The room has forgotten the connection already.
    Close {
        /// The connection.
        to: ConnectionId,
        /// The reason, for machines.
        why: Ending,
        /// The reason, for people: whose fault, what changed, what to do.
        reason: String,
    },
}
