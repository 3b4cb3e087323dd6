//! The records of one open document between the stream's task and the document's journal.

use std::collections::VecDeque;
use std::sync::Arc;

use baton_log::{Durability, LogError, Position};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::core::RecordId;

/// A record that the stream has delivered.
#[derive(Debug)]
pub(super) struct DeliveredRecord {
    pub(super) position: Position,
    /// Its sequence in the stream.
    pub(super) sequence: u64,
    /// The caller's counter, if this handle proposed it.
    pub(super) own: Option<u64>,
    /// The name of the message that brought it.
    pub(super) id: RecordId,
    /// The name under which it was proposed first, if a node offered it again.
    pub(super) offered: Option<RecordId>,
    pub(super) record: Bytes,
}

/// The records that were delivered and not taken, and the failure. Shared by the task, which
/// delivers, and the journal, which takes.
#[derive(Debug)]
pub(super) struct DeliveredRecords {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<DeliveredRecord>,
    delivered: Position,
    failed: Option<Arc<LogError>>,
    /// Created by the first subscriber, for it is most of the memory of an open document.
    sender: Option<watch::Sender<Durability>>,
}

impl DeliveredRecords {
    pub(super) fn new(delivered: Position) -> DeliveredRecords {
        DeliveredRecords {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                delivered,
                failed: None,
                sender: None,
            }),
        }
    }

    /// Adds the next record.
    pub(super) fn push(&self, record: DeliveredRecord) {
        let mut state = self.state.lock();
        state.delivered = record.position;
        state.waiting.push_back(record);
        state.report();
    }

    /// Reports that nothing more is delivered. The first failure stays.
    pub(super) fn fail(&self, error: &Arc<LogError>) {
        let mut state = self.state.lock();
        state.failed.get_or_insert_with(|| Arc::clone(error));
        state.report();
    }

    pub(super) fn take(&self) -> Option<DeliveredRecord> {
        self.state.lock().waiting.pop_front()
    }

    pub(super) fn delivered(&self) -> Position {
        self.state.lock().delivered
    }

    pub(super) fn all_taken(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    pub(super) fn failure(&self) -> Option<Arc<LogError>> {
        self.state.lock().failed.clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Durability> {
        let mut state = self.state.lock();
        let now = state.durability();
        let sender = state.sender.get_or_insert_with(|| watch::Sender::new(now));
        sender.subscribe()
    }
}

impl State {
    fn durability(&self) -> Durability {
        match &self.failed {
            Some(error) => Durability::Failed(Arc::clone(error)),
            None => Durability::UpTo(self.delivered),
        }
    }

    fn report(&self) {
        if let Some(sender) = &self.sender {
            sender.send_replace(self.durability());
        }
    }
}
