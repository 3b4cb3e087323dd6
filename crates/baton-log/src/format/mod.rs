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

pub(crate) mod codec;
pub(crate) mod journal;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
