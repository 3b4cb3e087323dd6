//! Many seeds, and one. `BATON_SIM_SEEDS=10000` runs more of them; `BATON_SIM_SEED=7` with `one_seed` runs one, with
//! `BATON_SIM_FLAW=DropFanOut` under a planted bug, with `BATON_SIM_SHOWN=9000` from the beginning on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_sim::{Flaw, Options, Report, run, shrink};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn flaw() -> Option<Flaw> {
    let name = std::env::var("BATON_SIM_FLAW").ok()?;
    Flaw::ALL
        .into_iter()
        .find(|flaw| format!("{flaw:?}") == name)
}

fn options() -> Options {
    let usual = Options::default();
    Options {
        people: number("BATON_SIM_PEOPLE").map_or(usual.people, |people| people as usize),
        lasts: number("BATON_SIM_MILLIS").map_or(usual.lasts, Duration::from_millis),
        shown: number("BATON_SIM_SHOWN").map_or(usual.shown, |shown| shown as usize),
        flaw: flaw().unwrap_or_default(),
    }
}

/// Runs seeds on all processors; returns the reports of those that failed, and how often what happened.
fn run_all(seeds: u64, options: &Options) -> (Vec<Report>, BTreeMap<&'static str, u64>) {
    let next = AtomicU64::new(number("BATON_SIM_FROM").unwrap_or(0));
    let end = next.load(Ordering::Relaxed) + seeds;
    let work = || {
        let mut failed = Vec::new();
        let mut counts = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (failed, counts);
            }
            let report = run(seed, options);
            for (what, count) in &report.counts {
                *counts.entry(*what).or_insert(0) += count;
            }
            if !report.is_good() {
                failed.push(report);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = Vec::new();
    let mut sum = BTreeMap::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (failed, counts) = worker.join().expect("a run panicked");
            all.extend(failed);
            for (what, count) in counts {
                *sum.entry(what).or_insert(0) += count;
            }
        }
    });
    all.sort_by_key(|report| report.seed);
    (all, sum)
}

/// What happened how often, for who asks with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a test may print")]
fn tell(seeds: u64, counts: &BTreeMap<&'static str, u64>) {
    println!("in {seeds} seeds: {counts:?}");
}

#[test]
#[expect(clippy::print_stdout, reason = "a test may print")]
fn no_seed_breaks_an_invariant() {
    let options = options();
    let seeds = number("BATON_SIM_SEEDS").unwrap_or(300);
    let (failed, counts) = run_all(seeds, &options);
    tell(seeds, &counts);
    if let Some(first) = failed.first() {
        let others: Vec<String> = failed
            .iter()
            .filter_map(|report| {
                let violation = report.violation.as_ref()?;
                let what: String = violation.what.chars().take(200).collect();
                let (seed, invariant) = (report.seed, &violation.invariant);
                Some(format!("  seed {seed}: {invariant}: {what}"))
            })
            .collect();
        panic!(
            "{} of {seeds} seeds failed:\n{}\n{first}\nsmaller: {}",
            failed.len(),
            others.join("\n"),
            shrink(first, &options, 50)
        );
    }
    // With `--nocapture`.
    println!("{seeds} seeds: {counts:?}");
    // A simulation in which something never happens proves nothing about it.
    if options != Options::default() || seeds < 100 {
        return;
    }
    for what in [
        "types",
        "takes out",
        "saved",
        "applied",
        "set aside",
        "parked",
        "granted",
        "lost",
        "snapshot",
        "crash",
        "stops",
        "opens log",
        "freezes",
        "sleeps",
        "stalls",
        "is cut off",
        "is hurt",
        "is reset",
        "dies",
        "reloads",
        "duplicates",
        "leaves",
        "rests",
        "declines",
        "offered again",
        "tries",
        "cancels",
        "releases",
        "transfers",
        "requests",
        "takes over",
        "moves",
        "dozes",
        "diverges",
        "draft dropped",
        "mode set",
        "drain: transfer",
        "drain: take-over",
        "loss: grace",
        "loss: recovery",
        "loss: silent",
        "park merged",
        "park discarded",
        "park recovered",
    ] {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(
            count >= seeds / 5,
            "{what} happened {count} times in {seeds} seeds: {counts:?}"
        );
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a test may print")]
fn one_seed() {
    let report = run(number("BATON_SIM_SEED").unwrap_or(1), &options());
    println!("{report}");
    assert!(report.is_good(), "{report}");
}
