//! The frames of the y-websocket wire: one WebSocket binary message, one protocol message.
//!
//! Owns the layout of frames, both ways, for servers and clients. It never looks into a state
//! vector, an update, an awareness payload or a message of the control channel, never copies while
//! reading, and decides nothing: the receiver decides about a message.
//!
//! Reading is total: any bytes are a message or a [`FrameError`]. One rule is stricter than in the
//! published client, which ignores bytes behind the first message of a frame. Here such a frame is
//! refused, because a sender of two messages would believe that both were delivered. No published
//! client writes such a frame. One rule is looser: a frame of an unknown type is no error, since a
//! newer version may have new types ([`Message::Unknown`]; its payload is not read).

use bytes::Bytes;

use crate::StateVector;
use crate::lib0::{self, Reader, write_var_buf, write_var_uint};

/// Message type of Baton's control channel: a string with JSON ([`crate::control_channel`]).
pub const BATON: u64 = 98;

/// Message type of y-sweet's barrier: a buffer that the server echoes.
const BARRIER: u64 = 102;

/// Message type of a compressed Step2 or Update ([`crate::compressed_update`]), from a server to a
/// client that asked for it.
const COMPRESSED: u64 = 99;

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;

const STEP1: u64 = 0;
const STEP2: u64 = 1;
const UPDATE: u64 = 2;

const DENIED: u64 = 0;

/// Reason for which a frame is no message of this wire. The sender is at fault; nothing changed. A
/// server closes that connection with 4400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It is truncated, too long, has a number in a second spelling, or text that is not UTF-8.
    #[error("the frame is not a message of the y-websocket wire: {0}")]
    Malformed(#[from] lib0::DecodeError),
    /// A sync message that is neither Step1, Step2 nor Update; a compressed one that is not one of
    /// the latter two.
    #[error("a sync message has the unknown step {0}")]
    UnknownSync(u64),
    /// An auth message that is not a denial.
    #[error("an auth message has the unknown kind {0}")]
    UnknownAuth(u64),
}

