//! Accepting TCP connections and serving HTTP on them, with limits of our own.
//!
//! Owns the listener's queue, the accept loop, and the time that a connection has for its request's
//! head and in all. A client that is refused here is told so in HTTP, if nothing was said to it
//! before. Nothing that one connection does, or fails to do, keeps the loop from the next one; nor
//! does a system that has no more file descriptors.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::app::{App, Stage};
use crate::config::Listen;
use crate::limits::pre_upgrade_limit::PreUpgradePlace;
use crate::net::http_stream::{HttpStream, ReturnedStream};
use crate::net::web_origin::ListenerReach;
use crate::ops::rejection_counters::Rejection;

/// Connections that may wait to be accepted. The system cuts it down to its own limit
/// (`net.core.somaxconn`).
const BACKLOG: u32 = 16_384;

/// Pause after an accept that failed for want of something (file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Connections that are being told at the same time that there is no place for them. More wait to
/// be accepted, for [`FAREWELL`] at most.
pub(crate) const MAX_TURNED_AWAY: usize = 1_024;

/// Time that a client has to read why it is refused.
const FAREWELL: Duration = Duration::from_secs(1);

/// Listens on the first of these addresses that can be had, with a queue that a storm of
/// connections fits into.
///
/// # Errors
/// The system's: the address is taken, or is none of this machine's.
pub fn bind(listen: impl Into<Listen>) -> io::Result<TcpListener> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in listen.into().addresses() {
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that is started again takes its port back while connections of the last one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

pub(crate) async fn accept(listener: TcpListener, router: Router, app: &Arc<App>) {
    let acceptor = Acceptor {
        app: Arc::clone(app),
        router,
        reach: listener
            .local_addr()
            .map_or(ListenerReach::Wider, ListenerReach::of),
        turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
    };
    let mut stopping = app.stopping.subscribe();
    tokio::select! {
        () = acceptor.accept(&listener) => {}
        _ = stopping.wait_for(|stage| *stage == Stage::Stopping) => {}
    }
}

struct Acceptor {
    app: Arc<App>,
    router: Router,
    reach: ListenerReach,
    turned_away: Arc<Semaphore>,
}

impl Acceptor {
    async fn accept(&self, listener: &TcpListener) {
        let refusals = self.app.registry.refusals();
        let sent_away = || {
            refusals.note(
                Rejection::Handshakes,
                "all connections for HTTP are taken (max_handshakes): the oldest goes",
            );
        };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.app.places.vacancy(sent_away).await;
                    self.take(stream, peer).await;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.cannot_accept(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// The connection stays in the queue. What keeps it there may be one that has a place and does
    /// nothing with it.
    fn cannot_accept(&self, error: &io::Error) {
        let what = format_args!("no connection can be accepted: {error}");
        let refusals = self.app.registry.refusals();
        refusals.note(Rejection::Accept, what);
        self.app.places.shed();
    }

    /// Serves a connection, or tells it that there is no place for it. Waits while [`MAX_TURNED_AWAY`]
    /// others are being told so: a connection that was closed without reading it would be reset,
    /// and its client would not learn why.
    async fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let ip = peer.ip();
        let address = (!self.app.trust.is_proxy(ip)).then(|| ip.into());
        match self.app.places.take(address) {
            Ok(place) => {
                let from = (peer, self.reach);
                let serving = serve(stream, from, self.router.clone(), place, self.app.clone());
                tokio::spawn(serving);
            }
            Err(crowded) => {
                let refusals = self.app.registry.refusals();
                refusals.note(Rejection::HandshakesOfAddress, WithAddress(&crowded, ip));
                // Never closed.
                if let Ok(permit) = Arc::clone(&self.turned_away).acquire_owned().await {
                    let why = HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, crowded.to_string());
                    tokio::spawn(turn_away(stream, why, permit));
                }
            }
        }
    }
}

/// The other side went before it was accepted: no matter of the listener's.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

async fn serve(
    stream: TcpStream,
    (peer, reach): (SocketAddr, ListenerReach),
    router: Router,
    place: PreUpgradePlace,
    app: Arc<App>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it was served");
        return;
    }
    let left = Arc::new(ReturnedStream::default());
    let ended = {
        let io = TokioIo::new(HttpStream::new(stream, &left));
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(reach);
            router.clone().oneshot(request)
        });
        let settings = app.registry.settings();
        // Not hyper-util's builder: it reads a first byte before anything else, and gives that no
        // time.
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(settings.handshake_timeout.0)
            .max_buf_size(MAX_HEAD);
        let serving = builder.serve_connection(io, service).with_upgrades();
        tokio::select! {
            // A request that came in time is served, also by a process that was stopped meanwhile.
            biased;
            served = serving => served.map_err(|error| HttpRefusal::failed(&error)),
            () = place.lost() => Err(Some(HttpRefusal::no_place())),
            () = tokio::time::sleep(settings.http_timeout.0) => Err(Some(HttpRefusal::too_long())),
        }
    };
    let Err(Some(why)) = ended else {
        return;
    };
    if let Some(refusal) = why.refusal {
        let refusals = app.registry.refusals();
        refusals.note(refusal, WithAddress(&why.text.trim_end(), peer.ip()));
    }
    // Bytes that were sent already may be half an answer, or one to a request that this has nothing
    // to do with.
    let why = (!left.was_said()).then_some(why);
    if let Some(stream) = left.take() {
        farewell(stream, why).await;
    }
    drop(place);
}

