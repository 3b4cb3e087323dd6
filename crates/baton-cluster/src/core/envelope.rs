//! The bytes of a stored message: a head of 18 bytes that names the message, and its content.
//!
//! `docs/cluster-protocol.md` has the format byte by byte.

use bytes::{BufMut, Bytes, BytesMut};

use super::byte_reader::ByteReader;
use super::document_key::MAX_NAME_BYTES;
use super::record_id::{BootId, RecordId};
use super::stream_position::{Incarnations, MAX_INCARNATION, MAX_SEQUENCE, StreamPosition};

/// Version of the format, in the first byte.
const VERSION: u8 = 1;

/// Bytes in front of the content of a record's part: the longest head that a part can have.
pub const MAX_HEAD_BYTES: usize = 38;

const RECORD: u8 = 0;
const OPENED: u8 = 1;
const PROBE: u8 = 2;
const SNAPSHOT_AT: u8 = 3;
const INCARNATIONS: u8 = 4;
const OFFERED: u8 = 5;
const SNAPSHOT_CLAIMED: u8 = 6;

/// Place of a message among those that make up one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    /// Number of this part, from 0.
    pub index: u16,
    /// Parts that follow; the record has the position of its last part.
    pub following: u16,
}

/// Content of a stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageContent {
    /// A record, or a part of one that is longer than the engine's longest message.
    Record {
        /// Place of the bytes within the record.
        part: Part,
        /// The bytes, which only the room reads.
        bytes: Bytes,
    },
    /// A node opens the document.
    Opened {
        /// The document's name: its subject may be a hash.
        name: String,
    },
    /// A question to the stream itself: the answer shows that the engine lives, the delivery
    /// shows that all before it was delivered.
    Probe,
    /// A snapshot exists, was read back, and replaces the records up to its position.
    SnapshotAt {
        /// Position of the last record in the snapshot.
        position: StreamPosition,
        /// The document's name.
        name: String,
    },
    /// The stream has lost its end: a later incarnation begins.
    Incarnations(Incarnations),
    /// A record that was in an end that the stream has lost, from the journal of a node.
    Offered {
        /// The name under which it was proposed first.
        original: RecordId,
        /// Place of the bytes within the record.
        part: Part,
        /// The bytes.
        bytes: Bytes,
    },
    /// A node is about to mark a snapshot. The mark is stored only if nothing of its subject has
    /// come between, so a claim that was lost with an end takes the mark with it.
    SnapshotClaimed {
        /// Position of the last record in the snapshot.
        position: StreamPosition,
    },
}

/// A stored message: its name and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEnvelope {
    /// Name of the message.
    pub id: RecordId,
    /// Content of the message.
    pub content: MessageContent,
}

/// The reason why stored bytes are no message of this protocol.
///
/// The stream was written by a newer release or by another program. Nothing was changed; the
/// reader must not pass over the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The version is not one that this release reads.
    #[error("a stored message has version {0}; this release reads version 1: update this node")]
    Version(u8),
    /// The kind is not one that this release reads.
    #[error("a stored message has the unknown kind {0}: update this node")]
    Kind(u8),
    /// The message ends too early, is too long, or has an impossible value.
    #[error(
        "a stored message is malformed: only nodes of Baton may write to the streams of a cluster"
    )]
    Malformed,
}

