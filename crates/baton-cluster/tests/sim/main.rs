//! Several nodes with the machines of the core over a simulated JetStream, on virtual time.
//!
//! `BATON_CLUSTER_SEEDS=10000` runs more seeds. A seed that fails is printed; replay it with
//! `BATON_CLUSTER_SEED=7 cargo nextest run -p baton-cluster --no-capture one_seed`, with
//! `BATON_CLUSTER_FLAW=IgnoreGap` under a planted bug.

mod engine;
mod flaw;
mod node;
mod oracle;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use flaw::Flaw;
use world::run;

/// Seeds of an ordinary run.
const SEEDS: u64 = 300;

/// Seeds within which each planted bug must be found.
const BOUND: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[expect(clippy::print_stdout, reason = "a test may print")]
fn seeds() {
    let seeds = number("BATON_CLUSTER_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(number("BATON_CLUSTER_FROM").unwrap_or(0));
    let end = next.load(Ordering::Relaxed) + seeds;
    let failed = Mutex::new(BTreeMap::new());
    let counts = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let report = run(seed, Flaw::None, false);
            let mut sum = counts.lock().expect("no run panics");
            for (what, count) in report.counts {
                *sum.entry(what).or_insert(0) += count;
            }
            if let Some(violation) = report.violation {
                failed
                    .lock()
                    .expect("no run panics")
                    .insert(seed, violation);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (failed, counts) = (failed.into_inner(), counts.into_inner());
    let (failed, counts) = (failed.expect("ended"), counts.expect("ended"));
    println!("{seeds} seeds: {counts:#?}");
    for (seed, violation) in failed.iter().take(10) {
        println!("seed {seed}: {violation}");
    }
    assert!(
        failed.is_empty(),
        "{} seeds failed, the first: {:?}",
        failed.len(),
        failed.first_key_value()
    );
    for what in [
        "late writes",
        "lost answers",
        "stale reads",
        "duplicates",
        "purges",
        "double outages",
        "lost ends",
        "nodes called lost",
        "sent again after a look",
        "messages that a consumer lost",
        "openings",
    ] {
        assert!(
            seeds < 200 || counts.contains_key(what),
            "no seed has {what}"
        );
    }
}

#[test]
#[ignore = "replays the seed in BATON_CLUSTER_SEED"]
#[expect(clippy::print_stdout, reason = "a test may print")]
fn one_seed() {
    let seed = number("BATON_CLUSTER_SEED").expect("a seed");
    let name = std::env::var("BATON_CLUSTER_FLAW").unwrap_or_default();
    let flaw = Flaw::ALL
        .into_iter()
        .find(|flaw| format!("{flaw:?}") == name);
    let report = run(seed, flaw.unwrap_or(Flaw::None), true);
    println!("{report:#?}");
    assert_eq!(report.violation, None);
}

#[test]
#[expect(clippy::print_stdout, reason = "a test may print")]
fn each_planted_bug_is_found() {
    let mut unseen = Vec::new();
    for flaw in Flaw::ALL {
        let found = (0..BOUND).find_map(|seed| Some((seed, run(seed, flaw, false).violation?)));
        match found {
            Some((seed, violation)) => println!("{flaw:?}: seed {seed}: {violation}"),
            None => unseen.push(flaw),
        }
    }
    assert!(unseen.is_empty(), "not found in {BOUND} seeds: {unseen:?}");
}
