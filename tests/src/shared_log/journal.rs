//! One open document of one node.

use std::sync::Arc;

use baton_log::{
    Committed, DocumentJournal, Durability, LoadedDocument, LogError, MovedContent, Placement,
    Position, QueueRoom, QueueShare, Reservation, Urgency,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Shared;
use super::sequence::Proposal;

/// See the module.
#[derive(Debug)]
pub(super) struct SharedJournal {
    shared: Arc<Mutex<Shared>>,
    boot: u64,
    handle: u64,
    name: Arc<str>,
    share: QueueShare,
    snapshot_bytes: u64,
    tail_bytes: u64,
    tail_records: u64,
}

impl SharedJournal {
    pub(super) fn new(
        shared: Arc<Mutex<Shared>>,
        boot: u64,
        handle: u64,
        name: Arc<str>,
        room: Arc<QueueRoom>,
        loaded: &LoadedDocument,
    ) -> Self {
        Self {
            shared,
            boot,
            handle,
            name,
            share: QueueShare::of(room),
            snapshot_bytes: loaded
                .snapshot
                .as_ref()
                .map_or(0, |(_, bytes)| bytes.len() as u64),
            tail_bytes: loaded
                .tail
                .iter()
                .map(|(_, record)| record.len() as u64)
                .sum(),
            tail_records: loaded.tail.len() as u64,
        }
    }

    fn count_snapshot(&mut self, bytes: usize) {
        self.snapshot_bytes = bytes as u64;
        let shared = self.shared.lock();
        let stored = shared.sequence.stored(&self.name);
        let tail = stored.into_iter().flat_map(|stored| stored.tail());
        let (mut bytes, mut records) = (0, 0);
        for (_, record) in tail {
            bytes += record.len() as u64;
            records += 1;
        }
        drop(shared);
        (self.tail_bytes, self.tail_records) = (bytes, records);
    }
}

impl DocumentJournal for SharedJournal {
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
        _: Urgency,
    ) -> Result<Placement, LogError> {
        let proposal = Proposal {
            document: Arc::clone(&self.name),
            handle: self.handle,
            counter,
            charge: self.share.charge(reservation, record.len())?,
            record,
        };
        let mut shared = self.shared.lock();
        let node = shared.nodes.get_mut(&self.boot).ok_or(LogError::Closed)?;
        node.propose(proposal);
        Ok(Placement::Later)
    }

    fn next_committed(&mut self) -> Option<Committed> {
        let committed = self.shared.lock().sequence.take(self.handle)?;
        self.tail_bytes += committed.record.len() as u64;
        self.tail_records += 1;
        Some(committed)
    }

    fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError> {
        let len = bytes.len();
        let mut shared = self.shared.lock();
        let stored = shared.sequence.stored_mut(&self.name);
        // Another node may have stored a newer one.
        if stored
            .snapshot
            .as_ref()
            .is_none_or(|(there, _)| *there < at)
        {
            stored.snapshot = Some((at, bytes));
        }
        drop(shared);
        self.count_snapshot(len);
        Ok(())
    }

    fn erase(&mut self) -> Result<(), LogError> {
        self.shared.lock().sequence.erase(self.handle, None);
        self.count_snapshot(0);
        Ok(())
    }

    fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError> {
        let len = remains.len();
        self.shared
            .lock()
            .sequence
            .erase(self.handle, Some(remains));
        self.count_snapshot(len);
        Ok(())
    }

    fn replace(&mut self, above: Position, content: MovedContent) -> Result<(), LogError> {
        let len = content.bytes().map_or(0, Bytes::len);
        self.shared
            .lock()
            .sequence
            .replace(&self.name, above, &content);
        self.count_snapshot(len);
        Ok(())
    }

    fn last(&self) -> Position {
        self.shared.lock().sequence.seen(self.handle).0
    }

    fn durable(&self) -> Position {
        self.shared.lock().sequence.seen(self.handle).1
    }

    fn is_settled(&self) -> bool {
        let shared = self.shared.lock();
        let (taken, visible) = shared.sequence.seen(self.handle);
        let node = shared.nodes.get(&self.boot);
        taken == visible && node.is_none_or(|node| !node.has_proposals_of(self.handle))
    }

    fn watch(&self) -> watch::Receiver<Durability> {
        let watch = self.shared.lock().sequence.watch(self.handle);
        watch.unwrap_or_else(|| watch::channel(Durability::UpTo(Position::START)).1)
    }

    fn failure(&self) -> Option<Arc<LogError>> {
        None
    }

    fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    fn stored_bytes(&self) -> u64 {
        self.snapshot_bytes + self.tail_bytes
    }

    fn tail_records(&self) -> u64 {
        self.tail_records
    }
}

impl Drop for SharedJournal {
    fn drop(&mut self) {
        self.shared.lock().sequence.close(self.handle);
    }
}
