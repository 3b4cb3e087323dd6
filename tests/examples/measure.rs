//! Measures the lock's handoff, and the memory of idle connections, against the real program in a release build.
//!
//! ```sh
//! cargo build --release -p baton-server
//! BATON_BIN=target/release/baton cargo run --release -p baton-tests --example measure [release|killed|silent|memory] ...
//! ```
//!
//! Without a name all of them run, one after the other:
//! - `release`: a thousand documents, each with a holder and a waiter. From sending `release` to receiving `granted`, one
//!   document after the other: bar p99 under 5 ms. Then with 50 documents at a time, which shares the cores with the clients.
//! - `killed`: the holder's connection is reset. From the reset to the next peer's `granted`. Bar: the end of its lease (9.75 s), or of the grace if that is later, + 50 ms.
//! - `silent`: the holder answers pings and no beat. From its last confirmed answer to `granted`. Bar: 10 s + 50 ms.
//! - `memory`: resident memory of one process with 2,000 idle connections over 1,000 documents. Bar: 40 MB.
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::time::{Duration, Instant};

use baton_server::Settings;
use baton_sync::control_channel::{ClientMessage, FencingToken};
use baton_tests::{Beats, Join, RawClient, ServerProcess};
use futures_util::stream::{self, StreamExt};

/// Documents with a lock each.
const DOCUMENTS: usize = 1000;

/// Connections that are opened at the same time.
const OPENING: usize = 32;

/// Documents that hand off at the same time, in the second run of `release`.
const AT_ONCE: usize = 50;

/// Holders that go away, spread over time, in `killed` and in `silent`.
const HOLDERS: usize = 100;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|one| one == name);
    println!(
        "command: BATON_BIN={} measure {}",
        baton_tests::program().display(),
        asked.join(" ")
    );
    if wants("release") {
        release().await;
    }
    if wants("killed") {
        killed().await;
    }
    if wants("silent") {
        silent().await;
    }
    if wants("memory") {
        memory().await;
    }
}

/// A document with somebody who holds the lock and somebody who waits.
struct Pair {
    holder: RawClient,
    waiter: RawClient,
    fence: FencingToken,
}

async fn pair(server: &ServerProcess, document: usize) -> Pair {
    let name = format!("document {document}");
    let holder = server.connect(Join::member(&name, "holder")).await;
    let fence = holder.takes_lock().await;
    let waiter = server.connect(Join::member(&name, "waiter")).await;
    waiter.acquires().await;
    Pair {
        holder,
        waiter,
        fence,
    }
}

async fn pairs(server: &ServerProcess, count: usize) -> Vec<Pair> {
    stream::iter(0..count)
        .map(|document| pair(server, document))
        .buffer_unordered(OPENING)
        .collect()
        .await
}

/// Hands over and back again; the time of the first.
async fn hand_off(pair: &Pair) -> Duration {
    let began = Instant::now();
    pair.holder.says(&ClientMessage::Release {
        nonce: 0,
        fence: pair.fence,
    });
    pair.waiter.claims().await;
    began.elapsed()
}

async fn release() {
    let server = ServerProcess::start(&[]).await;
    let pairs_of_first = pairs(&server, DOCUMENTS).await;
    let mut times = Vec::new();
    for pair in &pairs_of_first {
        times.push(hand_off(pair).await);
    }
    let bar = Duration::from_millis(5);
    report("release, one at a time", &mut times, Some(bar));
    drop(pairs_of_first);
    drop(server);
    let server = ServerProcess::start(&[]).await;
    let pairs_of_second = pairs(&server, DOCUMENTS).await;
    let mut times: Vec<Duration> = stream::iter(&pairs_of_second)
        .map(hand_off)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    report("release, 50 at a time", &mut times, None);
}

async fn killed() {
    // Just granted, it is waited for until it may not believe in its lock any more.
    let settings = Settings::default();
    let most = settings.grace.0.max(settings.timings().lease());
    let server = ServerProcess::start(&[]).await;
    let pairs = pairs(&server, HOLDERS).await;
    let going = stream::iter(pairs).map(|pair| async move {
        let Pair { holder, waiter, .. } = pair;
        let began = Instant::now();
        drop(holder);
        waiter.claims().await;
        began.elapsed()
    });
    let mut times: Vec<Duration> = going.buffer_unordered(HOLDERS).collect().await;
    let bar = most + Duration::from_millis(50);
    report("holder killed", &mut times, Some(bar));
}

async fn silent() {
    let offline_after = Settings::default().offline_after.0;
    let server = ServerProcess::start(&[]).await;
    let pairs = pairs(&server, HOLDERS).await;
    let going = stream::iter(pairs).map(|pair| async move {
        // The next answer is the last one; its time is when the silence begins.
        let before = pair.holder.look(|known| known.beats.0);
        let began = pair
            .holder
            .until("a beat", |known| {
                (known.beats.0 > before).then(Instant::now)
            })
            .await;
        pair.holder.set_beats(Beats::Ignored);
        pair.waiter.claims().await;
        began.elapsed()
    });
    let mut times: Vec<Duration> = going.buffer_unordered(HOLDERS).collect().await;
    let bar = offline_after + Duration::from_millis(50);
    report("holder silent", &mut times, Some(bar));
}

/// Connections that are open and idle.
const IDLE: usize = 2000;

async fn memory() {
    for (kind, documents) in [
        (Kind::Member, 1000),
        (Kind::Stock, 1000),
        (Kind::Stock, 1),
        (Kind::Stock, 2000),
    ] {
        idle(kind, documents).await;
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Member,
    Stock,
}

async fn idle(kind: Kind, documents: usize) {
    let server = ServerProcess::start(&[]).await;
    let empty = server.resident();
    let clients: Vec<RawClient> = stream::iter(0..IDLE)
        .map(|number| {
            let document = format!("document {}", number % documents);
            server.connect(match kind {
                Kind::Member => Join::member(&document, "idle"),
                Kind::Stock => Join::stock(&document).unseen(),
            })
        })
        .buffer_unordered(OPENING)
        .collect()
        .await;
    let full = server.resident();
    // Beats and pings have gone round, and every buffer has been used.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let settled = server.resident();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "memory: {:.1} MB empty, {:.1} MB with {} connections ({kind:?}) over {documents} documents, {:.1} MB 12 s later ({:.1} kB each); bar 40 MB: {}",
        megabytes(empty),
        megabytes(full),
        clients.len(),
        megabytes(settled),
        settled.saturating_sub(empty) as f64 / 1e3 / clients.len() as f64,
        verdict(settled < 40_000_000),
    );
}

fn report(what: &str, times: &mut [Duration], bar: Option<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let against = bar.map_or_else(String::new, |bar| {
        format!("; bar for p99 {bar:?}: {}", verdict(at(99) < bar))
    });
    println!(
        "{what}: n={} min={:?} p50={:?} p99={:?} max={:?}{against}",
        times.len(),
        at(0),
        at(50),
        at(99),
        at(100),
    );
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
