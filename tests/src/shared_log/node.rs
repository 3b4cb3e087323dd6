//! One node of a shared log: the log as the node's server sees it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_log::{
    ClusterNode, DocumentInfo, DocumentJournal, Journals, LoadedDocument, LogError, LogFuture,
    LogHealth, LogOptions, LogStats, NodeLease, NodeNews, OpenedJournal, QueueRoom, StoreError,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::journal::SharedJournal;
use super::sequence::Proposal;

static HANDLES: AtomicU64 = AtomicU64::new(1);

/// What the log knows of a node.
#[derive(Debug)]
pub(super) struct NodeState {
    pub(super) alive: bool,
    /// How long the others have served without it, once it is lost.
    pub(super) served_without: Duration,
    pub(super) isolated: bool,
    news: mpsc::Sender<NodeNews>,
    proposals: VecDeque<Proposal>,
    /// How many were proposed and placed so far.
    proposed: u64,
    placed: watch::Sender<u64>,
}

impl NodeState {
    pub(super) fn new(news: mpsc::Sender<NodeNews>) -> Self {
        Self {
            alive: true,
            served_without: Duration::ZERO,
            isolated: false,
            news,
            proposals: VecDeque::new(),
            proposed: 0,
            placed: watch::Sender::new(0),
        }
    }

    /// Whether what it proposes gets a place.
    pub(super) fn reaches(&self) -> bool {
        self.alive && !self.isolated
    }

    /// Its lease ran out, after the others had served without it for so long.
    pub(super) fn lose(&mut self, served_without: Duration) {
        self.alive = false;
        self.served_without = served_without;
        self.proposals.clear();
    }

    /// Tells its server something. A story does not fill the channel.
    pub(super) fn tell(&self, news: NodeNews) {
        let told = self.news.try_send(news);
        assert!(
            !matches!(told, Err(mpsc::error::TrySendError::Full(_))),
            "the server takes its news"
        );
    }

    pub(super) fn propose(&mut self, proposal: Proposal) {
        self.proposed += 1;
        self.proposals.push_back(proposal);
    }

    pub(super) fn take_proposals(&mut self) -> VecDeque<Proposal> {
        std::mem::take(&mut self.proposals)
    }

    pub(super) fn count_placed(&self) {
        let proposed = self.proposed;
        self.placed
            .send_if_modified(|placed| std::mem::replace(placed, proposed) != proposed);
    }

    /// Whether a handle has something without a place.
    pub(super) fn has_proposals_of(&self, handle: u64) -> bool {
        self.proposals
            .iter()
            .any(|proposal| proposal.handle == handle)
    }
}

/// A node; see the module. Clones are the same node.
#[derive(Clone, Debug)]
pub struct SharedNode {
    shared: Arc<Mutex<Shared>>,
    boot: u64,
    room: Arc<QueueRoom>,
    health: Arc<watch::Sender<LogHealth>>,
}

impl SharedNode {
    pub(super) fn new(shared: Arc<Mutex<Shared>>, boot: u64, options: &LogOptions) -> Self {
        Self {
            shared,
            boot,
            room: Arc::new(QueueRoom::new(options)),
            health: Arc::new(watch::Sender::new(LogHealth::Good)),
        }
    }

    fn open_handle(&self, document: &str) -> Result<(SharedJournal, LoadedDocument), LogError> {
        let mut shared = self.shared.lock();
        let node = shared.nodes.get(&self.boot).ok_or(LogError::Closed)?;
        let document = Arc::<str>::from(document);
        if !node.reaches() {
            let source = StoreError::failed("reading a document", "the engine does not answer");
            let source = Arc::new(source);
            return Err(LogError::Load { document, source });
        }
        // What an earlier handle proposed comes before what is opened now.
        shared.place();
        let handle = HANDLES.fetch_add(1, Ordering::Relaxed);
        let loaded = shared.sequence.open(&document, self.boot, handle)?;
        let journal = SharedJournal::new(
            Arc::clone(&self.shared),
            self.boot,
            handle,
            document,
            Arc::clone(&self.room),
            &loaded,
        );
        Ok((journal, loaded))
    }
}

impl ClusterNode for SharedNode {
    fn boot(&self) -> u64 {
        self.boot
    }

    fn is_alive(&self, boot: u64) -> bool {
        let shared = self.shared.lock();
        shared.nodes.get(&boot).is_some_and(|node| node.alive)
    }

