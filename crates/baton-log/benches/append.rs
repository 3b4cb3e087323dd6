//! Measures the log on this machine's disk: `cargo bench -p baton-log`.
//!
//! A plain program that prints numbers, because most of what it measures happens once (a start, a
//! repair) or is a distribution. Files are made in a temporary folder; set `TMPDIR` to choose the
//! disk. Bytes and memory are read from `/proc`, and left out where there is none.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::path::Path;
use std::time::{Duration, Instant};

use baton_log::{DocumentLog, Durability, Log, LogOptions, Position, Urgency};
use bytes::Bytes;

const RECORDS: usize = 1_000_000;
const DOCUMENTS: usize = 1000;
const RECORD: &[u8; 40] = b"forty bytes, as an ordinary key stroke's";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Measured first, while the process is small: memory that was freed would hide the growth.
        open_documents();
        throughput().await;
        latency().await;
        stored_documents().await;
    });
}

fn proc_number(file: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn written() -> Option<u64> {
    proc_number("/proc/self/io", "write_bytes:")
}

fn memory() -> Option<u64> {
    proc_number("/proc/self/status", "VmRSS:").map(|kilobytes| kilobytes * 1024)
}

fn start(folder: &Path) -> (Log, Duration) {
    let before = Instant::now();
    let log = Log::open_embedded(folder, LogOptions::default()).unwrap();
    (log, before.elapsed())
}

fn file_size(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("log.redb")).unwrap().len()
}

/// Copies a folder while the log is open, as a power failure or a kill would leave it.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("log.redb"), copy.path().join("log.redb")).unwrap();
    copy
}

async fn append_all(log: &Log, documents: &mut [DocumentLog], records: usize) {
    let record = Bytes::from_static(RECORD);
    for number in 0..records {
        let room = log.reserve(record.len()).await.unwrap();
        let document = &mut documents[number % DOCUMENTS];
        document
            .append(room, record.clone(), Urgency::Soon)
            .unwrap();
    }
    log.flush().await.unwrap();
}

async fn throughput() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = start(folder.path());
    let mut documents: Vec<_> = (0..DOCUMENTS)
        .map(|number| log.open(&format!("document {number}")).unwrap().0)
        .collect();
    let (before, bytes) = (Instant::now(), written());
    append_all(&log, &mut documents, RECORDS).await;
    let took = before.elapsed();
    eprintln!(
        "{RECORDS} durable appends of 40 bytes over {DOCUMENTS} documents: {:.2} M records/s",
        RECORDS as f64 / took.as_secs_f64() / 1e6
    );
    if let (Some(before), Some(after)) = (bytes, written()) {
        let written = after - before;
        let amplification = written as f64 / (RECORDS * RECORD.len()) as f64;
        eprintln!(
            "  written {} MB, write amplification {amplification:.2}",
            written / 1_000_000
        );
    }
    eprintln!("  file {} MB", file_size(folder.path()) / 1_000_000);
    let copy = killed(folder.path());
    drop(documents);
    log.shutdown().await.unwrap();

    let (log, took) = start(folder.path());
    eprintln!("start with 1 M records: {took:?}");
    let before = Instant::now();
    let (document, loaded) = log.open("document 7").unwrap();
    eprintln!(
        "  load one with a tail of {}: {:?}",
        loaded.tail.len(),
        before.elapsed()
    );
    drop(document);
    let (_log, took) = start(copy.path());
    eprintln!("start with 1 M records after a kill: {took:?}");
    compaction(log, folder.path()).await;
}

/// Snapshots all but every hundredth document, until the journal has been tidied.
async fn compaction(log: Log, folder: &Path) {
    let before = Instant::now();
    for number in (0..DOCUMENTS).filter(|number| number % 100 != 0) {
        let (mut document, loaded) = log.open(&format!("document {number}")).unwrap();
        drop(loaded);
        document
            .snapshot(document.last(), Bytes::from(vec![0; 4000]))
            .unwrap();
    }
    log.flush().await.unwrap();
    eprintln!("snapshots of 4 kB over 990 of them: {:?}", before.elapsed());
    // Each append takes tidying along; without appends it goes on by itself.
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(3)))
        .await
        .unwrap();
    log.shutdown().await.unwrap();
    let (_log, took) = start(folder);
    eprintln!("  start after 3 s of tidying: {took:?}");
}

