//! The items of a send queue: frames with their class, pings, placeholders, and the ending.
//!
//! Owns the cost of each item against the queue's limit.

use baton_room::ViewOf;
use bytes::Bytes;

use crate::connection::ws_frame::Frame;

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message of the server.
    Frame(Frame, FrameClass),
    /// Encoded frames with which the WebSocket library answers by itself.
    Raw(Bytes),
    /// A protocol ping without payload.
    Ping,
    /// A protocol ping with this number as its payload: 8 bytes, most significant first.
    Probe(u64),
    /// Keeps the place of a view that a newer one replaced. Writes nothing.
    Replaced,
    /// Keeps the place of the one difference that will replace all dropped items.
    CatchUp,
}

/// The class of a frame: how it counts against the queue's limit, and what the queue may do with
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameClass {
    /// Counts, and is never dropped alone: an overflow of these ends the connection.
    Required,
    /// Counts, and replaces an older view of the same subject.
    Latest(ViewOf),
    /// Counts, and is dropped on overflow: a later difference contains it.
    Update,
    /// Counts, and is dropped on overflow: awareness is sent again later.
    Awareness,
    /// A part of an answer to a Step1, before its end. Counts as [`FrameClass::Answer`] does.
    AnswerPart,
    /// An answer to a Step1, or its last part, which may be as large as the document. Does not
    /// count unless an earlier answer still waits.
    Answer,
}

/// The code and the reason with which a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Item {
    /// Bytes that an item costs beyond its frame: its place in the queue, and the allocation around
    /// its bytes.
    pub(super) const OVERHEAD: usize = size_of::<Self>() + 40;

    /// Returns its length on the wire in bytes; 0 for pings, which are not counted.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Frame(frame, _) => frame.len(),
            Self::Raw(bytes) => bytes.len(),
            Self::Ping | Self::Probe(_) | Self::Replaced | Self::CatchUp => 0,
        }
    }

    /// Returns the bytes that count against the limit, or `None` for an item that does not count.
    pub(super) fn cost(&self) -> Option<usize> {
        match self {
            Self::Frame(_, FrameClass::AnswerPart | FrameClass::Answer)
            | Self::CatchUp
            | Self::Ping
            | Self::Probe(_) => None,
            Self::Frame(..) | Self::Raw(_) | Self::Replaced => Some(Self::OVERHEAD + self.len()),
        }
    }
}
