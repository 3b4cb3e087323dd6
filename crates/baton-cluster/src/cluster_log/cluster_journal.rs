//! The journal of one open document: proposes to its stream's task, takes what that delivers.

use std::collections::VecDeque;
use std::sync::Arc;

use baton_log::{
    Committed, DocumentJournal, Durability, LogError, MovedContent, Placement, Position,
    QueueShare, Reservation, Urgency,
};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::delivered_records::{DeliveredRecord, DeliveredRecords};
use super::moved_positions::MovedPositions;
use super::snapshot_content::SnapshotContent;
use super::stream_input::{Proposal, StreamInput};
use crate::core::{DocumentKey, DuplicateTable, Pace, RecordId, SnapshotEnvelope, StreamPosition};

/// A record since the last snapshot: its place, its names, its length.
#[derive(Debug)]
struct TailRecord {
    position: Position,
    sequence: u64,
    id: RecordId,
    offered: Option<RecordId>,
    len: usize,
}

/// The journal of one open document.
#[derive(Debug)]
pub(super) struct ClusterJournal {
    name: Arc<str>,
    key: DocumentKey,
    handle: u64,
    share: QueueShare,
    stream: mpsc::UnboundedSender<StreamInput>,
    records: Arc<DeliveredRecords>,
    positions: MovedPositions,
    /// Place of the own mark, with which the document was opened: after every loaded record.
    opened: StreamPosition,
    last: Position,
    /// Place up to which all was known when the document was opened.
    known_to: StreamPosition,
    /// Position of the last snapshot, or of what was loaded.
    base: Position,
    /// Names of the records up to `base`.
    table: DuplicateTable,
    tail: VecDeque<TailRecord>,
    tail_bytes: u64,
    /// Records and bytes that were loaded after the stored snapshot.
    loaded: (u64, u64),
    snapshot_bytes: u64,
    /// Counters of proposals that were not taken.
    in_flight: VecDeque<u64>,
}

/// The parts of a journal that its opening gives.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) name: Arc<str>,
    pub(super) key: DocumentKey,
    pub(super) handle: u64,
    pub(super) stream: mpsc::UnboundedSender<StreamInput>,
    pub(super) records: Arc<DeliveredRecords>,
    pub(super) positions: MovedPositions,
    /// Place of the last message that was loaded, marks included.
    pub(super) opened: StreamPosition,
    /// Position of the last loaded record.
    pub(super) last: Position,
    /// Place up to which all is known; marks of openings are behind the last record.
    pub(super) known_to: StreamPosition,
    /// Names of the records up to there.
    pub(super) table: DuplicateTable,
    pub(super) loaded: (u64, u64),
    pub(super) snapshot_bytes: u64,
}

impl ClusterJournal {
    pub(super) fn new(beginning: Beginning, share: QueueShare) -> ClusterJournal {
        ClusterJournal {
            name: beginning.name,
            key: beginning.key,
            handle: beginning.handle,
            share,
            stream: beginning.stream,
            records: beginning.records,
            positions: beginning.positions,
            opened: beginning.opened,
            last: beginning.last,
            known_to: beginning.known_to,
            base: beginning.last,
            table: beginning.table,
            tail: VecDeque::new(),
            tail_bytes: 0,
            loaded: beginning.loaded,
            snapshot_bytes: beginning.snapshot_bytes,
            in_flight: VecDeque::new(),
        }
    }

    fn check(&self) -> Result<(), LogError> {
        match self.records.failure() {
            Some(failure) => Err((*failure).clone()),
            None => Ok(()),
        }
    }

    fn send(&self, input: StreamInput) -> Result<(), LogError> {
        self.stream.send(input).map_err(|_| LogError::Closed)
    }

