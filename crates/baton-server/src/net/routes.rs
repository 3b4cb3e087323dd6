//! Routes HTTP requests, and upgrades them to WebSockets.
//!
//! Owns the paths. The upgrade is done here, so that the server owns the stream and its limits:
//! axum's own WebSocket contains another version of the library, with that version's defaults.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
#[cfg(feature = "demo-page")]
use axum::http::{HeaderMap, Method};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use baton_room::Source;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tracing::{Instrument, Span, field};

use crate::access::{Caller, agreed_protocol, request_token};
use crate::app::App;
use crate::config::EchoMode;
#[cfg(feature = "metrics")]
use crate::config::Switch;
use crate::connection::direct_stream::{split_tcp, split_unix};
use crate::connection::hocuspocus::HocuspocusEntry;
use crate::connection::single_document::{Entry, OnClose};
use crate::connection::socket::{self, Opened};
use crate::limits::connection_limit::ConnectionRefused;
use crate::net::accepted_stream::AcceptedStream;
use crate::net::base_route;
use crate::net::client_addr::ClientAddr;
#[cfg(feature = "demo-page")]
use crate::net::demo_page;
use crate::net::handshake::{HandshakeFault, accept_key};
use crate::net::http_stream::HttpStream;
use crate::net::sessions_api;
use crate::net::web_origin::Forbidden;
#[cfg(feature = "metrics")]
use crate::ops::metrics;
use crate::ops::readiness;
use crate::ops::rejection_counters::Rejection;

/// Returns the sockets of documents.
pub(crate) fn documents() -> Router<Arc<App>> {
    Router::new()
        .route("/ws", get(websocket))
        .route("/ws/", get(websocket))
        .route("/ws/{*document}", get(websocket))
        .route("/hocuspocus", get(hocuspocus))
        .route("/hocuspocus/", get(hocuspocus))
        .route("/hocuspocus/{*rest}", get(hocuspocus))
}

/// Returns the answers to probes.
pub(crate) fn health() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
}

/// Returns the metrics.
#[cfg(feature = "metrics")]
pub(crate) fn metrics() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(serve_metrics))
}

/// Returns all routes that the settings want. `more` are those of other modules that open
/// documents.
fn all(app: &Arc<App>, more: Router<Arc<App>>) -> Router<Arc<App>> {
    let routes = documents()
        .merge(health())
        .nest("/api/v1", sessions_api::router(app))
        .merge(more);
    #[cfg(feature = "metrics")]
    if app.registry().settings().metrics == Switch::On {
        return routes.merge(metrics());
    }
    routes
}

/// Returns routes as a program merges or nests them into its own: under the base path, and without
/// an answer to any other path.
pub(crate) fn embedded(app: &Arc<App>, routes: Router<Arc<App>>) -> Router {
    let routes = routes
        .route_layer(from_fn_with_state(Arc::clone(app), admit))
        .with_state(Arc::clone(app));
    match app.registry().settings().base.prefix() {
        "" => routes,
        base => Router::new().nest(base, routes),
    }
}

/// Returns all routes for a program; see [`embedded`].
pub(crate) fn all_embedded(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    embedded(app, all(app, more))
}

/// Returns all routes of a server that has a listener to itself: every path has an answer.
pub(crate) fn alone(app: Arc<App>, more: Router<Arc<App>>) -> Router {
    let routes = all(&app, more);
    #[cfg(feature = "demo-page")]
    let routes = routes.fallback(page);
    let routes = routes.with_state(Arc::clone(&app));
    let base = app.registry().settings().base.clone();
    base_route::under(&base, routes).layer(from_fn_with_state(app, admit))
}

