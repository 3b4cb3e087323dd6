//! Baton in a program of one's own: routes beside the host's, and a decision of the host's about who may do what.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the story")]

use std::future::ready;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use baton_server::{
    Access, AccessDenied, AccessFuture, AccessRequest, Authorize, Permissions, Server,
    ServerBuilder, Settings, TokenUser, close,
};
use baton_sync::control_channel::PeerStatus;
use baton_tests::hosted::text;
use baton_tests::{Join, RawClient, http};
use tempfile::TempDir;
use tokio::net::TcpListener;

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