impl MessageEnvelope {
    /// Returns the bytes to store.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (kind, body) = match &self.content {
            MessageContent::Record { bytes, .. } => (RECORD, bytes.len()),
            MessageContent::Opened { name } => (OPENED, name.len()),
            MessageContent::Probe => (PROBE, 0),
            MessageContent::SnapshotAt { name, .. } => (SNAPSHOT_AT, name.len()),
            MessageContent::Incarnations(history) => (INCARNATIONS, 8 * history.bases().len()),
            MessageContent::Offered { bytes, .. } => (OFFERED, bytes.len()),
            MessageContent::SnapshotClaimed { .. } => (SNAPSHOT_CLAIMED, 0),
        };
        let mut out = BytesMut::with_capacity(MAX_HEAD_BYTES + body);
        out.put_u8(VERSION);
        out.put_u8(kind);
        put_id(&mut out, self.id);
        match &self.content {
            MessageContent::Record { part, bytes } => put_part(&mut out, *part, bytes),
            MessageContent::Opened { name } => out.put_slice(name.as_bytes()),
            MessageContent::Probe => {}
            MessageContent::SnapshotAt { position, name } => {
                put_position(&mut out, *position);
                out.put_slice(name.as_bytes());
            }
            MessageContent::Incarnations(history) => {
                for base in history.bases() {
                    out.put_u64_le(*base);
                }
            }
            MessageContent::Offered {
                original,
                part,
                bytes,
            } => {
                put_id(&mut out, *original);
                put_part(&mut out, *part, bytes);
            }
            MessageContent::SnapshotClaimed { position } => put_position(&mut out, *position),
        }
        out.freeze()
    }

    /// Reads stored bytes. The content shares their memory.
    ///
    /// # Errors
    /// If a newer release or another program wrote them.
    pub fn decode(stored: &Bytes) -> Result<Self, EnvelopeError> {
        let mut bytes = ByteReader::new(stored);
        match bytes.u8() {
            Some(VERSION) => {}
            Some(other) => return Err(EnvelopeError::Version(other)),
            None => return Err(EnvelopeError::Malformed),
        }
        let kind = bytes.u8().ok_or(EnvelopeError::Malformed)?;
        if kind > SNAPSHOT_CLAIMED {
            return Err(EnvelopeError::Kind(kind));
        }
        let envelope = Self::decode_body(kind, &mut bytes).ok_or(EnvelopeError::Malformed)?;
        if bytes.is_empty() {
            Ok(envelope)
        } else {
            Err(EnvelopeError::Malformed)
        }
    }

    fn decode_body(kind: u8, bytes: &mut ByteReader) -> Option<Self> {
        let id = take_id(bytes)?;
        let content = match kind {
            RECORD => MessageContent::Record {
                part: take_part(bytes)?,
                bytes: bytes.rest(),
            },
            OPENED => MessageContent::Opened {
                name: take_name(bytes)?,
            },
            PROBE => MessageContent::Probe,
            SNAPSHOT_AT => MessageContent::SnapshotAt {
                position: take_position(bytes)?,
                name: take_name(bytes)?,
            },
            INCARNATIONS => {
                let mut bases = Vec::new();
                while !bytes.is_empty() {
                    bases.push(bytes.u64()?);
                    if bases.len() > usize::from(MAX_INCARNATION) {
                        return None;
                    }
                }
                MessageContent::Incarnations(Incarnations::new(bases)?)
            }
            SNAPSHOT_CLAIMED => MessageContent::SnapshotClaimed {
                position: take_position(bytes)?,
            },
            _ => MessageContent::Offered {
                original: take_id(bytes)?,
                part: take_part(bytes)?,
                bytes: bytes.rest(),
            },
        };
        Some(Self { id, content })
    }
}

pub(super) fn put_id(out: &mut BytesMut, id: RecordId) {
    out.put_u64_le(id.boot.0);
    out.put_u64_le(id.counter);
}

pub(super) fn take_id(bytes: &mut ByteReader) -> Option<RecordId> {
    let boot = BootId(bytes.u64()?);
    let counter = bytes.u64()?;
    Some(RecordId { boot, counter })
}

pub(super) fn put_position(out: &mut BytesMut, position: StreamPosition) {
    out.put_u16_le(position.incarnation);
    out.put_u64_le(position.sequence);
}

pub(super) fn take_position(bytes: &mut ByteReader) -> Option<StreamPosition> {
    let incarnation = bytes.u16()?;
    let sequence = bytes.u64()?;
    let valid = incarnation <= MAX_INCARNATION && sequence <= MAX_SEQUENCE;
    valid.then_some(StreamPosition {
        incarnation,
        sequence,
    })
}

fn put_part(out: &mut BytesMut, part: Part, bytes: &Bytes) {
    out.put_u16_le(part.index);
    out.put_u16_le(part.following);
    out.put_slice(bytes);
}

