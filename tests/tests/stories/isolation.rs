//! Nothing that one session or one document does shuts out another: large late edits, long work, a stop in the midst of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_log::{Batch, MemoryStore, Store, StoreError, StoreView};
use baton_server::close;
use baton_sync::control_channel::{ClientMessage, ServerMessage};
use baton_sync::y_websocket;
use baton_sync::yrs::{Text, WriteTxn};
use baton_testkit::TextAuthor;
use baton_tests::{Join, LockState, RawClient, ServerProcess, TestServer, http, one_machine};
use bytes::Bytes;
use bytesize::ByteSize;
use parking_lot::{Condvar, Mutex};

/// What makes an answer to the server's Step1 come too early to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    /// The lock is being offered.
    Offered,
    /// The holder's connection was lost.
    Suspect,
    /// The server was started again while the lock was held.
    Recovering,
}

async fn server() -> ServerProcess {
    let clocks = [
        "--profile",
        "fast",
        "--offer",
        "3s",
        "--grace",
        "3s",
        "--recovery",
        "4s",
    ];
    ServerProcess::start(&[&clocks[..], &["--max-aside", "8MiB"]].concat()).await
}

/// Brings an edit of so many bytes as the answer to the server's Step1, which is kept aside and judged by a timer.
async fn brings_a_late_edit(early: Early, bytes: usize) {
    let mut server = server().await;
    let writer = server.connect(Join::member("notes", "Cyd")).await;
    let mut text = "x".repeat(bytes);
    text.push_str("the end");
    writer.edits_in_silence(|txn| {
        txn.get_or_insert_text("t").push(txn, &text);
    });
    let memory = writer.vanishes().await;
    let holder = server.connect(Join::member("notes", "Ada")).await;
    match early {
        Early::Offered => {
            holder.acquires().await;
        }
        Early::Suspect => {
            holder.takes_lock().await;
            holder.vanishes().await;
        }
        Early::Recovering => {
            holder.takes_lock().await;
            holder.vanishes().await;
            server.kill().await;
            server.start_again().await;
        }
    }
    let watcher = server.connect(Join::member("notes", "Bob")).await;
    if early == Early::Recovering {
        watcher.sees_lock(LockState::Recovering).await;
    }
    let stock = Join::stock("notes").remembering(memory);
    let writer = server.connect(stock).await;
    // The answer is kept aside as long as the lock is with the other: the watcher has not seen it when it is sent.
    writer
        .until("the answer to be sent", |known| {
            (known.sent > 0).then_some(())
        })
        .await;
    let seen = watcher.text().contains("the end");
    assert!(!seen, "{early:?}: it was judged at once");
    watcher.sees("the end").await;
    for client in [&watcher, &writer] {
        let ended = client.look(|known| known.ended.is_some());
        assert!(!ended, "{early:?}, {bytes} bytes: everybody stays");
    }
    writer.types(" and on");
    watcher.sees("and on").await;
}

#[tokio::test]
async fn a_late_edit_larger_than_a_timer_may_append_closes_nobody() {
    one_machine!(Process);
    for early in [Early::Offered, Early::Suspect, Early::Recovering] {
        brings_a_late_edit(early, 5_000).await;
    }
}

#[tokio::test]
async fn a_late_edit_of_megabytes_closes_nobody() {
    one_machine!(Process);
    for early in [Early::Offered, Early::Suspect, Early::Recovering] {
        brings_a_late_edit(early, 5 << 20).await;
    }
}

/// Letters that one client inserts one before the other, which nothing can join.
fn letters(client: u64, count: u64) -> Bytes {
    TextAuthor::new(client, "t").prepend_letters(count)
}

/// As many blocks as one update may have, behind those of so many such updates before it.
fn many_blocks(updates_before: u64) -> Bytes {
    TextAuthor::after(2, "t", updates_before * BLOCKS).prepend_letters(BLOCKS)
}

/// Blocks of one update.
const BLOCKS: u64 = 500_000;

/// How many such updates keep a server of this build at work for longer than the stories take.
const UPDATES: u64 = 12;

/// A server that is at work on the document "busy" for a long time, the client that brought it that work, and one that only
/// reads there.
async fn at_long_work(arguments: &[&str]) -> (ServerProcess, RawClient, RawClient) {
    let server = ServerProcess::start(arguments).await;
    let author = server.connect(Join::member("busy", "Ada")).await;
    let reader = server.connect(Join::stock("busy")).await;
    for before in 0..UPDATES {
        author.sends_update(&many_blocks(before));
    }
    (server, author, reader)
}

fn is_at_work(author: &RawClient) -> bool {
    author.look(|known| known.saved < known.sent && known.ended.is_none())
}

