//! The content of a stored snapshot: one byte that says if the document was erased and if it came
//! from another log, then the base of its positions in the latter case, then the bytes of the room.

use baton_log::MovedContent;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::moved_positions::MovedPositions;

/// Added to the kind if the document came from another log.
const MOVED: u8 = 3;

/// A snapshot of a room, or the remains of a document that was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnapshotContent {
    /// The positions of the document's records.
    pub(super) positions: MovedPositions,
    /// The part that the room reads.
    pub(super) content: MovedContent,
}

impl SnapshotContent {
    pub(super) fn encode(&self) -> Bytes {
        let (kind, bytes): (u8, &[u8]) = match &self.content {
            MovedContent::Document(bytes) => (0, bytes),
            MovedContent::Remains(bytes) => (1, bytes),
            MovedContent::Erased => (2, &[]),
        };
        let mut out = BytesMut::with_capacity(9 + bytes.len());
        match self.positions.base() {
            0 => out.put_u8(kind),
            base => {
                out.put_u8(MOVED + kind);
                out.put_u64_le(base);
            }
        }
        out.put_slice(bytes);
        out.freeze()
    }

    /// Reads stored content; `None` if this release does not know it.
    pub(super) fn decode(mut stored: Bytes) -> Option<SnapshotContent> {
        let kind = stored.try_get_u8().ok()?;
        let (kind, base) = match kind.checked_sub(MOVED) {
            None => (kind, 0),
            Some(kind) => (kind, stored.try_get_u64_le().ok()?),
        };
        let content = match kind {
            0 => MovedContent::Document(stored),
            1 => MovedContent::Remains(stored),
            2 if stored.is_empty() => MovedContent::Erased,
            _ => return None,
        };
        let positions = MovedPositions::new(base)?;
        Some(SnapshotContent { positions, content })
    }

    pub(super) fn is_erased(&self) -> bool {
        !matches!(self.content, MovedContent::Document(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_come_back_and_others_are_refused() {
        for content in [
            MovedContent::Document(Bytes::new()),
            MovedContent::Document("text".into()),
            MovedContent::Remains("epoch".into()),
            MovedContent::Erased,
        ] {
            for base in [0, 1, 1 << 52] {
                let positions = MovedPositions::new(base).unwrap();
                let content = content.clone();
                let content = SnapshotContent { positions, content };
                assert_eq!(SnapshotContent::decode(content.encode()), Some(content));
            }
        }
        let too_high = b"\x03\xff\xff\xff\xff\xff\xff\xff\xff";
        for other in [&b""[..], b"\x02more", b"\x06", b"\x03short", too_high] {
            assert_eq!(SnapshotContent::decode(Bytes::from_static(other)), None);
        }
    }
}
