//! The bytes of every row, and the checksums over them. `docs/storage-format.md` describes the same
//! for readers who have only the file.
//!
//! Encodes values as rows and decodes rows. Decides nothing about their content. A disk may have
//! changed the bytes that it reads: for any bytes the result is a value or an error, never a panic
//! and never a guess.
//!
//! Numbers are little-endian; `varint` is LEB128 of at most 64 bits. Every checksum is CRC-32
//! (IEEE) and starts with the row's own key as eight big-endian bytes, so that a row under another
//! key does not verify.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | meta | 0 | `"BatonLog"`, version u32, epoch u32, next commit u64, crc u32 over all before |
//! | documents | document id | crc u32 over the rest, state u8, base u64, name (UTF-8, to end) |
//! | journal | commit number | see [`journal`] |
//! | snapshots | document id | crc u32 over the rest, position u64, snapshot (to the end) |
//!
//! A document's *base* is the position up to which the journal is no longer needed. It is 0 (state
//! 0), the position of its snapshot (state 1), or the last position before an erasure (state 2;
//! state 3 with a snapshot of what must remain). Positions above the base are in the journal
//! without a gap.

pub(crate) mod codec;
pub(crate) mod journal;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
