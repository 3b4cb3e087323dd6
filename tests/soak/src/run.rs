//! A whole run: a server of its own, rounds of scenes, samples all the while, and the verdict.
//!
//! Owns the order: warm-up, baseline, rounds, calm, end.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use baton_tests::ServerProcess;
use serde::Serialize;

use crate::sample::{COLUMNS, Sample, Watched};
use crate::scenes::{Scene, Size};
use crate::verdict::grown;

/// How the server is set up: short clocks, so that what is to end does so within a round, and snapshots often.
const SETTINGS: [&str; 10] = [
    "--profile",
    "fast",
    "--unload-after",
    "1s",
    "--compact-after",
    "64KiB",
    "--handshake-timeout",
    "2s",
    "--max-outbox",
    "2MiB",
];

/// Longest wait for a server that nobody uses to have let go of everything: sessions without a connection are kept for 6 s,
/// threads for blocking work for 10 s.
const CALM: Duration = Duration::from_secs(40);

/// Rounds before the baseline.
const WARM_UP: usize = 2;

/// How long, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// From the baseline on. The round that is under way is finished.
    pub lasts: Duration,
    /// Of each round.
    pub size: Size,
    /// From sample to sample.
    pub every: Duration,
}

/// What was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Rounds after the baseline.
    pub rounds: usize,
    /// After the warm-up, calm.
    pub baseline: Sample,
    /// After everything, calm.
    pub end: Sample,
    /// All, in order.
    pub series: Vec<Sample>,
    /// What is not as it was.
    pub grown: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// The server did not do what it should.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let server = ServerProcess::start(&SETTINGS).await;
    let watched = Watched {
        pid: server.pid(),
        address: server.address(),
        data: server.data().to_owned(),
        began: Instant::now(),
    };
    let scene = Arc::new(AtomicUsize::new(0));
    let playing = Arc::clone(&scene);
    let looking = watched.clone();
    let sampling = async move {
        let mut series = Vec::new();
        let mut ticks = tokio::time::interval(plan.every);
        loop {
            ticks.tick().await;
            let name = Scene::ALL.get(playing.load(Ordering::Relaxed));
            let name = name.map_or("calm".to_owned(), |scene| format!("{scene:?}"));
            match looking.look(&name) {
                Ok(sample) => series.push(sample),
                Err(_gone) => return series,
            }
        }
    };
    let sampling = tokio::spawn(sampling);
    let watch = async {
        for _ in 0..WARM_UP {
            round(&watched, plan.size, &scene).await?;
        }
        let baseline = calm(&watched, None).await?;
        let until = Instant::now() + plan.lasts;
        let mut rounds = 0;
        while rounds == 0 || Instant::now() < until {
            round(&watched, plan.size, &scene).await?;
            rounds += 1;
        }
        let end = calm(&watched, Some(&baseline)).await?;
        io::Result::Ok((rounds, baseline, end))
    };
    let played = watch.await;
    drop(server);
    let series = sampling.await.map_err(io::Error::other)?;
    let (rounds, baseline, end) = played?;
    Ok(Report {
        rounds,
        grown: grown(&baseline, &end),
        baseline,
        end,
        series,
    })
}

async fn round(watched: &Watched, size: Size, scene: &AtomicUsize) -> io::Result<()> {
    for (number, next) in Scene::ALL.into_iter().enumerate() {
        scene.store(number, Ordering::Relaxed);
        next.plays(watched.address, size)
            .await
            .map_err(|error| io::Error::other(format!("{next:?}: {error}")))?;
    }
    scene.store(Scene::ALL.len(), Ordering::Relaxed);
    Ok(())
}

/// Waits until the server is as it was at the baseline, or, to find one, until it gives nothing more back.
async fn calm(watched: &Watched, baseline: Option<&Sample>) -> io::Result<Sample> {
    let until = Instant::now() + CALM;
    let mut best = watched.ask("calm").await?;
    let mut same = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sample = watched.ask("calm").await?;
        let done = match baseline {
            Some(baseline) => grown(baseline, &sample).is_empty(),
            None => {
                let holds = |one: &Sample| (one.descriptors, one.threads, one.gauges.clone());
                same = if holds(&sample) == holds(&best) {
                    same + 1
                } else {
                    0
                };
                // Longer than anything is kept.
                same >= 14
            }
        };
        best = sample;
        if done || Instant::now() >= until {
            return Ok(best);
        }
    }
}

impl Report {
    /// The series as lines of numbers.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = format!("{COLUMNS}\n");
        for sample in &self.series {
            text += &sample.row();
            text.push('\n');
        }
        text
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::from("| | baseline | most | end |\n| --- | --- | --- | --- |\n");
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let mut row = |name: &str, of: fn(&Sample) -> u64, shown: &dyn Fn(u64) -> String| {
            let most = self.series.iter().map(of).max().unwrap_or(0);
            let (baseline, end) = (of(&self.baseline), of(&self.end));
            let _infallible = writeln!(
                text,
                "| {name} | {} | {} | {} |",
                shown(baseline),
                shown(most),
                shown(end)
            );
        };
        row("resident memory", |sample| sample.resident, &mib);
        row("file descriptors", |sample| sample.descriptors, &|n| {
            n.to_string()
        });
        row("threads", |sample| sample.threads, &|n| n.to_string());
        row("files", |sample| sample.files, &|n| n.to_string());
        row("bytes on disk", |sample| sample.bytes, &mib);
        for (name, value) in &self.end.gauges {
            let was = self.baseline.gauges.iter().find(|(of, _)| of == name);
            let was = was.map_or(f64::NAN, |(_, value)| *value);
            let _infallible = writeln!(text, "| {name} | {was} | | {value} |");
        }
        text
    }
}
