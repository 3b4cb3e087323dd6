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
    messages: VecDeque<(Delivered, usize)>,
    bytes: usize,
}

impl DeliveryJournal {
    pub(super) fn push(&mut self, message: Delivered, bytes: usize, limits: (usize, usize)) {
        self.bytes += bytes;
        self.messages.push_back((message, bytes));
        while self.messages.len() > limits.0 || self.bytes > limits.1 {
            let Some((_, bytes)) = self.messages.pop_front() else {
                return;
            };
            self.bytes -= bytes;
        }
    }

    /// Returns the sequence of the oldest message.
    pub(super) fn first(&self) -> Option<u64> {
        self.messages.front().map(|(message, _)| message.sequence)
    }

    /// Returns true if exactly this message was delivered.
    pub(super) fn contains(&self, message: &Delivered) -> bool {
        let key = |(other, _): &(Delivered, usize)| other.sequence;
        let found = self.messages.binary_search_by_key(&message.sequence, key);
        found.is_ok_and(|index| self.messages[index].0 == *message)
    }

    /// Removes all messages after this sequence, and returns the whole records among them.
    pub(super) fn cut(&mut self, end: u64) -> Vec<LostRecord> {
        let keep = self
            .messages
            .partition_point(|(message, _)| message.sequence <= end);
        let mut parts: HashMap<(DocumentKey, BootId), BytesMut> = HashMap::new();
        let mut lost = Vec::new();
        for (message, bytes) in self.messages.drain(keep..) {
            self.bytes -= bytes;
            let Some((original, part, bytes)) = message.record() else {
                continue;
            };
            let Some(document) = message.subject.document().cloned() else {
                continue;
            };
            let key = (document, message.envelope.id.boot);
            if part.index == 0 {
                parts.insert(key.clone(), BytesMut::new());
            }
            // A record whose beginning is still there was not lost alone: batches are atomic.
            let Some(mut whole) = parts.remove(&key) else {
                continue;
            };
            whole.extend_from_slice(bytes);
            if part.following > 0 {
                parts.insert(key, whole);
            } else {
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
