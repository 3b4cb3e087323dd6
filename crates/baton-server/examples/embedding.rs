//! A program with Baton inside: its own pages and people, and documents that it edits by itself.
//!
//! `cargo run -p baton-server --example embedding -- 127.0.0.1:8080`, and then
//! `curl -X POST -d hello http://127.0.0.1:8080/notes/plan`.

use std::collections::HashMap;
use std::error::Error;
use std::future::{IntoFuture, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as Name, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use baton_server::baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_server::{
    Access, AccessDenied, AccessFuture, AccessRequest, Authorize, HostedEditError, Permissions,
    Server, ServerBuilder, Settings, TokenUser,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The program's people, by the cookie `session` that its own sign-in page sets.
struct People(HashMap<&'static str, &'static str>);

impl Authorize for People {
    fn access<'a>(&'a self, request: AccessRequest<'a>) -> AccessFuture<'a> {
        let head = request.caller.request();
        let cookies = head.and_then(|head| head.headers.get("cookie")?.to_str().ok());
        let mut pairs = cookies.unwrap_or_default().split("; ");
        let session = pairs.find_map(|pair| pair.strip_prefix("session="));
        let name = session.and_then(|session| self.0.get(session));
        let decided = match name.map(|name| TokenUser::new(name)) {
            Some(Ok(user)) => Ok(Access::to_every_document(Permissions::LOCK).with_user(user)),
            Some(Err(error)) => Err(AccessDenied::forbidden(format!("your name {error}"))),
            // Everybody may read what is public.
            None if request.document.starts_with("public/") => {
                Ok(Access::to_every_document(Permissions::READ))
            }
            None => Err(AccessDenied::unauthorized("sign in first, at /login")),
        };
        Box::pin(ready(decided.map(Arc::new)))
    }
}

/// Answers with the text of a note.
async fn show(State(baton): State<Server>, Name(name): Name<String>) -> Result<String, Failure> {
    let note = baton.document(&name).await.map_err(HostedEditError::from)?;
    let text = note.read(|txn| txn.get_text("body").map(|body| body.get_string(txn)));
    Ok(text.await?.unwrap_or_default())
}

/// Adds a line to a note. When this answers, the line is on the disk, and everybody who has the
/// note open was sent it.
async fn add(
    State(baton): State<Server>,
    Name(name): Name<String>,
    line: String,
) -> Result<(), Failure> {
    let note = baton.document(&name).await.map_err(HostedEditError::from)?;
    let edit = note.edit(|txn| {
        let body = txn.get_or_insert_text("body");
        body.push(txn, &line);
        body.push(txn, "\n");
    });
    Ok(edit.await?)
}

/// An edit that failed, as an answer.
struct Failure(HostedEditError);

impl From<HostedEditError> for Failure {
    fn from(error: HostedEditError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0 {
            HostedEditError::Refused => StatusCode::LOCKED,
            HostedEditError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{}\n", self.0)).into_response()
    }
}

/// Returns the routes of the program, with the sockets of Baton's documents among them.
fn routes(baton: &Server) -> Router {
    Router::new()
        .route("/notes/{name}", get(show).post(add))
        .with_state(baton.clone())
        .route("/healthz", get(async || "the program is well\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page\n"))
        .merge(baton.documents_router())
}

/// Opens the documents in a folder.
fn open(folder: &Path) -> Result<Server, Box<dyn Error>> {
    let people = People(HashMap::from([("s3cret", "Ada")]));
    let server = ServerBuilder::new(Settings::default()).authorize(people);
    Ok(server.open(folder)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let baton = open(Path::new("data"))?;
    let listener = TcpListener::bind(address).await?;
    // With the addresses of clients, so that limits are counted for each.
    let service = routes(&baton).into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async {
        let _told_or_over = stopped.await;
    });
    // At the same time: axum waits for the WebSockets, and Baton is what closes them.
    let stopping = async {
        tokio::signal::ctrl_c().await?;
        let _told = stop.send(());
        baton.shutdown().await?;
        Ok::<_, Box<dyn Error>>(())
    };
    let serving = async { Ok(serving.into_future().await?) };
    tokio::try_join!(serving, stopping)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: SocketAddr, line: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let head = "host: localhost\r\ncontent-type: text/plain\r\nconnection: close";
        let request =
            format!("{line} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_program_serves_its_pages_and_edits_its_notes() {
        let folder = tempfile::tempdir().unwrap();
        let baton = open(folder.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = routes(&baton).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        for (line, body, part) in [
            ("GET /healthz", "", "the program is well"),
            ("GET /index.html", "", "there is no such page"),
            ("POST /notes/plan", "one", "200 OK"),
            ("POST /notes/plan", "two", "200 OK"),
            ("GET /notes/plan", "", "one\ntwo\n"),
            ("GET /ws/plan", "", "426 Upgrade Required"),
        ] {
            let answer = ask(address, line, body).await;
            assert!(answer.contains(part), "{line}: {answer}");
        }
        baton.shutdown().await.unwrap();
        drop(baton);
        let again = ask(address, "GET /notes/plan", "").await;
        assert!(again.contains("503 Service Unavailable"), "{again}");
    }
}
