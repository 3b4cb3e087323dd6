//! Accepting TCP connections and serving HTTP on them, with limits of our own.
//!
//! Owns the accept loop: no delay on small writes, a deadline for the request's head, a bound on connections that have
//! not become WebSockets, and going on after a failed accept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::{App, Stage};

/// Connections on which plain HTTP is spoken, or a WebSocket handshake is under way.
const MAX_HTTP: usize = 2048;

/// Pause after an accept that failed for want of something (file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

pub(crate) async fn accept(listener: TcpListener, router: Router, app: &Arc<App>) {
    let places = Arc::new(Semaphore::new(MAX_HTTP));
    let mut stopping = app.stopping.subscribe();
    let head = app.registry.settings().handshake_timeout.0;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stage| *stage == Stage::Stopping) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(serve(stream, peer, router.clone(), head, place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head: Duration,
    place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it was served");
        return;
    }
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD);
    let served = builder
        .http1_only()
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended badly");
    }
    drop(place);
}
