//! Compares a replica with yrs, or with Yjs, on as many histories as asked for.
//!
//! `cargo run --release -p baton-differential -- --cases 10000000 --seed 1`. The first difference
//! ends it: it prints the seed, and the smallest history and deliveries that show the difference.
#![allow(
    clippy::print_stdout,
    reason = "this program reports on its standard output"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use baton_differential::histories;
use baton_differential::hostile::shrink::report;
use baton_differential::hostile::world::World;
use baton_differential::hostile::{self, Difference, Outcome, generate};
use baton_differential::yjs::Yjs;
use baton_sync::Replica;
use clap::{Parser, ValueEnum};

/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// Histories that a thread checks before it reports them.
const BATCH: u64 = 500;

#[derive(Parser)]
#[command(about = "Compares a replica with yrs, or with Yjs, on many histories")]
struct Arguments {
    /// Histories to check.
    #[arg(long, default_value_t = 10_000_000)]
    cases: u64,
    /// The seed of the first history; each later one has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; as many as there are cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// The histories, and the library that the replica is compared with.
    #[arg(long, value_enum, default_value_t = Kind::Hostile)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Hostile histories, compared with yrs.
    Hostile,
    /// Hostile histories, compared with Yjs in Node: slower by far.
    HostileYjs,
    /// Histories of stock Yjs clients, compared with Yjs in Node, and with yrs where it can.
    Clients,
}

/// Counts of outcomes, or the report of a difference.
type Batch = Result<BTreeMap<String, u64>, String>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    // A panic of yrs is an outcome here, and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (batches, received) = channel::<Batch>();
    thread::scope(|scope| {
        for _ in 0..threads {
            let batches = batches.clone();
            let (arguments, next, over) = (&arguments, &next, &over);
            scope.spawn(move || work(arguments, next, over, &batches));
        }
        drop(batches);
        let start = Instant::now();
        let mut printed = start;
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        let mut code = ExitCode::SUCCESS;
        for batch in received {
            match batch {
                Ok(counts) => {
                    for (outcome, count) in counts {
                        *totals.entry(outcome).or_default() += count;
                    }
                }
                Err(report) => {
                    over.store(true, Ordering::Relaxed);
                    println!("{report}");
                    code = ExitCode::FAILURE;
                }
            }
            if printed.elapsed() >= PROGRESS {
                printed = Instant::now();
                print_totals(&totals, start);
            }
        }
        print_totals(&totals, start);
        code
    })
}

fn work(arguments: &Arguments, next: &AtomicU64, over: &AtomicBool, batches: &Sender<Batch>) {
    let mut check = match checker(arguments.kind) {
        Ok(check) => check,
        Err(error) => {
            let _receiver_is_gone = batches.send(Err(error));
            return;
        }
    };
    while !over.load(Ordering::Relaxed) {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        let past = arguments.cases.min(first + BATCH);
        if first >= past {
            return;
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut batch = Ok(());
        for seed in first..past {
            match check(arguments.seed.wrapping_add(seed)) {
                Ok(outcome) => *counts.entry(outcome).or_default() += 1,
                Err(report) => {
                    batch = Err(report);
                    break;
                }
            }
        }
        if batches.send(batch.map(|()| counts)).is_err() {
            return;
        }
    }
}

/// Checks the history of a seed, and returns the name of the outcome or the report of a difference.
type Check = Box<dyn FnMut(u64) -> Result<String, String>>;

fn checker(kind: Kind) -> Result<Check, String> {
    Ok(match kind {
        Kind::Hostile => hostile_checker(hostile::check::<Replica>),
        Kind::HostileYjs => {
            let mut yjs = Yjs::start()?;
            hostile_checker(move |world, seed| {
                hostile::check_with_yjs::<Replica>(&mut yjs, world, seed)
            })
        }
        Kind::Clients => {
            let mut yjs = Yjs::start()?;
            Box::new(move |seed| {
                // The generator in Node takes 32 bits.
                let checked = histories::check::<Replica>(
                    &mut yjs,
                    seed as u32,
                    &mut histories::Totals::default(),
                );
                checked.map(|()| "Same".to_owned())
            })
        }
    })
}

fn hostile_checker(
    mut check: impl FnMut(&World, u64) -> Result<Outcome, Difference> + 'static,
) -> Check {
    Box::new(move |seed| {
        let world = generate::world(seed);
        match check(&world, seed) {
            Ok(outcome) => Ok(format!("{outcome:?}")),
            Err(difference) => {
                let report = report(world, seed, difference, &mut check);
                Err(format!("seed {seed}: {report}"))
            }
        }
    })
}

fn print_totals(totals: &BTreeMap<String, u64>, start: Instant) {
    let cases: u64 = totals.values().sum();
    let seconds = start.elapsed().as_secs_f64();
    let a_second = cases as f64 / seconds;
    println!("{cases} histories in {seconds:.0} s, {a_second:.0} a second: {totals:?}");
}
