//! Accepts connections and serves HTTP on them, with TLS if that is set, within limits.
//!
//! Owns the accept loop, and the time that a connection has for a handshake of TLS, for the head of
//! its request, and in all. A client that is refused here gets an HTTP response, if nothing was
//! written to it before; without TLS on a port of TLS none is possible. No connection can keep the
//! loop from the next one, nor can a lack of file descriptors.

use std::io;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::app::App;
use crate::limits::pre_upgrade_limit::PreUpgradePlace;
use crate::net::accepted_stream::AcceptedStream;
use crate::net::client_addr::Peer;
use crate::net::http_stream::{HttpStream, ReturnedStream};
use crate::net::listener::Listener;
#[cfg(feature = "tls")]
use crate::net::tls::TlsFailure;
use crate::net::web_origin::ListenerReach;
use crate::ops::rejection_counters::Rejection;

/// Pause after an accept that failed for lack of resources (file descriptors), to avoid spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Refused connections that are answered at the same time. More wait to be accepted, for at most
/// [`FAREWELL`].
pub(crate) const MAX_TURNED_AWAY: usize = 1_024;

/// Time for a refused client to read the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// Accepts connections until the server stops.
pub(crate) async fn accept(listener: Listener, router: Router, app: &Arc<App>) {
    let acceptor = Acceptor {
        app: Arc::clone(app),
        router,
        reach: ListenerReach::of(listener.address()),
        turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
    };
    tokio::select! {
        () = acceptor.accept(&listener) => {}
        () = watch_certificates(app) => {}
        () = app.stopping() => {}
    }
}

/// Looks after changes of the certificate's files, for ever.
#[cfg(feature = "tls")]
async fn watch_certificates(app: &App) {
    match app.tls() {
        Some(tls) => Arc::clone(tls.certificates()).watch().await,
        None => std::future::pending().await,
    }
}

/// There is no certificate.
#[cfg(not(feature = "tls"))]
async fn watch_certificates(_app: &App) {
    std::future::pending().await
}

/// The accept loop of one listener.
struct Acceptor {
    app: Arc<App>,
    router: Router,
    reach: ListenerReach,
    turned_away: Arc<Semaphore>,
}

