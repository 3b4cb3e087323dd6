//! A disk that fails, is full, and comes back: nothing that was called saved is lost, nobody is told anything false, and the
//! server goes on by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use baton_log::{Batch, MemoryStore, Store, StoreError, StoreView};
use baton_server::close;
use baton_tests::{Join, RawClient, ServerProcess, TestServer, http, one_machine, within};

/// A store in memory that fails while the story says so.
struct Breaking {
    inner: MemoryStore,
    broken: Arc<AtomicBool>,
}

impl Breaking {
    fn works(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::failed("writing", "the story broke the disk"));
        }
        Ok(())
    }
}

impl Store for Breaking {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        self.inner.view()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.works()?;
        self.inner.commit(batch)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        self.works()?;
        self.inner.reopen()
    }
}

/// Readiness is announced to nobody; it is asked for, as a load balancer does.
async fn is_ready(address: std::net::SocketAddr) -> String {
    let asking = async {
        loop {
            let answer = http::get(address, "/readyz").await;
            if answer.status == 200 {
                return answer.body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the server to be ready", asking).await
}

#[tokio::test]
async fn after_a_failure_the_server_goes_on_by_itself_and_its_clients_bring_what_they_have() {
    one_machine!(OwnLog);
    let broken = Arc::new(AtomicBool::new(false));
    let server = TestServer::over(Breaking {
        inner: MemoryStore::new(),
        broken: Arc::clone(&broken),
    })
    .await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let quiet = server.connect(Join::stock("other")).await;
    ada.types("safe");
    ada.is_saved().await;
    let saved = ada.look(|known| known.saved);
    broken.store(true, Ordering::SeqCst);
    ada.types(" and only with Ada");
    ada.is_closed_with(close::STORE_FAILED).await;
    assert_eq!(
        ada.look(|known| known.saved),
        saved,
        "nothing false was said"
    );
    quiet.is_closed_with(close::STORE_FAILED).await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("store-failed") && ready.body.contains("broke the disk"),
        "{}",
        ready.body
    );
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains("\nbaton_store_good 0\n"), "{metrics}");
    assert!(
        metrics.contains("\nbaton_commit_failures_total 1\n"),
        "{metrics}"
    );
    let bob = server.try_connect(Join::raw("notes")).await.unwrap();
    bob.is_closed_with(close::STORE_FAILED).await;

    broken.store(false, Ordering::SeqCst);
    is_ready(server.address()).await;
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "safe");
    let memory = ada.takes_memory();
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    ada.is_saved().await;
    bob.sees("safe and only with Ada").await;
    bob.types(".");
    ada.sees("safe and only with Ada.").await;
    let metrics = server.get("/metrics").await.body;
    assert!(
        metrics.contains("\nbaton_store_recoveries_total 1\n"),
        "{metrics}"
    );
}

/// Elsewhere a failed save was swallowed, and whoever stopped the server never knew.
#[tokio::test]
async fn who_stops_a_server_that_cannot_save_is_told() {
    one_machine!(OwnLog);
    let broken = Arc::new(AtomicBool::new(false));
    let server = TestServer::over(Breaking {
        inner: MemoryStore::new(),
        broken: Arc::clone(&broken),
    })
    .await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    broken.store(true, Ordering::SeqCst);
    ada.types("lost?");
    ada.is_closed_with(close::STORE_FAILED).await;
    assert_eq!(server.get("/healthz").await.status, 200, "it runs");
    assert!(server.tries_to_stop().await.is_err());
}

/// The real program on a real file that may not grow: `ulimit -f` gives what a full disk gives, without rights to mount one.
#[tokio::test]
async fn a_file_that_cannot_grow_is_told_and_when_it_can_the_server_goes_on() {
    one_machine!(OwnLog);
    let mut server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("safe. ");
    ada.is_saved().await;
    server.limits_files(Some(1 << 20));
    // More than fits into what the file has left.
    let much = "x".repeat(200_000);
    let mut typed = 0;
    while ada.look(|known| known.ended.is_none()) {
        assert!(typed < 100, "the file grows without end");
        ada.types(&much);
        typed += 1;
        tokio::select! {
            () = ada.is_saved() => {}
            _ = ada.ends() => {}
        }
    }
    ada.is_closed_with(close::STORE_FAILED).await;
    let ready = http::get(server.address(), "/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains("File too large"), "{}", ready.body);
    let saved = ada.look(|known| known.saved);

    server.limits_files(None);
    is_ready(server.address()).await;
    let bob = server.connect(Join::stock("notes")).await;
    bob.sees("safe. ").await;
    // One message was the answer to the first sync, one the first words, and then each was as long.
    let there = bob.text().len() as u64;
    assert!(
        there >= 6 + (saved - 2) * 200_000,
        "{there} bytes of {saved} messages"
    );
    let memory = RawClient::takes_memory(&ada);
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    ada.is_saved().await;
    server.kill().await;
    server.start_again().await;
    let carol = server.connect(Join::stock("notes")).await;
    assert_eq!(carol.text().len(), 6 + typed * 200_000);
}

/// The system's own folders, which nobody may write to, root included.
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named_at_the_start() {
    one_machine!(OwnLog);
    let folder = std::path::Path::new("/proc/baton-data");
    let failed = ServerProcess::fails(folder, &["--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(failed.status.code(), Some(1), "{}", failed.said);
    for part in ["/proc/baton-data", "permissions", "nothing was changed"] {
        assert!(failed.said.contains(part), "{}", failed.said);
    }
}
