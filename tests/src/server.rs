//! The server as a library, in this process.
//!
//! Owns its folder, its ports and its tasks. An orderly stop and a start on the same data and ports are a restart; what
//! a sudden death does is shown with [`ServerProcess`](crate::ServerProcess).
//!
//! With `BATON_STORIES_NODES=3` it is three nodes over one [`SharedLog`], and clients are dealt to them in turn.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton_log::{LoadedDocument, Log, LogError, LogOptions, NodeNews, Store};
use baton_presence::{LockSettings, Time};
use baton_room::{Room, RoomOptions};
use baton_server::{
    EraseError, HostedAuthor, HostedDocument, HostedDocumentEnded, Load, Server, Settings, Span,
    StoredDocument, Switch, TimingProfile,
};
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::BoxStream;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::client::{RawClient, Refused};
use crate::join::Join;
use crate::running_node::RunningNode;
use crate::shared_log::{SharedLog, SharedNode};
use crate::story_nodes::{is_for_one_machine, nodes_of_a_story};
use crate::{WAIT, http, within};

/// A span of so many milliseconds, for settings.
#[must_use]
pub fn millis(count: u64) -> Span {
    Span(Duration::from_millis(count))
}

/// A running server; see the module.
pub struct TestServer {
    /// One, or the nodes of a cluster.
    nodes: Vec<RunningNode>,
    /// Counts what was dealt to the nodes.
    dealt: AtomicUsize,
    settings: Settings,
    storage: Storage,
}

/// Keeps what is stored, also while no server runs.
struct Storage {
    data: TempDir,
    /// The log of several nodes.
    log: Option<SharedLog>,
}

