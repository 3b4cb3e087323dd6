//! The server as a program or an embedder uses it: made from settings and a log, it returns routes,
//! and is stopped in order.
//!
//! Owns the order of stopping. The shared state ([`App`]) and its owners do everything else.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use baton_log::{BackupError, BackupSummary, Journals, Log, LogError, LogOptions, NodeNews};
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use crate::access::{Authorize, Authorizer};
use crate::app::App;
#[cfg(feature = "cluster")]
use crate::cluster::join::{self, JoinClusterError};
use crate::config::{ConfigError, Settings};
use crate::connection::session;
use crate::documents::resting_snapshots;
use crate::documents::stored_documents::{self, EraseError, StoredDocument};
use crate::hosted::{HostedAuthor, HostedDocument, HostedDocumentEnded};
use crate::net::listener::Listener;
#[cfg(feature = "tokens")]
use crate::net::y_sweet_api;
use crate::net::{listen, routes};
use crate::open_error::OpenServerError;

/// A server with its log; see the crate documentation. All clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(crate) app: Arc<App>,
    /// The log, if it is a store of this machine's, which can be backed up.
    embedded: Option<Log>,
}

impl Server {
    /// Returns a server over this log, which does not listen yet.
    ///
    /// # Errors
    /// A setting is out of its range, the settings contradict each other, or a key or the
    /// certificate for TLS cannot be used.
    pub fn new(settings: Settings, log: Log) -> Result<Self, ConfigError> {
        Self::over(settings, log, None)
    }

    /// Opens the store in this folder, which is created if it does not exist, and returns a server
    /// over it that does not listen yet. The folder takes the place of the setting `data`. Blocks.
    ///
    /// # Errors
    /// Those of [`Server::new`], or the store cannot be opened.
    pub fn open(folder: impl Into<PathBuf>, settings: Settings) -> Result<Self, OpenServerError> {
        Self::in_folder(folder.into(), settings, None)
    }

    /// Returns a server over this log, on which `decider` decides who may do what, or else the
    /// setting `auth`.
    ///
    /// # Errors
    /// Those of [`Server::new`].
    pub(crate) fn over(
        settings: Settings,
        log: Log,
        decider: Option<Arc<dyn Authorize>>,
    ) -> Result<Self, ConfigError> {
        settings.check()?;
        let authorizer = match decider {
            Some(decider) => Authorizer::by(&settings, decider)?,
            None => Authorizer::new(&settings)?,
        };
        let app = App::new(Arc::new(settings), Arc::new(log.clone()), authorizer)?;
        Ok(Self {
            app: Arc::new(app),
            embedded: Some(log),
        })
    }

    /// Opens the store in this folder, and returns a server over it; see [`Server::over`].
    ///
    /// # Errors
    /// Those of [`Server::open`].
    pub(crate) fn in_folder(
        folder: PathBuf,
        mut settings: Settings,
        decider: Option<Arc<dyn Authorize>>,
    ) -> Result<Self, OpenServerError> {
        settings.data = folder;
        settings.check()?;
        let log = Log::open_embedded(&settings.data, Self::log_options(&settings))?;
        Ok(Self::over(settings, log, decider)?)
    }

