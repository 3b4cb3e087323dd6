//! The HTTP API of y-sweet 0.9: its SDKs and clients work as they are.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /doc/new` with `{docId}` or `{}` | a name that documents may have |
//! | `POST /doc/{name}/auth` | addresses and token for one client of the document |
//! | `GET /d/{name}/as-update` | the whole document as an update v1 |
//! | `POST /d/{name}/update` | 200 when the update is durable |
//! | `GET /d/{name}/ws/{name}` | the socket |
//! | `POST` or `GET /check_store`, `GET /ready` | `{"ok": true}` |
//!
//! Owns the paths under `/doc` and `/d`. Calls about documents as such need the permission
//! `manage`, unless the server asks for no tokens. A document need not be made: it exists from its
//! first edit on. See decision 55.

mod client_tokens;
mod paths;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use baton_auth::Access;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use self::client_tokens::{ClientToken, MAX_LIFETIME, TokenRequest};
use self::paths::DocumentPath;
use crate::access::{AccessGrant, Caller, DocumentToken, request_token};
use crate::app::App;
use crate::clock::unix_ms;
use crate::config::PublicUrl;
use crate::connection::document_name;
use crate::limits::connection_limit::{ConnectionPermit, ConnectionRefused};
use crate::limits::return_pause::ReturningClient;
use crate::net::api_error::ApiError;
use crate::net::client_addr::{ClientAddr, Peer};
use crate::net::{document_transfer, routes};
use crate::ops::readiness;
use crate::ops::rejection_counters::Rejection;

/// Most bytes of a JSON body.
const MAX_JSON: usize = 64 * 1024;

/// Returns the routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/ready", get(ready))
        .route("/check_store", get(check_store).post(check_store))
        .route("/doc/new", post(new_document))
        .route("/doc/{*path}", post(client_token))
        .route("/d/{*path}", any(document))
}

async fn ready() -> Response {
    Json(json!({"ok": true})).into_response()
}

async fn check_store(State(app): State<Arc<App>>, request: Request) -> Response {
    let call = match Call::begin(&app, &request) {
        Ok(call) => call,
        Err(refused) => return turned_away(refused),
    };
    let (head, _) = request.into_parts();
    let checking = async {
        // Every pattern for all documents fits the empty name, and no other does.
        call.manager(&app, &head, "").await?;
        let checking = tokio::task::spawn_blocking(move || readiness::check(&app));
        let checked = checking.await.map_err(|_| {
            let text = "the store could not be checked; try again";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "not-checked", text)
        })?;
        Ok(Json(match checked.reason() {
            None => json!({"ok": true}),
            Some(reason) => json!({"ok": false, "error": reason}),
        }))
    };
    finish(checking.await)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewDocument {
    doc_id: Option<String>,
}

async fn new_document(State(app): State<Arc<App>>, request: Request) -> Response {
    let call = match Call::begin(&app, &request) {
        Ok(call) => call,
        Err(refused) => return turned_away(refused),
    };
    let (head, body) = request.into_parts();
    let making = async {
        let body: NewDocument = json_body(body).await?;
        let name = match body.doc_id {
            Some(name) => name,
            None => random_name()?,
        };
        check_name(&app, &name)?;
        call.manager(&app, &head, &name).await?;
        Ok(Json(json!({"docId": name})))
    };
    finish(making.await)
}

async fn client_token(State(app): State<Arc<App>>, request: Request) -> Response {
    let call = match Call::begin(&app, &request) {
        Ok(call) => call,
        Err(refused) => return turned_away(refused),
    };
    let (head, body) = request.into_parts();
    let making = async {
        let name = paths::auth_path(head.uri.path()).ok_or_else(unknown_path)?;
        check_name(&app, &name)?;
        let manager = call.manager(&app, &head, &name).await?;
        let body: TokenRequest = json_body(body).await?;
        let token = match manager {
            None => None,
            Some(manager) => Some(minted(&app, &name, &manager, &body)?),
        };
        let server = public_url(&app, &head)?;
        Ok(Json(ClientToken::new(
            &server,
            name,
            body.authorization,
            token,
        )))
    };
    finish(making.await)
}

