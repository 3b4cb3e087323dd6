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

use crate::arrivals::{Arrivals, Arrived};
use crate::findings::Findings;
use crate::sample::{Sample, Watched};
use crate::scenes::{Scene, Size};
use crate::verdict::{grown, growth, too_steep};

/// The server's settings: short times, so that everything ends within a round, and snapshots often.
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

/// Longest wait for an unused server to let go of everything: sessions without a connection are
/// kept for 6 s, threads for blocking work for 10 s.
const CALM: Duration = Duration::from_secs(40);

/// Rounds before the baseline.
const WARM_UP: usize = 2;

/// The length and the size of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// From the baseline on. The round that is under way is finished.
    pub lasts: Duration,
    /// Of each round.
    pub size: Size,
    /// From sample to sample.
    pub every: Duration,
}

/// The result of a whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Rounds after the baseline.
    pub rounds: usize,
    /// After the warm-up, calm.
    pub baseline: Sample,
    /// After everything, calm.
    pub end: Sample,
    /// All samples, in order.
    pub series: Vec<Sample>,
    /// The arrivals of all clients.
    pub arrived: Arrived,
    /// Growth of resident memory from round to round, in MiB a minute; `None` of a short run.
    pub mib_per_minute: Option<f64>,
    /// Everything that is not as it was.
    pub grown: Vec<String>,
}

/// Plays a whole run against a server of its own. What it sees is kept in `findings` as it goes.
///
/// # Errors
/// The server did not do what it should, or the findings cannot be written.
pub async fn run(plan: Plan, findings: &Arc<Findings>) -> io::Result<Report> {
    let server = ServerProcess::start(&SETTINGS).await;
    let run = Run {
        watched: Watched {
            pid: server.pid(),
            address: server.address(),
            data: server.data().to_owned(),
            began: Instant::now(),
        },
        plan,
        findings: Arc::clone(findings),
        scene: Arc::default(),
        arrivals: Arrivals::default(),
    };
    let sampling = tokio::spawn(samples(
        run.watched.clone(),
        plan.every,
        Arc::clone(&run.scene),
        Arc::clone(findings),
    ));
    let played = run.plays().await;
    findings.server_log(&server.said())?;
    if let Err(error) = &played {
        let after = clock(run.watched.began.elapsed());
        findings.progress(&format!("FAILED after {after}: {error}"))?;
    }
    drop(server);
    let series = sampling.await.map_err(io::Error::other)??;
    let Played {
        ends,
        baseline,
        end,
    } = played?;
    let mib_per_minute = growth(&ends);
    let mut grown = grown(&baseline, &end);
    grown.extend(mib_per_minute.and_then(too_steep));
    Ok(Report {
        rounds: ends.len(),
        arrived: run.arrivals.counts(),
        mib_per_minute,
        grown,
        baseline,
        end,
        series,
    })
}

/// Samples until the server has ended.
async fn samples(
    watched: Watched,
    every: Duration,
    scene: Arc<AtomicUsize>,
    findings: Arc<Findings>,
) -> io::Result<Vec<Sample>> {
    let mut series = Vec::new();
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let name = Scene::ALL.get(scene.load(Ordering::Relaxed));
        let name = name.map_or("calm".to_owned(), |scene| format!("{scene:?}"));
        match watched.look(&name) {
            Ok(sample) => {
                findings.sample(&sample)?;
                series.push(sample);
            }
            Err(_ended) => return Ok(series),
        }
    }
}

/// A run that is under way.
struct Run {
    watched: Watched,
    plan: Plan,
    findings: Arc<Findings>,
    /// Index of the scene that is played; behind the last one while all is calm.
    scene: Arc<AtomicUsize>,
    arrivals: Arrivals,
}

/// A run to its end.
struct Played {
    /// A sample at the end of each round after the baseline.
    ends: Vec<Sample>,
    baseline: Sample,
    end: Sample,
}

impl Run {
    async fn plays(&self) -> io::Result<Played> {
        for number in 1..=WARM_UP {
            let sample = self.round().await?;
            self.report(&format!("warm-up {number} of {WARM_UP}"), &sample)?;
        }
        self.findings.progress("waiting for calm: the baseline")?;
        let baseline = calm(&self.watched, None).await?;
        self.findings
            .progress(&format!("baseline: {}", baseline.brief()))?;
        let began = Instant::now();
        let mut ends = Vec::new();
        while ends.is_empty() || began.elapsed() < self.plan.lasts {
            let sample = self.round().await?;
            let (done, all) = (clock(began.elapsed()), clock(self.plan.lasts));
            let name = format!("round {} ({done} of {all})", ends.len() + 1);
            self.report(&name, &sample)?;
            ends.push(sample);
        }
        self.findings.progress("waiting for calm: the end")?;
        let end = calm(&self.watched, Some(&baseline)).await?;
        self.findings.progress(&format!("end: {}", end.brief()))?;
        Ok(Played {
            ends,
            baseline,
            end,
        })
    }

    /// Plays all scenes once. Returns a sample of the end.
    async fn round(&self) -> io::Result<Sample> {
        for (number, next) in Scene::ALL.into_iter().enumerate() {
            self.scene.store(number, Ordering::Relaxed);
            next.plays(self.watched.address, self.plan.size, &self.arrivals)
                .await
                .map_err(|error| io::Error::other(format!("{next:?}: {error}")))?;
        }
        self.scene.store(Scene::ALL.len(), Ordering::Relaxed);
        self.watched.look("calm")
    }

    /// Tells the state after a round.
    fn report(&self, name: &str, sample: &Sample) -> io::Result<()> {
        let Arrived {
            served,
            told_again,
            longest_ms,
        } = self.arrivals.counts();
        self.findings.progress(&format!(
            "{name}: {}; {served} clients served, {told_again} times told to come again, \
             longest wait {longest_ms} ms",
            sample.brief()
        ))
    }
}

/// A time as hours, minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours}:{minutes:02}:{:02}", seconds % 60)
}

/// Waits until the server is as it was at the baseline, or, to find one, until it gives nothing
/// more back.
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
        let Arrived {
            served,
            told_again,
            longest_ms,
        } = self.arrived;
        let _infallible = writeln!(
            text,
            "\n{served} clients were served, {told_again} times one was told to come again; \
             the longest wait was {longest_ms} ms"
        );
        if let Some(growth) = self.mib_per_minute {
            let _infallible = writeln!(text, "resident memory: {growth:+.2} MiB a minute");
        }
        text
    }
}