impl TestServer {
    /// With the product's settings, but for the time over which a stop is spread.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// With the product's settings, changed by the story.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let storage = Storage::new((nodes_of_a_story() > 1).then(SharedLog::start));
        let settings = storage.settings(change);
        let nodes = storage.servers(&settings);
        Self::running(settings, storage, nodes)
    }

    /// Over a store of the story's, which ends with this server.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn over(store: impl Store) -> Self {
        Self::over_with(store, |_| ()).await
    }

    /// The same, with settings changed by the story.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn over_with(store: impl Store, change: impl FnOnce(&mut Settings)) -> Self {
        is_for_one_machine("a store of its own");
        let storage = Storage::new(None);
        let settings = storage.settings(change);
        let log = Log::start(store, Server::log_options(&settings));
        let server = embedded(&settings, log);
        Self::running(settings, storage, vec![server])
    }

    /// A node of a cluster, over a log that other servers of this process share.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn on(
        node: &SharedNode,
        news: BoxStream<'static, NodeNews>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let storage = Storage::new(None);
        let settings = storage.settings(change);
        let server = in_cluster(&settings, node.clone(), news);
        Self::running(settings, storage, vec![server])
    }

    fn running(settings: Settings, storage: Storage, servers: Vec<Server>) -> Self {
        let start = |server| RunningNode::start(&settings, server);
        Self {
            nodes: servers.into_iter().map(start).collect(),
            dealt: AtomicUsize::new(0),
            settings,
            storage,
        }
    }

    /// All clocks of heartbeats and the lock at about a fifth of the product's, but with a grace. They still fit each
    /// other; a machine that stalls for a second may show in the story.
    pub fn brisk(settings: &mut Settings) {
        settings.set_timings(&TimingProfile::Fast.timings());
        settings.grace = millis(1000);
    }

    /// A grace of so many milliseconds, and nothing beside it that a lost connection is waited for.
    pub fn graced(settings: &mut Settings, grace: u64) {
        settings.grace = millis(grace);
        settings.wait_out_lease = Switch::Off;
    }

    /// Returns the node whose turn it is.
    fn next_node(&self) -> &RunningNode {
        let turn = self.dealt.fetch_add(1, Ordering::Relaxed);
        &self.nodes[turn % self.nodes.len()]
    }

    /// Where it listens. Of several nodes each call names the next one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.next_node().address()
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        is_for_one_machine("a folder");
        self.storage.data.path()
    }

    /// What it has to do at the moment: all nodes together, but for the documents in memory. These are the most that one
    /// node has, because several may have the same.
    #[must_use]
    pub fn load(&self) -> Load {
        let loads = self.nodes.iter().map(|node| node.server().load());
        loads.fold(NO_LOAD, add_loads)
    }

    /// How often it refused something for this reason.
    ///
    /// # Panics
    /// When it knows no such reason.
    #[must_use]
    pub fn refused(&self, why: &str) -> u64 {
        let of_node = |node: &RunningNode| {
            let found = node.server().refusals().find(|(reason, _)| *reason == why);
            found.expect("a reason of the server's").1
        };
        self.nodes.iter().map(of_node).sum()
    }

    /// Waits until its load is as wanted.
    ///
    /// # Panics
    /// When it does not come to that.
    pub async fn comes_to(&self, what: &str, wanted: impl Fn(Load) -> bool) {
        let looking = async {
            // The load is a gauge that nobody announces; it is looked at every few milliseconds.
            while !wanted(self.load()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(WAIT, looking).await;
        assert!(reached.is_ok(), "not {what}: {:?}", self.load());
    }

    /// Has the files of the certificate read again.
    ///
    /// # Panics
    /// When it has no TLS.
    pub async fn reloads_its_certificate(&self) {
        for node in &self.nodes {
            assert!(node.server().reload_certificate().await, "it has TLS");
        }
    }

    /// Lets a client in.
    pub async fn connect(&self, join: Join) -> RawClient {
        RawClient::connect(self.address(), join).await
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// What the server answered instead.
    pub async fn try_connect(&self, join: Join) -> Result<RawClient, Refused> {
        RawClient::try_connect(self.address(), join).await
    }

    /// Opens a document for the program itself, at the node whose turn it is.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn document(&self, name: &str) -> HostedDocument {
        let author = HostedAuthor::new("server", "server").expect("a name");
        let opened = self.document_as(name, &author).await;
        opened.expect("a document that can be opened")
    }

    /// The same, for edits of this author.
    ///
    /// # Errors
    /// The server's.
    pub async fn document_as(
        &self,
        name: &str,
        author: &HostedAuthor,
    ) -> Result<HostedDocument, HostedDocumentEnded> {
        let opening = self.next_node().server().document_as(name, author);
        within("a document to be opened", opening).await
    }

    /// Asks for a path over HTTP.
    pub async fn get(&self, path: &str) -> http::Answer {
        http::get(self.address(), path).await
    }

    /// Begins an orderly stop, and lets the story go on meanwhile.
    pub fn begins_to_stop(&self) -> JoinHandle<()> {
        let servers: Vec<_> = self
            .nodes
            .iter()
            .map(|node| node.server().clone())
            .collect();
        tokio::spawn(async move {
            let stopped = join_all(servers.iter().map(Server::shutdown)).await;
            for stored in stopped {
                stored.expect("everything can be stored");
            }
        })
    }

    /// Stops in order.
    ///
    /// # Errors
    /// The server could not store everything.
    pub async fn tries_to_stop(self) -> Result<(), LogError> {
        let stopping = self.nodes.iter().map(|node| node.server().shutdown());
        let stopped = within("the server to stop", try_join_all(stopping)).await;
        stopped.map(|_| ())
    }

    /// Stops in order, and gives the data.
    ///
    /// # Panics
    /// When the server cannot store everything.
    pub async fn stop(self) -> Stopped {
        let Self {
            nodes,
            settings,
            storage,
            ..
        } = self;
        let addresses = nodes.iter().map(RunningNode::address).collect();
        join_all(nodes.into_iter().map(RunningNode::stop)).await;
        Stopped {
            addresses,
            settings,
            storage,
        }
    }

    /// Erases a document, as its operator does.
    ///
    /// # Errors
    /// The server's.
    pub async fn erase(&self, document: &str) -> Result<(), EraseError> {
        let erasing = self.next_node().server().erase(document);
        within("a document to be erased", erasing).await
    }

    /// Every stored document.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn list(&self) -> Vec<StoredDocument> {
        let server = self.next_node().server().clone();
        let listing = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            let listed = server.list(&mut |document| all.push(document));
            listed.map(|()| all)
        });
        let listed = listing.await.expect("listing does not panic");
        listed.expect("the store can be read")
    }

    /// Stops in order and starts again on the same data and ports.
    ///
    /// # Panics
    /// When one of the two fails.
    pub async fn restart(self) -> Self {
        self.stop().await.starts_again().await
    }
}

