//! Memory of an engine for each document at rest: opens documents, gives each a record and a
//! snapshot, closes it, and waits until the record is purged.
//!
//! ```sh
//! cargo run --release -p baton-cluster --example resting_documents -- \
//!     nats://node:secret@127.0.0.1:4222 s3://snapshots/resting 20000 PID
//! ```
//!
//! The second word is `engine` or a bucket, which the `AWS_*` variables reach; the last one is the
//! process of a nats-server on this machine. One copy, eight streams.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_cluster::engine::{BucketOptions, Engine, EngineOptions, SnapshotPlace};
use baton_cluster::{ClusterLog, ClusterOptions};
use baton_log::{Journals, LoadedDocument, Urgency};
use tokio::task::JoinSet;

/// Documents that are open at the same time.
const AT_ONCE: usize = 64;

/// Bytes of a document's snapshot.
const SNAPSHOT_BYTES: usize = 500;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [servers, place, count, process] = words.as_slice() else {
        return Err("SERVERS engine|s3://BUCKET/PREFIX DOCUMENTS PID".into());
    };
    let (count, process): (usize, u32) = (count.parse()?, process.parse()?);
    let mut engine = EngineOptions::new(servers.parse()?);
    engine.replicas = 1;
    if place != "engine" {
        let bucket = BucketOptions::new(place, std::env::vars())?;
        engine.snapshots = SnapshotPlace::Bucket(bucket);
    }
    let mut options = ClusterOptions::new(engine.clone());
    options.snapshots.purge_delay = Duration::from_millis(500);
    let (log, _news) = ClusterLog::open(options).await?;
    let (log, begun) = (Arc::new(log), Instant::now());
    let before = resident(process)?;
    let mut running = JoinSet::new();
    for number in 0..count {
        while running.len() >= AT_ONCE
            && let Some(done) = running.join_next().await
        {
            done??;
        }
        let log = Arc::clone(&log);
        running.spawn(async move { rest(&log, number).await });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    let engine = Engine::start(engine).await?;
    loop {
        let mut left = 0;
        for index in 0..engine.stream_count() {
            let filter = format!("baton.{index}.d.*.r");
            left += engine.stream(index).subjects(&filter).await?.len();
        }
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    log.shutdown().await?;
    let after = resident(process)?;
    writeln!(
        std::io::stdout(),
        "{place}: {count} documents in {:.0?}; the engine has {before} KiB before, {after} KiB after: \
         {} bytes for each",
        begun.elapsed(),
        after.saturating_sub(before) * 1024 / count.max(1) as u64
    )?;
    Ok(())
}

async fn rest(log: &Arc<ClusterLog>, number: usize) -> Result<(), Failure> {
    let opening = Arc::clone(log);
    let opened = tokio::task::spawn_blocking(move || opening.open(&format!("resting-{number}")));
    let (mut journal, loaded) = opened.await??;
    assert_eq!(
        loaded,
        LoadedDocument::default(),
        "the engine was not empty"
    );
    let record = bytes::Bytes::from_static(b"a record");
    let room = journal.share().reserve(record.len()).await?;
    journal.propose(room, 1, record, Urgency::Now)?;
    let mut watch = journal.watch();
    let at = loop {
        if let Some(committed) = journal.next_committed() {
            break committed.position;
        }
        watch.changed().await?;
    };
    journal.snapshot(at, vec![number as u8; SNAPSHOT_BYTES].into())?;
    Ok(())
}

/// Returns the memory of a process in KiB.
fn resident(process: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the process has no memory")?.parse()?)
}
