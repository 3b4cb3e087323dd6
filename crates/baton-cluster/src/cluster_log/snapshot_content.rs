//! The content of a stored snapshot: one byte that says if the document was erased, then the bytes
//! of the room.

use bytes::{BufMut, Bytes, BytesMut};

/// A snapshot of a room, or the remains of a document that was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SnapshotContent {
    /// The document.
    Document(Bytes),
    /// The document was erased; this must remain.
    Remains(Bytes),
    /// The document was erased.
    Erased,
}

impl SnapshotContent {
    pub(super) fn encode(&self) -> Bytes {
        let (kind, bytes): (u8, &[u8]) = match self {
            SnapshotContent::Document(bytes) => (0, bytes),
            SnapshotContent::Remains(bytes) => (1, bytes),
            SnapshotContent::Erased => (2, &[]),
        };
        let mut out = BytesMut::with_capacity(1 + bytes.len());
        out.put_u8(kind);
        out.put_slice(bytes);
        out.freeze()
    }

    /// Reads stored content; `None` if this release does not know it.
    pub(super) fn decode(mut stored: Bytes) -> Option<SnapshotContent> {
        let kind = *stored.first()?;
        let bytes = stored.split_off(1);
        match kind {
            0 => Some(SnapshotContent::Document(bytes)),
            1 => Some(SnapshotContent::Remains(bytes)),
            2 if bytes.is_empty() => Some(SnapshotContent::Erased),
            _ => None,
        }
    }

    /// Returns the bytes that a room reads, if there are any.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self {
            SnapshotContent::Document(bytes) | SnapshotContent::Remains(bytes) => Some(bytes),
            SnapshotContent::Erased => None,
        }
    }

    pub(super) fn is_erased(&self) -> bool {
        !matches!(self, SnapshotContent::Document(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_come_back_and_others_are_refused() {
        for content in [
            SnapshotContent::Document(Bytes::new()),
            SnapshotContent::Document("text".into()),
            SnapshotContent::Remains("epoch".into()),
            SnapshotContent::Erased,
        ] {
            assert_eq!(SnapshotContent::decode(content.encode()), Some(content));
        }
        for other in [&b""[..], b"\x02more", b"\x03"] {
            assert_eq!(SnapshotContent::decode(Bytes::from_static(other)), None);
        }
    }
}
