//! Measures how long the lock takes to pass on after each way in which its holder can go, with the product's settings,
//! against the real program in a release build, and prints the table of docs/benchmarks.md.
//!
//! ```sh
//! cargo build --release -p baton-server -p baton-tests --bins
//! cargo run --release -p baton-tests --example bounds [REPETITIONS]
//! ```
//!
//! The repetitions (20 unless told) of a row run at the same time, each in a document of its own with a holder and
//! somebody who waits, and strike at moments that are spread over a beat. Rows come one after the other: some two minutes.
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::time::Duration;

use baton_server::Settings;
use baton_tests::losses::{passes_after_a_restart, releases, resumes_after_a_restart};
use baton_tests::{Loss, ServerProcess};
use futures_util::future::join_all;

/// Documents in which a lock goes to and fro, one after the other, and how often in each.
const RELAYS: usize = 10;
const RELEASES: usize = 100;

/// What the machine may add to a bound with a clock in it, without the bound being called missed.
const MARGIN: Duration = Duration::from_millis(50);

/// The goal for the 99th percentile of a release, which has no clock in it.
const RELEASE: Duration = Duration::from_millis(5);

/// A lost connection is not waited for, nor what its holder may believe.
const NO_GRACE: [&str; 4] = ["--grace", "0s", "--wait-out-lease", "off"];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let given = std::env::args().nth(1);
    let count = given.map_or(20, |text| text.parse().expect("a number of repetitions"));
    let settings = Settings::default();
    println!("| what happens to the holder | n | p50 | p99 | max | bound | |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    released().await;
    for loss in Loss::ALL {
        let (bound, hard) = loss.bounds(&settings);
        let times = struck(loss, &[], count, settings.beat_every.0).await;
        row(words(loss), times, Limits { bound, hard });
    }
    let times = struck(Loss::Kill, &NO_GRACE, count, settings.beat_every.0).await;
    row("its process is killed, grace 0", times, Limits::at(MARGIN));
    restarted(count, settings.recovery.0).await;
}

async fn released() {
    let server = ServerProcess::start(&[]).await;
    let mut times = Vec::new();
    for relay in 0..RELAYS {
        times.extend(releases(server.address(), &format!("relay {relay}"), RELEASES).await);
    }
    row("releases it", times, Limits::at(RELEASE));
}

async fn struck(loss: Loss, arguments: &[&str], count: usize, over: Duration) -> Vec<Duration> {
    let server = ServerProcess::start(arguments).await;
    let address = server.address();
    let striking = (0..count).map(|number| async move {
        let after = over * number as u32 / count as u32;
        let document = format!("{loss:?} {number}");
        loss.strikes(address, &document, after).await
    });
    join_all(striking).await
}

async fn restarted(count: usize, recovery: Duration) {
    let resuming = (0..count).map(|_| resumes_after_a_restart(&[]));
    let times = join_all(resuming).await;
    row(
        "the server is killed and started; the holder has its grant again",
        times,
        Limits::at(recovery),
    );
    let passing = (0..count).map(|_| passes_after_a_restart(&[]));
    let times = join_all(passing).await;
    row(
        "the server is killed and started; the holder is gone",
        times,
        // It counts from the first who opens the document again.
        Limits {
            bound: recovery,
            hard: recovery + RETRY,
        },
    );
}

/// A client tries again after so long at the latest.
const RETRY: Duration = Duration::from_millis(2500);

fn words(loss: Loss) -> &'static str {
    match loss {
        Loss::Exit => "its process ends without a goodbye",
        Loss::Kill => "its process is killed (SIGKILL)",
        Loss::Reset => "its connection is reset (RST)",
        Loss::Freeze => "its process is stopped (SIGSTOP)",
        Loss::Unheard => "a black hole from it to the server",
        Loss::Deaf => "a black hole from the server to it",
        Loss::CutOff => "a black hole both ways",
        Loss::Unread => "reads nothing (zero window), sends on",
    }
}

/// What was meant, and what must hold.
#[derive(Debug, Clone, Copy)]
struct Limits {
    bound: Duration,
    hard: Duration,
}

impl Limits {
    fn at(bound: Duration) -> Self {
        Self { bound, hard: bound }
    }
}

fn row(what: &str, mut times: Vec<Duration>, limits: Limits) {
    times.sort_unstable();
    let at = |percent: usize| times[((times.len() * percent).div_ceil(100)).max(1) - 1];
    let (half, most, max) = (at(50), at(99), at(100));
    let margin = if limits.bound < Duration::from_secs(1) {
        Duration::ZERO
    } else {
        MARGIN
    };
    let verdict = if most <= limits.bound + margin {
        "met"
    } else if limits.hard > limits.bound && max <= limits.hard + margin {
        "met (hard)"
    } else {
        "MISSED"
    };
    let hard = if limits.hard > limits.bound {
        format!(", hard {}", shown(limits.hard))
    } else {
        String::new()
    };
    println!(
        "| {what} | {} | {} | {} | {} | {}{hard} | {verdict} |",
        times.len(),
        shown(half),
        shown(most),
        shown(max),
        shown(limits.bound),
    );
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.3} s", time.as_secs_f64())
    }
}
