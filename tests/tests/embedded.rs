//! Baton in a program of one's own: routes beside the host's, a decision of the host's about who may do what, and
//! documents that the host itself reads and edits.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the story")]

use std::future::ready;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use baton_server::{
    Access, AccessDenied, AccessFuture, AccessRequest, Authorize, HostedAuthor, HostedDocument,
    HostedEditError, HostedEvent, Permissions, Server, ServerBuilder, Settings, TokenUser, close,
};
use baton_sync::control_channel::{GrantStatus, PeerStatus, ServerMessage};
use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_tests::{Join, LockState, RawClient, http, within};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;

/// A host's own program, which serves these routes on a port of its own.
async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn open(folder: &Path) -> Server {
    Server::open(folder, Settings::default()).unwrap()
}

/// A server in a folder, with its sockets on a port.
async fn hosted() -> (TempDir, Server, SocketAddr) {
    let folder = TempDir::new().unwrap();
    let server = open(folder.path());
    let address = serve(server.documents_router()).await;
    (folder, server, address)
}

async fn text(document: &HostedDocument) -> String {
    let read = document.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
    within("a document to be read", read)
        .await
        .unwrap()
        .unwrap_or_default()
}

async fn types(document: &HostedDocument, what: &str) -> Result<(), HostedEditError> {
    let edit = document.edit(|txn| txn.get_or_insert_text("t").push(txn, what));
    within("an edit's fate", edit).await
}

/// Waits for an event that fits.
async fn hears<T>(
    events: &mut Receiver<HostedEvent>,
    what: &str,
    mut pick: impl FnMut(HostedEvent) -> Option<T>,
) -> T {
    let hearing = async {
        loop {
            if let Some(found) = pick(events.recv().await.unwrap()) {
                return found;
            }
        }
    };
    within(what, hearing).await
}

// ---- routes ----

