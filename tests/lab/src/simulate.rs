//! `baton-lab sim`: many seeds of the simulation, on all cores, with the failing one named.
//!
//! Owns who runs which seed, the progress and what is printed. What a seed does, and what must hold, is `baton-sim`'s. A
//! seed there is the whole performance: a failing one fails at the same event again, on every machine.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use baton_lab::Outcome;
use baton_sim::{Flaw, Options, Report, run, shrink};
use serde::Serialize;

/// Between two looks at the progress: on a terminal, and elsewhere.
const LOOK: Duration = Duration::from_millis(100);
const RARELY: Duration = Duration::from_secs(10);

/// Seeds that are tried for a smaller failure of the same kind.
const SMALLER: u64 = 50;

/// The command line of `sim`.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArguments {
    /// How many seeds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// People in the document, 2 to 64
    #[arg(long, default_value_t = 5, value_parser = people)]
    people: usize,
    /// Virtual time with edits and faults
    #[arg(long, default_value = "2m", value_parser = humantime::parse_duration)]
    lasts: Duration,
    /// A bug to plant, for the simulation to find
    #[arg(long, value_parser = flaw)]
    flaw: Option<Flaw>,
    /// Threads [default: one for each core]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Go on after a seed that fails
    #[arg(long)]
    all: bool,
    /// Look for a smaller run that fails in the same way
    #[arg(long)]
    shrink: bool,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

fn people(word: &str) -> Result<usize, String> {
    let people = word.parse().ok().filter(|people| (2..=64).contains(people));
    people.ok_or_else(|| "2 to 64 of them".to_owned())
}

fn flaw(word: &str) -> Result<Flaw, String> {
    let mut flaws = Flaw::ALL.into_iter();
    flaws
        .find(|flaw| name(*flaw) == word)
        .ok_or_else(|| Flaw::ALL.map(name).join(", "))
}

