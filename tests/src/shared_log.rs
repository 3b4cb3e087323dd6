//! One log that several servers of this process share, as the nodes of a cluster share an engine.
//!
//! Owns the one order of all records. A task gives proposed records their positions a few milliseconds later, and only
//! then does any node see them: so what happens between a proposal and its place happens here too, without an engine.
//! A story can isolate a node from the log, and let it be lost.

mod journal;
mod node;
mod sequence;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_log::{ClusterNode, LoadedDocument, LogOptions, NodeNews};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::node::NodeState;
pub use self::node::SharedNode;
use self::sequence::{Sequence, StoredDocument};

/// Time from a look at what is proposed to the next. About what an engine takes for a batch.
const PLACED_EVERY: Duration = Duration::from_millis(4);

/// News that wait for one node.
const NEWS: usize = 1_000;

/// The log; see the module. It places records until it is dropped.
pub struct SharedLog {
    shared: Arc<Mutex<Shared>>,
    placing: JoinHandle<()>,
}

/// All that the nodes share.
#[derive(Debug, Default)]
struct Shared {
    sequence: Sequence,
    nodes: BTreeMap<u64, NodeState>,
}

impl SharedLog {
    /// Starts it, without a document and a node.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::<Mutex<Shared>>::default();
        let placing = tokio::spawn(place(Arc::clone(&shared)));
        Self { shared, placing }
    }

    /// Adds a node, with its news.
    #[must_use]
    pub fn node(&self) -> (SharedNode, BoxStream<'static, NodeNews>) {
        self.node_with(&LogOptions::default())
    }

    /// Adds a node whose queue has these limits, with its news.
    #[must_use]
    pub fn node_with(&self, options: &LogOptions) -> (SharedNode, BoxStream<'static, NodeNews>) {
        let (news, receiver) = mpsc::channel(NEWS);
        let mut shared = self.shared.lock();
        // Boot ids are drawn, and say nothing about the order of the starts.
        let boot = 0x5eed_0000 + 7 * (shared.nodes.len() as u64 + 1);
        shared.nodes.insert(boot, NodeState::new(news));
        let news = stream::unfold(receiver, |mut news| async {
            let next = news.recv().await?;
            Some((next, news))
        });
        let node = SharedNode::new(Arc::clone(&self.shared), boot, options);
        (node, news.boxed())
    }

    /// Returns what is stored of a document.
    #[must_use]
    pub fn loaded(&self, document: &str) -> LoadedDocument {
        let shared = self.shared.lock();
        let stored = shared.sequence.stored(document);
        stored.map_or_else(LoadedDocument::default, StoredDocument::loaded)
    }

    /// Cuts a node off from the log, or lets it reach the log again. Its server is told.
    ///
    /// # Panics
    /// When the node is not of this log.
    pub fn isolate(&self, node: &SharedNode, isolated: bool) {
        let mut shared = self.shared.lock();
        let state = shared
            .nodes
            .get_mut(&node.boot())
            .expect("a node of this log");
        state.isolated = isolated;
        state.tell(NodeNews::Isolated(isolated));
        if !isolated {
            shared.sequence.show(node.boot());
        }
    }

    /// Lets a node's lease run out: it reaches nothing any more, what it proposed and what has no place yet is lost, and
    /// the others are told.
    ///
    /// # Panics
    /// When the node is not of this log.
    pub fn lose(&self, node: &SharedNode) {
        self.lose_after(node, Duration::ZERO);
    }

    /// The same, when the others have served without it for so long.
    ///
    /// # Panics
    /// When the node is not of this log.
    pub fn lose_after(&self, node: &SharedNode, served: Duration) {
        self.shared.lock().lose(node.boot(), served);
    }

    /// Asks a node's server for a snapshot of a document, as a log does whose oldest records are its.
    ///
    /// # Panics
    /// When the node is not of this log.
    pub fn ask_for_snapshot(&self, node: &SharedNode, document: &str) {
        let shared = self.shared.lock();
        let state = shared.nodes.get(&node.boot()).expect("a node of this log");
        let document = document.into();
        state.tell(NodeNews::Oldest { document });
    }

    /// Returns the number of records that an opening of the document reads behind its snapshot;
    /// `None` while it has no snapshot.
    #[must_use]
    pub fn tail_behind_snapshot(&self, document: &str) -> Option<usize> {
        let shared = self.shared.lock();
        let stored = shared.sequence.stored(document)?;
        stored.snapshot.is_some().then(|| stored.tail().count())
    }
}

impl Drop for SharedLog {
    fn drop(&mut self) {
        self.placing.abort();
    }
}

impl Shared {
    /// Ends the lease of a node, and tells the others.
    fn lose(&mut self, boot: u64, served: Duration) {
        let gone = self.nodes.get_mut(&boot).expect("a node of this log");
        gone.lose(served);
        for state in self.nodes.values_mut().filter(|state| state.alive) {
            state.tell(NodeNews::Lost(boot));
        }
    }

    /// Gives everything a place that nodes proposed which reach the log.
    fn place(&mut self) {
        for (boot, node) in self.nodes.iter_mut().filter(|(_, node)| node.reaches()) {
            for proposal in node.take_proposals() {
                self.sequence.place(*boot, proposal);
            }
            node.count_placed();
        }
        for boot in self
            .nodes
            .iter()
            .filter(|(_, node)| node.reaches())
            .map(|(boot, _)| *boot)
        {
            self.sequence.show(boot);
        }
    }
}

async fn place(shared: Arc<Mutex<Shared>>) {
    let mut tick = tokio::time::interval(PLACED_EVERY);
    loop {
        tick.tick().await;
        shared.lock().place();
    }
}