#[tokio::test]
async fn a_host_with_a_health_check_and_a_fallback_of_its_own_merges_the_routes() {
    let folder = TempDir::new().unwrap();
    let server = open(folder.path());
    let host = Router::new()
        .route("/healthz", get(async || "the host's"))
        .fallback(async || (StatusCode::NOT_FOUND, "the host's page"))
        .merge(server.documents_router())
        .merge(server.metrics_router())
        .nest("/baton", server.health_router());
    let address = serve(host).await;
    assert_eq!(http::get(address, "/healthz").await.body, "the host's");
    assert_eq!(http::get(address, "/baton/healthz").await.body, "ok\n");
    assert!(
        http::get(address, "/metrics")
            .await
            .body
            .contains("baton_connections")
    );
    for path in ["/", "/index.html", "/elsewhere", "/wsx"] {
        let answer = http::get(address, path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (404, "the host's page"),
            "{path}"
        );
    }
    let ada = RawClient::connect(address, Join::stock("notes")).await;
    ada.types("hello");
    let bob = RawClient::connect(address, Join::stock("notes")).await;
    bob.sees("hello").await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn all_routes_merge_with_a_fallback_too_and_may_be_nested() {
    let folder = TempDir::new().unwrap();
    let server = open(folder.path());
    let host = Router::new()
        .fallback(async || "the host's page")
        .nest("/collab", server.router());
    let address = serve(host).await;
    assert_eq!(http::get(address, "/collab/healthz").await.body, "ok\n");
    assert_eq!(http::get(address, "/other").await.body, "the host's page");
    let ada = RawClient::connect(
        address,
        Join::member("a b", "Ada").at_path("/collab/ws/a%20b"),
    )
    .await;
    ada.types("hello");
    ada.is_saved().await;
    let document = server.document("a b").await.unwrap();
    assert_eq!(text(&document).await, "hello");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_base_path_is_in_front_of_the_routes_that_a_host_merges() {
    let folder = TempDir::new().unwrap();
    let mut settings = Settings::default();
    settings.base = "/collab".parse().unwrap();
    let server = Server::open(folder.path(), settings).unwrap();
    let host = Router::new()
        .fallback(async || "the host's page")
        .merge(server.health_router());
    let address = serve(host).await;
    assert_eq!(http::get(address, "/collab/healthz").await.body, "ok\n");
    assert_eq!(http::get(address, "/healthz").await.body, "the host's page");
}

#[tokio::test]
async fn a_host_that_does_not_tell_addresses_is_warned_of_it() {
    let folder = TempDir::new().unwrap();
    let server = open(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = server.router();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    assert!(
        !http::get(address, "/readyz")
            .await
            .body
            .contains("addresses-unknown")
    );
    let ada = RawClient::connect(address, Join::stock("notes")).await;
    ada.types("hello");
    let warned = http::get(address, "/readyz").await;
    assert_eq!(warned.status, 200);
    assert!(warned.body.contains("addresses-unknown"), "{}", warned.body);
}

#[tokio::test]
async fn the_disk_of_the_folder_is_watched_wherever_the_settings_say_the_data_is() {
    let folder = TempDir::new().unwrap();
    let options = Server::log_options(&Settings::default());
    let log = baton_log::Log::open_embedded(folder.path(), options).unwrap();
    let mut settings = Settings::default();
    settings.data = "/nonexistent/folder".into();
    settings.disk_low = bytesize::ByteSize::tib(1024);
    let server = Server::new(settings, log).unwrap();
    let address = serve(server.router()).await;
    let answer = http::get(address, "/readyz").await;
    assert!(answer.body.contains("disk-low"), "{}", answer.body);
}

// ---- authorization ----

/// The host knows its people by a header, and lets a reader only read.
struct House;

impl Authorize for House {
    fn access<'a>(&'a self, request: AccessRequest<'a>) -> AccessFuture<'a> {
        let head = request.caller.request();
        let name = head.and_then(|head| head.headers.get("x-name"));
        let decided = match name.and_then(|name| name.to_str().ok()) {
            _ if request.document.starts_with("secret/") => {
                Err(AccessDenied::forbidden("nobody may see that"))
            }
            None => Err(AccessDenied::unauthorized("sign in first")),
            Some(name) => {
                let permissions = match name {
                    "reader" => Permissions::READ,
                    _ => Permissions::LOCK,
                };
                let user = TokenUser::new(name).and_then(|user| user.with_name("Ada of the house"));
                let access = Access::to_every_document(permissions).with_user(user.unwrap());
                Ok(Arc::new(access))
            }
        };
        Box::pin(ready(decided))
    }
}

#[tokio::test]
async fn the_host_decides_who_may_do_what_and_who_they_are() {
    let folder = TempDir::new().unwrap();
    let builder = ServerBuilder::new(Settings::default()).authorize(House);
    let server = builder.open(folder.path()).unwrap();
    let address = serve(server.documents_router()).await;
    let as_ada = |join: Join| join.with_header("x-name", "ada");

    let stranger = RawClient::connect(address, Join::raw("notes")).await;
    stranger.is_closed_with(close::UNAUTHORIZED).await;
    let denied = stranger.look(|known| known.denied.clone()).unwrap();
    assert!(denied.contains("sign in first"), "{denied}");
    let ada = RawClient::connect(address, as_ada(Join::raw("secret/plan"))).await;
    ada.is_closed_with(close::FORBIDDEN).await;

    let ada = RawClient::connect(address, as_ada(Join::member("notes", "Somebody"))).await;
    ada.types("hello");
    ada.is_saved().await;
    let reader = Join::member("notes", "R").with_header("x-name", "reader");
    let reader = RawClient::connect(address, reader).await;
    reader.sees("hello").await;
    reader
        .sees_peer("Ada of the house", PeerStatus::Online)
        .await;
    reader.types("I was here");
    // What a reader writes is dropped; what comes later is there, and nothing of it.
    ada.types(", world");
    ada.is_saved().await;
    let document = server.document("notes").await.unwrap();
    assert_eq!(text(&document).await, "hello, world");
    server.shutdown().await.unwrap();
}

// ---- documents in process ----

#[tokio::test]
async fn an_edit_of_the_program_is_durable_when_its_future_ends_and_others_see_it() {
    let (folder, server, address) = hosted().await;
    let stock = RawClient::connect(address, Join::stock("notes")).await;
    let ada = RawClient::connect(address, Join::member("notes", "Ada")).await;
    let document = server.document("notes").await.unwrap();
    types(&document, "from the program").await.unwrap();
    stock.sees("from the program").await;
    // Its author is one for all of its edits.
    types(&document, ", twice").await.unwrap();
    ada.sees("from the program, twice").await;
    ada.types(" and Ada's");
    ada.is_saved().await;
    assert_eq!(text(&document).await, "from the program, twice and Ada's");
    // At once: nothing is written that was not written before.
    let reopened = TempDir::new().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
        std::fs::copy(file.path(), reopened.path().join(file.file_name())).unwrap();
    }
    let again = open(reopened.path());
    let document = again.document("notes").await.unwrap();
    assert_eq!(text(&document).await, "from the program, twice and Ada's");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_edit_of_the_program_is_refused_while_another_holds_the_lock() {
    let (_folder, server, address) = hosted().await;
    let document = server.document("notes").await.unwrap();
    types(&document, "a").await.unwrap();
    let ada = RawClient::connect(address, Join::member("notes", "Ada")).await;
    let fence = ada.takes_lock().await;
    assert_eq!(
        types(&document, "refused").await,
        Err(HostedEditError::Refused)
    );
    assert_eq!(text(&document).await, "a");
    ada.types("b");
    ada.is_saved().await;
    ada.releases(fence).await;
    ada.sees_lock(LockState::Free).await;
    types(&document, "c").await.unwrap();
    assert_eq!(text(&document).await, "abc");
    // Nothing was set aside of what was refused.
    let parked = ada.take(|message| matches!(message, ServerMessage::Park { .. }).then_some(()));
    assert!(parked.is_empty());
    ada.sees("abc").await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_author_who_may_only_read_edits_nothing() {
    let (_folder, server, _address) = hosted().await;
    let author = HostedAuthor::new("reader", "Reader").unwrap().read_only();
    let document = server.document_as("notes", &author).await.unwrap();
    assert_eq!(types(&document, "x").await, Err(HostedEditError::Refused));
    assert_eq!(text(&document).await, "");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_program_hears_edits_people_and_a_lock_that_passes_on() {
    let (_folder, server, address) = hosted().await;
    let author = HostedAuthor::new("robot", "Robot").unwrap();
    let document = server.document_as("notes", &author).await.unwrap();
    let mut events = document.events();
    let ada = RawClient::connect(address, Join::member("notes", "Ada")).await;
    hears(&mut events, "that Ada is here", |event| match event {
        HostedEvent::Peer(peer) if peer.user.name == "Ada" => Some(()),
        _ => None,
    })
    .await;
    ada.sees_peer("Robot", PeerStatus::Online).await;
    ada.types("hello");
    hears(&mut events, "an edit", |event| {
        (event == HostedEvent::Changed).then_some(())
    })
    .await;
    assert_eq!(text(&document).await, "hello");

    ada.takes_lock().await;
    let bob = RawClient::connect(address, Join::member("notes", "Bob")).await;
    bob.acquires().await;
    let held_by = |wanted: u64| {
        move |event| match event {
            HostedEvent::Locks(view) => view.grants.iter().find_map(|grant| {
                let is_held = grant.state == GrantStatus::Held && grant.session == wanted;
                is_held.then_some(grant.fence)
            }),
            _ => None,
        }
    };
    let of_ada = hears(&mut events, "Ada's lock", held_by(ada.session())).await;
    let to = bob.session();
    ada.leaves().await;
    bob.claims().await;
    let of_bob = hears(&mut events, "that the lock passes on", held_by(to)).await;
    assert!(of_bob > of_ada);
    let shown = document.locks().unwrap();
    assert_eq!(shown.grants.first().map(|grant| grant.session), Some(to));
    assert!(
        document
            .people()
            .values()
            .any(|peer| peer.user.name == "Bob")
    );

    server.shutdown().await.unwrap();
    let (code, _) = hears(&mut events, "the end", |event| match event {
        HostedEvent::Ended { code, reason } => Some((code, reason)),
        _ => None,
    })
    .await;
    assert_eq!(code, close::GOING_AWAY);
    let refused = types(&document, "too late").await;
    assert!(
        matches!(refused, Err(HostedEditError::Ended(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_program_with_many_edits_at_once_loses_none() {
    let (_folder, server, address) = hosted().await;
    let ada = RawClient::connect(address, Join::stock("notes")).await;
    let document = Arc::new(server.document("notes").await.unwrap());
    let edits = (0..20).map(|_| {
        let document = Arc::clone(&document);
        tokio::spawn(async move { types(&document, "x").await })
    });
    for edit in edits.collect::<Vec<_>>() {
        edit.await.unwrap().unwrap();
    }
    ada.sees(&"x".repeat(20)).await;
    assert_eq!(text(&document).await, "x".repeat(20));
    let name = server.document("no\nname").await.err().unwrap();
    assert_eq!(name.code, close::BAD_NAME);
    server.shutdown().await.unwrap();
}
