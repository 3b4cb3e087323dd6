//! The bytes of every row, and the checksums over them. `docs/storage-format.md` says the same for
//! readers who have only the file.
//!
//! This module turns values into rows and rows into values, and never decides what is written or
//! believed. It reads bytes that a disk may have changed: whatever they are, the answer is a value or
//! an error, never a panic and never a guess.
//!
//! Numbers are little-endian; `varint` is LEB128 of at most 64 bits. Every checksum is CRC-32 (IEEE)
//! and starts with the row's own key as eight big-endian bytes, so that a row which turns up under
//! another key does not verify.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | meta | 0 | `"BatonLog"`, version u32, epoch u32, next commit u64, crc u32 over all before |
//! | documents | document id | crc u32 over the rest, state u8, base u64, name (UTF-8, to the end) |
//! | journal | commit number | see [`journal`] |
//! | snapshots | document id | crc u32 over the rest, position u64, snapshot (to the end) |
//!
//! A document's *base* is the position up to which the journal is no longer needed: 0 (state 0), that of
//! its snapshot (state 1), or the last before it was erased (state 2; state 3 with a snapshot of what remains). Positions above the base are
//! in the journal without a gap.

pub(crate) mod journal;

use bytes::{BufMut, Bytes, BytesMut};

/// The version that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"BatonLog";

/// No position and no commit number reaches this: counting on from one that is below it never overflows. A larger one is
/// damage, even under a right checksum.
pub(crate) const NUMBERS_END: u64 = 1 << 62;

/// Why a row is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) &'static str);

/// What is known about the store as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) version: u32,
    pub(crate) epoch: u32,
    pub(crate) next_commit: u64,
}

/// What stands for the records up to a document's base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There are none: the base is 0.
    #[default]
    Nothing = 0,
    /// A snapshot.
    Snapshot = 1,
    /// They were erased.
    Erased = 2,
    /// They were erased but for a snapshot of what remains.
    Remnant = 3,
}

impl Standing {
    /// Returns true if a snapshot row stands for the records.
    pub(crate) const fn has_snapshot(self) -> bool {
        matches!(self, Standing::Snapshot | Standing::Remnant)
    }

    /// Returns true if the records were erased.
    pub(crate) const fn is_erased(self) -> bool {
        matches!(self, Standing::Erased | Standing::Remnant)
    }
}

/// What is known about one document apart from its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentRow<'a> {
    pub(crate) base: u64,
    pub(crate) standing: Standing,
    pub(crate) name: &'a str,
}

/// CRC-32 over a row's key and the parts of its value.
pub(crate) fn checksum(key: u64, parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key.to_be_bytes());
    for part in parts {
        crc.update(part);
    }
    crc.finalize()
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

    /// Gives the version even of a row whose rest belongs to a later format.
    pub(crate) fn decode(row: &[u8]) -> Result<Meta, Wrong> {
        let rest = row
            .strip_prefix(MAGIC)
            .ok_or(Wrong("the meta row is not a Baton log's"))?;
        let mut reader = Reader(rest);
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
            return Err(Wrong("the meta row's checksum is wrong"));
        }
        if next_commit >= NUMBERS_END {
            return Err(Wrong("the next commit number is out of range"));
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
        row.put_u8(self.standing as u8);
        row.put_u64_le(self.base);
        row.put_slice(self.name.as_bytes());
        seal(id, row)
    }

    pub(crate) fn decode(id: u64, row: &'a [u8]) -> Result<DocumentRow<'a>, Wrong> {
        let mut reader = Reader(unseal(id, row, "the document row's checksum is wrong")?);
        let standing = match reader.u8()? {
            0 => Standing::Nothing,
            1 => Standing::Snapshot,
            2 => Standing::Erased,
            3 => Standing::Remnant,
            _ => return Err(Wrong("the document row's state is unknown")),
        };
        let base = reader.u64()?;
        if base >= NUMBERS_END {
            return Err(Wrong("the base is out of range"));
        }
        let name = std::str::from_utf8(reader.0).map_err(|_| Wrong("the name is not UTF-8"))?;
        Ok(DocumentRow {
            base,
            standing,
            name,
        })
    }
}

/// A snapshot row.
pub(crate) fn encode_snapshot(id: u64, at: u64, bytes: &[u8]) -> Bytes {
    let mut row = BytesMut::with_capacity(12 + bytes.len());
    row.put_u32_le(0);
    row.put_u64_le(at);
    row.put_slice(bytes);
    seal(id, row)
}

/// The position and the content of a snapshot row, which shares the row's memory.
pub(crate) fn decode_snapshot(id: u64, row: &Bytes) -> Result<(u64, Bytes), Wrong> {
    let mut reader = Reader(unseal(id, row, "the snapshot's checksum is wrong")?);
    let at = reader.u64()?;
    Ok((at, row.slice(12..)))
}