    fn served_without(&self, boot: u64) -> Duration {
        let shared = self.shared.lock();
        let node = shared.nodes.get(&boot);
        node.map_or(Duration::ZERO, |node| node.served_without)
    }

    fn leases(&self) -> Vec<NodeLease> {
        let shared = self.shared.lock();
        let alive = shared.nodes.iter().filter(|(_, node)| node.alive);
        let leases = alive.map(|(boot, _)| NodeLease {
            boot: *boot,
            name: format!("node-{boot:x}").into(),
            renewed: Duration::ZERO,
        });
        leases.collect()
    }

    fn has_room(&self) -> bool {
        true
    }

    fn returns(&self) -> u64 {
        0
    }

    fn is_isolated(&self) -> bool {
        let shared = self.shared.lock();
        shared
            .nodes
            .get(&self.boot)
            .is_none_or(|node| !node.reaches())
    }

    fn relay(&self, document: &str, bytes: Bytes) {
        let shared = self.shared.lock();
        if !shared.nodes.get(&self.boot).is_some_and(NodeState::reaches) {
            return;
        }
        let others = shared
            .nodes
            .iter()
            .filter(|(boot, node)| **boot != self.boot && node.reaches());
        for (boot, node) in others {
            if shared.sequence.is_open(document, *boot) {
                node.tell(NodeNews::Relayed {
                    document: document.into(),
                    from: self.boot,
                    bytes: bytes.clone(),
                });
            }
        }
    }
}

impl Journals for SharedNode {
    fn open(&self, document: &str) -> Result<OpenedJournal, LogError> {
        let (journal, loaded) = self.open_handle(document)?;
        Ok((Box::new(journal), loaded))
    }

    fn open_new(&self, _: &str) -> Result<Option<Box<dyn DocumentJournal>>, LogError> {
        Ok(None)
    }

    fn open_unread(&self, document: &str) -> Result<Box<dyn DocumentJournal>, LogError> {
        Ok(Box::new(self.open_handle(document)?.0))
    }

    fn holds(&self, document: &str) -> Result<bool, LogError> {
        let shared = self.shared.lock();
        let stored = shared.sequence.stored(document);
        Ok(stored.is_some_and(|stored| stored.loaded().has_content()))
    }

    fn read_all(
        &self,
        each: &mut dyn FnMut(DocumentInfo, Result<LoadedDocument, LogError>),
    ) -> Result<(), LogError> {
        for (name, stored) in self.shared.lock().sequence.each() {
            let info = DocumentInfo {
                name: Arc::clone(name),
                last: stored.last(),
                snapshot: stored.snapshot.as_ref().map(|(at, _)| *at),
                tail_bytes: stored.tail().map(|(_, record)| record.len() as u64).sum(),
                erased: stored.erased,
            };
            each(info, Ok(stored.loaded()));
        }
        Ok(())
    }

    fn documents_held(&self) -> usize {
        let shared = self.shared.lock();
        shared
            .sequence
            .each()
            .filter(|(_, stored)| !stored.erased)
            .count()
    }

    fn document_count(&self) -> usize {
        self.shared.lock().sequence.each().count()
    }

    fn damaged_count(&self) -> usize {
        0
    }

    fn node(&self) -> Option<&dyn ClusterNode> {
        Some(self)
    }

    fn epoch(&self) -> u32 {
        1
    }

    fn flush(&self) -> LogFuture<'_, ()> {
        Box::pin(async {
            let (proposed, mut placed) = {
                let shared = self.shared.lock();
                let node = shared.nodes.get(&self.boot).ok_or(LogError::Closed)?;
                (node.proposed, node.placed.subscribe())
            };
            let all = placed.wait_for(|placed| *placed >= proposed).await;
            all.map(|_| ()).map_err(|_| LogError::Closed)
        })
    }

    fn shutdown(&self) -> LogFuture<'_, ()> {
        Box::pin(async {
            self.flush().await?;
            self.room.close(LogError::Closed);
            // A node that ends gives up its lease.
            self.shared.lock().lose(self.boot, Duration::ZERO);
            Ok(())
        })
    }

    fn health(&self) -> LogHealth {
        LogHealth::Good
    }

    fn watch_health(&self) -> watch::Receiver<LogHealth> {
        self.health.subscribe()
    }

    fn is_full(&self) -> bool {
        false
    }

    fn stats(&self) -> LogStats {
        LogStats::default()
    }

    fn bytes_stored(&self) -> Option<u64> {
        None
    }
}
