//! The records of one document, each once: what its room applies.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::delivered::Delivered;
use super::document_key::Subject;
use super::duplicate_table::DuplicateTable;
use super::envelope::MessageContent;
use super::record_id::{BootId, RecordId};
use super::snapshot_envelope::SnapshotEnvelope;
use super::stream_position::{Incarnations, StreamPosition};

/// A record at its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionedRecord {
    /// Position of the record: that of its last part.
    pub position: StreamPosition,
    /// Name of the message that brought it: the node's own proposals come back under the ids that
    /// its writer returned.
    pub id: RecordId,
    /// The record.
    pub record: Bytes,
}

/// Turns the messages of a document into its records: joins parts, removes duplicates.
///
/// It is a function of the log alone, so that all nodes have the same records in the same order,
/// wherever each began.
#[derive(Debug, Clone)]
pub struct DocumentFeed {
    history: Incarnations,
    table: DuplicateTable,
    /// Sequence of the last message that was taken.
    taken: u64,
    /// Position of the last record.
    last: StreamPosition,
    /// Parts of the records whose last part has not come, by the boot that writes them.
    parts: BTreeMap<BootId, (RecordId, u16, BytesMut)>,
    /// The newest mark of a snapshot: the snapshot's position, and the sequence of the mark.
    snapshot: Option<(StreamPosition, u64)>,
}

impl DocumentFeed {
    /// Begins after a snapshot, or at the beginning. `history` is that of the reader.
    #[must_use]
    pub fn new(history: Incarnations, snapshot: Option<&SnapshotEnvelope>) -> Self {
        let last = snapshot.map_or(StreamPosition::default(), |snapshot| snapshot.position);
        Self {
            history,
            table: snapshot.map_or_else(DuplicateTable::default, |s| s.table.clone()),
            taken: last.sequence,
            last,
            parts: BTreeMap::new(),
            snapshot: None,
        }
    }

    /// Returns the table of duplicates after the last record, for a snapshot at its position.
    #[must_use]
    pub fn table(&self) -> &DuplicateTable {
        &self.table
    }

    /// Returns the position of the last record.
    #[must_use]
    pub fn last(&self) -> StreamPosition {
        self.last
    }

    /// Returns the position of the last message, marks included.
    #[must_use]
    pub fn taken(&self) -> StreamPosition {
        self.history.position(self.taken)
    }

    /// Returns the position up to which all is known: that of the last message that was taken, or
    /// of the last record while one has come in part. A snapshot there replaces marks of openings
    /// behind the last record, too.
    #[must_use]
    pub fn known_to(&self) -> StreamPosition {
        if self.parts.is_empty() {
            self.history.position(self.taken).max(self.last)
        } else {
            self.last
        }
    }

    /// Returns the newest mark of a snapshot: the snapshot's position, and the sequence of the
    /// mark.
    #[must_use]
    pub fn snapshot(&self) -> Option<(StreamPosition, u64)> {
        self.snapshot
    }

    /// Takes the document's next message; returns the record that it completes, if that is new.
    pub fn take(&mut self, message: &Delivered) -> Option<PositionedRecord> {
        self.note_snapshot(message);
        let sequence = message.sequence;
        if sequence <= self.taken {
            return None;
        }
        self.taken = sequence;
        let record = self.join(message)?;
        let new = match &message.envelope.content {
            MessageContent::Offered { original, .. } => self.table.admit_offered(*original),
            _ => self.table.admit(message.envelope.id, sequence),
        };
        if !new {
            return None;
        }
        self.last = self.history.position(sequence);
        Some(PositionedRecord {
            position: self.last,
            id: message.envelope.id,
            record,
        })
    }

    fn note_snapshot(&mut self, message: &Delivered) {
        let marked = match &message.envelope.content {
            MessageContent::SnapshotAt { position, .. } => Some(*position),
            MessageContent::SnapshotClaimed { .. } => None,
            _ => return,
        };
        if matches!(message.subject, Subject::Snapshots(_))
            && self
                .snapshot
                .is_none_or(|(_, mark)| mark < message.sequence)
        {
            // A claim, or a mark that does not count, is the subject's last message all the same.
            let counts = |at: &StreamPosition| self.history.counts(*at, message.sequence);
            let before = self.snapshot.map(|(position, _)| position);
            let newest = before.max(marked.filter(counts));
            self.snapshot = Some((newest.unwrap_or_default(), message.sequence));
        }
    }

    /// Returns the whole record if this is its last part.
    fn join(&mut self, message: &Delivered) -> Option<Bytes> {
        let (_, part, bytes) = message.record()?;
        let id = message.envelope.id;
        let begun = self.parts.remove(&id.boot);
        if part.index == 0 && part.following == 0 {
            return Some(bytes.clone());
        }
        let mut whole = match begun {
            _ if part.index == 0 => BytesMut::new(),
            Some((begun, next, whole)) if begun == id && next == part.index => whole,
            // The parts before it are in the snapshot with the whole record, or it is a late copy.
            _ => return None,
        };
        whole.extend_from_slice(bytes);
        if part.following == 0 {
            return Some(whole.freeze());
        }
        self.parts.insert(id.boot, (id, part.index + 1, whole));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{DocumentKey, MessageEnvelope};

    #[test]
    fn the_newest_mark_counts_by_its_place_and_each_claim_is_the_last_message() {
        // The stream has lost all after 12, and the incarnation began with the message at 27.
        let history = Incarnations::new(vec![12]).expect("one");
        let history = history.begun_at(27, &Incarnations::default());
        let mut feed = DocumentFeed::new(history, None);
        let at = |incarnation, sequence| StreamPosition {
            incarnation,
            sequence,
        };
        let claim = |position| MessageContent::SnapshotClaimed { position };
        let mark = |position| MessageContent::SnapshotAt {
            position,
            name: "minutes".to_owned(),
        };
        for (sequence, content, newest) in [
            (21, claim(at(0, 20)), StreamPosition::default()),
            // Its node had not seen the lost end.
            (22, mark(at(0, 20)), at(0, 20)),
            // It is late: all have opened the document anew.
            (28, mark(at(0, 22)), at(0, 20)),
            (31, claim(at(1, 30)), at(0, 20)),
            (32, mark(at(1, 30)), at(1, 30)),
        ] {
            let id = RecordId {
                boot: BootId(1),
                counter: 0,
            };
            let message = Delivered {
                sequence,
                subject: Subject::Snapshots(DocumentKey::new("minutes")),
                envelope: MessageEnvelope { id, content },
            };
            assert!(feed.take(&message).is_none());
            assert_eq!(feed.snapshot(), Some((newest, sequence)));
        }
    }
}