impl Acceptor {
    async fn accept(&self, listener: &Listener) {
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
    async fn take(&self, stream: AcceptedStream, peer: Peer) {
        let address = (!self.app.trust().is_proxy(peer)).then(|| peer.ip().into());
        match self.app.places().take(address) {
            Ok(place) => {
                let connection = Connection {
                    peer,
                    reach: self.reach,
                    router: self.router.clone(),
                    place,
                    app: Arc::clone(&self.app),
                };
                tokio::spawn(connection.serve(stream));
            }
            Err(refused) => {
                let refusals = self.app.registry().refusals();
                refusals.note(Rejection::HandshakesOfAddress, WithPeer(&refused, peer));
                // Never closed.
                if let Ok(permit) = Arc::clone(&self.turned_away).acquire_owned().await {
                    let status = StatusCode::TOO_MANY_REQUESTS;
                    let refusal = HttpRefusal::new(status, refused.to_string());
                    // A handshake of TLS would cost more than it refuses.
                    let refusal = (!self.app.speaks_tls()).then_some(refusal);
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

/// A connection that has its place, until it is a WebSocket or ends.
struct Connection {
    peer: Peer,
    reach: ListenerReach,
    router: Router,
    place: PreUpgradePlace,
    app: Arc<App>,
}

impl Connection {
    async fn serve(self, stream: AcceptedStream) {
        if let AcceptedStream::Tcp(stream) = &stream
            && let Err(error) = stream.set_nodelay(true)
        {
            tracing::debug!(%error, "a connection ended before it was served");
            return;
        }
        #[cfg(not(feature = "tls"))]
        let ended = self.http(stream).await;
        #[cfg(feature = "tls")]
        let ended = match self.secure(stream).await {
            Ok(stream) => self.http(stream).await,
            Err(ended) => ended,
        };
        if let Some(reason) = ended.refusal.as_ref().and_then(|refusal| refusal.uncounted) {
            let text = ended.refusal.as_ref().map_or("", |refusal| &refusal.text);
            let refusals = self.app.registry().refusals();
            refusals.note(reason, WithPeer(&text.trim_end(), self.peer));
        }
        if let Some(stream) = ended.stream {
            farewell(stream, ended.refusal).await;
        }
    }

    /// Shakes hands, if the server speaks TLS.
    #[cfg(feature = "tls")]
    async fn secure(&self, stream: AcceptedStream) -> Result<AcceptedStream, Ended> {
        let (tls, stream) = match (self.app.tls(), stream) {
            (Some(tls), AcceptedStream::Tcp(stream)) => (tls, stream),
            (_, stream) => return Ok(stream),
        };
        let limit = self.app.registry().settings().handshake_timeout.0;
        let failure = tokio::select! {
            biased;
            shaken = tls.accept(stream) => match shaken {
                Ok(stream) => return Ok(AcceptedStream::Tls(stream)),
                Err(failure) => failure,
            },
            () = self.place.lost() => return Err(Ended::default()),
            () = tokio::time::sleep(limit) => {
                let refusals = self.app.registry().refusals();
                let what = "the client did not shake hands (TLS) in time (handshake_timeout)";
                refusals.note(Rejection::HandshakeTime, WithPeer(&what, self.peer));
                return Err(Ended::default());
            }
        };
        Err(match failure {
            TlsFailure::Gone => Ended::default(),
            TlsFailure::PlainHttp(stream) => Ended {
                refusal: Some(HttpRefusal::plain()),
                stream: Some(AcceptedStream::Tcp(stream)),
            },
            TlsFailure::Refused(_) => {
                let refusals = self.app.registry().refusals();
                refusals.note(Rejection::Tls, WithPeer(&failure, self.peer));
                Ended::default()
            }
        })
    }

    /// Serves requests until the connection becomes a WebSocket or ends.
    async fn http(&self, stream: AcceptedStream) -> Ended {
        let returned = Arc::new(ReturnedStream::default());
        let ended = {
            let io = TokioIo::new(HttpStream::new(stream, &returned));
            let (router, peer, reach) = (self.router.clone(), self.peer, self.reach);
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                if let Peer::Address(address) = peer {
                    request.extensions_mut().insert(ConnectInfo(address));
                }
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(reach);
                router.clone().oneshot(request)
            });
            let settings = self.app.registry().settings();
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
                () = self.place.lost() => Err(Some(HttpRefusal::no_place())),
                () = tokio::time::sleep(settings.http_timeout.0) => {
                    Err(Some(HttpRefusal::too_long()))
                }
            }
        };
        let Err(Some(mut refusal)) = ended else {
            // Without an end of TLS the client cannot know that the response is whole.
            let stream = returned.take();
            let stream = stream.filter(|stream| stream.is_tls());
            return Ended {
                refusal: None,
                stream,
            };
        };
        // Bytes that were written already may be half a response, or the one to an earlier request.
        refusal.silent = returned.was_written();
        Ended {
            refusal: Some(refusal),
            stream: returned.take(),
        }
    }
}

/// The end of a connection that is no WebSocket.
#[derive(Default)]
struct Ended {
    refusal: Option<HttpRefusal>,
    /// The stream on which the refusal can be told, if there is one.
    stream: Option<AcceptedStream>,
}

/// The HTTP response to a connection that is closed.
struct HttpRefusal {
    status: StatusCode,
    text: String,
    /// The reason under which it is counted, if it was not counted before.
    uncounted: Option<Rejection>,
    /// True if nothing more may be written.
    silent: bool,
}

impl HttpRefusal {
    fn new(status: StatusCode, text: String) -> Self {
        Self {
            status,
            text,
            uncounted: None,
            silent: false,
        }
    }

    #[cfg(feature = "tls")]
    fn plain() -> Self {
        let text = "this port speaks TLS; use https:// or wss://\n";
        Self {
            uncounted: Some(Rejection::Tls),
            ..Self::new(StatusCode::BAD_REQUEST, text.to_owned())
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
async fn turn_away(
    stream: AcceptedStream,
    refusal: Option<HttpRefusal>,
    _permit: OwnedSemaphorePermit,
) {
    farewell(stream, refusal).await;
}

/// Sends the last response and gives the client time to read it. Closing a connection with unread
/// bytes resets it, so that its client may never see the response.
async fn farewell(mut stream: AcceptedStream, refusal: Option<HttpRefusal>) {
    let leaving = async {
        if let Some(refusal) = refusal.filter(|refusal| !refusal.silent) {
            stream.write_all(refusal.response().as_bytes()).await?;
        }
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _gone_or_too_slow = tokio::time::timeout(FAREWELL, leaving).await;
}

/// A log text with the peer that it concerns.
struct WithPeer<'a, T>(&'a T, Peer);

impl<T: std::fmt::Display> std::fmt::Display for WithPeer<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        write!(f, "{}: {}", self.1, text.trim_end())
    }
}
