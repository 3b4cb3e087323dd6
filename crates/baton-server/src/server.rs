//! The server as a program or an embedder uses it: settings and a log in, routes out, stopped in order.
//!
//! Owns the order of stopping. Everything else is done by the shared state ([`App`]) and its owners.

use std::sync::Arc;

use axum::Router;
use baton_log::{Log, LogError, LogOptions};
use tokio::time::Instant;

use crate::app::{App, Stage};
use crate::config::{ConfigError, Settings};
use crate::connection::session;
use crate::documents::stored_documents::{self, EraseError, StoredDocument};
use crate::net::{listen, routes};

/// A server with its log; see the front page of the crate. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(crate) app: Arc<App>,
}

impl Server {
    /// A server over this log, listening nowhere yet.
    ///
    /// # Errors
    /// The settings contradict each other.
    pub fn new(settings: Settings, log: Log) -> Result<Self, ConfigError> {
        settings.check()?;
        let app = App::new(Arc::new(settings), log);
        Ok(Self { app: Arc::new(app) })
    }

    /// The options of a log that fit these settings.
    #[must_use]
    pub fn log_options(settings: &Settings) -> LogOptions {
        let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let mut options = LogOptions::default();
        options.commit_delay = settings.commit_delay.0;
        options.unawaited_delay = settings.commit_delay.0.saturating_mul(2);
        options.commit_bytes = bytes(settings.commit_bytes);
        options.store_bytes = settings.max_store.as_u64();
        options.max_record_bytes = session::largest_reservation(settings);
        // Whatever is waited for must fit once, whatever else the queue is set to.
        options.queue_bytes = bytes(settings.log_queue).max(2 * options.max_record_bytes);
        options.small_queue_bytes = bytes(settings.log_queue_small);
        options.document_queue_bytes = bytes(settings.log_queue_per_document);
        options
    }

    /// All routes: the page, `/ws/{document}`, `/healthz` and `/readyz`.
    ///
    /// To count connections by address, serve it with axum's
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.app))
    }

    /// Accepts connections until the server is shut down.
    pub async fn listen(&self, listener: tokio::net::TcpListener) {
        listen::accept(listener, self.router(), &self.app).await;
    }

    /// Returns the load of the moment: connections, documents, and requests that wait to become
    /// either.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            connections: self.app.limits.open(),
            documents: self.app.registry.documents(),
            handshakes: self.app.places.under_way(),
            loads: self.app.registry.loads().under_way(),
            waiting_loads: self.app.registry.loads().waiting(),
            addresses: self.app.limits.addresses(),
            receiving: self.app.registry.receiving().bytes(),
        }
    }

    /// Returns the rejections since the start: the word for each reason, and how often.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.app.registry.refusals().each()
    }

    /// Reads every stored document, for an operator. Blocks, and reads the whole store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self, each: &mut dyn FnMut(StoredDocument)) -> Result<(), LogError> {
        stored_documents::list(self.app.registry.log(), each)
    }

    /// Erases a document for good: everybody who is in it is closed with [`close::ERASED`](crate::close::ERASED), and of
    /// what is stored of it only that its parts were there and are deleted remains, so that no copy
    /// brings them back. It is on the disk on return.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub async fn erase(&self, document: &str) -> Result<(), EraseError> {
        stored_documents::erase(&self.app.registry, document).await
    }

    /// Writes all that is durable at this moment into `out`. Blocks.
    ///
    /// # Errors
    /// The store cannot be read, or `out` not be written.
    pub fn backup(
        &self,
        out: &mut dyn std::io::Write,
    ) -> Result<baton_log::BackupSummary, baton_log::BackupError> {
        self.app.registry.log().backup(out)
    }

    /// Stops in order: no connection is let in any more, all are told to come again, everything is
    /// made durable. A document that is at long work is waited for, for half of
    /// `shutdown_deadline`, and connections that do not go for a quarter more; then the log is
    /// closed all the same. What was reported saved is stored.
    ///
    /// # Errors
    /// The log could not make everything durable; what was reported saved is.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        self.app.stopping.send_replace(Stage::Stopping);
        let (began, quarter) = (
            Instant::now(),
            self.app.registry.settings().shutdown_deadline.0 / 4,
        );
        let busy = self.app.registry.drain(began + 2 * quarter).await;
        if busy > 0 {
            tracing::warn!(
                busy,
                "documents are at long work and were not waited for; what was reported saved is stored"
            );
        }
        // A connection that does not take its closing in time is left behind by the socket itself.
        let gone = self.app.limits.none_left();
        let _some_are_left = tokio::time::timeout_at(began + 3 * quarter, gone).await;
        self.shutdown_at_once().await
    }

    /// Makes everything durable that was accepted, and ends the log: no connection is told, no
    /// document waited for.
    ///
    /// # Errors
    /// The log could not make everything durable; what was reported saved is.
    pub async fn shutdown_at_once(&self) -> Result<(), LogError> {
        self.app.registry.log().clone().shutdown().await
    }
}

/// The load of a server at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Open WebSocket connections.
    pub connections: usize,
    /// Documents in memory.
    pub documents: usize,
    /// TCP connections that are no WebSocket: a handshake is under way, or plain HTTP is spoken.
    pub handshakes: usize,
    /// Documents that are being loaded.
    pub loads: usize,
    /// Connections that wait for their document's turn to be loaded.
    pub waiting_loads: usize,
    /// Addresses that have a connection, or had one so lately that their pace is remembered.
    pub addresses: usize,
    /// Bytes of messages that are not taken in yet.
    pub receiving: usize,
}