    /// Returns a server that is a node of the cluster which shares this log. `news` are those of
    /// the cluster. It does not listen yet.
    ///
    /// # Errors
    /// Those of [`Server::new`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn in_cluster(
        settings: Settings,
        log: Arc<dyn Journals>,
        news: BoxStream<'static, NodeNews>,
    ) -> Result<Self, ConfigError> {
        settings.check()?;
        let authorizer = Authorizer::new(&settings)?;
        let app = App::new(Arc::new(settings), log, authorizer)?;
        let asked = app.registry().follow_cluster(news);
        resting_snapshots::start(app.registry(), asked);
        Ok(Self {
            app: Arc::new(app),
            embedded: None,
        })
    }

    /// Joins the cluster that these settings name (`cluster`), and returns a server that is a node
    /// of it. It does not listen yet.
    ///
    /// # Errors
    /// Those of [`Server::new`], or the engine cannot be used; the error says what mends that.
    #[cfg(feature = "cluster")]
    pub async fn join_cluster(settings: Settings) -> Result<Self, JoinClusterError> {
        settings.check()?;
        let (log, news) = join::join(&settings, Self::log_options(&settings)).await?;
        Ok(Self::in_cluster(settings, log, news)?)
    }

    /// Returns the options of a log that match these settings.
    #[must_use]
    pub fn log_options(settings: &Settings) -> LogOptions {
        let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let mut options = LogOptions::default();
        options.commit_delay = settings.commit_delay.0;
        options.unawaited_delay = settings.commit_delay.0.saturating_mul(2);
        options.commit_bytes = bytes(settings.commit_bytes);
        options.store_bytes = settings.max_store.as_u64();
        options.max_record_bytes = session::largest_reservation(settings);
        // The largest record must fit, whatever size the queue is set to.
        options.queue_bytes = bytes(settings.log_queue).max(2 * options.max_record_bytes);
        options.small_queue_bytes = bytes(settings.log_queue_small);
        options.document_queue_bytes = bytes(settings.log_queue_per_document);
        options
    }

    /// Returns all routes but the demo page: those of [`Server::documents_router`],
    /// [`Server::health_router`] and [`Server::metrics_router`], and the HTTP APIs under `/api/v1`,
    /// `/doc` and `/d`.
    ///
    /// It has no fallback, so that a program can merge it into a router of its own that has one.
    /// All are under the setting `base`. For limits by address, and for addresses in the log, serve
    /// it with axum's `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn router(&self) -> Router {
        routes::all_embedded(&self.app, more_routes())
    }

    /// Returns the sockets of documents, `/ws/{document}` and `/hocuspocus`, and nothing else; see
    /// [`Server::router`].
    pub fn documents_router(&self) -> Router {
        routes::embedded(&self.app, routes::documents())
    }

    /// Returns the answers to probes, `/healthz` and `/readyz`; see [`Server::router`].
    pub fn health_router(&self) -> Router {
        routes::embedded(&self.app, routes::health())
    }

    /// Returns the metrics for Prometheus, `/metrics`, whatever the setting `metrics` says; see
    /// [`Server::router`].
    #[cfg(feature = "metrics")]
    pub fn metrics_router(&self) -> Router {
        routes::embedded(&self.app, routes::metrics())
    }

    /// Accepts connections until the server is shut down, with TLS if the settings name a
    /// certificate. Serves all routes, and the demo page where no other is.
    ///
    /// # Errors
    /// [`ConfigError::Open`]: other machines reach the listener, while every client is let in and
    /// `open` does not allow that. Nothing was accepted. A program that serves [`Server::router`]
    /// by itself has to see to that itself: [`Settings::check_reach`].
    pub async fn listen(&self, listener: impl Into<Listener>) -> Result<(), ConfigError> {
        let listener = listener.into();
        // A Unix socket is reached from this machine only.
        if let Some(address) = listener.address()
            && self.app.authorizer().lets_everyone_in()
        {
            self.app.registry().settings().check_reach(address)?;
        }
        tokio::select! {
            () = self.app.authorizer().ready() => {}
            () = self.app.stopping() => {}
        }
        listen::accept(
            listener,
            routes::alone(Arc::clone(&self.app), more_routes()),
            &self.app,
        )
        .await;
        Ok(())
    }

    /// Reads the files of the certificate again, and uses what they hold for new connections. Keeps
    /// the certificate if they cannot be used; the log says so. Returns false without TLS.
    #[cfg(feature = "tls")]
    pub async fn reload_certificate(&self) -> bool {
        let Some(tls) = self.app.tls() else {
            return false;
        };
        let certificates = Arc::clone(tls.certificates());
        let reloading = tokio::task::spawn_blocking(move || certificates.reload());
        if let Ok(reloaded) = reloading.await {
            tracing::info!(?reloaded, "the files of the certificate were read again");
        }
        true
    }

    /// Opens a document for the program itself, under the author `server`; see
    /// [`Server::document_as`].
    ///
    /// # Errors
    /// Those of [`Server::document_as`].
    pub async fn document(&self, name: &str) -> Result<HostedDocument, HostedDocumentEnded> {
        let author = HostedAuthor::new("server", "server");
        let author = author.map_err(|error| HostedDocumentEnded {
            code: crate::close::UNAVAILABLE,
            reason: error.to_string(),
        })?;
        self.document_as(name, &author).await
    }

    /// Opens a document for the program itself, which reads and edits it and hears what happens in
    /// it. A document need not be made: it exists from its first edit on.
    ///
    /// # Errors
    /// The name is none that documents may have, a limit was reached, or the document cannot be
    /// opened at the moment.
    pub async fn document_as(
        &self,
        name: &str,
        author: &HostedAuthor,
    ) -> Result<HostedDocument, HostedDocumentEnded> {
        HostedDocument::open(self.app.registry(), name, author).await
    }

    /// Returns the current load.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            connections: self.app.limits().open(),
            documents: self.app.registry().documents(),
            handshakes: self.app.places().under_way(),
            loads: self.app.registry().loads().under_way(),
            waiting_loads: self.app.registry().loads().waiting(),
            addresses: self.app.limits().addresses(),
            receiving: self.app.registry().receiving().bytes(),
        }
    }

    /// Returns the number of rejections since the start, by the name of the reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.app.registry().refusals().each()
    }

    /// Reads every stored document, and passes each to `each`. Blocks, and reads the whole store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self, each: &mut dyn FnMut(StoredDocument)) -> Result<(), LogError> {
        stored_documents::list(&**self.app.registry().log(), each)
    }

    /// Erases a document for good. Its connections are closed with
    /// [`close::ERASED`](crate::close::ERASED). Only the identifiers of its content remain stored,
    /// as deleted, so that no old copy of a client brings the content back. Durable on return.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub async fn erase(&self, document: &str) -> Result<(), EraseError> {
        stored_documents::erase(self.app.registry(), document).await
    }

    /// Writes a backup of everything that is durable at this moment into `out`. Blocks.
    ///
    /// # Errors
    /// The store cannot be read, `out` cannot be written, or the documents are in a cluster's
    /// engine.
    pub fn backup(&self, out: &mut dyn std::io::Write) -> Result<BackupSummary, BackupError> {
        match &self.embedded {
            Some(log) => log.backup(out),
            None => Err(BackupError::NotEmbedded),
        }
    }

    /// Stops in order: accepts no more connections, tells all clients to reconnect later, and makes
    /// everything durable. Waits for documents that are at long work for half of
    /// `shutdown_deadline`, and for open connections for another quarter; then closes the log all
    /// the same. Everything that was reported as saved is stored.
    ///
    /// A program that serves a router of this server by itself calls this *beside* its own graceful
    /// stop and awaits both: axum's waits until all connections are closed, and it is this call
    /// that closes the WebSockets, which axum's knows nothing of.
    ///
    /// # Errors
    /// The log could not make everything durable. What was reported as saved is durable.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        self.app.begin_stopping();
        let (began, quarter) = (
            Instant::now(),
            self.app.registry().settings().shutdown_deadline.0 / 4,
        );
        let busy = self.app.registry().drain(began + 2 * quarter).await;
        if busy > 0 {
            tracing::warn!(
                busy,
                "documents did not end their work in time; everything that was reported as saved is stored"
            );
        }
        // A connection whose client does not read its closing in time is ended by its own task.
        let gone = self.app.limits().none_left();
        let _some_are_left = tokio::time::timeout_at(began + 3 * quarter, gone).await;
        self.shutdown_at_once().await
    }

    /// Makes everything durable that was accepted, and closes the log. Tells no client, and waits
    /// for no document.
    ///
    /// # Errors
    /// The log could not make everything durable. What was reported as saved is durable.
    pub async fn shutdown_at_once(&self) -> Result<(), LogError> {
        self.app.registry().log().shutdown().await
    }
}

/// Returns the routes of other modules that open documents.
fn more_routes() -> Router<Arc<App>> {
    #[cfg(feature = "tokens")]
    let more = y_sweet_api::router();
    #[cfg(not(feature = "tokens"))]
    let more = Router::new();
    more
}

/// The load of a server at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Open WebSocket connections.
    pub connections: usize,
    /// Documents in memory.
    pub documents: usize,
    /// TCP connections that are not a WebSocket: a handshake is under way, or plain HTTP is spoken.
    pub handshakes: usize,
    /// Documents that are being loaded.
    pub loads: usize,
    /// Connections that wait for a document to be loaded.
    pub waiting_loads: usize,
    /// Addresses that have a connection, or had one so recently that their rate is remembered.
    pub addresses: usize,
    /// Bytes of messages that are not complete or not handled yet.
    pub receiving: usize,
}