    /// Moves the base to a position, and sends a snapshot there on its way. With `at_once`, no
    /// record restores what it holds.
    fn put_snapshot(
        &mut self,
        at: Position,
        content: MovedContent,
        at_once: bool,
    ) -> Result<(), LogError> {
        self.check()?;
        while let Some(record) = self.tail.front().filter(|record| record.position <= at) {
            match record.offered {
                Some(original) => self.table.admit_offered(original),
                None => self.table.admit(record.id, record.sequence),
            };
            self.tail_bytes -= record.len as u64;
            self.tail.pop_front();
        }
        self.base = at;
        self.loaded = (0, 0);
        self.snapshot_bytes = content.bytes().map_or(0, |bytes| bytes.len() as u64);
        let positions = self.positions;
        let place = positions.place(at);
        // No record is between the last one and the marks of openings behind it: these go as well.
        let position = if at == self.last {
            place.max(self.known_to)
        } else {
            place
        };
        let content = SnapshotContent { positions, content };
        let envelope = SnapshotEnvelope {
            position,
            name: self.name.to_string(),
            table: self.table.clone(),
            content: content.encode(),
        };
        self.send(StreamInput::Snapshot {
            key: self.key.clone(),
            envelope: Box::new(envelope),
            at_once,
        })
    }

    fn took(&mut self, record: &DeliveredRecord) {
        self.last = record.position;
        self.tail_bytes += record.record.len() as u64;
        self.tail.push_back(TailRecord {
            position: record.position,
            sequence: record.sequence,
            id: record.id,
            offered: record.offered,
            len: record.record.len(),
        });
        if let Some(own) = record.own {
            while self.in_flight.front().is_some_and(|first| *first <= own) {
                self.in_flight.pop_front();
            }
        }
    }
}

impl DocumentJournal for ClusterJournal {
    fn name(&self) -> &str {
        &self.name
    }

    fn share(&self) -> QueueShare {
        self.share.clone()
    }

    fn propose(
        &mut self,
        reservation: Reservation,
        counter: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Placement, LogError> {
        self.check()?;
        let charge = self.share.charge(reservation, record.len())?;
        self.send(StreamInput::Propose(Proposal {
            key: self.key.clone(),
            handle: self.handle,
            counter,
            record,
            pace: match urgency {
                Urgency::Now => Pace::Now,
                Urgency::Soon | Urgency::Unawaited => Pace::Soon,
            },
            charge,
        }))?;
        self.in_flight.push_back(counter);
        Ok(Placement::Later)
    }

    fn next_committed(&mut self) -> Option<Committed> {
        let record = self.records.take()?;
        self.took(&record);
        Some(Committed {
            position: record.position,
            own: record.own,
            record: record.record,
        })
    }

    fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        let (from, to) = (self.base, self.last);
        if at < from || at > to {
            return Err(LogError::SnapshotOutOfRange { at, from, to });
        }
        self.put_snapshot(at, MovedContent::Document(bytes), false)
    }

    fn erase(&mut self) -> Result<(), LogError> {
        self.put_snapshot(self.last, MovedContent::Erased, true)
    }

    fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError> {
        self.put_snapshot(self.last, MovedContent::Remains(remains), true)
    }

    /// The snapshot stands at the mark with which the document was opened: no other handle opens it
    /// there, so its place in the store is free, and all that is stored is before it.
    fn replace(&mut self, above: Position, content: MovedContent) -> Result<(), LogError> {
        self.check()?;
        let place = self.opened.max(self.positions.place(self.last));
        let above = above.max(self.last);
        self.positions = self.positions.raised(place, above)?;
        self.last = self.positions.of(place);
        self.put_snapshot(self.last, content, true)
    }

    fn last(&self) -> Position {
        self.last
    }

    fn durable(&self) -> Position {
        self.records.delivered()
    }

    fn is_settled(&self) -> bool {
        self.in_flight.is_empty() && self.records.all_taken()
    }

    fn watch(&self) -> watch::Receiver<Durability> {
        self.records.subscribe()
    }

    fn failure(&self) -> Option<Arc<LogError>> {
        self.records.failure()
    }

    fn tail_bytes(&self) -> u64 {
        self.loaded.1 + self.tail_bytes
    }

    fn stored_bytes(&self) -> u64 {
        self.snapshot_bytes + self.loaded.1 + self.tail_bytes
    }

    fn tail_records(&self) -> u64 {
        self.loaded.0 + self.tail.len() as u64
    }
}

impl Drop for ClusterJournal {
    fn drop(&mut self) {
        // A task that has ended has no document open.
        let _ = self.stream.send(StreamInput::Close {
            key: self.key.clone(),
            handle: self.handle,
        });
    }
}
