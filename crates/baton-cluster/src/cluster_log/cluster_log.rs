//! The log of one node of a cluster.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use baton_log::{
    ClusterNode, DocumentInfo, DocumentJournal, Journals, LoadedDocument, LogError, LogFuture,
    LogHealth, LogStats, NodeLease, OpenedJournal, QueueRoom,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::cluster_news::ClusterNews;
use super::document_errors::unread;
use super::documents::AbortOnDrop;
use super::error::ClusterError;
use super::lease_task::{self, LeaseBook, LeaseTask};
use super::node::{Node, NodeParts};
use super::options::ClusterOptions;
use super::questions::Questions;
use super::relay_task::RelayTask;
use super::stored_document::StoredDocuments;
use super::stream_input::{OpenRequest, StreamInput};
use super::stream_task::StreamTask;
use crate::core::{BootId, DocumentKey, MAX_NAME_BYTES, NodeLeases, NodeLife, stream_of};
use crate::engine::{Engine, EngineError};

/// Longest opening of a document; the engine may have to elect its leaders meanwhile.
const OPEN_AT_MOST: Duration = Duration::from_secs(40);

/// Longest wait for the last records at a shutdown.
const LAST_RECORDS: Duration = Duration::from_secs(20);

/// The log of one node of a cluster: every document of every node, in one order for all.
///
/// Dropping it ends the node as a crash would: the others find it lost when its lease has lapsed.
/// [`shutdown`](Journals::shutdown) leaves the cluster at once.
#[derive(Debug)]
pub struct ClusterLog {
    node: Arc<Node>,
    engine: Engine,
    streams: Vec<mpsc::UnboundedSender<StreamInput>>,
    stored: StoredDocuments,
    relay: RelayTask,
    book: Arc<LeaseBook>,
    /// The task of the leases, until this node leaves the cluster.
    leases: Mutex<Option<AbortOnDrop>>,
    runtime: Handle,
}

impl ClusterLog {
    /// Connects to the engine, checks it, and starts the tasks of this node. Must be called within
    /// a runtime, which the tasks use.
    ///
    /// # Errors
    /// [`ClusterError`]. A refused engine is as it was.
    pub async fn open(options: ClusterOptions) -> Result<(ClusterLog, ClusterNews), ClusterError> {
        let engine = Engine::start(options.engine.clone()).await?;
        let boot = BootId(rand::random());
        let clock = Clock::start();
        let count = engine.stream_count();
        let (sender, relayed, news) = ClusterNews::new();
        let leases = NodeLeases::new(boot, count, options.leases.clone(), clock.now());
        let node = Arc::new(Node::new(NodeParts {
            boot,
            clock,
            room: QueueRoom::new(&options.log),
            leases,
            news: sender,
            relayed,
            relayed_limit: options.relayed_waiting,
            streams: count,
        }));
        let relay = RelayTask::start(Arc::clone(&node), engine.relay(boot));
        let (mut streams, mut questions) = (Vec::new(), Vec::new());
        for index in 0..count {
            let (inputs, receiver) = mpsc::unbounded_channel();
            let asks = Questions::new(
                engine.stream(index),
                engine.snapshots(),
                options.engine.prefix.clone(),
                inputs.downgrade(),
            );
            let task = StreamTask::new(
                index,
                &node,
                &options,
                asks.clone(),
                relay.clone(),
                receiver,
                inputs.downgrade(),
            );
            tokio::spawn(task.run());
            streams.push(inputs);
            questions.push(asks);
        }
        let book = Arc::new(LeaseBook::default());
        let leases = LeaseTask::new(
            Arc::clone(&node),
            Arc::clone(&options.node_name),
            engine.leases(),
            Arc::clone(&book),
            streams
                .iter()
                .map(mpsc::UnboundedSender::downgrade)
                .collect(),
        );
        let leases = AbortOnDrop(tokio::spawn(leases.run()));
        tracing::info!(node = %boot, streams = count, "this node has joined the cluster");
        let prefix = options.engine.prefix;
        let log = ClusterLog {
            stored: StoredDocuments::new(engine.clone(), prefix, questions),
            node,
            engine,
            streams,
            relay,
            book,
            leases: Mutex::new(Some(leases)),
            runtime: Handle::current(),
        };
        Ok((log, news))
    }

    fn stream(&self, document: &str) -> &mpsc::UnboundedSender<StreamInput> {
        let index = stream_of(document, self.engine.stream_count());
        &self.streams[usize::from(index)]
    }