fn take_part(bytes: &mut ByteReader) -> Option<Part> {
    let index = bytes.u16()?;
    let following = bytes.u16()?;
    Some(Part { index, following })
}

fn take_name(bytes: &mut ByteReader) -> Option<String> {
    let name = bytes.rest();
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    String::from_utf8(name.into()).ok()
}

#[cfg(test)]
mod tests {
    use baton_testkit::Random;

    use super::*;

    fn examples() -> Vec<MessageEnvelope> {
        let id = RecordId {
            boot: BootId(0x0807_0605_0403_0201),
            counter: 9,
        };
        let part = Part {
            index: 1,
            following: 2,
        };
        let bytes = Bytes::from_static(b"body");
        let position = StreamPosition {
            incarnation: 3,
            sequence: 4,
        };
        let name = "näme".to_owned();
        let history = Incarnations::new(vec![5, 6]).expect("two");
        let contents = [
            MessageContent::Record {
                part,
                bytes: bytes.clone(),
            },
            MessageContent::Opened { name: name.clone() },
            MessageContent::Probe,
            MessageContent::SnapshotAt { position, name },
            MessageContent::Incarnations(history),
            MessageContent::Offered {
                original: id,
                part,
                bytes,
            },
            MessageContent::SnapshotClaimed { position },
        ];
        let envelope = |content| MessageEnvelope { id, content };
        contents.map(envelope).into()
    }

    #[test]
    fn messages_come_back() {
        for envelope in examples() {
            let stored = envelope.encode();
            assert_eq!(MessageEnvelope::decode(&stored), Ok(envelope));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let stored = examples()[0].encode();
        let head = [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(stored[..18], head);
        assert_eq!(stored[18..], *b"\x01\x00\x02\x00body");
        let stored = examples()[5].encode();
        assert_eq!(stored.len() - 4, MAX_HEAD_BYTES);
    }

    #[test]
    fn other_versions_and_kinds_are_told_apart_from_damage() {
        let mut stored = examples()[2].encode().to_vec();
        stored[0] = 2;
        let decode = |stored: &[u8]| MessageEnvelope::decode(&Bytes::copy_from_slice(stored));
        assert_eq!(decode(&stored), Err(EnvelopeError::Version(2)));
        stored[..2].copy_from_slice(&[1, 7]);
        assert_eq!(decode(&stored), Err(EnvelopeError::Kind(7)));
        stored[1] = PROBE;
        stored.push(0);
        assert_eq!(
            decode(&stored),
            Err(EnvelopeError::Malformed),
            "a byte too many"
        );
        assert_eq!(decode(b""), Err(EnvelopeError::Malformed));
    }

    #[test]
    fn damaged_messages_are_refused_or_read_as_what_they_say() {
        let mut random = Random::announced("damaged messages");
        for envelope in examples() {
            let stored = envelope.encode();
            for end in 0..stored.len() {
                if let Ok(read) = MessageEnvelope::decode(&stored.slice(..end)) {
                    assert_eq!(read.encode(), stored.slice(..end));
                }
            }
            for _ in 0..2_000 {
                let mut damaged = stored.to_vec();
                let at = random.below(damaged.len());
                damaged[at] = random.array::<1>()[0];
                let damaged = Bytes::from(damaged);
                if let Ok(read) = MessageEnvelope::decode(&damaged) {
                    assert_eq!(read.encode(), damaged);
                }
            }
        }
    }

    #[test]
    fn limits_hold() {
        let id = examples()[0].id;
        let name = "x".repeat(MAX_NAME_BYTES + 1);
        let content = MessageContent::Opened { name };
        let stored = MessageEnvelope { id, content }.encode();
        assert_eq!(
            MessageEnvelope::decode(&stored),
            Err(EnvelopeError::Malformed)
        );
        let mut stored = examples()[4].encode().to_vec();
        stored.extend([0; 8 * 600]);
        let stored = Bytes::from(stored);
        assert_eq!(
            MessageEnvelope::decode(&stored),
            Err(EnvelopeError::Malformed)
        );
    }
}