/// Refuses web pages of other origins, and host names that are not this server's, on every path.
async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Err(forbidden) = app.origins().check(&request) else {
        return next.run(request).await;
    };
    let (refusal, status) = match forbidden {
        Forbidden::Hosts => (Rejection::Request, StatusCode::BAD_REQUEST),
        Forbidden::Host(_) => (Rejection::Host, StatusCode::FORBIDDEN),
        Forbidden::Origin(_) => (Rejection::Origin, StatusCode::FORBIDDEN),
    };
    let client = app.trust().client_of(&request);
    app.registry()
        .refusals()
        .note(refusal, format_args!("{client}: {forbidden}"));
    (status, format!("{forbidden}\n")).into_response()
}

/// Serves a file of the demo page.
#[cfg(feature = "demo-page")]
async fn page(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let ancestors = &app.registry().settings().frame_ancestors;
    demo_page::serve(&method, &uri, &headers, ancestors)
}

/// Shows that the process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Shows that the server takes connections and can save, or the reason for which it cannot.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let checked = tokio::task::spawn_blocking(move || readiness::check(&app)).await;
    let status = match &checked {
        Ok(readiness) if readiness.is_ready() => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(checked.ok())).into_response()
}

/// Serves the metrics for Prometheus.
#[cfg(feature = "metrics")]
async fn serve_metrics(State(app): State<Arc<App>>) -> Response {
    match tokio::task::spawn_blocking(move || metrics::text(&app)).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Opens a WebSocket for the document that the path names.
async fn websocket(State(app): State<Arc<App>>, request: Request) -> Response {
    let document = document_name(request.uri().path());
    open_socket(app, request, document, None)
}

/// Upgrades a request to a WebSocket of this document; `None` for a name that is not UTF-8.
pub(crate) fn open_socket(
    app: Arc<App>,
    request: Request,
    document: Option<String>,
    on_close: Option<OnClose>,
) -> Response {
    let token = request_token(request.uri(), request.headers());
    let echo = asked_echo(request.uri());
    let shown = document.clone().unwrap_or_else(|| "?".to_owned());
    let span = tracing::info_span!("connection", address = field::Empty, document = shown);
    let open = move |app: &App, caller: Caller, source: Source| {
        Opened::Document(Entry {
            registry: Arc::clone(app.registry()),
            authorizer: Arc::clone(app.authorizer()),
            document: document.unwrap_or_default(),
            token,
            caller,
            source,
            receipts: echo.unwrap_or(app.registry().settings().echo).into(),
            on_close,
        })
    };
    upgrade(app, request, span, open)
}

/// Returns the echo that a client asks for in its query, if it does.
fn asked_echo(uri: &Uri) -> Option<EchoMode> {
    let mut query = uri.query().unwrap_or_default().split('&');
    query.find_map(|pair| match pair {
        "echo=saved" => Some(EchoMode::Saved),
        "echo=off" => Some(EchoMode::Off),
        _ => None,
    })
}

/// Opens a WebSocket of the Hocuspocus wire. Its messages name the documents, the path does not.
async fn hocuspocus(State(app): State<Arc<App>>, request: Request) -> Response {
    let span = tracing::info_span!("connection", address = field::Empty, wire = "hocuspocus");
    let open = |app: &App, caller: Caller, source: Source| {
        Opened::Hocuspocus(Box::new(HocuspocusEntry {
            registry: Arc::clone(app.registry()),
            authorizer: Arc::clone(app.authorizer()),
            caller,
            source,
            stopping: app.stop_signal(),
        }))
    };
    upgrade(app, request, span, open)
}

/// Upgrades a request to a WebSocket, which `open` prepares. `span` becomes that of the connection.
fn upgrade(
    app: Arc<App>,
    mut request: Request,
    span: Span,
    open: impl FnOnce(&App, Caller, Source) -> Opened + Send + 'static,
) -> Response {
    let client = app.client_of(&request);
    let accept = match accept_key(&request) {
        Ok(accept) => accept,
        Err(fault) => {
            if fault != HandshakeFault::Plain {
                let what = format_args!("{client}: {}", fault.text().trim_end());
                app.registry().refusals().note(Rejection::Request, what);
            }
            return fault.into_response();
        }
    };
    let permit = match app.limits().admit(ClientAddr::from(client)) {
        Ok(permit) => permit,
        Err(refused) => {
            let text = refused.to_string();
            let what = format_args!("{client}: {}", text.trim_end());
            app.registry().refusals().note(refused.reason(), what);
            return refuse(refused, text);
        }
    };
    let protocol = agreed_protocol(request.headers());
    let upgrade = hyper::upgrade::on(&mut request);
    // Now, so that a copy of the head does not keep the upgrade.
    let caller = Caller::of(client, &request, app.authorizer().reads_requests());
    span.record("address", field::display(client));
    let serving = async move {
        match upgrade.await {
            Ok(upgraded) => {
                let source = app.registry().sources().of(permit.address());
                let opened = open(&app, caller, source);
                drop(app);
                serve(upgraded, opened).await;
                drop(permit);
            }
            Err(error) => tracing::debug!(%error, "the upgrade failed"),
        }
    };
    tokio::spawn(serving.instrument(span));
    switching(&accept, protocol)
}

/// Serves a WebSocket. What only few connections need is boxed, because the task of each has room
/// for the largest of all cases.
async fn serve(upgraded: Upgraded, opened: Opened) {
    // A stream that an embedder accepted is plain TCP, or of a type that only hyper knows.
    let own = match upgraded.downcast::<TokioIo<HttpStream>>() {
        Ok(parts) => Ok((parts.io.into_inner().into_stream(), parts.read_buf)),
        Err(upgraded) => downcast::<TokioIo<TcpStream>>(upgraded).map(|parts| {
            let stream = AcceptedStream::Tcp(parts.io.into_inner());
            (Some(stream), parts.read_buf)
        }),
    };
    match own {
        Ok((stream, read)) => {
            // Copied, so that HTTP's buffer of 16 KiB is freed now and not when the connection
            // ends.
            let early = read.to_vec();
            drop(read);
            match stream {
                Some(AcceptedStream::Tcp(stream)) => {
                    socket::serve_direct(split_tcp(stream), early, opened).await;
                }
                Some(AcceptedStream::Unix(stream)) => {
                    socket::serve_direct(split_unix(stream), early, opened).await;
                }
                #[cfg(feature = "tls")]
                Some(AcceptedStream::Tls(stream)) => {
                    Box::pin(socket::serve_any(*stream, early, opened)).await;
                }
                None => {}
            }
        }
        Err(upgraded) => {
            let stream = TokioIo::new(upgraded);
            Box::pin(socket::serve_any(stream, Vec::new(), opened)).await;
        }
    }
}

fn switching(accept: &str, protocol: Option<String>) -> Response {
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        response = response.header(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
        .body(Body::empty())
        .unwrap_or_else(|_| StatusCode::BAD_REQUEST.into_response())
}

pub(crate) fn refuse(refused: ConnectionRefused, text: String) -> Response {
    let status = match refused {
        ConnectionRefused::Server(_) => StatusCode::SERVICE_UNAVAILABLE,
        ConnectionRefused::Address(_) | ConnectionRefused::Pace { .. } => {
            StatusCode::TOO_MANY_REQUESTS
        }
    };
    // Rounded up to seconds: a client that tries a moment early would be refused again.
    let wait = refused.wait().as_secs() + 1;
    let retry = [(header::RETRY_AFTER, wait.to_string())];
    (status, retry, text).into_response()
}

/// Returns the rest of the path behind `/ws/`, percent-decoded; `None` if it is not UTF-8. The name
/// is checked after the upgrade, where a Yjs provider can see the answer.
fn document_name(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/ws").unwrap_or(path);
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let name = percent_decode_str(rest).decode_utf8().ok()?;
    Some(name.into_owned())
}

#[cfg(test)]
mod tests;
