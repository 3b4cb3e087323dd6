//! Ten thousand locks are held and ten thousand clients wait for them; five thousand holders die in
//! one moment. How long after the bound (the grace) has every lock been passed on?
//!
//! ```sh
//! cargo build --release -p baton-server -p baton-soak
//! target/release/handoff [--grace-ms 5000] [--divide 1]
//! ```
//!
//! The holders who die are in a process of their own, which is killed (SIGKILL); a lock's time runs
//! from before the kill to the moment at which its waiter reads `granted` from its socket. What is
//! counted is what it took over the grace. `layout` says who holds what. `--divide 10` makes all of
//! it ten times smaller.
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use baton_soak::layout::{Fate, Holder, PARTS, Part};
use baton_soak::member::Member;
use baton_sync::control_channel::Outcome;
use baton_tests::ServerProcess;
use clap::{Parser, ValueEnum};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Connections that are opened at the same time.
const OPENING: usize = 64;

/// Time for which everything is left alone before the blow.
const CALM: Duration = Duration::from_secs(3);

/// Time after the bound for which the last one is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Milliseconds that a dead holder is waited for.
    #[arg(long, default_value_t = 5_000)]
    grace_ms: u64,
    /// Makes everything so many times smaller.
    #[arg(long, default_value_t = 1)]
    divide: usize,
    /// Used by itself: holds locks at this server.
    #[arg(long, hide = true)]
    holds_at: Option<SocketAddr>,
    /// Used by itself: which holders.
    #[arg(long, hide = true)]
    fate: Option<Which>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Dies,
    Stays,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    match (options.holds_at, options.fate) {
        (Some(address), Some(which)) => hold(address, which, options.divide).await,
        _ => measure(&options).await,
    }
}

fn holders(divide: usize) -> impl Iterator<Item = Holder> {
    PARTS
        .into_iter()
        .flat_map(move |part| Part::holders(part.divided(divide)))
}

/// Holds its locks until it is killed.
async fn hold(address: SocketAddr, which: Which, divide: usize) -> io::Result<()> {
    let fate = match which {
        Which::Dies => Fate::Dies,
        Which::Stays => Fate::Stays,
    };
    let mine = holders(divide).filter(|holder| holder.fate == fate);
    let holding = stream::iter(mine).map(|holder| async move {
        let mut member = Member::joins(address, &holder.document).await?;
        for paths in holder.locks {
            member.takes(paths).await?;
        }
        // Beats are answered from here on; it ends with the process.
        tokio::spawn(async move { while member.hears().await.is_ok() {} });
        io::Result::Ok(())
    });
    let held: Vec<()> = holding.buffer_unordered(OPENING).try_collect().await?;
    println!("{}", held.len());
    std::future::pending().await
}

/// The holders of one fate, in a process of their own, with all their locks.
async fn spawn(address: SocketAddr, which: &str, divide: usize) -> io::Result<(Child, usize)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--holds-at", &address.to_string()])
        .args(["--fate", which, "--divide", &divide.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let line = BufReader::new(output).lines().next_line().await?;
    let count = line.and_then(|line| line.parse().ok());
    let count = count.ok_or_else(|| io::Error::other("the holders did not get their locks"))?;
    Ok((child, count))
}

struct Passed {
    name: char,
    at: Instant,
}

/// Starts a server that takes the whole crowd, and passes a lock on when the grace is over and no
/// later.
async fn serve(grace_ms: u64) -> ServerProcess {
    ServerProcess::start(&[
        "--wait-out-lease",
        "off",
        "--grace",
        &format!("{grace_ms}ms"),
        "--max-connections-per-address",
        "20000",
        "--max-connections",
        "20000",
        "--new-connections-burst=1000000",
        "--max-handshakes-per-address=2048",
    ])
    .await
}

async fn measure(options: &Options) -> io::Result<()> {
    let grace = Duration::from_millis(options.grace_ms);
    let server = serve(options.grace_ms).await;
    let address = server.address();
    println!("server {}", server.pid());
    let began = Instant::now();
    let (mut dying, dead) = spawn(address, "dies", options.divide).await?;
    let (_staying, stay) = spawn(address, "stays", options.divide).await?;
    let (told, mut passed) = mpsc::unbounded_channel();
    let wanted: Vec<_> = holders(options.divide)
        .flat_map(|holder| {
            let Holder {
                document,
                locks,
                fate,
            } = holder;
            locks
                .into_iter()
                .map(move |paths| (document.clone(), paths, fate))
        })
        .collect();
    let pass = wanted
        .iter()
        .filter(|(.., fate)| *fate == Fate::Dies)
        .count();
    let waiting = stream::iter(wanted).map(|(document, paths, _)| {
        let told = told.clone();
        async move {
            let mut member = Member::joins(address, &document).await?;
            if member.acquires(paths).await? != Outcome::Queued {
                return Err(io::Error::other(format!("{document}: not held by anybody")));
            }
            tokio::spawn(async move {
                let name = document.chars().next().unwrap_or(' ');
                while member.is_granted().await.is_ok() {
                    let at = Instant::now();
                    let _nobody_counts = told.send(Passed { name, at });
                }
            });
            Ok(())
        }
    });
    let waiters: Vec<()> = waiting.buffer_unordered(OPENING).try_collect().await?;
    println!(
        "{dead} holders that die, {stay} that stay, {} waiters, {pass} locks to pass on; set up in {:.1} s",
        waiters.len(),
        began.elapsed().as_secs_f64()
    );
    tokio::time::sleep(CALM).await;
    if let Ok(early) = passed.try_recv() {
        return Err(io::Error::other(format!(
            "{}: passed on before",
            early.name
        )));
    }
    let struck = Instant::now();
    dying.kill().await?;
    println!("killed in {:.0?}", struck.elapsed());
    let mut over: Vec<(char, Duration)> = Vec::new();
    let end = struck + grace + PATIENCE;
    while over.len() < pass {
        let next = tokio::time::timeout_at(end.into(), passed.recv()).await;
        let Ok(Some(next)) = next else { break };
        let took = next.at.duration_since(struck);
        if took < grace {
            return Err(io::Error::other(format!(
                "passed on after {took:?} already"
            )));
        }
        over.push((next.name, took.saturating_sub(grace)));
    }
    println!("| locks | passed on | p50 over the bound | p99 | max |");
    println!("| --- | --- | --- | --- | --- |");
    for part in PARTS {
        let name = part.name;
        let some = over.iter().filter(|(of, _)| *of == name);
        row(
            &format!("{} in a document", part.holders * part.each),
            some.map(|(_, over)| *over).collect(),
        );
    }
    row("all", over.iter().map(|(_, over)| *over).collect());
    println!(
        "{} of {pass} passed on; server {:.0} MB",
        over.len(),
        server.resident() as f64 / 1e6
    );
    Ok(())
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).max(1) - 1;
        times
            .get(index)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "| {what} | {} | {:.1} ms | {:.1} ms | {:.1} ms |",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}