    async fn open_document(
        &self,
        document: &str,
        skips_content: bool,
    ) -> Result<OpenedJournal, LogError> {
        check_name(document)?;
        let (reply, opened) = oneshot::channel();
        let name: Arc<str> = document.into();
        let request = OpenRequest {
            name,
            unread: skips_content,
            reply,
        };
        self.stream(document)
            .send(StreamInput::Open(request))
            .map_err(|_| LogError::Closed)?;
        match tokio::time::timeout(OPEN_AT_MOST, opened).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) => Err(LogError::Closed),
            Err(_) => {
                let late = || EngineError::unanswered("opening a document", &"it took too long");
                let error = self.engine.snapshots().failure().unwrap_or_else(late);
                Err(unread(document, &error))
            }
        }
    }

    async fn flush_all(&self) -> Result<(), LogError> {
        let mut replies = Vec::new();
        for stream in &self.streams {
            let (reply, done) = oneshot::channel();
            let sent = stream.send(StreamInput::Flush(reply));
            sent.map_err(|_| LogError::Closed)?;
            replies.push(done);
        }
        for done in replies {
            done.await.map_err(|_| LogError::Closed)?;
        }
        Ok(())
    }

    async fn leave(&self) -> Result<(), LogError> {
        let flushed = tokio::time::timeout(LAST_RECORDS, self.flush_all()).await;
        let closed = Arc::new(LogError::Closed);
        self.node.room.close(LogError::Closed);
        for stream in &self.streams {
            let _ = stream.send(StreamInput::End(Arc::clone(&closed)));
        }
        drop(self.leases.lock().take());
        let leases = self.engine.leases();
        let leaving = lease_task::leave(&leases, self.node.boot);
        let _ = tokio::time::timeout(LAST_RECORDS, leaving).await;
        self.engine.close().await;
        match flushed {
            Ok(Err(LogError::Closed)) => Ok(()),
            Ok(flushed) => flushed,
            Err(_) => Err(LogError::Failed {
                reason: "the engine did not take the last records".into(),
            }),
        }
    }

    /// Runs a step that waits for the engine, on a thread where blocking is allowed.
    fn block_on<T>(&self, step: impl Future<Output = T>) -> T {
        self.runtime.block_on(step)
    }
}

fn check_name(document: &str) -> Result<(), LogError> {
    let (len, limit) = (document.len(), MAX_NAME_BYTES);
    if len == 0 || len > limit {
        return Err(LogError::InvalidName { len, limit });
    }
    Ok(())
}

impl Journals for ClusterLog {
    fn open(&self, document: &str) -> Result<OpenedJournal, LogError> {
        self.block_on(self.open_document(document, false))
    }

    /// Always `None`: another node may have written under this name.
    fn open_new(&self, document: &str) -> Result<Option<Box<dyn DocumentJournal>>, LogError> {
        check_name(document).map(|()| None)
    }

    fn open_unread(&self, document: &str) -> Result<Box<dyn DocumentJournal>, LogError> {
        let opened = self.block_on(self.open_document(document, true));
        opened.map(|(journal, _)| journal)
    }

    fn holds(&self, document: &str) -> Result<bool, LogError> {
        check_name(document)?;
        let stream = stream_of(document, self.engine.stream_count());
        let key = DocumentKey::new(document);
        match self.block_on(self.stored.read(&key, stream)) {
            Ok(read) => Ok(read.is_some_and(|(_, loaded)| loaded.has_content())),
            Err(LogError::Damaged { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn read_all(
        &self,
        each: &mut dyn FnMut(DocumentInfo, Result<LoadedDocument, LogError>),
    ) -> Result<(), LogError> {
        for (key, stream) in self.block_on(self.stored.keys())? {
            match self.block_on(self.stored.read(&key, stream)) {
                Ok(Some((info, loaded))) => each(info, Ok(loaded)),
                Ok(None) => {}
                Err(error) => {
                    let name = key.name().unwrap_or_else(|| key.to_string());
                    let info = DocumentInfo {
                        name: name.into(),
                        last: baton_log::Position::START,
                        snapshot: None,
                        tail_bytes: 0,
                        erased: false,
                    };
                    each(info, Err(error));
                }
            }
        }
        Ok(())
    }

    fn documents_held(&self) -> usize {
        self.node.documents()
    }

    fn document_count(&self) -> usize {
        self.node.documents()
    }

    fn damaged_count(&self) -> usize {
        0
    }

    fn node(&self) -> Option<&dyn ClusterNode> {
        Some(self)
    }

    fn epoch(&self) -> u32 {
        self.node.epoch()
    }

    fn flush(&self) -> LogFuture<'_, ()> {
        Box::pin(self.flush_all())
    }

    fn shutdown(&self) -> LogFuture<'_, ()> {
        Box::pin(self.leave())
    }

    fn health(&self) -> LogHealth {
        self.node.health.borrow().clone()
    }

    fn watch_health(&self) -> watch::Receiver<LogHealth> {
        self.node.health.subscribe()
    }

    fn is_full(&self) -> bool {
        false
    }

    fn stats(&self) -> LogStats {
        let mut stats = LogStats::default();
        stats.records = self.node.counts.records.load(Ordering::Relaxed);
        stats.bytes = self.node.counts.bytes.load(Ordering::Relaxed);
        stats.queued_bytes = self.node.room.used();
        stats
    }

    fn bytes_stored(&self) -> Option<u64> {
        None
    }
}

impl ClusterNode for ClusterLog {
    fn boot(&self) -> u64 {
        self.node.boot.0
    }

    /// A boot id of which nothing is known yet counts as alive until this node's next renewal: then
    /// it has a lease, or is reported as lost.
    fn is_alive(&self, boot: u64) -> bool {
        let now = self.node.clock.now();
        let mut leases = self.node.leases.lock();
        let mut streams = 0..self.engine.stream_count();
        streams.any(|stream| leases.life(BootId(boot), stream, now) == NodeLife::Presumed)
    }

    fn served_without(&self, boot: u64) -> Duration {
        self.node.leases.lock().served_without(BootId(boot))
    }

    fn leases(&self) -> Vec<NodeLease> {
        let alive = self.node.leases.lock().alive();
        self.book.of(&alive)
    }

    fn is_isolated(&self) -> bool {
        self.node.is_isolated()
    }

    fn returns(&self) -> u64 {
        self.node.returns()
    }

    fn has_room(&self) -> bool {
        self.node.has_room()
    }

    fn relay(&self, document: &str, bytes: Bytes) {
        self.relay.send(document, bytes);
    }
}
