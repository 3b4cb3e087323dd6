//! An axum server of one's own with notes in it: people edit them over WebSockets, with a token of
//! this program's, and the program reads and edits them by itself.
//!
//! `host 127.0.0.1:8080 data`, and then `curl -d 'buy milk' http://127.0.0.1:8080/notes/plan`.

use std::error::Error;
use std::future::{IntoFuture, ready};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use baton_server::baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_server::{
    Access, AccessDenied, AccessFuture, AccessRequest, Authorize, HostedEditError, IdentityError,
    Permissions, Server, ServerBuilder, Settings, TokenUser,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The people, by their tokens. Guests read.
struct People;

fn access_of(token: Option<&str>) -> Result<Access, IdentityError> {
    let read = Access::to_every_document(Permissions::READ);
    Ok(match token {
        Some("ada-7") => {
            Access::to_every_document(Permissions::LOCK).with_user(TokenUser::new("Ada")?)
        }
        _ => read.with_user(TokenUser::new("Guest")?),
    })
}

impl Authorize for People {
    fn access<'a>(&'a self, request: AccessRequest<'a>) -> AccessFuture<'a> {
        let token = request.token.map(|token| token.secret_text());
        let decided = if request.document.starts_with("private/") && token.is_none() {
            Err(AccessDenied::unauthorized(
                "sign in to read what is private",
            ))
        } else {
            access_of(token)
                .map(Arc::new)
                .map_err(|error| AccessDenied::forbidden(error.to_string()))
        };
        Box::pin(ready(decided))
    }
}

type Answer<T> = Result<T, (StatusCode, String)>;

fn failed(error: HostedEditError) -> (StatusCode, String) {
    let status = match error {
        HostedEditError::Refused => StatusCode::LOCKED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{error}\n"))
}

async fn show(State(baton): State<Server>, Path(name): Path<String>) -> Answer<String> {
    let note = baton
        .document(&name)
        .await
        .map_err(|ended| failed(ended.into()))?;
    let text = note.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)));
    Ok(text
        .await
        .map_err(|ended| failed(ended.into()))?
        .unwrap_or_default())
}

/// Answers when the line is on the disk.
async fn add(State(baton): State<Server>, Path(name): Path<String>, line: String) -> Answer<()> {
    let note = baton
        .document(&name)
        .await
        .map_err(|ended| failed(ended.into()))?;
    let edit = note.edit(|txn| {
        txn.get_or_insert_text("body")
            .push(txn, &format!("{line}\n"))
    });
    edit.await.map_err(failed)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [address, folder] = arguments.as_slice() else {
        return Err("usage: host ADDRESS FOLDER".into());
    };
    let baton = ServerBuilder::new(Settings::default())
        .authorize(People)
        .open(folder)?;
    let routes = Router::new()
        .route("/health", get(async || "well\n"))
        .route("/notes/{name}", get(show).post(add))
        .with_state(baton.clone())
        .merge(baton.documents_router());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async {
        let _stopped_or_over = stopped.await;
    });
    let stopping = async {
        tokio::signal::ctrl_c().await?;
        let _served = stop.send(());
        baton.shutdown().await?;
        Ok::<_, Box<dyn Error>>(())
    };
    tokio::try_join!(async { Ok(serving.into_future().await?) }, stopping)?;
    println!("all is saved");
    Ok(())
}