/// The data of a server that was stopped.
pub struct Stopped {
    /// Addresses of its nodes.
    addresses: Vec<SocketAddr>,
    settings: Settings,
    storage: Storage,
}

impl Stopped {
    /// Starts again with the same settings.
    pub async fn start(self) -> TestServer {
        let servers = self.storage.servers(&self.settings);
        TestServer::running(self.settings, self.storage, servers)
    }

    /// Starts again where it was.
    async fn starts_again(self) -> TestServer {
        let servers = self.storage.servers(&self.settings);
        let again = |(server, address): (Server, &SocketAddr)| {
            let listen = (*address).into();
            let settings = self.settings.clone();
            RunningNode::start(
                &{
                    let mut settings = settings;
                    settings.listen = listen;
                    settings
                },
                server,
            )
        };
        TestServer {
            nodes: servers
                .into_iter()
                .zip(&self.addresses)
                .map(again)
                .collect(),
            dealt: AtomicUsize::new(0),
            settings: self.settings,
            storage: self.storage,
        }
    }

    /// What is stored of a document: the same machine that the server runs, replayed from the log.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn room(&self, document: &str) -> Room {
        match &self.storage.log {
            Some(log) => replayed(log.loaded(document), LockSettings::default().epoch),
            None => stored_room(self.storage.data.path(), document),
        }
    }
}

impl Storage {
    fn new(log: Option<SharedLog>) -> Self {
        let data = TempDir::new().expect("a folder for the server's data");
        Self { data, log }
    }

    fn settings(&self, change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        settings.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
        settings.data = self.data.path().to_owned();
        settings.drain_over = millis(10);
        change(&mut settings);
        settings
    }

    /// One over the folder, or as many as a story has nodes over the log that they share.
    fn servers(&self, settings: &Settings) -> Vec<Server> {
        let options = Server::log_options(settings);
        let Some(log) = &self.log else {
            let log = Log::open_embedded(&settings.data, options);
            return vec![embedded(settings, log)];
        };
        let server = |_| {
            let (node, news) = log.node_with(&options);
            in_cluster(settings, node, news)
        };
        (0..nodes_of_a_story()).map(server).collect()
    }
}

fn embedded(settings: &Settings, log: Result<Log, LogError>) -> Server {
    let log = log.expect("the data can be opened");
    Server::new(settings.clone(), log).expect("the settings fit each other")
}

fn in_cluster(settings: &Settings, node: SharedNode, news: BoxStream<'static, NodeNews>) -> Server {
    let server = Server::in_cluster(settings.clone(), Arc::new(node), news);
    server.expect("the settings fit each other")
}

const NO_LOAD: Load = Load {
    connections: 0,
    documents: 0,
    handshakes: 0,
    loads: 0,
    waiting_loads: 0,
    addresses: 0,
    receiving: 0,
};

fn add_loads(one: Load, other: Load) -> Load {
    Load {
        connections: one.connections + other.connections,
        documents: one.documents.max(other.documents),
        handshakes: one.handshakes + other.handshakes,
        loads: one.loads + other.loads,
        waiting_loads: one.waiting_loads + other.waiting_loads,
        addresses: one.addresses + other.addresses,
        receiving: one.receiving + other.receiving,
    }
}

/// What is stored of a document in a folder that no server has open.
pub(crate) fn stored_room(data: &Path, document: &str) -> Room {
    let log = Log::open_embedded(data, LogOptions::default()).expect("the folder can be opened");
    let (_open, loaded) = log.open(document).expect("the document can be read");
    replayed(loaded, log.epoch())
}

fn replayed(loaded: LoadedDocument, epoch: u32) -> Room {
    let options = RoomOptions {
        timings: Settings::default().timings(),
        lock_settings: LockSettings {
            epoch,
            ..LockSettings::default()
        },
        ..RoomOptions::default()
    };
    let snapshot = loaded.snapshot.map(|(at, bytes)| (at.get(), bytes));
    let tail: Vec<_> = loaded
        .tail
        .into_iter()
        .map(|(at, bytes)| (at.get(), bytes))
        .collect();
    Room::open(options, snapshot.as_ref(), &tail, Time::ZERO).expect("what is stored is a room")
}
