//! Removes duplicates among the records of one document, alike on every node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{BufMut, BytesMut};

use super::byte_reader::ByteReader;
use super::envelope::{put_id, take_id};
use super::record_id::{BootId, RecordId};

/// Most boots in the table of a document; the one that wrote longest ago is forgotten first.
pub const MAX_BOOTS: usize = 64;

/// Most offered records in the table of a document; the lowest id is forgotten first.
pub const MAX_OFFERED: usize = 4096;

/// Newest records of each boot that the table names one by one.
pub const MAX_RECENT: usize = 32;

/// The names of the records that a document has had.
///
/// A boot's counters grow along a stream, so its highest one is enough: a record whose counter is
/// not above it is a duplicate. The newest ones tell what is missing after a stream has lost its
/// end. The table is a function of the document's records alone and travels with its snapshots. So
/// all nodes decide alike, also those that open from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DuplicateTable {
    boots: BTreeMap<BootId, BootRecords>,
    /// Original ids of records that nodes offered after the stream had lost its end.
    offered: BTreeSet<RecordId>,
}

/// The records of one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BootRecords {
    /// Sequence of its newest record.
    sequence: u64,
    /// Counters of its newest records, the highest last; never empty.
    recent: VecDeque<u64>,
}

impl DuplicateTable {
    /// Returns true for a record that is new, and remembers it. `sequence` is that of the record;
    /// calls come in the order of sequences.
    pub fn admit(&mut self, id: RecordId, sequence: u64) -> bool {
        let known = self.boots.get(&id.boot).and_then(|boot| boot.recent.back());
        if known.is_some_and(|highest| id.counter <= *highest) || self.offered.contains(&id) {
            return false;
        }
        let boot = self.boots.entry(id.boot).or_insert(BootRecords {
            sequence,
            recent: VecDeque::new(),
        });
        boot.sequence = sequence;
        boot.recent.push_back(id.counter);
        if boot.recent.len() > MAX_RECENT {
            boot.recent.pop_front();
        }
        if self.boots.len() > MAX_BOOTS {
            let oldest = self
                .boots
                .iter()
                .min_by_key(|(_, records)| records.sequence);
            if let Some(boot) = oldest.map(|(boot, _)| *boot) {
                self.boots.remove(&boot);
            }
        }
        true
    }

    /// Returns true for an offered record that is new, and remembers it.
    ///
    /// The highest counter does not count here: the record's own node may have gone on before it
    /// learned that the end was lost. Of what is older than its newest [`MAX_RECENT`] records, it
    /// is not known if it was lost: then once too often is better than not at all.
    pub fn admit_offered(&mut self, original: RecordId) -> bool {
        let boot = self.boots.get(&original.boot);
        if boot.is_some_and(|boot| boot.recent.contains(&original.counter))
            || !self.offered.insert(original)
        {
            return false;
        }
        if self.offered.len() > MAX_OFFERED {
            self.offered.pop_first();
        }
        true
    }

    /// Appends the table to the head of a snapshot.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        // Both counts are bounded by `admit` and `admit_offered`.
        out.put_u16_le(u16::try_from(self.boots.len()).unwrap_or(u16::MAX));
        for (boot, records) in &self.boots {
            out.put_u64_le(boot.0);
            out.put_u64_le(records.sequence);
            out.put_u8(u8::try_from(records.recent.len()).unwrap_or(u8::MAX));
            for counter in &records.recent {
                out.put_u64_le(*counter);
            }
        }
        out.put_u16_le(u16::try_from(self.offered.len()).unwrap_or(u16::MAX));
        for id in &self.offered {
            put_id(out, *id);
        }
    }

    /// Reads a table back; `None` if it is malformed or over its limits.
    pub(super) fn decode(bytes: &mut ByteReader) -> Option<Self> {
        let mut table = Self::default();
        let boots = usize::from(bytes.u16()?);
        for _ in 0..boots {
            let boot = BootId(bytes.u64()?);
            let sequence = bytes.u64()?;
            let count = usize::from(bytes.u8()?);
            if count == 0 || count > MAX_RECENT {
                return None;
            }
            let recent: Option<VecDeque<_>> = (0..count).map(|_| bytes.u64()).collect();
            let recent = recent.filter(|all| all.iter().is_sorted())?;
            table.boots.insert(boot, BootRecords { sequence, recent });
        }
        let offered = usize::from(bytes.u16()?);
        for _ in 0..offered {
            table.offered.insert(take_id(bytes)?);
        }
        let whole = table.boots.len() == boots && table.offered.len() == offered;
        (whole && boots <= MAX_BOOTS && offered <= MAX_OFFERED).then_some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(boot: u64, counter: u64) -> RecordId {
        RecordId {
            boot: BootId(boot),
            counter,
        }
    }

    #[test]
    fn a_record_is_admitted_once() {
        let mut table = DuplicateTable::default();
        assert!(table.admit(id(1, 5), 10) && table.admit(id(2, 5), 11));
        assert!(!table.admit(id(1, 5), 12), "the same again");
        assert!(
            !table.admit(id(1, 4), 13),
            "late, after one that follows it"
        );
        assert!(table.admit(id(1, 9), 14));
    }

    #[test]
    fn an_offered_record_is_admitted_once_although_its_node_went_on() {
        let mut table = DuplicateTable::default();
        assert!(table.admit(id(1, 6), 10));
        assert!(table.admit_offered(id(1, 5)) && !table.admit_offered(id(1, 5)));
        assert!(table.admit_offered(id(2, 7)) && !table.admit(id(2, 7), 12));
        assert!(!table.admit_offered(id(1, 6)), "it is there");
    }

    #[test]
    fn the_boot_that_wrote_longest_ago_is_forgotten_first() {
        let mut table = DuplicateTable::default();
        for boot in 0..MAX_BOOTS as u64 {
            assert!(table.admit(id(boot, 1), 1 + boot));
        }
        assert!(table.admit(id(0, 2), 1_000), "the first boot writes again");
        assert!(table.admit(id(999, 1), 1_001));
        assert!(!table.admit(id(0, 2), 1_002) && !table.admit(id(2, 1), 1_003));
        assert!(table.admit(id(1, 1), 1_004), "boot 1 was forgotten");
        for counter in 0..=MAX_OFFERED as u64 {
            table.admit_offered(id(7, counter));
        }
        assert_eq!(table.offered.len(), MAX_OFFERED);
    }
}
