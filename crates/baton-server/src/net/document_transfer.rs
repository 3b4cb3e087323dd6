//! Whole documents and edits over HTTP, for programs that keep no connection.
//!
//! An edit takes the way of every other edit: a session of its own brings it in, so that the same
//! limits, rights and locks count. The answer follows when the edit is durable. A reader joins
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use baton_auth::Permission;
use baton_room::{Departure, Receipts, Room, Source};
use baton_sync::y_websocket::{FrameHeader, PayloadKind};
use baton_sync::{Judgement, StateVector, scan};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::access::AccessGrant;
use crate::connection::close_codes;
use crate::connection::session::Session;
use crate::connection::socket_writer::{SlowReaderLimits, SocketWriter};
use crate::documents::open_document::OpenDocument;
use crate::documents::questions;
use crate::documents::registry::{OpenError, Registry};
use crate::documents::work_cost::StepKind;
use crate::limits::message_rate_limit::MessageRateLimit;
use crate::net::api_error::ApiError;

/// The update of a document without content.
const NOTHING: &[u8] = &[0, 0];

/// Time within which the room must decide about an edit. Only an edit that is parked, or for which
/// others are asked, is not decided at once.
const DECISION: Duration = Duration::from_secs(10);

/// Time between two looks at an edit that is not decided.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Returns the whole document as one update v1. A name without a document has no content.
///
/// # Errors
/// The document cannot be opened at the moment.
pub(crate) async fn whole_document(registry: &Registry, name: &str) -> Result<Bytes, ApiError> {
    let held = registry.holds(name).await;
    if !held.map_err(|error| not_opened(registry, name, &error.into()))? {
        return Ok(Bytes::from_static(NOTHING));
    }
    let document = open(registry, name).await?;
    ask(&document, StepKind::Difference, |room| {
        let nothing = StateVector::default();
        room.state().document().difference(&nothing)
    })
    .await
}

/// Puts an update v1 into a document. Returns when it is durable; also if all of it was known.
///
/// # Errors
/// It is not in the document: the client may not write, a lock kept it out, a limit was reached, or
/// it is no update that fits. Or the store failed, and it is unknown how much is durable.
pub(crate) async fn apply_update(
    registry: &Arc<Registry>,
    name: &str,
    grant: &AccessGrant,
    source: Source,
    update: Bytes,
) -> Result<(), ApiError> {
    if !grant.permissions().contains(Permission::Write) {
        let text = "the token lets its client only read this document";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "read-only", text));
    }
    if let Err(error) = scan(&update) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "update-malformed",
            format!("the body is no update v1 of Yjs: {error}; nothing was changed"),
        ));
    }
    let writer = Arc::new(
        SocketWriter::indirect(SlowReaderLimits::new(registry.settings()))
            .comes_from(source, Receipts::None),
    );
    let rate = Arc::new(MessageRateLimit::new(registry.settings()));
    let joining = Session::join(Arc::clone(registry), name, grant, Arc::clone(&writer), rate);
    let mut session = match joining.await {
        Ok(session) => session,
        Err(refused) => {
            writer.end(refused.code, refused.reason);
            return Err(ended(&writer));
        }
    };
    let header = FrameHeader::new(PayloadKind::Update, update.len());
    let frame = [header.as_bytes(), &update].concat().into();
    let sent = session.frame(&frame).await;
    session.flush();
    session.leaves(Departure::Done);
    if sent.is_err() {
        return Err(ended(&writer));
    }
    decided(registry, name, &writer, update).await?;
    // The session stays until here, so that the document does.
    drop(session);
    if registry.log().node().is_some() {
        // In a cluster, all that the document has is in the log.
        return Ok(());
    }
    registry.log().flush().await.map_err(|error| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store-failed",
            format!("the edit could not be saved: {error}; send it again later"),
        )
    })
}

