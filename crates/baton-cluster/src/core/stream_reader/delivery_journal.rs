//! The messages that a stream delivered last, in case it loses them.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::super::delivered::Delivered;
use super::super::document_key::DocumentKey;
use super::super::record_id::{BootId, RecordId};

/// A record that was delivered and is no longer in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecord {
    /// The document.
    pub document: DocumentKey,
    /// The name under which the record was proposed first.
    pub original: RecordId,
    /// The record.
    pub record: Bytes,
}

/// The newest messages, up to a number and a size.
#[derive(Debug, Default)]
pub(super) struct DeliveryJournal {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Counter and part of the newest message of each boot.
    newest: HashMap<BootId, (u64, u16)>,
}

#[derive(Debug)]
struct Entry {
    message: Delivered,
    bytes: usize,
    /// The stream had it before: a boot's messages are in order, except late copies.
    is_copy: bool,
}

impl DeliveryJournal {
    pub(super) fn push(&mut self, message: Delivered, bytes: usize, limits: (usize, usize)) {
        let is_copy = self.note(&message);
        self.bytes += bytes;
        self.entries.push_back(Entry {
            message,
            bytes,
            is_copy,
        });
        while self.entries.len() > limits.0 || self.bytes > limits.1 {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes;
        }
    }

    /// Returns true if the message is a copy of an earlier record. Probes do not count: one may
    /// come before records that were appended earlier.
    fn note(&mut self, message: &Delivered) -> bool {
        let Some((_, part, _)) = message.record() else {
            return false;
        };
        let id = message.envelope.id;
        let newest = self.newest.entry(id.boot).or_default();
        let is_copy = (id.counter, part.index) <= *newest;
        *newest = (*newest).max((id.counter, part.index));
        is_copy
    }

    /// Forgets the messages, but not which were the newest: a part of the stream is passed over.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Returns the sequence of the oldest message.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.message.sequence)
    }

    /// Returns true if exactly this message was delivered.
    pub(super) fn contains(&self, message: &Delivered) -> bool {
        let key = |entry: &Entry| entry.message.sequence;
        let found = self.entries.binary_search_by_key(&message.sequence, key);
        found.is_ok_and(|index| self.entries[index].message == *message)
    }

    /// Removes all messages after this sequence, and returns the records that were whole with
    /// them. The first parts of such a record may still be there.
    pub(super) fn cut(&mut self, end: u64) -> Vec<LostRecord> {
        let lost = self.records_after(end);
        self.entries.retain(|entry| entry.message.sequence <= end);
        self.bytes = self.entries.iter().map(|entry| entry.bytes).sum();
        // The newest records may be lost: what follows is no copy of them.
        self.newest.clear();
        let kept: Vec<_> = self.entries.iter().map(|e| e.message.clone()).collect();
        for message in &kept {
            self.note(message);
        }
        lost
    }

    fn records_after(&self, end: u64) -> Vec<LostRecord> {
        let mut parts: HashMap<(DocumentKey, BootId), BytesMut> = HashMap::new();
        let mut lost = Vec::new();
        for entry in self.entries.iter().filter(|entry| !entry.is_copy) {
            let message = &entry.message;
            let (Some((original, part, bytes)), Some(document)) =
                (message.record(), message.subject.document())
            else {
                continue;
            };
            let key = (document.clone(), message.envelope.id.boot);
            if part.index == 0 {
                parts.insert(key.clone(), BytesMut::new());
            }
            let Some(mut whole) = parts.remove(&key) else {
                continue;
            };
            whole.extend_from_slice(bytes);
            if part.following > 0 {
                parts.insert(key, whole);
            } else if message.sequence > end {
                lost.push(LostRecord {
                    document: key.0,
                    original,
                    record: whole.freeze(),
                });
            }
        }
        lost
    }
}