async fn latency() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = start(folder.path());
    let (mut document, _) = log.open("one").unwrap();
    let mut took = Vec::new();
    for _ in 0..3000 {
        let before = Instant::now();
        let room = log.reserve(RECORD.len()).await.unwrap();
        let position = document
            .append(room, Bytes::from_static(RECORD), Urgency::Now)
            .unwrap();
        wait(&document, position).await;
        took.push(before.elapsed());
    }
    took.sort();
    let at = |share: f64| took[(share * (took.len() - 1) as f64) as usize];
    eprintln!(
        "one `Now` append until durable: p50 {:?}, p99 {:?}, max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

async fn wait(document: &DocumentLog, position: Position) {
    let reached = |told: &Durability| matches!(told, Durability::UpTo(at) if *at >= position);
    document.watch().wait_for(reached).await.unwrap();
}

async fn stored_documents() {
    const STORED: usize = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = start(folder.path());
    let before = memory();
    let began = Instant::now();
    for number in 0..STORED {
        // Unknown names, as a crowd of newcomers brings them.
        let (mut document, _) = log.open(&format!("folder/document {number}")).unwrap();
        document
            .append_overdrawn(Bytes::from_static(RECORD), Urgency::Soon)
            .unwrap();
        document
            .snapshot(document.last(), Bytes::from(vec![7; 200]))
            .unwrap();
        if number % 10_000 == 0 {
            log.flush().await.unwrap();
        }
    }
    log.flush().await.unwrap();
    let took = began.elapsed();
    let rate = STORED as f64 / took.as_secs_f64();
    eprintln!("{STORED} new documents opened, written and closed: {rate:.0}/s");
    if let (Some(before), Some(after)) = (before, memory()) {
        let each = after.saturating_sub(before) / STORED as u64;
        eprintln!("  {each} bytes of memory for each, the store's cache included");
    }
    let copy = killed(folder.path());
    log.shutdown().await.unwrap();
    let (log, took) = start(folder.path());
    let count = log.document_count();
    eprintln!("start with {count} stored documents: {took:?}");
    open_some(&log, STORED);
    let began = Instant::now();
    let backup = log.backup(&mut std::io::sink()).unwrap();
    let (bytes, took) = (backup.bytes, began.elapsed());
    eprintln!("  a backup of {bytes} bytes: {took:?}");
    log.shutdown().await.unwrap();
    let (_log, took) = start(copy.path());
    eprintln!("  after a kill: {took:?}");
}

/// Opens every fiftieth document, each for the first time.
fn open_some(log: &Log, stored: usize) {
    let mut took = Vec::new();
    for number in (0..stored).step_by(50) {
        let name = format!("folder/document {}", number * 7919 % stored);
        let before = Instant::now();
        let (document, loaded) = log.open(&name).unwrap();
        took.push(before.elapsed());
        assert_eq!(loaded.snapshot.unwrap().0, document.last());
    }
    took.sort();
    let at = |share: f64| took[(share * (took.len() - 1) as f64) as usize];
    eprintln!(
        "  opening one of them: p50 {:?}, p99 {:?}, max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn open_documents() {
    const OPEN: usize = 100_000;
    let log = Log::in_memory(LogOptions::default()).unwrap();
    let names: Vec<String> = (0..OPEN)
        .map(|number| format!("document {number}"))
        .collect();
    let mut documents = Vec::with_capacity(OPEN);
    let mut watches = Vec::with_capacity(OPEN);
    let before = memory();
    for name in &names {
        documents.push(log.open(name).unwrap().0);
    }
    let opened = memory();
    watches.extend(documents.iter().map(DocumentLog::watch));
    if let (Some(before), Some(opened), Some(watched)) = (before, opened, memory()) {
        let each = |from: u64, to: u64| to.saturating_sub(from) / OPEN as u64;
        eprintln!(
            "an open document that is quiet: {} bytes",
            each(before, opened)
        );
        eprintln!(
            "  its watch, once subscribed: {} bytes",
            each(opened, watched)
        );
    }
}
