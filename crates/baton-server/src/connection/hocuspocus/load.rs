//! Counts the connections of the Hocuspocus wire and the documents on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The counts of one server.
#[derive(Debug, Default)]
pub(crate) struct HocuspocusLoad {
    connections: Arc<AtomicUsize>,
    documents: Arc<AtomicUsize>,
}

/// One in a count, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl HocuspocusLoad {
    /// Returns how many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Returns how many documents are open on them, each counted for each connection.
    pub(crate) fn documents(&self) -> usize {
        self.documents.load(Ordering::Relaxed)
    }

    /// Counts a connection.
    pub(super) fn connection(&self) -> Counted {
        Counted::of(&self.connections)
    }

    /// Counts a document of a connection.
    pub(super) fn document(&self) -> Counted {
        Counted::of(&self.documents)
    }
}

impl Counted {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
