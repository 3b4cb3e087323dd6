//! Records of clients, packed.
//!
//! Owns the form: ascending by client id, sixteen records to a chunk, each field a variable-length
//! integer, ids and places in the base as differences to the record before. A client that wrote one
//! word costs about eight bytes. A record is found by a search among the chunks and by reading at
//! most sixteen.

use super::blocks_ref::Section;
use crate::lib0::{Reader, write_var_uint};
use crate::state_vector::{ClientId, Clock};

/// Records in a chunk.
const CHUNK: usize = 16;

/// Flag beside the length of a section: its first clock is not 0, and follows.
const HAS_START: u64 = 1;

/// Flag beside the length of a section: it has not exactly one block, and the number follows.
const HAS_COUNT: u64 = 2;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct PackedClients {
    /// The first id of each chunk.
    firsts: Vec<ClientId>,
    /// The place in `bytes` at which each chunk begins.
    offsets: Vec<u32>,
    bytes: Vec<u8>,
    len: usize,
    last: Previous,
}

/// The record before, from which the next one differs.
#[derive(Clone, Copy, Debug, Default)]
struct Previous {
    client: u64,
    at: u32,
}

impl PackedClients {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds the record of a client whose id is larger than all before.
    pub(super) fn push(&mut self, client: ClientId, places: u32, section: Section) {
        if self.len.is_multiple_of(CHUNK) {
            self.firsts.push(client);
            self.offsets.push(self.bytes.len() as u32);
            self.last = Previous {
                client: client.get(),
                at: 0,
            };
        }
        let Section {
            start,
            end,
            at,
            len,
            count,
        } = section;
        let out = &mut self.bytes;
        write_var_uint(out, client.get() - self.last.client);
        write_var_uint(out, zigzag(i64::from(at) - i64::from(self.last.at)));
        let start_flag = if start == 0 { 0 } else { HAS_START };
        let count_flag = if count == 1 { 0 } else { HAS_COUNT };
        write_var_uint(out, u64::from(len) << 2 | start_flag | count_flag);
        if start != 0 {
            write_var_uint(out, u64::from(start));
        }
        if count != 1 {
            write_var_uint(out, u64::from(count));
        }
        write_var_uint(out, u64::from(end - start));
        write_var_uint(out, u64::from(places));
        self.last = Previous {
            client: client.get(),
            at,
        };
        self.len += 1;
    }

    /// Gives back what was reserved for more to come.
    pub(super) fn shrink(&mut self) {
        self.firsts.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    pub(super) fn get(&self, client: ClientId) -> Option<(u32, Section)> {
        let chunk = self.firsts.partition_point(|first| *first <= client);
        let mut records = self.records(chunk.checked_sub(1)?);
        let (id, record) = records.find(|(id, _)| *id >= client)?;
        (id == client).then_some(record)
    }

    /// All records, by ascending id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientId, (u32, Section))> {
        (0..self.firsts.len()).flat_map(|chunk| self.records(chunk))
    }

    fn records(&self, chunk: usize) -> Records<'_> {
        let start = self.offsets[chunk] as usize;
        let end = self.offsets.get(chunk + 1);
        let end = end.map_or(self.bytes.len(), |end| *end as usize);
        Records {
            reader: Reader::new(&self.bytes[start..end]),
            previous: Previous {
                client: self.firsts[chunk].get(),
                at: 0,
            },
        }
    }
}

/// The records of a chunk.
struct Records<'a> {
    reader: Reader<'a>,
    previous: Previous,
}

impl Records<'_> {
    fn read(&mut self) -> Option<(ClientId, (u32, Section))> {
        let mut number = || self.reader.var_uint().ok();
        let client = self.previous.client + number()?;
        let at = i64::from(self.previous.at) + unzigzag(number()?);
        let at = at as u32;
        let flagged = number()?;
        let start = if flagged & HAS_START == 0 {
            0
        } else {
            number()? as Clock
        };
        let count = if flagged & HAS_COUNT == 0 {
            1
        } else {
            number()? as u32
        };
        let end = start + number()? as Clock;
        let places = number()? as u32;
        self.previous = Previous { client, at };
        let section = Section {
            start,
            end,
            at,
            len: (flagged >> 2) as u32,
            count,
        };
        Some((ClientId::new(client)?, (places, section)))
    }
}

impl Iterator for Records<'_> {
    type Item = (ClientId, (u32, Section));

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        self.read()
    }
}

/// A signed number as an unsigned one, so that small ones of both signs are short.
const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_packed_record_is_found_as_it_was(
            records in proptest::collection::btree_map(
                0..1u64 << 53,
                (any::<u32>(), 0..1u32 << 30, 0..1u32 << 30, any::<u32>(), any::<u32>(), 0..3u32),
                0..80,
            ),
            asked in 0..1u64 << 53,
        ) {
            let records: BTreeMap<ClientId, (u32, Section)> = records
                .into_iter()
                .map(|(client, (places, start, more, at, len, count))| {
                    let section = Section { start, end: start + more, at, len, count };
                    (ClientId::new(client).unwrap(), (places, section))
                })
                .collect();
            let mut packed = PackedClients::default();
            for (client, (places, section)) in &records {
                packed.push(*client, *places, *section);
            }
            prop_assert_eq!(packed.len(), records.len());
            for (client, record) in &records {
                prop_assert_eq!(packed.get(*client), Some(*record));
            }
            prop_assert!(packed.iter().eq(records.clone()));
            let asked = ClientId::new(asked).unwrap();
            prop_assert_eq!(packed.get(asked), records.get(&asked).copied());
        }
    }

    #[test]
    fn a_client_of_one_word_costs_about_eight_bytes() {
        let mut packed = PackedClients::default();
        for person in 0..10_000_u32 {
            let section = Section {
                start: 0,
                end: 11,
                at: 340_000 - 34 * person,
                len: 26,
                count: 1,
            };
            packed.push((person * 400_000).into(), 1, section);
        }
        packed.shrink();
        let bytes = packed.bytes.len() + 4 * packed.offsets.len() + 8 * packed.firsts.len();
        assert!(bytes < 85_000, "{bytes}");
    }
}
