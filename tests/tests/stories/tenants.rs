//! Limits of one tenant, and the others, who do not notice.

use baton_auth::Permissions;
use baton_server::{Settings, close};
use baton_tests::{Join, Pass, RawClient, TestServer, one_machine};
use bytesize::ByteSize;

async fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        Pass::asked_for(settings);
        settings.tenant_prefix = "{tenant}/".parse().unwrap();
        change(settings);
    })
    .await
}

fn join(tenant: &str, document: &str) -> Join {
    let token = Pass::to("*", Permissions::WRITE).within(tenant).token();
    Join::stock(&format!("{tenant}/{document}")).with_token(&token)
}

async fn is_refused(server: &TestServer, tenant: &str, document: &str, setting: &str) {
    let refused = server.try_connect(join(tenant, document)).await.unwrap();
    let why = refused.is_closed_with(close::OVERLOADED).await;
    assert!(why.contains(setting), "{why}");
}

#[tokio::test]
async fn a_tenant_has_so_many_connections_and_documents_in_memory() {
    one_machine!(OwnLimits);
    let server = server(|settings| {
        settings.max_connections_per_tenant = 2;
        settings.max_documents_per_tenant = 1;
    })
    .await;
    let first = server.connect(join("acme", "a")).await;
    is_refused(&server, "acme", "b", "max_documents_per_tenant").await;
    let _second = server.connect(join("acme", "a")).await;
    is_refused(&server, "acme", "a", "max_connections_per_tenant").await;
    let other = server.connect(join("other", "a")).await;
    other.types("undisturbed");
    let beside = server.connect(join("other", "a")).await;
    beside.sees("undisturbed").await;
    assert_eq!(server.refused("connections_of_tenant"), 1);
    assert_eq!(server.refused("documents_of_tenant"), 1);
    first.leaves().await;
    server
        .comes_to("the place of the first", |load| load.connections == 3)
        .await;
    server.connect(join("acme", "a")).await;
}

#[tokio::test]
async fn a_tenant_stores_so_much_also_after_a_restart() {
    one_machine!(OwnLimits);
    let server = server(|settings| {
        settings.max_documents_stored_per_tenant = 2;
        settings.max_store_per_tenant = ByteSize::kib(64);
    })
    .await;
    let full = server.connect(join("acme", "full")).await;
    full.types(&"x".repeat(40 * 1024));
    let reader = server.connect(join("acme", "full")).await;
    reader.sees("xxx").await;
    // Together with what is there it would be too much, in whichever document.
    let more = server.connect(join("acme", "more")).await;
    more.types(&"y".repeat(40 * 1024));
    more.is_closed_with(close::TOO_LARGE).await;
    let small = server.connect(join("acme", "more")).await;
    small.types("small");
    let beside = server.connect(join("acme", "more")).await;
    beside.sees("small").await;
    is_refused(&server, "acme", "third", "max_documents_stored_per_tenant").await;
    let other = server.connect(join("other", "full")).await;
    other.types(&"z".repeat(40 * 1024));
    let beside = server.connect(join("other", "full")).await;
    beside.sees("zzz").await;
    assert_eq!(server.refused("store_of_tenant"), 1);
    let server = server.restart().await;
    // Nothing of it is open, so the server learns of it from its store, a moment after the first document.
    let _any = server.connect(join("other", "full")).await;
    loop {
        let more = server.try_connect(join("acme", "third")).await.unwrap();
        if refusal(&more).await == Some(close::OVERLOADED) {
            break;
        }
    }
    let more = server.connect(join("acme", "more")).await;
    more.types(&"y".repeat(40 * 1024));
    more.is_closed_with(close::TOO_LARGE).await;
    // An erased document makes room.
    server.erase("acme/full").await.unwrap();
    let third = server.connect(join("acme", "third")).await;
    third.types(&"w".repeat(30 * 1024));
    let beside = server.connect(join("acme", "third")).await;
    beside.sees("www").await;
}

/// The code with which the server closed, or nothing if it let the client in.
async fn refusal(client: &RawClient) -> Option<u16> {
    let look = client.until("an end or a sync", |known| match &known.ended {
        Some(ended) => Some(ended.code),
        None => known.synced.then_some(None),
    });
    look.await
}
