//! The rows of the tables meta, documents and snapshots.

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::{BadRow, NUMBERS_END, RowReader, checksum};

/// The version that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"BatonLog";

/// Facts about the store as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) version: u32,
    pub(crate) epoch: u32,
    pub(crate) next_commit: u64,
}

/// The kind of a document's base: the content that replaces the records up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BaseKind {
    /// There are no such records: the base is 0.
    #[default]
    Nothing = 0,
    /// A snapshot replaces them.
    Snapshot = 1,
    /// They were erased.
    Erased = 2,
    /// They were erased, and a snapshot has what must remain.
    Remnant = 3,
}

impl BaseKind {
    /// Returns true if a snapshot row replaces the records.
    pub(crate) const fn has_snapshot(self) -> bool {
        matches!(self, BaseKind::Snapshot | BaseKind::Remnant)
    }

    /// Returns true if the records were erased.
    pub(crate) const fn is_erased(self) -> bool {
        matches!(self, BaseKind::Erased | BaseKind::Remnant)
    }
}

/// Facts about one document, apart from its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentRow<'a> {
    pub(crate) base: u64,
    pub(crate) base_kind: BaseKind,
    pub(crate) name: &'a str,
}

impl Meta {
    pub(crate) const KEY: u64 = 0;

    pub(crate) fn encode(&self) -> Bytes {
        let mut row = BytesMut::with_capacity(28);
        row.put_slice(MAGIC);
        row.put_u32_le(self.version);
        row.put_u32_le(self.epoch);
        row.put_u64_le(self.next_commit);
        let crc = checksum(Meta::KEY, &[&row]);
        row.put_u32_le(crc);
        row.freeze()
    }

    /// Decodes a row. Of a later format, only the version is decoded.
    pub(crate) fn decode(row: &[u8]) -> Result<Meta, BadRow> {
        let rest = row
            .strip_prefix(MAGIC)
            .ok_or(BadRow("the meta row is not a Baton log's"))?;
        let mut reader = RowReader(rest);
        let version = reader.u32()?;
        if version > VERSION {
            return Ok(Meta {
                version,
                epoch: 0,
                next_commit: 0,
            });
        }
        let (epoch, next_commit) = (reader.u32()?, reader.u64()?);
        let covered = row.len() - reader.0.len();
        if reader.u32()? != checksum(Meta::KEY, &[&row[..covered]]) || !reader.0.is_empty() {
            return Err(BadRow("the meta row's checksum is wrong"));
        }
        if next_commit >= NUMBERS_END {
            return Err(BadRow("the next commit number is out of range"));
        }
        Ok(Meta {
            version,
            epoch,
            next_commit,
        })
    }
}

impl<'a> DocumentRow<'a> {
    pub(crate) fn encode(&self, id: u64) -> Bytes {
        let mut row = BytesMut::with_capacity(13 + self.name.len());
        row.put_u32_le(0);
        row.put_u8(self.base_kind as u8);
        row.put_u64_le(self.base);
        row.put_slice(self.name.as_bytes());
        seal(id, row)
    }

    pub(crate) fn decode(id: u64, row: &'a [u8]) -> Result<DocumentRow<'a>, BadRow> {
        let mut reader = RowReader(unseal(id, row, "the document row's checksum is wrong")?);
        let base_kind = match reader.u8()? {
            0 => BaseKind::Nothing,
            1 => BaseKind::Snapshot,
            2 => BaseKind::Erased,
            3 => BaseKind::Remnant,
            _ => return Err(BadRow("the document row's state is unknown")),
        };
        let base = reader.u64()?;
        if base >= NUMBERS_END {
            return Err(BadRow("the base is out of range"));
        }
        let name = std::str::from_utf8(reader.0).map_err(|_| BadRow("the name is not UTF-8"))?;
        Ok(DocumentRow {
            base,
            base_kind,
            name,
        })
    }
}

/// Encodes a snapshot row.
pub(crate) fn encode_snapshot(id: u64, at: u64, bytes: &[u8]) -> Bytes {
    let mut row = BytesMut::with_capacity(12 + bytes.len());
    row.put_u32_le(0);
    row.put_u64_le(at);
    row.put_slice(bytes);
    seal(id, row)
}

/// Decodes the position and the content of a snapshot row. The content shares the row's memory.
pub(crate) fn decode_snapshot(id: u64, row: &Bytes) -> Result<(u64, Bytes), BadRow> {
    let mut reader = RowReader(unseal(id, row, "the snapshot's checksum is wrong")?);
    let at = reader.u64()?;
    Ok((at, row.slice(12..)))
}

/// Fills in the checksum in a row's first four bytes.
fn seal(key: u64, mut row: BytesMut) -> Bytes {
    let crc = checksum(key, &[&row[4..]]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    row.freeze()
}

fn unseal<'a>(key: u64, row: &'a [u8], wrong: &'static str) -> Result<&'a [u8], BadRow> {
    let mut reader = RowReader(row);
    let crc = reader.u32()?;
    if crc == checksum(key, &[reader.0]) {
        Ok(reader.0)
    } else {
        Err(BadRow(wrong))
    }
}
