//! A server's life: start, readiness, idle documents, stops, a store that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use baton_log::{Batch, MemoryStore, Store, StoreError, StoreView};
use baton_server::close;
use baton_tests::{Join, ServerProcess, TestServer, millis, one_machine};

#[tokio::test]
async fn a_server_that_can_save_is_ready() {
    let server = TestServer::start().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.is_empty());
    assert_eq!(server.get("/nothing/here").await.status, 404);
}

#[tokio::test]
async fn an_idle_document_leaves_memory_and_comes_back_whole() {
    let server = TestServer::with(|settings| settings.unload_after = millis(50)).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::stock("notes")).await;
    for word in 0..200 {
        ada.types(&format!("{word} "));
    }
    ada.is_saved().await;
    bob.sees("199 ").await;
    let before = ada.text();
    ada.leaves().await;
    bob.leaves().await;
    server
        .comes_to("no document in memory", |load| load.documents == 0)
        .await;
    for _ in 0..3 {
        let carol = server.connect(Join::stock("notes")).await;
        assert_eq!(carol.text(), before);
        carol.leaves().await;
        server
            .comes_to("no document in memory", |load| load.documents == 0)
            .await;
    }
}

#[tokio::test]
async fn a_document_that_is_in_use_stays() {
    let server = TestServer::with(|settings| settings.unload_after = millis(20)).await;
    let ada = server.connect(Join::stock("used")).await;
    for _ in 0..10 {
        let guest = server.connect(Join::stock("visited")).await;
        guest.leaves().await;
        server
            .comes_to("one document in memory", |load| load.documents == 1)
            .await;
        ada.types("x");
    }
    let bob = server.connect(Join::stock("used")).await;
    assert_eq!(bob.text(), "x".repeat(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_who_came_have_gone_nothing_is_left_of_them() {
    let server = TestServer::with(|settings| {
        settings.unload_after = millis(50);
        settings.ticket_life = settings.grace;
    })
    .await;
    for _ in 0..5 {
        let coming = (0..60).map(|guest| {
            let document = format!("party {}", guest % 20);
            let join = match guest % 3 {
                0 => Join::stock(&document),
                1 => Join::member(&document, "guest"),
                _ => Join::raw(&document),
            };
            server.connect(join)
        });
        let guests = futures_util::future::join_all(coming).await;
        for guest in &guests {
            guest.types("hello ");
        }
        assert_eq!(server.load().connections, 60);
        drop(guests);
        server
            .comes_to("empty", |load| load.connections == 0 && load.documents == 0)
            .await;
    }
}

/// Opening, editing and leaving race with the unloading of the same document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_while_the_document_leaves_memory_loses_nothing() {
    let server = TestServer::with(|settings| settings.unload_after = millis(0)).await;
    for visit in 0..60 {
        let ada = server.connect(Join::member("fleeting", "Ada")).await;
        assert_eq!(ada.text().split_whitespace().count(), visit);
        ada.types(&format!("{visit} "));
        ada.is_saved().await;
        ada.vanishes().await;
    }
}

#[tokio::test]
async fn sigterm_sends_everybody_away_saves_everything_and_exits_with_zero() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&["--drain-over", "100ms"]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::stock("notes")).await;
    let elsewhere = server.connect(Join::stock("elsewhere")).await;
    ada.types("the last words");
    bob.sees("the last words").await;
    server.terminate();
    for client in [&ada, &bob, &elsewhere] {
        client.is_closed_with(close::GOING_AWAY).await;
    }
    let status = server.ends().await;
    assert!(status.success(), "{status}: {}", server.said());
    server.start_again().await;
    let carol = server.connect(Join::stock("notes")).await;
    assert_eq!(carol.text(), "the last words");
}

#[tokio::test]
async fn sigterm_ends_a_server_with_a_client_that_does_not_read() {
    one_machine!(Process);
    let mut server =
        ServerProcess::start(&["--drain-over", "10ms", "--shutdown-deadline", "8s"]).await;
    let deaf = server.connect(Join::stock("notes")).await;
    deaf.stalls();
    server.terminate();
    let status = server.ends().await;
    assert!(status.success(), "{status}: {}", server.said());
}

#[tokio::test]
async fn a_stopping_server_lets_nobody_in() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&["--drain-over", "10ms"]).await;
    let address = server.address();
    server.terminate();
    server.ends().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_second_server_on_the_same_data_says_so_and_harms_nothing() {
    one_machine!(Process);
    let server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("safe");
    ada.is_saved().await;
    let second = ServerProcess::fails(server.data(), &["--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(second.status.code(), Some(1), "{}", second.said);
    assert!(second.said.contains("in use"), "{}", second.said);
    ada.types(" and sound");
    ada.is_saved().await;
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "safe and sound");
}

#[tokio::test]
async fn a_second_server_on_the_same_port_says_so() {
    one_machine!(Process);
    let server = ServerProcess::start(&[]).await;
    let folder = tempfile::TempDir::new().unwrap();
    let address = server.address().to_string();
    let second = ServerProcess::fails(folder.path(), &["--listen", &address], &[]).await;
    assert_eq!(second.status.code(), Some(1), "{}", second.said);
    assert!(second.said.contains("--listen"), "{}", second.said);
}

/// A store that cannot be read for a while.
struct Unreadable {
    inner: MemoryStore,
    broken: Arc<AtomicBool>,
}

impl Store for Unreadable {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::failed("reading", "the story hid the disk"));
        }
        self.inner.view()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.inner.commit(batch)
    }
}

/// Elsewhere a failed load became a blank document that was saved over the good one.
#[tokio::test]
async fn a_load_that_fails_is_an_error_that_can_be_tried_again_and_never_an_empty_document() {
    one_machine!(OwnLog);
    let broken = Arc::new(AtomicBool::new(false));
    let store = Unreadable {
        inner: MemoryStore::new(),
        broken: Arc::clone(&broken),
    };
    let server = TestServer::over_with(store, |settings| settings.unload_after = millis(20)).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("precious");
    ada.is_saved().await;
    ada.leaves().await;
    server
        .comes_to("no document in memory", |load| load.documents == 0)
        .await;
    broken.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let bob = server.try_connect(Join::stock("notes")).await.unwrap();
        bob.is_closed_with(close::UNAVAILABLE).await;
        assert!(
            !bob.look(|known| known.synced),
            "nothing was shown as the document"
        );
    }
    server
        .comes_to("no document in memory", |load| load.documents == 0)
        .await;
    broken.store(false, Ordering::SeqCst);
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "precious");
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let server = TestServer::start().await;
    for name in ["one", "two/deep", "drei ü"] {
        let ada = server.connect(Join::member(name, "Ada")).await;
        for word in 0..100 {
            ada.types(&format!("{name} {word};"));
        }
        ada.is_saved().await;
    }
    let server = server.restart().await;
    for name in ["one", "two/deep", "drei ü"] {
        let bob = server.connect(Join::stock(name)).await;
        assert_eq!(bob.text().matches(';').count(), 100);
    }
}
