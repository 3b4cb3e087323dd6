//! The state that all tasks of a node share: its boot, the clock, the leases, the news.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use baton_log::{LogHealth, NodeNews, QueueRoom};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use super::clock::Clock;
use crate::core::{BootId, IsolationChange, NodeLeases};

/// A node and what its tasks share. The locks guard plain data for one short step each.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) boot: BootId,
    pub(super) clock: Clock,
    pub(super) room: Arc<QueueRoom>,
    pub(super) leases: Mutex<NodeLeases>,
    /// Wakes the task of the leases: they have new effects.
    pub(super) leases_changed: Notify,
    pub(super) health: watch::Sender<LogHealth>,
    pub(super) counts: Counts,
    news: mpsc::UnboundedSender<NodeNews>,
    relayed: Arc<AtomicUsize>,
    relayed_limit: usize,
    /// For each stream, true while it is isolated.
    isolated: Mutex<Vec<bool>>,
    /// Isolations of a stream that outlasted the lease and are over.
    returns: AtomicU64,
    /// The streams whose engine has no room for what was appended last.
    full: Mutex<BTreeSet<u16>>,
    /// For each stream, its number of documents when it was last asked, and its incarnation.
    streams: Mutex<BTreeMap<u16, (usize, u16)>>,
}

/// Counters for monitoring.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// The parts of a [`Node`] that its opener makes.
#[derive(Debug)]
pub(super) struct NodeParts {
    pub(super) boot: BootId,
    pub(super) clock: Clock,
    pub(super) room: QueueRoom,
    pub(super) leases: NodeLeases,
    pub(super) news: mpsc::UnboundedSender<NodeNews>,
    pub(super) relayed: Arc<AtomicUsize>,
    pub(super) relayed_limit: usize,
    pub(super) streams: u16,
}

impl Node {
    pub(super) fn new(parts: NodeParts) -> Node {
        Node {
            boot: parts.boot,
            clock: parts.clock,
            room: Arc::new(parts.room),
            leases: Mutex::new(parts.leases),
            leases_changed: Notify::new(),
            health: watch::Sender::new(LogHealth::Good),
            counts: Counts::default(),
            news: parts.news,
            relayed: parts.relayed,
            relayed_limit: parts.relayed_limit,
            returns: AtomicU64::new(0),
            isolated: Mutex::new(vec![false; usize::from(parts.streams)]),
            full: Mutex::new(BTreeSet::new()),
            streams: Mutex::new(BTreeMap::new()),
        }
    }

    /// Passes on news that must not be lost. A server that has gone hears nothing.
    pub(super) fn tell(&self, news: NodeNews) {
        let _ = self.news.send(news);
    }

    /// Passes on a message of another node, unless too many wait.
    pub(super) fn relayed(&self, document: &Arc<str>, from: BootId, bytes: Bytes) {
        if self.relayed.load(Ordering::Relaxed) >= self.relayed_limit {
            return;
        }
        self.relayed.fetch_add(1, Ordering::Relaxed);
        self.tell(NodeNews::Relayed {
            document: Arc::clone(document),
            from: from.0,
            bytes,
        });
    }

    /// Takes note that a stream is isolated or no longer. The node is while one of them is.
    pub(super) fn set_isolated(&self, stream: u16, change: IsolationChange) {
        let isolated = change == IsolationChange::Began;
        if change == (IsolationChange::Healed { outlasted: true }) {
            self.returns.fetch_add(1, Ordering::Relaxed);
        }
        let mut streams = self.isolated.lock();
        let before = streams.contains(&true);
        streams[usize::from(stream)] = isolated;
        let after = streams.contains(&true);
        if before != after {
            self.leases.lock().set_isolated(after, self.clock.now());
            self.tell(NodeNews::Isolated(after));
        }
    }

    pub(super) fn returns(&self) -> u64 {
        self.returns.load(Ordering::Relaxed)
    }

    pub(super) fn is_isolated(&self) -> bool {
        self.isolated.lock().contains(&true)
    }

    /// Takes note that the engine has no room for a stream, or has again.
    pub(super) fn set_full(&self, stream: u16, full: bool) {
        let mut streams = self.full.lock();
        let before = !streams.is_empty();
        if full {
            streams.insert(stream);
        } else {
            streams.remove(&stream);
        }
        match (before, streams.is_empty()) {
            (false, false) => tracing::error!(
                "the engine is full: nothing is saved until it has room; raise max_file_store of its servers, make room on their disks, or erase documents"
            ),
            (true, true) => tracing::info!("the engine has room again"),
            _ => {}
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.full.lock().is_empty()
    }

    /// Takes note of a stream's number of documents.
    pub(super) fn set_documents(&self, stream: u16, documents: usize) {
        self.streams.lock().entry(stream).or_default().0 = documents;
    }

    /// Takes note of a stream's incarnation.
    pub(super) fn set_incarnation(&self, stream: u16, incarnation: u16) {
        self.streams.lock().entry(stream).or_default().1 = incarnation;
    }

    pub(super) fn documents(&self) -> usize {
        self.streams.lock().values().map(|(count, _)| count).sum()
    }

    /// Returns the sum of all incarnations: it grows with each of them.
    pub(super) fn epoch(&self) -> u32 {
        let streams = self.streams.lock();
        streams.values().map(|(_, count)| u32::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use baton_log::LogOptions;
    use baton_presence::Time;

    use super::*;
    use crate::core::LeaseOptions;

    #[test]
    fn a_node_returns_with_each_isolation_of_a_stream_that_outlasted_its_lease() {
        let (news, mut told) = mpsc::unbounded_channel();
        let (boot, streams) = (BootId(7), 2);
        let node = Node::new(NodeParts {
            boot,
            clock: Clock::start(),
            room: QueueRoom::new(&LogOptions::default()),
            leases: NodeLeases::new(boot, streams, LeaseOptions::default(), Time::ZERO),
            news,
            relayed: Arc::default(),
            relayed_limit: 1,
            streams,
        });
        for outlasted in [false, true] {
            node.set_isolated(0, IsolationChange::Began);
            node.set_isolated(1, IsolationChange::Began);
            node.set_isolated(0, IsolationChange::Healed { outlasted });
            assert!(node.is_isolated(), "the other stream is");
            assert_eq!(node.returns(), u64::from(outlasted));
            node.set_isolated(1, IsolationChange::Healed { outlasted: false });
            assert!(!node.is_isolated());
            assert_eq!(node.returns(), u64::from(outlasted));
            assert_eq!(told.try_recv(), Ok(NodeNews::Isolated(true)));
            assert_eq!(told.try_recv(), Ok(NodeNews::Isolated(false)));
        }
    }
}
