//! The durability of one open document, as the commit thread reports it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::LogError;
use crate::position::Position;
use crate::types::Durability;

/// The durable position of one open document, or the failure of its log. Lives as long as the
/// document's handle, or as long as records of it wait.
#[derive(Debug)]
pub(crate) struct DocumentWatch {
    name: Arc<str>,
    /// Number of failures from which the log had recovered when the document was opened.
    generation: u64,
    state: Mutex<WatchState>,
}

#[derive(Debug)]
struct WatchState {
    durable: u64,
    failed: Option<Arc<LogError>>,
    /// Created by the first subscriber, for it is most of the memory of an open document.
    sender: Option<watch::Sender<Durability>>,
}

impl DocumentWatch {
    pub(crate) fn new(name: Arc<str>, generation: u64) -> DocumentWatch {
        DocumentWatch {
            name,
            generation,
            state: Mutex::new(WatchState {
                durable: 0,
                failed: None,
                sender: None,
            }),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn durable(&self) -> Position {
        Position::new(self.state.lock().durable)
    }

    pub(crate) fn failure(&self) -> Option<Arc<LogError>> {
        self.state.lock().failed.clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Durability> {
        let mut state = self.state.lock();
        let now = state.durability();
        state
            .sender
            .get_or_insert_with(|| watch::Sender::new(now))
            .subscribe()
    }

    /// Reports that everything up to this position is durable.
    pub(crate) fn advance(&self, position: u64) {
        let mut state = self.state.lock();
        state.durable = position;
        state.report();
    }

    /// Reports that the log has failed. The first failure stays.
    pub(crate) fn fail(&self, error: &Arc<LogError>) {
        let mut state = self.state.lock();
        state.failed.get_or_insert_with(|| error.clone());
        state.report();
    }
}

impl WatchState {
    fn durability(&self) -> Durability {
        match &self.failed {
            Some(error) => Durability::Failed(error.clone()),
            None => Durability::UpTo(Position::new(self.durable)),
        }
    }

    fn report(&self) {
        if let Some(sender) = &self.sender {
            sender.send_replace(self.durability());
        }
    }
}
