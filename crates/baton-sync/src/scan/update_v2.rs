//! Recognition of updates in the V2 encoding of Yjs, for a helpful refusal.
//!
//! Owns the outer form of that encoding: a flag byte, nine columns of which each has a length, then
//! the values that are in no column. It is read once, without an allocation, and no block in it is
//! read.

use std::ops::RangeInclusive;

use crate::lib0::{DecodeError, Reader};
use crate::state_vector::read_clock;

use super::block::{GC, SKIP};

/// Kinds of content that Yjs 13 defines, in the low five bits of a block's first byte.
const CONTENT_KINDS: RangeInclusive<u8> = 1..=9;

/// Number of shared types that Yjs 13 defines.
const SHARED_TYPES: u64 = 7;

/// Returns true if these bytes, which are no update in V1, have the outer form of one in V2. Takes
/// time in proportion to their length at most.
pub(super) fn looks_like_v2(update: &[u8]) -> bool {
    update.first() == Some(&0) && read(update).unwrap_or(false)
}

fn read(update: &[u8]) -> Result<bool, DecodeError> {
    let mut reader = Reader::new(update);
    let _flag = reader.u8()?;
    let mut column = || reader.var_buf();
    let [key_clocks, clients, left_clocks, right_clocks] =
        [column()?, column()?, column()?, column()?];
    let [infos, strings, parents, types, lengths] =
        [column()?, column()?, column()?, column()?, column()?];
    if !holds_strings(strings)? {
        return Ok(false);
    }
    let block_clients = reader.count(2)?;
    if block_clients == 0 {
        let columns = [
            key_clocks,
            clients,
            left_clocks,
            right_clocks,
            infos,
            parents,
            types,
            lengths,
        ];
        let is_bare = columns.iter().all(|column| column.is_empty()) && strings.len() == 1;
        return Ok(is_bare && holds_deletes(&mut reader)?);
    }
    let mut named = 0_u64;
    runs(clients, |_, count| named = named.saturating_add(count))?;
    let mut are_types = true;
    runs(types, |kind, _| are_types &= kind < SHARED_TYPES)?;
    let is_info = |info: u8| matches!(info, GC | SKIP) || CONTENT_KINDS.contains(&(info & 0x1f));
    Ok(named >= block_clients as u64
        && are_types
        && bytes_of(infos, is_info)?
        && !infos.is_empty()
        && bytes_of(parents, |parent| parent <= 1)?
        && reader.var_uint()? > 0
        && read_clock(&mut reader).is_ok())
}

/// Returns true if the column of strings is sound: one text, then the lengths of its parts in
/// UTF-16.
fn holds_strings(column: &[u8]) -> Result<bool, DecodeError> {
    let mut reader = Reader::new(column);
    let text = reader.var_string()?;
    let mut units = 0_u64;
    runs(reader.rest(), |len, count| {
        units = units.saturating_add(len.saturating_mul(count));
    })?;
    Ok(units == text.encode_utf16().count() as u64)
}

/// Returns true if only deletions follow, up to the end.
fn holds_deletes(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    for _ in 0..reader.count(4)? {
        let _client = reader.var_uint()?;
        for _ in 0..reader.count(2)? {
            let (_gap, _len) = (read_clock(reader)?, read_clock(reader)?);
        }
    }
    Ok(reader.is_empty())
}

/// Reads a column of numbers: a negative one, also negative zero, says that a count follows it.
fn runs(column: &[u8], mut run: impl FnMut(u64, u64)) -> Result<(), DecodeError> {
    let mut reader = Reader::new(column);
    while let Some(first) = reader.rest().first() {
        let is_repeated = first & 0x40 != 0;
        let value = reader.var_int()?.unsigned_abs();
        let count = if is_repeated {
            reader.var_uint()?.saturating_add(2)
        } else {
            1
        };
        run(value, count);
    }
    Ok(())
}

/// Returns true if a column of bytes has only such bytes: each but the last has a count behind it.
fn bytes_of(column: &[u8], is_such: impl Fn(u8) -> bool) -> Result<bool, DecodeError> {
    let mut reader = Reader::new(column);
    while !reader.is_empty() {
        if !is_such(reader.u8()?) {
            return Ok(false);
        }
        if !reader.is_empty() {
            reader.var_uint()?;
        }
    }
    Ok(true)
}
