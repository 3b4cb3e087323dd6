//! The server as a library, in this process.
//!
//! Owns its folder, its port and its tasks. An orderly stop and a start on the same data and port are a restart; what a
//! sudden death does is shown with [`ServerProcess`](crate::ServerProcess).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_log::{Log, LogError, LogOptions, NodeNews, Store};
use baton_presence::Time;
use baton_room::{Room, RoomOptions};
use baton_server::{
    EraseError, Listener, Load, Server, Settings, Span, StoredDocument, Switch, TimingProfile,
};
use futures_util::stream::BoxStream;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::client::{RawClient, Refused};
use crate::join::Join;
use crate::shared_log::SharedNode;
use crate::{WAIT, http, within};

/// A span of so many milliseconds, for settings.
#[must_use]
pub fn millis(count: u64) -> Span {
    Span(Duration::from_millis(count))
}

/// A running server; see the module.
pub struct TestServer {
    data: TempDir,
    settings: Settings,
    address: SocketAddr,
    server: Server,
    listening: JoinHandle<()>,
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
        Self::made(change, |settings| {
            Log::open_embedded(&settings.data, Server::log_options(settings))
        })
        .await
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
        Self::made(change, |settings| {
            Log::start(store, Server::log_options(settings))
        })
        .await
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
        let log = Arc::new(node.clone());
        Self::served(change, |settings| {
            Server::in_cluster(settings.clone(), log, news).expect("the settings fit each other")
        })
        .await
    }

    async fn made(
        change: impl FnOnce(&mut Settings),
        open: impl FnOnce(&Settings) -> Result<Log, LogError>,
    ) -> Self {
        Self::served(change, |settings| {
            let log = open(settings).expect("the data can be opened");
            Server::new(settings.clone(), log).expect("the settings fit each other")
        })
        .await
    }

    async fn served(
        change: impl FnOnce(&mut Settings),
        make: impl FnOnce(&Settings) -> Server,
    ) -> Self {
        let data = TempDir::new().expect("a folder for the server's data");
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            data: data.path().to_owned(),
            drain_over: millis(10),
            ..Settings::default()
        };
        change(&mut settings);
        let server = make(&settings);
        let (address, listening) = run(&settings, &server);
        Self {
            data,
            settings,
            address,
            server,
            listening,
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// What it has to do at the moment.
    #[must_use]
    pub fn load(&self) -> Load {
        self.server.load()
    }

    /// How often it refused something for this reason.
    ///
    /// # Panics
    /// When it knows no such reason.
    #[must_use]
    pub fn refused(&self, why: &str) -> u64 {
        let found = self.server.refusals().find(|(reason, _)| *reason == why);
        found.expect("a reason of the server's").1
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
        assert!(self.server.reload_certificate().await, "it has TLS");
    }

    /// Lets a client in.
    pub async fn connect(&self, join: Join) -> RawClient {
        RawClient::connect(self.address, join).await
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// What the server answered instead.
    pub async fn try_connect(&self, join: Join) -> Result<RawClient, Refused> {
        RawClient::try_connect(self.address, join).await
    }

    /// Asks for a path over HTTP.
    pub async fn get(&self, path: &str) -> http::Answer {
        http::get(self.address, path).await
    }

    /// Begins an orderly stop, and lets the story go on meanwhile.
    pub fn begins_to_stop(&self) -> JoinHandle<()> {
        let server = self.server.clone();
        tokio::spawn(async move { server.shutdown().await.expect("everything can be stored") })
    }

    /// Stops in order.
    ///
    /// # Errors
    /// The server could not store everything.
    pub async fn tries_to_stop(self) -> Result<(), LogError> {
        within("the server to stop", self.server.shutdown()).await
    }

    /// Stops in order, and gives the data.
    ///
    /// # Panics
    /// When the server cannot store everything.
    pub async fn stop(self) -> Stopped {
        let Self {
            data,
            settings,
            server,
            listening,
            ..
        } = self;
        shut_down(server, listening).await;
        Stopped { data, settings }
    }

    /// Erases a document, as its operator does.
    ///
    /// # Errors
    /// The server's.
    pub async fn erase(&self, document: &str) -> Result<(), EraseError> {
        within("a document to be erased", self.server.erase(document)).await
    }

    /// Every stored document.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn list(&self) -> Vec<StoredDocument> {
        let server = self.server.clone();
        let listing = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            let listed = server.list(&mut |document| all.push(document));
            listed.map(|()| all)
        });
        let listed = listing.await.expect("listing does not panic");
        listed.expect("the store can be read")
    }

    /// Stops in order and starts again on the same data and port.
    ///
    /// # Panics
    /// When one of the two fails.
    pub async fn restart(self) -> Self {
        let address = self.address;
        let mut stopped = self.stop().await;
        stopped.settings.listen = address.into();
        stopped.start().await
    }
}

/// The data of a server that was stopped.
pub struct Stopped {
    data: TempDir,
    settings: Settings,
}

impl Stopped {
    /// Starts again with the same settings.
    pub async fn start(self) -> TestServer {
        let log = Log::open_embedded(&self.settings.data, Server::log_options(&self.settings))
            .expect("the data can be opened");
        let server = Server::new(self.settings.clone(), log).expect("the settings fit each other");
        let (address, listening) = run(&self.settings, &server);
        TestServer {
            data: self.data,
            settings: self.settings,
            address,
            server,
            listening,
        }
    }

    /// What is stored of a document: the same machine that the server runs, replayed from the log.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn room(&self, document: &str) -> Room {
        stored_room(self.data.path(), document)
    }
}

/// What is stored of a document in a folder that no server has open.
pub(crate) fn stored_room(data: &Path, document: &str) -> Room {
    let settings = Settings::default();
    let log = Log::open_embedded(data, LogOptions::default()).expect("the folder can be opened");
    let (_open, loaded) = log.open(document).expect("the document can be read");
    let options = RoomOptions {
        timings: settings.timings(),
        lock_settings: baton_presence::LockSettings {
            epoch: log.epoch(),
            ..baton_presence::LockSettings::default()
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

fn run(settings: &Settings, server: &Server) -> (SocketAddr, JoinHandle<()>) {
    let listener = Listener::bind(settings).expect("the port is free");
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let address = listener.address().unwrap_or(nowhere);
    let listening = tokio::spawn({
        let server = server.clone();
        async move {
            let served = server.listen(listener).await;
            served.expect("it may listen there");
        }
    });
    (address, listening)
}

async fn shut_down(server: Server, listening: JoinHandle<()>) {
    let stopped = within("the server to stop", server.shutdown()).await;
    stopped.expect("everything can be stored");
    within("the server to stop listening", listening)
        .await
        .expect("the server does not panic");
}