/// Reads the body of a request, of `max_frame` bytes at most.
///
/// # Errors
/// It is longer, the server receives too much at the moment, or the client is gone.
pub(crate) async fn update_body(registry: &Registry, body: Body) -> Result<Bytes, ApiError> {
    let most = usize::try_from(registry.settings().max_frame.as_u64()).unwrap_or(usize::MAX);
    let part = registry.receiving().part(most);
    let mut body = body.into_data_stream();
    let mut read = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            let text = format!("the body could not be read: {error}; nothing was changed");
            ApiError::new(StatusCode::BAD_REQUEST, "body-unreadable", text)
        })?;
        part.came(piece.len()).map_err(|excess| {
            let text = format!("{excess}; nothing was changed");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "receiving", text)
        })?;
        if read.len() + piece.len() > most {
            let text = format!("the body has more than {most} bytes (max_frame)");
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                text,
            ));
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// Returns the answer with a document.
pub(crate) fn update_response(update: Bytes) -> Response {
    let kind = [(http::header::CONTENT_TYPE, "application/octet-stream")];
    (kind, update).into_response()
}

/// Waits until the document has all of the update.
async fn decided(
    registry: &Registry,
    name: &str,
    writer: &SocketWriter,
    update: Bytes,
) -> Result<(), ApiError> {
    let document = open(registry, name).await?;
    let until = Instant::now() + DECISION;
    loop {
        let kind = StepKind::Update(update.len());
        let judged = update.clone();
        let judgement = ask(&document, kind, move |room| {
            let index = room.state().document().state();
            scan(&judged).map(|scan| index.judge(&scan))
        });
        let missing = match judgement.await? {
            Ok(Judgement::Known) => return Ok(()),
            Ok(Judgement::Gap { .. } | Judgement::Astride { .. }) => true,
            Ok(Judgement::Fits | Judgement::Refused(_)) | Err(_) => false,
        };
        if tokio::time::timeout(LOOK_AGAIN, writer.outbox().ended())
            .await
            .is_ok()
        {
            return Err(ended(writer));
        }
        if missing {
            let text = "the update builds on edits that the document does not have; what needs them was not applied; send the whole state of your copy";
            return Err(ApiError::new(StatusCode::CONFLICT, "edits-missing", text));
        }
        if Instant::now() > until {
            let text = "the document did not decide about the update in time; send it again later";
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "undecided",
                text,
            ));
        }
    }
}

async fn open(registry: &Registry, name: &str) -> Result<Arc<OpenDocument>, ApiError> {
    let opened = registry.open(name).await;
    opened.map_err(|error| not_opened(registry, name, &error))
}

/// Notes that a document could not be opened, and returns the answer to its request.
fn not_opened(registry: &Registry, name: &str, error: &OpenError) -> ApiError {
    match error.refusal() {
        Some(refusal) => registry.refusals().note(refusal, error),
        None => tracing::warn!(document = name, %error, "a document could not be opened"),
    }
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-opened",
        error.to_string(),
    )
}

/// Looks at a document, on the pool if that takes long.
async fn ask<T: Send + 'static>(
    document: &Arc<OpenDocument>,
    kind: StepKind,
    look: impl FnOnce(&Room) -> T + Send + 'static,
) -> Result<T, ApiError> {
    questions::ask(document, kind, look).await.map_err(|_| {
        let text = "the document was closed; try again";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "document-closed", text)
    })
}

/// Returns the ending of a session as the answer to its request.
fn ended(writer: &SocketWriter) -> ApiError {
    let (code, reason) = writer.outbox().ending().unwrap_or_else(|| {
        let text = "the document was closed; try again".to_owned();
        (close_codes::UNAVAILABLE, text)
    });
    let (status, word) = match code {
        close_codes::PROTOCOL => (StatusCode::BAD_REQUEST, "update-refused"),
        close_codes::UNAUTHORIZED => (StatusCode::UNAUTHORIZED, "unauthorized"),
        close_codes::FORBIDDEN => (StatusCode::FORBIDDEN, "forbidden"),
        close_codes::TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        close_codes::LOCKED => (StatusCode::LOCKED, "locked"),
        close_codes::ERASED => (StatusCode::GONE, "erased"),
        code if (4400..4500).contains(&code) => (StatusCode::CONFLICT, "update-refused"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    ApiError::new(status, word, reason)
}
