//! The HTTP API for an operator: open sessions, their end, a new look at their access, and the
//! cluster.
//!
//! Owns the paths under `/api/v1`. A caller shows a token that manages every document, in the
//! `Authorization` header alone: a browser adds that header to no request of its own, so no page
//! can make its visitor call this. Without authentication the API is off, and an operator uses the
//! admin socket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use baton_room::ConnectionId;
use serde::{Deserialize, Serialize};

use crate::access::{Caller, ShownToken, request_token};
use crate::app::App;
use crate::cluster::status::ClusterStatus;
use crate::net::api_error::ApiError;
use crate::sessions::recheck::RecheckReport;
use crate::sessions::revoke::{self, Revocation};
use crate::sessions::session_view::{SessionFilter, SessionView};

/// Sessions of one page, unless the caller asks for another number.
const PAGE: usize = 100;

/// Most sessions of one page.
const MAX_PAGE: usize = 1_000;

/// Longest time for which an answer waits until the sessions are closed. They are closed all the
/// same, as soon as their documents are free.
const CLOSING: Duration = Duration::from_secs(1);

/// Returns the routes.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/sessions", get(list).delete(end_some))
        .route("/sessions/{id}", delete(end_one))
        .route("/recheck", post(recheck))
        .route("/cluster", get(cluster))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(Arc::clone(app), admit_operator))
}

/// Lets a request pass that shows the token of an operator.
async fn admit_operator(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // Not the address: that would be in logs of proxies and in the history of browsers.
    let shown = request_token(&Uri::default(), request.headers());
    let client = app.trust().client_of(&request);
    let caller = Caller::of(client, &request, app.authorizer().reads_requests());
    match judge_caller(&app, shown, &caller).await {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn judge_caller(app: &App, shown: ShownToken, caller: &Caller) -> Result<(), ApiError> {
    if !app.authorizer().asks_for_tokens() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "api-off",
            "this server asks no client for a token (auth = none), so its API is off; its operator can use `baton sessions`, `baton revoke` and `baton recheck` on its machine",
        ));
    }
    let authorizer = app.authorizer();
    authorizer
        .authorize_operator(shown?.as_ref(), caller)
        .await?;
    Ok(())
}

async fn cluster(State(app): State<Arc<App>>) -> Result<Json<ClusterStatus>, ApiError> {
    let node = app.registry().log().node().map(ClusterStatus::of);
    let text = "this server keeps its documents by itself; it is no node of a cluster (cluster)";
    node.map(Json)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "no-cluster", text))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    document: Option<String>,
    user: Option<String>,
    token_id: Option<String>,
    tenant: Option<String>,
    /// Id of the last session of the page before.
    after: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct SessionPage {
    sessions: Vec<SessionView>,
    /// The `after` of the next page; `None` if there is none.
    next: Option<u64>,
}

async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<SessionPage>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(bad_query(&format!("limit must be 1 to {MAX_PAGE}")));
    }
    let filter = SessionFilter {
        document: query.document,
        user: query.user,
        token_id: query.token_id,
        tenant: query.tenant,
    };
    let after = ConnectionId(query.after.unwrap_or(0));
    // One more shows if there is another page.
    let mut sessions = app.registry().sessions().page(after, &filter, limit + 1);
    let has_more = sessions.len() > limit;
    sessions.truncate(limit);
    let next = sessions.last().filter(|_| has_more).map(|last| last.id);
    Ok(Json(SessionPage { sessions, next }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndQuery {
    user: Option<String>,
    token_id: Option<String>,
}

#[derive(Serialize)]
struct Ended {
    /// Sessions that were ended.
    ended: usize,
}

async fn end_some(
    State(app): State<Arc<App>>,
    query: Result<Query<EndQuery>, QueryRejection>,
) -> Result<Json<Ended>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection.body_text()))?;
    let revocation = match (query.user, query.token_id) {
        (Some(user), None) => Revocation::User(user),
        (None, Some(id)) => Revocation::TokenId(id),
        _ => return Err(bad_query("name either a user or a token_id")),
    };
    revoke(&app, revocation).await
}

async fn end_one(
    State(app): State<Arc<App>>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Json<Ended>, ApiError> {
    let unknown = || {
        let text =
            "there is no such open session; nothing was changed; list them at /api/v1/sessions";
        ApiError::new(StatusCode::NOT_FOUND, "unknown-session", text)
    };
    let Path(id) = id.map_err(|_| unknown())?;
    let ended = revoke(&app, Revocation::Session(id)).await?;
    if ended.ended == 0 {
        return Err(unknown());
    }
    Ok(ended)
}

async fn revoke(app: &App, revocation: Revocation) -> Result<Json<Ended>, ApiError> {
    let revoked = revoke::revoke(app.registry().sessions(), &revocation, CLOSING).await;
    tracing::info!(ended = revoked.ended, "a caller of the API revoked access");
    match revoked.listed {
        Ok(()) => Ok(Json(Ended {
            ended: revoked.ended,
        })),
        Err(full) => {
            let text = format!("{full}; {} open sessions were ended", revoked.ended);
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(ApiError::new(status, "revocations-full", text))
        }
    }
}

async fn recheck(State(app): State<Arc<App>>) -> Result<Json<RecheckReport>, ApiError> {
    // It goes on if the caller does not wait for it.
    let looking = tokio::spawn(async move { app.recheck().await });
    let report = looking.await.map_err(|_| {
        let text = "the server could not finish the look; try again";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
    })?;
    Ok(Json(report))
}

async fn unknown_path() -> ApiError {
    let text = "the API has /api/v1/sessions, /api/v1/sessions/{id} and /api/v1/recheck";
    ApiError::new(StatusCode::NOT_FOUND, "unknown-path", text)
}

async fn unknown_method() -> ApiError {
    let text = "this path of the API has other methods; see docs/operations.md";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "unknown-method", text)
}

fn bad_query(fault: &str) -> ApiError {
    let text = format!("the query is not understood, and nothing was changed: {fault}");
    ApiError::new(StatusCode::BAD_REQUEST, "bad-query", text)
}