/// Makes the token of a client.
fn minted(
    app: &App,
    document: &str,
    manager: &Access,
    request: &TokenRequest,
) -> Result<String, ApiError> {
    let wrong = |text: String| ApiError::new(StatusCode::BAD_REQUEST, "body-invalid", text);
    let user = request.user();
    let user = user.map_err(|error| wrong(format!("userId cannot be used: {error}")))?;
    let lifetime_ms = request.lifetime_ms();
    let token = DocumentToken {
        document,
        permissions: request.authorization.permissions(),
        user,
        tenant: manager.tenant().map(str::to_owned),
        lifetime_ms: lifetime_ms
            .ok_or_else(|| wrong(format!("validForSeconds is more than {MAX_LIFETIME}")))?,
    };
    let minted = app.authorizer().own().mint(token, unix_ms());
    match minted {
        Ok(token) => Ok(token.secret_text().to_owned()),
        Err(error) => Err(wrong(format!("the token cannot be made: {error}"))),
    }
}

async fn document(State(app): State<Arc<App>>, request: Request) -> Response {
    let asked = paths::document_path(request.uri().path());
    let method = request.method().clone();
    match asked {
        Some(DocumentPath::Socket(name)) if method == Method::GET => {
            open_socket(app, request, name).await
        }
        Some(DocumentPath::AsUpdate(name)) if method == Method::GET => {
            let call = match Call::begin(&app, &request) {
                Ok(call) => call,
                Err(refused) => return turned_away(refused),
            };
            let (head, _) = request.into_parts();
            finish(as_update(&app, &call, &head, &name).await)
        }
        Some(DocumentPath::Update(name)) if method == Method::POST => {
            let call = match Call::begin(&app, &request) {
                Ok(call) => call,
                Err(refused) => return turned_away(refused),
            };
            let (head, body) = request.into_parts();
            finish(update(&app, &call, &head, body, &name).await)
        }
        Some(_) => {
            let text = "this path has no such method";
            finish::<()>(Err(ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                text,
            )))
        }
        None => finish::<()>(Err(unknown_path())),
    }
}

/// Opens the socket of a document. A client that was closed for good waits before it.
async fn open_socket(app: Arc<App>, request: Request, name: String) -> Response {
    let shown = request_token(request.uri(), request.headers());
    let client = ReturningClient {
        address: app.trust().client_of(&request).into(),
        document: name.clone(),
        token: shown.ok().flatten().map(|token| token.fingerprint()),
    };
    let pause = Arc::clone(app.return_pause());
    pause.over(&client).await;
    let on_close = move |code| pause.closed(client, code);
    routes::open_socket(app, request, Some(name), Some(Box::new(on_close)))
}

async fn as_update(app: &App, call: &Call, head: &Parts, name: &str) -> Result<Response, ApiError> {
    check_name(app, name)?;
    call.reader(app, head, name).await?;
    let whole = document_transfer::whole_document(app.registry(), name).await?;
    Ok(document_transfer::update_response(whole))
}

async fn update(
    app: &App,
    call: &Call,
    head: &Parts,
    body: Body,
    name: &str,
) -> Result<StatusCode, ApiError> {
    check_name(app, name)?;
    let grant = call.reader(app, head, name).await?;
    let registry = app.registry();
    let update = document_transfer::update_body(registry, body).await?;
    let source = registry.sources().of(call.permit.address());
    document_transfer::apply_update(registry, name, &grant, source, update).await?;
    Ok(StatusCode::OK)
}

/// A request that was let in. It counts as a connection of its address until it is answered.
struct Call {
    caller: Caller,
    permit: ConnectionPermit,
}