/// `DropFanOut` as `drop-fan-out`.
fn name(flaw: Flaw) -> String {
    let mut name = String::new();
    for letter in format!("{flaw:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The command that runs one seed again.
fn again(seed: u64, options: &Options) -> String {
    let lasts = humantime::format_duration(options.lasts).to_string();
    let lasts = lasts.replace(' ', "");
    let mut words = format!(
        "baton-lab sim --seeds 1 --seed {seed} --people {} --lasts {lasts}",
        options.people
    );
    if options.flaw != Flaw::None {
        words.push_str(&format!(" --flaw {}", name(options.flaw)));
    }
    words
}

/// A seed that failed.
#[derive(Debug, Serialize)]
struct Failed {
    seed: u64,
    /// Nothing when the run panicked: its words are on standard error.
    report: Option<Report>,
    again: String,
    /// A smaller run with the same broken invariant.
    #[serde(skip_serializing_if = "Option::is_none")]
    smaller: Option<String>,
}

/// What came of all of them.
#[derive(Debug, Serialize)]
struct Summary {
    outcome: Outcome,
    seeds: u64,
    steps: u64,
    seconds: f64,
    seeds_per_second: f64,
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<Failed>,
}

/// Runs them, and prints what came of it.
pub(crate) fn simulate(arguments: &SimArguments) -> Result<Outcome, Box<dyn std::error::Error>> {
    let options = Options {
        people: arguments.people,
        lasts: arguments.lasts,
        flaw: arguments.flaw.unwrap_or_default(),
        ..Options::default()
    };
    let mut summary = all_seeds(arguments, options)?;
    summary.failed.sort_by_key(|failed| failed.seed);
    if arguments.shrink {
        for failed in &mut summary.failed {
            let smaller = failed.report.as_ref().map(|report| {
                let small = shrink(report, &options, SMALLER);
                let options = Options {
                    people: small.people,
                    lasts: Duration::from_millis(small.lasts_ms),
                    ..options
                };
                again(small.seed, &options)
            });
            failed.smaller = smaller.filter(|smaller| *smaller != failed.again);
        }
    }
    print(&summary, arguments.json)?;
    Ok(summary.outcome)
}

fn all_seeds(arguments: &SimArguments, options: Options) -> std::io::Result<Summary> {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = arguments.jobs.unwrap_or(cores).get();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        // Bounded, so that a result waits for whoever counts them and not in memory.
        let (tell, told) = mpsc::sync_channel(jobs);
        for number in 0..jobs {
            let (tell, next, stop) = (tell.clone(), &next, &stop);
            let work = move || {
                while !stop.load(Ordering::Relaxed) {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= arguments.seeds {
                        return;
                    }
                    let seed = arguments.seed.wrapping_add(turn);
                    let report = catch_unwind(|| run(seed, &options)).ok();
                    if tell.send((seed, report)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new()
                .name(format!("sim-{number}"))
                .spawn_scoped(scope, work)?;
        }
        drop(tell);
        Ok(collect(arguments, &options, &told, &stop))
    })
}

fn collect(
    arguments: &SimArguments,
    options: &Options,
    told: &Receiver<(u64, Option<Report>)>,
    stop: &AtomicBool,
) -> Summary {
    let started = Instant::now();
    let mut summary = Summary {
        outcome: Outcome::Sound,
        seeds: 0,
        steps: 0,
        seconds: 0.0,
        seeds_per_second: 0.0,
        counts: BTreeMap::new(),
        failed: Vec::new(),
    };
    let terminal = std::io::stderr().is_terminal();
    let every = if terminal { LOOK } else { RARELY };
    let mut shown = started;
    loop {
        let news = told.recv_timeout(LOOK);
        let over = matches!(news, Err(RecvTimeoutError::Disconnected));
        if let Ok((seed, report)) = news {
            summary.takes(options, seed, report);
            if summary.outcome == Outcome::Finding && !arguments.all {
                stop.store(true, Ordering::Relaxed);
            }
        }
        summary.seconds = started.elapsed().as_secs_f64();
        summary.seeds_per_second = summary.seeds as f64 / summary.seconds.max(0.001);
        if shown.elapsed() >= every || (over && terminal) {
            shown = Instant::now();
            progress(&summary, arguments.seeds, terminal);
        }
        if over {
            if terminal {
                eprintln!();
            }
            return summary;
        }
    }
}

impl Summary {
    fn takes(&mut self, options: &Options, seed: u64, report: Option<Report>) {
        self.seeds += 1;
        if let Some(report) = &report {
            self.steps += report.steps;
            for (what, count) in &report.counts {
                *self.counts.entry(what).or_default() += count;
            }
        }
        if report.as_ref().is_some_and(Report::is_good) {
            return;
        }
        self.outcome = Outcome::Finding;
        self.failed.push(Failed {
            seed,
            report,
            again: again(seed, options),
            smaller: None,
        });
    }
}

fn progress(summary: &Summary, seeds: u64, terminal: bool) {
    let left = (seeds - summary.seeds) as f64 / summary.seeds_per_second.max(0.001);
    let failed = match summary.failed.len() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let line = format!(
        "{:>7} of {seeds} seeds, {:.1} seeds/s, {:.1} million steps, {left:.0} s to go{failed}",
        summary.seeds,
        summary.seeds_per_second,
        summary.steps as f64 / 1e6
    );
    if terminal {
        eprint!("\r{line}\x1b[K");
        // A terminal that does not show it is no reason to stop.
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{line}");
    }
}

#[allow(
    clippy::print_stdout,
    reason = "what came of it is the program's output"
)]
fn print(summary: &Summary, json: bool) -> Result<(), serde_json::Error> {
    if json {
        println!("{}", serde_json::to_string_pretty(summary)?);
        return Ok(());
    }
    for failed in &summary.failed {
        match &failed.report {
            Some(report) => println!("{report}"),
            None => println!("seed {}: the run panicked", failed.seed),
        }
        println!("again with: {}", failed.again);
        if let Some(smaller) = &failed.smaller {
            println!("smaller:    {smaller}");
        }
    }
    let word = match summary.failed.len() {
        0 => "sound".to_owned(),
        1 => "1 seed failed".to_owned(),
        failed => format!("{failed} seeds failed"),
    };
    println!(
        "{word}: {} seeds in {:.1} s, {:.1} seeds/s, {} steps",
        summary.seeds, summary.seconds, summary.seeds_per_second, summary.steps
    );
    Ok(())
}
