//! Accepts TCP connections and serves HTTP on them, within limits.
//!
//! Owns the listener's queue, the accept loop, and the time that a connection has for the head of
//! its request and in all. A client that is refused here gets an HTTP response, if nothing was
//! written to it before. No connection can keep the loop from the next one, nor can a lack of file
//! descriptors.

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

use crate::app::App;
use crate::config::Listen;
use crate::limits::pre_upgrade_limit::PreUpgradePlace;
use crate::net::http_stream::{HttpStream, ReturnedStream};
use crate::net::web_origin::ListenerReach;
use crate::ops::rejection_counters::Rejection;

/// Connections that may wait to be accepted. The system reduces it to its own limit
/// (`net.core.somaxconn`).
const BACKLOG: u32 = 16_384;

/// Pause after an accept that failed for lack of resources (file descriptors), to avoid spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Refused connections that are answered at the same time. More wait to be accepted, for at most
/// [`FAREWELL`].
pub(crate) const MAX_TURNED_AWAY: usize = 1_024;

/// Time for a refused client to read the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// Listens on the first of these addresses that is available, with a queue for a storm of
/// connections.
///
/// # Errors
/// Each address is in use, or does not belong to this machine. Returns the last error of the
/// system.
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
    // A restarted server gets its port back while connections of the last process linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the server stops.
pub(crate) async fn accept(listener: TcpListener, router: Router, app: &Arc<App>) {
    let acceptor = Acceptor {
        app: Arc::clone(app),
        router,
        reach: listener
            .local_addr()
            .map_or(ListenerReach::Wider, ListenerReach::of),
        turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
    };
    tokio::select! {
        () = acceptor.accept(&listener) => {}
        () = app.stopping() => {}
    }
}

/// The accept loop of one listener.
struct Acceptor {
    app: Arc<App>,
    router: Router,
    reach: ListenerReach,
    turned_away: Arc<Semaphore>,
}

impl Acceptor {
    async fn accept(&self, listener: &TcpListener) {
        let refusals = self.app.registry().refusals();
        let sent_away = || {
            refusals.note(
                Rejection::Handshakes,
                "all places for handshakes are taken (max_handshakes): the oldest connection is closed",
            );
        };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.app.places().vacancy(sent_away).await;
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

    /// Counts a failed accept. The connection stays in the listener's queue; ending an idle one may
    /// free the resource that it needs.
    fn cannot_accept(&self, error: &io::Error) {
        let what = format_args!("the system cannot accept a connection: {error}");
        let refusals = self.app.registry().refusals();
        refusals.note(Rejection::Accept, what);
        self.app.places().shed();
    }

    /// Serves a connection, or refuses it if there is no place. Waits while [`MAX_TURNED_AWAY`]
    /// others are being refused: a connection that is closed unread is reset, so that its client
    /// does not get the answer.
    async fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let ip = peer.ip();
        let address = (!self.app.trust().is_proxy(ip)).then(|| ip.into());
        match self.app.places().take(address) {
            Ok(place) => {
                let from = (peer, self.reach);
                let serving = serve(stream, from, self.router.clone(), place, self.app.clone());
                tokio::spawn(serving);
            }
            Err(refused) => {
                let refusals = self.app.registry().refusals();
                refusals.note(Rejection::HandshakesOfAddress, WithAddress(&refused, ip));
                // Never closed.
                if let Ok(permit) = Arc::clone(&self.turned_away).acquire_owned().await {
                    let refusal =
                        HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, refused.to_string());
                    tokio::spawn(turn_away(stream, refusal, permit));
                }
            }
        }
    }
}

/// Returns true if the error concerns only a connection whose client has left already.
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
    let returned = Arc::new(ReturnedStream::default());
    let ended = {
        let io = TokioIo::new(HttpStream::new(stream, &returned));
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(reach);
            router.clone().oneshot(request)
        });
        let settings = app.registry().settings();
        // Not hyper-util's builder, which waits for a first byte without a time limit.
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(settings.handshake_timeout.0)
            .max_buf_size(MAX_HEAD);
        let serving = builder.serve_connection(io, service).with_upgrades();
        tokio::select! {
            // A request that arrived in time is served, even if the process was suspended
            // meanwhile.
            biased;
            served = serving => served.map_err(|error| HttpRefusal::failed(&error)),
            () = place.lost() => Err(Some(HttpRefusal::no_place())),
            () = tokio::time::sleep(settings.http_timeout.0) => Err(Some(HttpRefusal::too_long())),
        }
    };
    let Err(Some(refusal)) = ended else {
        return;
    };
    if let Some(reason) = refusal.uncounted {
        let refusals = app.registry().refusals();
        refusals.note(reason, WithAddress(&refusal.text.trim_end(), peer.ip()));
    }
    // Bytes that were written already may be half a response, or the one to an earlier request.
    let refusal = (!returned.was_written()).then_some(refusal);
    if let Some(stream) = returned.take() {
        farewell(stream, refusal).await;
    }
    drop(place);
}

/// The HTTP response to a connection that is closed.
struct HttpRefusal {
    status: StatusCode,
    text: String,
    /// The reason under which it is counted, if it was not counted before.
    uncounted: Option<Rejection>,
}

impl HttpRefusal {
    fn new(status: StatusCode, text: String) -> Self {
        Self {
            status,
            text,
            uncounted: None,
        }
    }

    fn no_place() -> Self {
        let text = "the server is busy with handshakes (max_handshakes); try again later\n";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
    }

    fn too_long() -> Self {
        let text =
            "the connection took longer than the server allows (http_timeout); open a new one\n";
        Self {
            uncounted: Some(Rejection::HttpTime),
            ..Self::new(StatusCode::REQUEST_TIMEOUT, text.to_owned())
        }
    }

    /// Returns the response to an error of HTTP; `None` if the connection merely broke.
    fn failed(error: &hyper::Error) -> Option<Self> {
        if error.is_timeout() {
            let text = "the client sent no request in the time for a handshake (handshake_timeout); try again\n";
            return Some(Self {
                uncounted: Some(Rejection::HandshakeTime),
                ..Self::new(StatusCode::REQUEST_TIMEOUT, text.to_owned())
            });
        }
        // The library has answered already; this serves to count it, and to let the client read the
        // answer.
        error.is_parse().then(|| Self {
            uncounted: Some(Rejection::Request),
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

/// Refuses a connection that got no place.
async fn turn_away(stream: TcpStream, refusal: HttpRefusal, _permit: OwnedSemaphorePermit) {
    farewell(stream, Some(refusal)).await;
}

/// Sends the last response and gives the client time to read it. Closing a connection with unread
/// bytes resets it, so that its client may never see the response.
async fn farewell(mut stream: TcpStream, refusal: Option<HttpRefusal>) {
    let leaving = async {
        if let Some(refusal) = refusal {
            stream.write_all(refusal.response().as_bytes()).await?;
        }
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _gone_or_too_slow = tokio::time::timeout(FAREWELL, leaving).await;
}

/// A log text with the address that it concerns.
struct WithAddress<'a, T>(&'a T, IpAddr);

impl<T: std::fmt::Display> std::fmt::Display for WithAddress<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        write!(f, "{}: {}", self.1, text.trim_end())
    }
}
