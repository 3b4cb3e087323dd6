//! The simulated log of one document: a position at once, durability later, and crashes in between.
//!
//! Owns the records, the snapshot, and what of both a crash leaves. What was not synced may survive whole, in part, or
//! torn in the middle of a record; what was synced survives, unless a planted flaw says otherwise. Reads no record.

use bytes::{BufMut, Bytes, BytesMut};

use baton_testkit::Random;

type Entry = (u64, Bytes);

/// The disk of a server; see the module.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    snapshot: Option<Entry>,
    /// A snapshot that the next sync makes durable.
    pending: Option<Entry>,
    /// Every record that was ever kept, from the first: what a rebuild from nothing reads.
    history: Vec<Entry>,
    durable: u64,
    /// How far the sync that is under way will reach.
    syncing: Option<u64>,
}

impl Disk {
    /// Appends a record and returns its position.
    pub(crate) fn append(&mut self, record: Bytes) -> u64 {
        let position = self.last() + 1;
        self.history.push((position, record));
        position
    }

    /// Position of the newest record.
    pub(crate) fn last(&self) -> u64 {
        self.history.last().map_or(0, |(position, _)| *position)
    }

    /// Everything up to here survives a crash.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Starts a sync of all that is there, if there is something to sync and none is under way.
    pub(crate) fn start_sync(&mut self) -> bool {
        let wanted = self.last() > self.durable || self.pending.is_some();
        if self.syncing.is_some() || !wanted {
            return false;
        }
        self.syncing = Some(self.last());
        true
    }

    /// The sync is through; returns the new durable position.
    pub(crate) fn synced(&mut self) -> u64 {
        if let Some(position) = self.syncing.take() {
            self.durable = self.durable.max(position);
        }
        // One that stands for more than this sync brought waits for the next: the store keeps their order.
        let durable = self.durable;
        if let Some(snapshot) = self.pending.take_if(|(position, _)| *position <= durable) {
            self.snapshot = Some(snapshot);
        }
        self.durable
    }

    /// Hands in a snapshot that stands for all records up to `position`.
    pub(crate) fn offer_snapshot(&mut self, position: u64, bytes: Bytes) {
        self.pending = Some((position, bytes));
    }

    /// What an opening reads: the snapshot, and the records after it.
    pub(crate) fn load(&self) -> (Option<Entry>, Vec<Entry>) {
        let from = self.snapshot.as_ref().map_or(0, |(position, _)| *position);
        let tail = self.history.iter().filter(|(at, _)| *at > from);
        (self.snapshot.clone(), tail.cloned().collect())
    }

    /// Every record, from the first.
    pub(crate) fn history(&self) -> &[Entry] {
        &self.history
    }

    /// The machine goes down with what was not synced. Returns the position up to which records survived.
    pub(crate) fn crash(&mut self, random: &mut Random) -> u64 {
        self.syncing = None;
        // A snapshot belongs to the sync that would have brought it, and to records that may be lost.
        self.pending = None;
        let durable = self.durable;
        let kept = self.history.partition_point(|(at, _)| *at <= durable);
        let unsynced = self.history.split_off(kept);
        let mut bytes = frames(&unsynced);
        bytes.truncate(random.below(bytes.len() + 1));
        if random.chance(20) && !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        self.history.extend(read(&bytes));
        // What is read at the start is on the disk from then on.
        self.durable = self.last();
        self.durable
    }

    /// The machine stops in good order: everything is written first.
    pub(crate) fn shut_down(&mut self) {
        self.start_sync();
        self.synced();
        self.syncing = Some(self.last());
        self.synced();
    }

    /// Planted: the newest durable record goes as well.
    pub(crate) fn lose_newest(&mut self) -> u64 {
        let from = self.snapshot.as_ref().map_or(0, |(position, _)| *position);
        if self.last() > from {
            self.history.pop();
        }
        self.durable = self.last();
        self.durable
    }
}

/// Length, checksum, position and content of each record, as a store writes them.
fn frames(entries: &[Entry]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for (position, record) in entries {
        let mut body = BytesMut::with_capacity(8 + record.len());
        body.put_u64(*position);
        body.put_slice(record);
        bytes.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        bytes.put_u32(crc32fast::hash(&body));
        bytes.put_slice(&body);
    }
    bytes
}

/// All records before the first that is torn.
fn read(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let sum = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let Some((body, after)) = rest.split_at_checked(len) else {
            break;
        };
        let Some((position, record)) = body.split_first_chunk::<8>() else {
            break;
        };
        if crc32fast::hash(body) != sum {
            break;
        }
        entries.push((
            u64::from_be_bytes(*position),
            Bytes::copy_from_slice(record),
        ));
        bytes = after;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_durable_with_the_records_that_it_stands_for() {
        let mut disk = Disk::default();
        disk.append(Bytes::from_static(b"one"));
        assert!(disk.start_sync());
        disk.append(Bytes::from_static(b"two"));
        disk.offer_snapshot(2, Bytes::from_static(b"both"));
        disk.synced();
        assert_eq!(disk.load().0, None);
        assert!(disk.start_sync());
        disk.synced();
        let both = (2, Bytes::from_static(b"both"));
        assert_eq!(disk.load(), (Some(both), Vec::new()));
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_whole_prefix_of_the_rest() {
        for seed in 0..500 {
            let mut random = Random::from_seed(seed);
            let mut disk = Disk::default();
            let record = |number: u64| Bytes::from(vec![number as u8; 20]);
            for number in 1..=5 {
                assert_eq!(disk.append(record(number)), number);
            }
            assert!(disk.start_sync());
            disk.append(record(6));
            assert_eq!(disk.synced(), 5);
            disk.append(record(7));
            let kept = disk.crash(&mut random);
            assert!((5..=7).contains(&kept), "{kept}");
            let (_, tail) = disk.load();
            let whole: Vec<_> = (1..=kept).map(|number| (number, record(number))).collect();
            assert_eq!(tail, whole);
            assert_eq!(disk.append(record(9)), kept + 1);
        }
    }
}