/// A pair in another document, and the server's health, do not wait for it; nor do many who want something of it take the
/// threads away.
#[tokio::test]
async fn a_document_at_long_work_keeps_no_other_waiting() {
    one_machine!(Process);
    let (server, author, reader) = at_long_work(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let mut crowd = Vec::new();
    for _ in 0..16 {
        let one = Join::raw("busy");
        let one = server.connect(one).await;
        one.send(y_websocket::query_awareness());
        one.states("{\"here\":true}");
        crowd.push(one);
    }
    for round in 0..20 {
        let text = format!("round {round};");
        ada.types(&text);
        bob.sees(&text).await;
    }
    ada.is_saved().await;
    let health = http::get(server.address(), "/healthz").await;
    assert_eq!(health.status, 200);
    let metrics = http::get(server.address(), "/metrics").await;
    assert_eq!(metrics.status, 200);
    let late = server.connect(Join::member("other", "Cyd")).await;
    late.types("a new document");
    late.is_saved().await;
    assert!(is_at_work(&author), "all that came first");
    drop(crowd);
    // A reader that leaves the busy document is answered, and its connection ends.
    reader.leaves().await;
    ada.types("the end");
    bob.sees("the end").await;
    assert!(is_at_work(&author), "all that came first");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_document_at_long_work_and_keeps_what_was_saved() {
    one_machine!(Process);
    let (mut server, author, _reader) = at_long_work(&["--shutdown-deadline", "4s"]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("kept");
    ada.is_saved().await;
    assert!(is_at_work(&author));
    let began = Instant::now();
    server.terminate();
    ada.is_closed_with(close::GOING_AWAY).await;
    let status = server.ends().await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "it took {took:?}");
    assert!(status.success(), "{status}: {}", server.said());
    server.start_again().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    assert_eq!(ada.text(), "kept");
}

#[tokio::test]
async fn who_is_told_to_stop_again_stops_at_once() {
    one_machine!(Process);
    let (mut server, author, _reader) = at_long_work(&["--shutdown-deadline", "10m"]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("kept");
    ada.is_saved().await;
    assert!(is_at_work(&author));
    server.terminate();
    ada.is_closed_with(close::GOING_AWAY).await;
    server.terminate();
    let status = server.ends().await;
    assert!(status.success(), "{status}: {}", server.said());
    server.start_again().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    assert_eq!(ada.text(), "kept");
}

/// What somebody asked for who is gone is not worked out: thousands of it would keep the next who asks waiting.
#[tokio::test]
async fn what_a_gone_connection_asked_for_is_not_worked_out() {
    one_machine!(Process);
    let server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types(&"a long document. ".repeat(80_000));
    ada.is_saved().await;
    ada.takes_lock().await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    bob.types("parked");
    let id = bob.is_parked().await;
    for _ in 0..2 {
        let eve = server.connect(Join::member("notes", "Eve")).await;
        for nonce in 0..6_000 {
            eve.says(&ClientMessage::ShowPark { nonce, id });
        }
        eve.vanishes().await;
    }
    ada.says(&ClientMessage::ShowPark { nonce: 1, id });
    ada.hears("what is parked", |message| match message {
        ServerMessage::ParkContent { nonce: 1, .. } => Some(()),
        _ => None,
    })
    .await;
    let health = http::get(server.address(), "/healthz").await;
    assert_eq!(health.status, 200);
}

/// A store that commits nothing as long as it is closed.
#[derive(Clone, Default)]
struct Gated {
    store: MemoryStore,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Gated {
    fn set(&self, closed: bool) {
        *self.gate.0.lock() = closed;
        self.gate.1.notify_all();
    }
}

impl Store for Gated {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        self.store.view()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut closed = self.gate.0.lock();
        while *closed {
            self.gate.1.wait(&mut closed);
        }
        drop(closed);
        self.store.commit(batch)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        self.store.reopen()
    }
}

/// What waits for the disk is bounded; megabytes of one document leave room for the keystrokes of others.
#[tokio::test]
async fn large_frames_that_wait_for_the_disk_delay_no_keystroke_elsewhere() {
    one_machine!(OwnLog);
    let store = Gated::default();
    let server = TestServer::over_with(store.clone(), |settings| {
        settings.max_frame = ByteSize::mib(1);
        settings.max_aside = ByteSize::kib(64);
        settings.log_queue = ByteSize::mib(1);
    })
    .await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let mut heavy = Vec::new();
    for number in 0..8 {
        heavy.push(
            server
                .connect(Join::member(&format!("heavy {}", number % 2), "Eve"))
                .await,
        );
    }
    store.set(true);
    let text = "x".repeat(900_000);
    for client in &heavy {
        for _ in 0..2 {
            client.types(&text);
        }
    }
    // Until no more of it is taken in: the queue is full.
    let stands_still = async {
        let mut before = usize::MAX;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = server.load().receiving;
            if now == before && now > 0 {
                break;
            }
            before = now;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stands_still)
        .await
        .expect("the queue is full");
    for round in 0..20 {
        let text = format!("round {round};");
        ada.types(&text);
        bob.sees(&text).await;
    }
    store.set(false);
    ada.is_saved().await;
    for client in &heavy {
        client.is_saved().await;
    }
}

/// Reading a crowded place costs the library minutes. The client that asked for that is told so in time, and nobody else
/// waits, in that document or in another.
#[tokio::test]
async fn a_preview_that_takes_too_long_is_an_error_to_who_asked() {
    one_machine!(Process);
    let server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("crowded", "Ada")).await;
    ada.sends_update(&letters(71, 20_000));
    ada.is_saved().await;
    ada.takes_lock().await;
    let bob = server.connect(Join::member("crowded", "Bob")).await;
    bob.sends_update(&letters(72, 20_000));
    let id = bob.is_parked().await;
    let began = Instant::now();
    bob.says(&ClientMessage::ShowPark { nonce: 7, id });
    ada.types("meanwhile");
    ada.is_saved().await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "the holder waited"
    );
    let why = bob
        .until("an answer", |known| {
            known.channel.iter().find_map(|message| match message {
                ServerMessage::Result {
                    nonce: 7, message, ..
                } => message.clone(),
                _ => None,
            })
        })
        .await;
    assert!(why.contains("takes too long"), "{why}");
}