impl Call {
    /// Lets a request in.
    ///
    /// # Errors
    /// A limit on connections is reached. Nothing changed.
    fn begin(app: &App, request: &Request) -> Result<Self, ConnectionRefused> {
        let client = app.trust().client_of(request);
        let permit = app.limits().admit(ClientAddr::from(client));
        let permit = permit.inspect_err(|refused| {
            let text = refused.to_string();
            let what = format_args!("{client}: {}", text.trim_end());
            app.registry().refusals().note(refused.reason(), what);
        })?;
        let caller = Caller::of(client, request, app.authorizer().reads_requests());
        Ok(Self { caller, permit })
    }

    /// Returns the access of a caller that may manage the document; `None` if the server asks for
    /// no tokens.
    ///
    /// # Errors
    /// The caller may not.
    async fn manager(
        &self,
        app: &App,
        head: &Parts,
        document: &str,
    ) -> Result<Option<Arc<Access>>, ApiError> {
        let authorizer = app.authorizer();
        if authorizer.lets_everyone_in() {
            return Ok(None);
        }
        // Not from the address, which is in the logs of proxies.
        let shown = request_token(&Uri::default(), &head.headers);
        let admitting = authorizer.admit_manager(&shown, document, &self.caller);
        Ok(Some(admitting.await?))
    }

    /// Returns the grant of a client that may at least read the document.
    ///
    /// # Errors
    /// The client may not.
    async fn reader(
        &self,
        app: &App,
        head: &Parts,
        document: &str,
    ) -> Result<AccessGrant, ApiError> {
        let shown = request_token(&head.uri, &head.headers);
        let granting = app.authorizer().admit(&shown, document, &self.caller);
        Ok(granting.await?)
    }
}

fn turned_away(refused: ConnectionRefused) -> Response {
    routes::refuse(refused, refused.to_string())
}

/// Answers, and ends the connection after it: a client that sends its next request just when the
/// connection's time (`http_timeout`) is over could not know if it was carried out.
fn finish<T: IntoResponse>(result: Result<T, ApiError>) -> Response {
    let mut response = result.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Reads a JSON body; none is `{}`.
async fn json_body<T: DeserializeOwned + Default>(body: Body) -> Result<T, ApiError> {
    let wrong = |text: String| ApiError::new(StatusCode::BAD_REQUEST, "body-invalid", text);
    let read: Bytes = axum::body::to_bytes(body, MAX_JSON)
        .await
        .map_err(|error| wrong(format!("the body cannot be read: {error}")))?;
    if read.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&read)
        .map_err(|error| wrong(format!("the body is not what this call takes: {error}")))
}

fn check_name(app: &App, name: &str) -> Result<(), ApiError> {
    document_name::check(name, app.registry().settings()).map_err(|fault| {
        app.registry().refusals().note(Rejection::Request, &fault);
        ApiError::new(StatusCode::BAD_REQUEST, "bad-name", fault)
    })
}

fn unknown_path() -> ApiError {
    let text = "y-sweet's paths are /doc/new, /doc/{name}/auth, /d/{name}/as-update, /d/{name}/update and /d/{name}/ws/{name}";
    ApiError::new(StatusCode::NOT_FOUND, "unknown-path", text)
}

/// Returns a name that no other document has: 128 random bits.
fn random_name() -> Result<String, ApiError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| {
        let text = "the system gives no random numbers; try again";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "no-random", text)
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// Returns the address at which the client of this request reaches the server.
fn public_url(app: &App, head: &Parts) -> Result<PublicUrl, ApiError> {
    let settings = app.registry().settings();
    if let Some(url) = &settings.public_url.0 {
        return Ok(url.clone());
    }
    let host = head.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).ok_or_else(|| {
        let text = "the request has no Host, and the server no public_url";
        ApiError::new(StatusCode::BAD_REQUEST, "no-host", text)
    })?;
    let proxied = || {
        let peer = Peer::of(&head.extensions);
        app.origins().proxy_states_https(peer, &head.headers)
    };
    let is_tls = app.speaks_tls() || proxied();
    let base = app.registry().settings().base.prefix();
    Ok(PublicUrl::new(is_tls, host, base))
}