/// One message, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The sender's state vector, encoded. Answered with a Step2.
    Step1(&'a [u8]),
    /// An update with everything that the receiver lacks, in answer to a Step1.
    Step2(&'a [u8]),
    /// An update with a new edit.
    Update(&'a [u8]),
    /// A Step2 whose update is compressed ([`crate::compressed_update`]); only from a server.
    CompressedStep2(&'a [u8]),
    /// An Update whose update is compressed; only from a server.
    CompressedUpdate(&'a [u8]),
    /// An awareness payload ([`crate::awareness`]).
    Awareness(&'a [u8]),
    /// A question for the awareness of all clients.
    QueryAwareness,
    /// A server's denial of access, with its reason.
    AuthDenied(&'a str),
    /// A message of Baton's control channel: JSON ([`crate::control_channel`]).
    Baton(&'a str),
    /// y-sweet's question if all before it on this connection is saved. The server answers with the
    /// same bytes once it is.
    Barrier(&'a [u8]),
    /// A type that this version does not know; to be ignored.
    Unknown(u64),
}

/// Reads a frame. The receiver bounds its length (with the WebSocket's limit).
///
/// # Errors
/// See [`FrameError`]; the sender is at fault.
pub fn decode(frame: &[u8]) -> Result<Message<'_>, FrameError> {
    let mut reader = Reader::new(frame);
    let message = match reader.var_uint()? {
        SYNC => match reader.var_uint()? {
            STEP1 => Message::Step1(reader.var_buf()?),
            STEP2 => Message::Step2(reader.var_buf()?),
            UPDATE => Message::Update(reader.var_buf()?),
            step => return Err(FrameError::UnknownSync(step)),
        },
        COMPRESSED => match reader.var_uint()? {
            STEP2 => Message::CompressedStep2(reader.var_buf()?),
            UPDATE => Message::CompressedUpdate(reader.var_buf()?),
            step => return Err(FrameError::UnknownSync(step)),
        },
        AWARENESS => Message::Awareness(reader.var_buf()?),
        AUTH => match reader.var_uint()? {
            DENIED => Message::AuthDenied(reader.var_string()?),
            kind => return Err(FrameError::UnknownAuth(kind)),
        },
        QUERY_AWARENESS => Message::QueryAwareness,
        BATON => Message::Baton(reader.var_string()?),
        BARRIER => Message::Barrier(reader.var_buf()?),
        other => return Ok(Message::Unknown(other)),
    };
    reader.finish()?;
    Ok(message)
}

/// Returns a Step1 frame of a state vector.
#[must_use]
pub fn step1(vector: &StateVector) -> Bytes {
    step1_bytes(&vector.encode())
}

/// Returns a Step1 frame of a state vector that is encoded already.
#[must_use]
pub fn step1_bytes(vector: &[u8]) -> Bytes {
    frame(&[SYNC, STEP1], vector)
}

/// Returns a Step2 frame of an update with everything that the receiver lacks.
#[must_use]
pub fn step2(update: &[u8]) -> Bytes {
    frame(&[SYNC, STEP2], update)
}

/// Returns an Update frame of a new edit.
#[must_use]
pub fn update(update: &[u8]) -> Bytes {
    frame(&[SYNC, UPDATE], update)
}

/// Returns a Step2 frame of a compressed update.
#[must_use]
pub fn compressed_step2(payload: &[u8]) -> Bytes {
    frame(&[COMPRESSED, STEP2], payload)
}

/// Returns an Update frame of a compressed update.
#[must_use]
pub fn compressed_update(payload: &[u8]) -> Bytes {
    frame(&[COMPRESSED, UPDATE], payload)
}

/// Returns an Awareness frame of an awareness payload.
#[must_use]
pub fn awareness(payload: &[u8]) -> Bytes {
    frame(&[AWARENESS], payload)
}

/// Returns a frame that asks for the awareness of all clients.
#[must_use]
pub fn query_awareness() -> Bytes {
    Bytes::from_static(&[QUERY_AWARENESS as u8])
}

/// Returns a frame that denies access, with the reason.
#[must_use]
pub fn auth_denied(reason: &str) -> Bytes {
    frame(&[AUTH, DENIED], reason.as_bytes())
}

/// Returns a frame of the control channel: a payload of [`crate::control_channel`].
#[must_use]
pub fn baton(payload: &str) -> Bytes {
    frame(&[BATON], payload.as_bytes())
}

/// Returns a barrier frame of y-sweet: the client's question, and the server's answer.
#[must_use]
pub fn barrier(version: &[u8]) -> Bytes {
    frame(&[BARRIER], version)
}

/// Kind of the payload behind a [`FrameHeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// A state vector.
    Step1,
    /// An update, in answer to a Step1.
    Step2,
    /// An update, new.
    Update,
    /// A compressed update, in answer to a Step1.
    CompressedStep2,
    /// A compressed update, as a part of that answer.
    CompressedUpdate,
    /// An awareness payload.
    Awareness,
    /// The reason of a denial.
    Denied,
    /// A payload of Baton's control channel.
    Baton,
    /// The bytes of a client's barrier.
    Barrier,
}

/// Bytes of a frame before its payload: for a sender that shares one payload between frames without
/// copying it.
#[derive(Clone, Copy, Debug)]
pub struct FrameHeader {
    bytes: [u8; 12],
    length: usize,
}

impl FrameHeader {
    /// Returns the header before a payload of so many bytes.
    #[must_use]
    pub fn new(kind: PayloadKind, payload: usize) -> Self {
        let types: &[u64] = match kind {
            PayloadKind::Step1 => &[SYNC, STEP1],
            PayloadKind::Step2 => &[SYNC, STEP2],
            PayloadKind::Update => &[SYNC, UPDATE],
            PayloadKind::CompressedStep2 => &[COMPRESSED, STEP2],
            PayloadKind::CompressedUpdate => &[COMPRESSED, UPDATE],
            PayloadKind::Awareness => &[AWARENESS],
            PayloadKind::Denied => &[AUTH, DENIED],
            PayloadKind::Baton => &[BATON],
            PayloadKind::Barrier => &[BARRIER],
        };
        let mut out = Vec::with_capacity(12);
        for number in types {
            write_var_uint(&mut out, *number);
        }
        write_var_uint(&mut out, payload as u64);
        let mut bytes = [0; 12];
        bytes[..out.len()].copy_from_slice(&out);
        Self {
            bytes,
            length: out.len(),
        }
    }

    /// Returns its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Writes the type numbers, each a single byte, then a length and the bytes. The capacity is exact,
/// so that `Bytes` takes the vector over as it is.
fn frame(types: &[u64], payload: &[u8]) -> Bytes {
    let bits = 64 - (payload.len() as u64 | 1).leading_zeros() as usize;
    let mut out = Vec::with_capacity(types.len() + bits.div_ceil(7) + payload.len());
    for number in types {
        write_var_uint(&mut out, *number);
    }
    write_var_buf(&mut out, payload);
    debug_assert_eq!(out.len(), out.capacity(), "one allocation, no slack");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientId;
    use proptest::prelude::*;

    #[test]
    fn frames_are_laid_out_as_the_published_providers_write_them() {
        let vector: StateVector = [(ClientId::from(1), 2)].into_iter().collect();
        assert_eq!(&step1(&vector)[..], [0, 0, 3, 1, 1, 2]);
        assert_eq!(&step2(&[0, 0])[..], [0, 1, 2, 0, 0]);
        assert_eq!(&update(&[0, 0])[..], [0, 2, 2, 0, 0]);
        assert_eq!(&awareness(&[0])[..], [1, 1, 0]);
        assert_eq!(&query_awareness()[..], [3]);
        assert_eq!(&auth_denied("no")[..], [2, 0, 2, b'n', b'o']);
        assert_eq!(&baton("{}")[..], [98, 2, b'{', b'}']);
        assert_eq!(&compressed_step2(&[2, 3])[..], [99, 1, 2, 2, 3]);
        assert_eq!(&compressed_update(&[2, 3])[..], [99, 2, 2, 2, 3]);
        // As @y-sweet/client 0.9.1 writes it.
        assert_eq!(&barrier(&[1])[..], [0x66, 1, 1]);
    }

    #[test]
    fn a_second_message_in_a_frame_is_refused_rather_than_lost() {
        let mut two = update(&[0, 0]).to_vec();
        two.extend_from_slice(&update(&[0, 0]));
        assert!(matches!(
            decode(&two),
            Err(FrameError::Malformed(lib0::DecodeError::TrailingBytes {
                count: 5
            }))
        ));
    }

    #[test]
    fn an_unknown_type_is_no_error_whatever_follows() {
        assert_eq!(decode(&[7]), Ok(Message::Unknown(7)));
        assert_eq!(decode(&[0xac, 2, 0xff, 0xff]), Ok(Message::Unknown(300)));
    }

    #[test]
    fn unknown_kinds_of_known_types_are_refused() {
        assert_eq!(decode(&[0, 3, 0]), Err(FrameError::UnknownSync(3)));
        assert_eq!(decode(&[2, 1, 0]), Err(FrameError::UnknownAuth(1)));
        assert_eq!(decode(&[99, 0, 0]), Err(FrameError::UnknownSync(0)));
    }

    #[test]
    fn every_truncation_of_every_message_is_refused() {
        let frames = [
            step1_bytes(&[1, 1, 2]),
            step2(&[0, 0]),
            update(&[0; 200]),
            compressed_step2(&[2, 3]),
            compressed_update(&[0; 200]),
            awareness(&[0]),
            query_awareness(),
            auth_denied("no"),
            baton("{}"),
            barrier(&[1]),
        ];
        for frame in &frames {
            assert!(decode(frame).is_ok());
            for end in 0..frame.len() {
                assert!(decode(&frame[..end]).is_err(), "{frame:?} up to {end}");
            }
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        for frame in [&[98, 1, 0xff][..], &[2, 0, 1, 0xff]] {
            assert!(matches!(
                decode(frame),
                Err(FrameError::Malformed(lib0::DecodeError::BadUtf8 { .. }))
            ));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn what_is_written_is_read_again(payload in proptest::collection::vec(any::<u8>(), 0..40_000), text: String) {
            let frames = [
                (step1_bytes(&payload), Message::Step1(&payload)),
                (step2(&payload), Message::Step2(&payload)),
                (update(&payload), Message::Update(&payload)),
                (compressed_step2(&payload), Message::CompressedStep2(&payload)),
                (compressed_update(&payload), Message::CompressedUpdate(&payload)),
                (awareness(&payload), Message::Awareness(&payload)),
                (auth_denied(&text), Message::AuthDenied(&text)),
                (baton(&text), Message::Baton(&text)),
                (barrier(&payload), Message::Barrier(&payload)),
            ];
            for (frame, message) in &frames {
                prop_assert_eq!(decode(frame), Ok(*message));
            }
        }

        #[test]
        fn a_head_before_its_payload_is_the_frame(payload in proptest::collection::vec(any::<u8>(), 0..40_000), text: String) {
            let frames = [
                (PayloadKind::Step1, &payload[..], step1_bytes(&payload)),
                (PayloadKind::Step2, &payload, step2(&payload)),
                (PayloadKind::Update, &payload, update(&payload)),
                (PayloadKind::CompressedStep2, &payload, compressed_step2(&payload)),
                (PayloadKind::CompressedUpdate, &payload, compressed_update(&payload)),
                (PayloadKind::Awareness, &payload, awareness(&payload)),
                (PayloadKind::Denied, text.as_bytes(), auth_denied(&text)),
                (PayloadKind::Baton, text.as_bytes(), baton(&text)),
                (PayloadKind::Barrier, &payload, barrier(&payload)),
            ];
            for (carries, payload, frame) in frames {
                let head = FrameHeader::new(carries, payload.len());
                prop_assert_eq!([head.as_bytes(), payload].concat(), frame);
            }
        }
    }
}