/// Fills in the checksum that stands in a row's first four bytes.
fn seal(key: u64, mut row: BytesMut) -> Bytes {
    let crc = checksum(key, &[&row[4..]]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    row.freeze()
}

fn unseal<'a>(key: u64, row: &'a [u8], wrong: &'static str) -> Result<&'a [u8], Wrong> {
    let mut reader = Reader(row);
    let crc = reader.u32()?;
    if crc == checksum(key, &[reader.0]) {
        Ok(reader.0)
    } else {
        Err(Wrong(wrong))
    }
}

/// Reads numbers off the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Wrong> {
        let (head, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(Wrong("the row is too short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let (head, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Wrong("the row is too short"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Wrong> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Wrong> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Wrong> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Wrong> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Wrong("a number has more than 64 bits"))
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back() {
        for number in (0..64)
            .flat_map(|bit| [(1u64 << bit) - 1, 1 << bit])
            .chain([u64::MAX])
        {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut reader = Reader(&bytes);
            assert_eq!(reader.varint(), Ok(number));
            assert!(reader.0.is_empty());
        }
        assert!(Reader(&[0xff; 10]).varint().is_err());
        assert!(Reader(&[0x80]).varint().is_err());
    }

    #[test]
    fn rows_verify_only_under_their_own_key_and_with_every_bit_as_written() {
        let meta = Meta {
            version: VERSION,
            epoch: 3,
            next_commit: 9,
        };
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
        let document = DocumentRow {
            base: 7,
            standing: Standing::Snapshot,
            name: "pläne/a",
        };
        let row = document.encode(5);
        assert_eq!(DocumentRow::decode(5, &row), Ok(document));
        assert!(DocumentRow::decode(6, &row).is_err());
        let snapshot = encode_snapshot(5, 7, b"state");
        assert_eq!(
            decode_snapshot(5, &snapshot),
            Ok((7, Bytes::from_static(b"state")))
        );
        assert!(decode_snapshot(4, &snapshot).is_err());
        for bit in 0..row.len() * 8 {
            let mut bad = row.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(DocumentRow::decode(5, &bad).is_err(), "bit {bit}");
        }
        for bit in 0..snapshot.len() * 8 {
            let mut bad = snapshot.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_snapshot(5, &Bytes::from(bad)).is_err(), "bit {bit}");
        }
    }

    /// Found by fuzzing: counting on from a position or a commit near 2^64 went over the end, and numbers would have been used
    /// again. Such a row has a right checksum only if somebody wrote it so.
    #[test]
    fn numbers_that_nothing_can_be_counted_on_from_are_damage() {
        for (number, sound) in [
            (NUMBERS_END - 1, true),
            (NUMBERS_END, false),
            (u64::MAX - 1, false),
        ] {
            let meta = Meta {
                version: VERSION,
                epoch: 1,
                next_commit: number,
            };
            assert_eq!(Meta::decode(&meta.encode()).is_ok(), sound, "{number}");
            let document = DocumentRow {
                base: number,
                standing: Standing::Erased,
                name: "a",
            };
            assert_eq!(DocumentRow::decode(1, &document.encode(1)).is_ok(), sound);
            let mut row = journal::RowBuilder::new(journal::Kind::Appended);
            row.run(1, number, &[b"x"]);
            let row = row.finish(1);
            let run = journal::Row::parse(1, &row).unwrap().runs().next();
            assert_eq!(run.unwrap().is_ok(), sound, "{number}");
        }
    }

    /// The example rows of `docs/storage-format.md`, byte by byte.
    #[test]
    fn the_written_format_is_the_one_in_the_documentation() {
        let hex = |row: &[u8]| {
            row.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let page = include_str!("../../../../docs/storage-format.md");
        let mut row = journal::RowBuilder::new(journal::Kind::Appended);
        row.run(
            1,
            1,
            &[Bytes::from_static(b"one"), Bytes::from_static(b"two!")],
        );
        row.run(2, 300, &[Bytes::from_static(b"x")]);
        for (what, row) in [
            (
                "meta",
                Meta {
                    version: 1,
                    epoch: 1,
                    next_commit: 1,
                }
                .encode(),
            ),
            (
                "document",
                DocumentRow {
                    base: 2,
                    standing: Standing::Snapshot,
                    name: "notes",
                }
                .encode(1),
            ),
            ("snapshot", encode_snapshot(1, 2, b"onetwo!")),
            ("journal", row.finish(1)),
        ] {
            let hex = hex(&row);
            let found = page.replace([' ', '\n'], "").contains(&hex);
            assert!(found, "the {what} row of the documentation should be {hex}");
        }
    }
}
