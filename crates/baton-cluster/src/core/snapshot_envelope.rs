//! The bytes of a stored snapshot: its place in the log, the table of duplicates, the content.

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::byte_reader::ByteReader;
use super::document_key::MAX_NAME_BYTES;
use super::duplicate_table::DuplicateTable;
use super::envelope::{put_position, take_position};
use super::stream_position::StreamPosition;

const VERSION: u8 = 1;

/// Bytes of the SHA-256 at the end.
const DIGEST_BYTES: usize = 32;

/// A snapshot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEnvelope {
    /// Position of the last record that the snapshot contains.
    pub position: StreamPosition,
    /// The document's name.
    pub name: String,
    /// The table of duplicates after that record.
    pub table: DuplicateTable,
    /// The content, which only the room reads.
    pub content: Bytes,
}

/// The stored snapshot is damaged, or not of this release.
///
/// The caller takes an older snapshot only if the log still joins it; otherwise the document does
/// not open, and a backup of the object store is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored snapshot is damaged or was written by a newer release")]
pub struct SnapshotEnvelopeError;

impl SnapshotEnvelope {
    /// Returns the bytes to store.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.content.len() + self.name.len() + 256);
        out.put_u8(VERSION);
        put_position(&mut out, self.position);
        out.put_u16_le(u16::try_from(self.name.len()).unwrap_or(u16::MAX));
        out.put_slice(self.name.as_bytes());
        self.table.encode(&mut out);
        // The length tells a snapshot that was cut from one that is whole before hashing it.
        out.put_u32_le(u32::try_from(self.content.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.content);
        let digest = Sha256::digest(&out);
        out.put_slice(&digest);
        out.freeze()
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// If they are damaged or of another version.
    pub fn decode(stored: &Bytes) -> Result<Self, SnapshotEnvelopeError> {
        Self::read(stored).ok_or(SnapshotEnvelopeError)
    }

    fn read(stored: &Bytes) -> Option<Self> {
        let end = stored.len().checked_sub(DIGEST_BYTES)?;
        if Sha256::digest(&stored[..end])[..] != stored[end..] {
            return None;
        }
        let mut bytes = ByteReader::new(&stored.slice(..end));
        if bytes.u8()? != VERSION {
            return None;
        }
        let position = take_position(&mut bytes)?;
        let name = usize::from(bytes.u16()?);
        if name > MAX_NAME_BYTES {
            return None;
        }
        let name = String::from_utf8(bytes.bytes(name)?.into()).ok()?;
        let table = DuplicateTable::decode(&mut bytes)?;
        let content = usize::try_from(bytes.u32()?).ok()?;
        let content = bytes.bytes(content)?;
        bytes.is_empty().then_some(Self {
            position,
            name,
            table,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::record_id::{BootId, RecordId};
    use super::*;

    #[test]
    fn a_snapshot_comes_back_whole_or_not_at_all() {
        let mut table = DuplicateTable::default();
        for boot in 0..100 {
            let boot = BootId(boot);
            table.admit(RecordId { boot, counter: 3 }, boot.0);
            table.admit_offered(RecordId { boot, counter: 9 });
        }
        let snapshot = SnapshotEnvelope {
            position: StreamPosition {
                incarnation: 1,
                sequence: 77,
            },
            name: "minutes".to_owned(),
            table,
            content: Bytes::from_static(b"state"),
        };
        let stored = snapshot.encode();
        assert_eq!(SnapshotEnvelope::decode(&stored), Ok(snapshot));
        for at in 0..stored.len() {
            let cut = stored.slice(..at);
            assert_eq!(SnapshotEnvelope::decode(&cut), Err(SnapshotEnvelopeError));
            let mut damaged = stored.to_vec();
            damaged[at] ^= 1;
            let damaged = Bytes::from(damaged);
            assert_eq!(
                SnapshotEnvelope::decode(&damaged),
                Err(SnapshotEnvelopeError)
            );
        }
    }
}