/// Why a connection is closed, in HTTP.
struct HttpRefusal {
    status: StatusCode,
    text: String,
    /// The reason that it counts as, if it was not counted before.
    refusal: Option<Rejection>,
}

impl HttpRefusal {
    fn new(status: StatusCode, text: String) -> Self {
        Self {
            status,
            text,
            refusal: None,
        }
    }

    fn no_place() -> Self {
        let text = "the server is busy with handshakes (max_handshakes); come again later\n";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
    }

    fn too_long() -> Self {
        let text = "this connection took too long (http_timeout)\n";
        Self {
            refusal: Some(Rejection::HttpTime),
            ..Self::new(StatusCode::REQUEST_TIMEOUT, text.to_owned())
        }
    }

    /// `None` for a connection that merely broke.
    fn failed(error: &hyper::Error) -> Option<Self> {
        if error.is_timeout() {
            let text = "no request came within the handshake's time (handshake_timeout)\n";
            return Some(Self {
                refusal: Some(Rejection::HandshakeTime),
                ..Self::new(StatusCode::REQUEST_TIMEOUT, text.to_owned())
            });
        }
        // The library has answered by itself; this is for the count, and for the answer to be read.
        error.is_parse().then(|| Self {
            refusal: Some(Rejection::Request),
            ..Self::new(StatusCode::BAD_REQUEST, format!("{error}\n"))
        })
    }

    fn response(&self) -> String {
        let Self { status, text, .. } = self;
        let retry = match *status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "Retry-After: 1\r\n",
            _ => "",
        };
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{retry}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
    }
}

/// Tells a connection that never got a place why.
async fn turn_away(stream: TcpStream, why: HttpRefusal, _permit: OwnedSemaphorePermit) {
    farewell(stream, Some(why)).await;
}

/// The last word, and time to read it: closing a connection that has something unread would reset
/// it, and the other side might never learn why.
async fn farewell(mut stream: TcpStream, why: Option<HttpRefusal>) {
    let leaving = async {
        if let Some(why) = why {
            stream.write_all(why.response().as_bytes()).await?;
        }
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _gone_or_too_slow = tokio::time::timeout(FAREWELL, leaving).await;
}

/// Something with whose it was.
struct WithAddress<'a, T>(&'a T, IpAddr);

impl<T: std::fmt::Display> std::fmt::Display for WithAddress<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        write!(f, "{}: {}", self.1, text.trim_end())
    }
}
