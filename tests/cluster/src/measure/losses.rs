//! Edits that were acknowledged and are gone, under one schedule for Baton and for its rivals.
//!
//! Owns the schedule. People write through the published provider of Hocuspocus at two servers
//! (`tests/load/peers/ledger.js`), while one server is killed, and then what connects the servers:
//! Redis, or all engines at once.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, sleep_until};

use super::Measure;
use super::results::Notes;
use super::rivals::{Rivals, folder};
use super::servers::Servers;
use crate::injector::Cluster;

/// When the first server is killed, from the beginning, and for how long.
const SERVER: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));

/// When what connects the servers is killed, and for how long.
const MIDDLE: (Duration, Duration) = (Duration::from_secs(7), Duration::from_secs(2));

/// Time after the last edit in which servers store what they have: Hocuspocus waits for up to
/// 10 s, Baton for an election.
const STORES: Duration = Duration::from_secs(13);

/// What was counted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ledger {
    acknowledged: u64,
    lost: u64,
    lost_shared: u64,
    not_everywhere: u64,
    unanswered: u64,
    /// Some that were lost.
    examples: Vec<String>,
}

/// Two nodes over engines. None of them may be gone.
pub(super) async fn of_cluster(
    measure: &Measure,
    cluster: &mut Cluster,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let label = Servers::cluster(cluster).label;
    let urls = urls(&cluster.nodes.addresses_from(0), "/hocuspocus");
    let mut writing = Writing::start(measure.ledger, &urls).await?;
    let began = Instant::now();
    let Cluster { engines, nodes } = cluster;
    sleep_until(began + SERVER.0).await;
    nodes.kill(0).await;
    sleep(SERVER.1).await;
    nodes.start_again(0).await;
    sleep_until(began + MIDDLE.0).await;
    for engine in 0..engines.count() {
        engines.kill(engine).await?;
    }
    sleep(MIDDLE.1).await;
    for engine in 0..engines.count() {
        engines.start_again(engine)?;
    }
    let written = writing.written().await?;
    engines.are_ready().await?;
    sleep(STORES).await;
    let ledger = count(&urls, &written).await?;
    tell(&ledger, &label, notes);
    if ledger.lost > 0 || ledger.not_everywhere > 0 {
        let examples = ledger.examples.join(", ");
        notes.problem(format!(
            "{} edits that Baton acknowledged are gone ({examples}), {} are at one node only",
            ledger.lost, ledger.not_everywhere
        ));
    }
    Ok(())
}

/// Two Hocuspocus servers over Redis.
pub(super) async fn of_rivals(
    measure: &Measure,
    rivals: &mut Rivals,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let label = Servers::rivals(rivals)?.label;
    let addresses: Vec<SocketAddr> = rivals.servers()?.into_iter().map(|(at, _)| at).collect();
    let urls = urls(&addresses, "/");
    let mut writing = Writing::start(measure.ledger, &urls).await?;
    let began = Instant::now();
    sleep_until(began + SERVER.0).await;
    rivals.kill_server(0).await?;
    sleep(SERVER.1).await;
    rivals.start_server_again(0).await?;
    sleep_until(began + MIDDLE.0).await;
    rivals.kill_redis().await?;
    sleep(MIDDLE.1).await;
    rivals.start_redis_again().await?;
    let written = writing.written().await?;
    sleep(STORES).await;
    tell(&count(&urls, &written).await?, &label, notes);
    Ok(())
}

fn urls(addresses: &[SocketAddr], path: &str) -> Vec<String> {
    let urls = addresses
        .iter()
        .map(|address| format!("ws://{address}{path}"));
    urls.collect()
}

fn tell(ledger: &Ledger, label: &str, notes: &mut Notes<'_>) {
    let mut note = |what: &str, count: u64| {
        let what = format!("a server, then what connects them is killed: {what}");
        notes.note(what, label, count as f64, "edits");
    };
    note("acknowledged", ledger.acknowledged);
    note("acknowledged and found nowhere", ledger.lost);
    note(
        "of these in documents with people at both servers",
        ledger.lost_shared,
    );
    note("found at one server only", ledger.not_everywhere);
    note("never acknowledged", ledger.unanswered);
}

/// The writing half of the ledger.
struct Writing {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Writing {
    /// Returns once all people have begun.
    async fn start(lasts: Duration, urls: &[String]) -> io::Result<Self> {
        let mut child = ledger("write")
            .arg(lasts.as_secs().to_string())
            .args(urls)
            .stdin(Stdio::null())
            .spawn()?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("the ledger has no output"))?;
        let lines = BufReader::new(output).lines();
        let mut writing = Self { child, lines };
        let first = writing.line().await?;
        let began: Value = serde_json::from_str(&first)?;
        if began["began"] == true {
            return Ok(writing);
        }
        Err(io::Error::other("not everybody could begin to write"))
    }

    /// Returns what was written, as the reading half takes it.
    async fn written(&mut self) -> io::Result<String> {
        let written = self.line().await?;
        self.child.wait().await?;
        Ok(written)
    }

    async fn line(&mut self) -> io::Result<String> {
        let line = self.lines.next_line().await?;
        line.ok_or_else(|| {
            io::Error::other("the ledger ended; it needs `npm ci` in tests/load/peers")
        })
    }
}

/// Reads all documents at all servers.
async fn count(urls: &[String], written: &str) -> io::Result<Ledger> {
    let mut child = ledger("read").args(urls).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(written.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn ledger(task: &str) -> Command {
    let mut command = Command::new("node");
    command
        .arg(folder().join("ledger.js"))
        .arg(task)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}
