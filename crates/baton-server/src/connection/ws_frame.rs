//! A WebSocket message of the server's side, made once, however many it goes to.
//!
//! Owns the bytes of a message with everything around its payload: unmasked and in one piece, so
//! that it is the same for every connection. A long payload is not copied into it: ten thousand
//! joiners share one document.

use std::sync::Arc;

use baton_sync::hocuspocus::{self, HocuspocusPayload};
use baton_sync::y_websocket::{FrameHeader, PayloadKind};
use bytes::Bytes;

/// First byte of a binary message in one frame.
const BINARY: u8 = 0x82;

/// First byte of a close frame.
const CLOSE: u8 = 0x88;

/// First byte of a ping.
const PING: u8 = 0x89;

/// Longest close reason in bytes: a control frame has 125 bytes of payload, two of them the code.
const MAX_REASON: usize = 123;

/// Longest payload that is copied behind its head; longer ones are shared with their other owners.
/// A short one would keep the whole buffer alive that it was read with.
const COPIED: usize = 4 * 1024;

/// Longest header of a frame (RFC 6455, section 5.2), unmasked.
const HEADER: usize = 10;

/// The kind of a message, as the bytes before its payload say it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MessageHead<'a> {
    /// A message of the y-websocket wire.
    YWebsocket(PayloadKind),
    /// A message of the Hocuspocus wire, to this address.
    Hocuspocus(&'a str, HocuspocusPayload),
}

impl From<PayloadKind> for MessageHead<'_> {
    fn from(kind: PayloadKind) -> Self {
        Self::YWebsocket(kind)
    }
}

/// A message, ready to be written; see the module. A clone costs no copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// All of it, and where its payload begins.
    Whole(Bytes, u16),
    /// The bytes before the payload, and the payload.
    Shared(Arc<(Bytes, Bytes)>),
}

impl Frame {
    /// A message with this payload.
    pub(crate) fn new<'a>(head: impl Into<MessageHead<'a>>, payload: &Bytes) -> Self {
        if payload.len() > COPIED {
            let front = front(head.into(), payload.len(), 0);
            return Self::Shared(Arc::new((front.into(), payload.clone())));
        }
        Self::copied(head, payload)
    }

    /// Returns a message with a payload that no other owner shares.
    pub(crate) fn copied<'a>(head: impl Into<MessageHead<'a>>, payload: &[u8]) -> Self {
        Self::from_parts(front(head.into(), payload.len(), payload.len()), payload)
    }

    /// Returns a message that is encoded already, without a payload that anything looks at.
    pub(crate) fn encoded(message: &[u8]) -> Self {
        Self::from_parts(front_of(message, 0, 0), &[])
    }

    /// Returns two messages that are encoded already and always go together.
    pub(crate) fn two(first: &[u8], second: &[u8]) -> Self {
        let mut bytes = front_of(first, 0, 0);
        bytes.extend_from_slice(&front_of(second, 0, 0));
        Self::from_parts(bytes, &[])
    }

    fn from_parts(mut front: Vec<u8>, payload: &[u8]) -> Self {
        // An address has at most as many bytes as two document names.
        let begins = u16::try_from(front.len()).unwrap_or(u16::MAX);
        front.extend_from_slice(payload);
        Self::Whole(front.into(), begins)
    }

    /// Returns its payload.
    pub(crate) fn payload(&self) -> &[u8] {
        match self {
            Self::Whole(bytes, begins) => bytes.get(usize::from(*begins)..).unwrap_or_default(),
            Self::Shared(parts) => &parts.1,
        }
    }

    /// Returns the message without the frame around it, for a receiver in this process.
    pub(crate) fn message(&self) -> Bytes {
        match self {
            Self::Whole(bytes, _) => bytes.slice(header_length(bytes)..),
            Self::Shared(parts) => {
                let (front, payload) = &**parts;
                let head = front.get(header_length(front)..).unwrap_or_default();
                [head, payload].concat().into()
            }
        }
    }

    /// Its length on the wire, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(bytes, _) => bytes.len(),
            Self::Shared(parts) => parts.0.len() + parts.1.len(),
        }
    }
}

/// The frame's header and the message's head; room for `more` bytes, and for no others.
fn front(head: MessageHead<'_>, payload: usize, more: usize) -> Vec<u8> {
    match head {
        MessageHead::YWebsocket(kind) => {
            front_of(FrameHeader::new(kind, payload).as_bytes(), payload, more)
        }
        MessageHead::Hocuspocus(address, kind) => {
            front_of(&hocuspocus::header(address, kind, payload), payload, more)
        }
    }
}

fn front_of(head: &[u8], payload: usize, more: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    write_header(BINARY, head.len() + payload, &mut header);
    let mut out = Vec::with_capacity(header.len() + head.len() + more);
    out.extend_from_slice(&header);
    out.extend_from_slice(head);
    out
}

/// Returns a ping without a payload.
pub(crate) const fn ping_frame() -> Bytes {
    Bytes::from_static(&[PING, 0])
}

/// Returns a ping with this number as its payload: 8 bytes, most significant first.
pub(crate) fn probe_frame(mark: u64) -> Bytes {
    let mark = mark.to_be_bytes();
    let mut out = Vec::with_capacity(2 + mark.len());
    write_header(PING, mark.len(), &mut out);
    out.extend_from_slice(&mark);
    out.into()
}

/// Returns a ping with the mark of one address's room, and the number of that address on its
/// socket: 8 and 4 bytes, most significant first.
pub(crate) fn address_probe_frame(mark: u64, address: u32) -> Bytes {
    let mut out = Vec::with_capacity(2 + 12);
    write_header(PING, 12, &mut out);
    out.extend_from_slice(&mark.to_be_bytes());
    out.extend_from_slice(&address.to_be_bytes());
    out.into()
}

/// Returns a close frame. A reason that is too long for it is cut.
pub(crate) fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
    let mut out = Vec::new();
    write_header(CLOSE, 2 + reason.len(), &mut out);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
    out.into()
}

/// Returns the length of the header that [`write_header`] wrote.
fn header_length(frame: &[u8]) -> usize {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    header.min(frame.len())
}

/// Writes the header of an unmasked, final frame (RFC 6455, section 5.2).
fn write_header(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(short),
        (_, Ok(long)) => {
            out.push(126);
            out.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_the_frame_carries_whatever_its_length() {
        for length in [0, 125, 126, COPIED, COPIED + 1, 0x1_0000, 0x1_0001] {
            let payload = Bytes::from(vec![7; length]);
            let frame = Frame::new(PayloadKind::Update, &payload);
            let header = FrameHeader::new(PayloadKind::Update, length);
            let whole = [header.as_bytes(), &payload].concat();
            assert_eq!(frame.message(), whole, "{length}");
        }
    }

    #[test]
    fn a_long_payload_is_shared_and_a_short_one_copied() {
        let long = Bytes::from(vec![7; COPIED + 1]);
        let Frame::Shared(parts) = Frame::new(PayloadKind::Step2, &long) else {
            panic!("a long payload is shared");
        };
        assert_eq!(parts.1.as_ptr(), long.as_ptr());
        let short = long.slice(..COPIED);
        let frame = Frame::new(PayloadKind::Step2, &short);
        assert!(matches!(frame, Frame::Whole(..)));
        assert_eq!(frame.payload(), &short[..]);
        assert_eq!(frame.len(), 4 + 4 + COPIED);
    }
}
