//! The short run: every kept input of every target, and then some seconds of inputs changed by chance.
//!
//! `BATON_FUZZ_SECONDS` (a target; default 1) makes it longer, `BATON_FUZZ_SEED` repeats one: with the same seed the
//! inputs are the same, in the same order. A failure leaves its input in a file, and says where.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use baton_fuzz::corpus;
use baton_fuzz::targets::{TARGETS, Target};
use baton_testkit::Random;

/// Inputs of the random run that a target always does, however slow the machine is.
const LEAST: u64 = 50;

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    let given = std::env::var(name).ok();
    given.map_or(default, |value| {
        let value = value.parse();
        value.unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

fn short(name: &str) {
    let target = Target::named(name).unwrap();
    let kept = corpus::kept(name);
    for (file, input) in &kept {
        run(target, input, file);
    }
    let seed: u64 = setting("BATON_FUZZ_SEED", 1);
    let seconds = Duration::from_secs_f64(setting("BATON_FUZZ_SECONDS", 1.0));
    let mut random = Random::from_seed(seed);
    let until = Instant::now() + seconds;
    let mut runs = 0_u64;
    while runs < LEAST || Instant::now() < until {
        let input = &kept[random.below(kept.len())].1;
        let other = &kept[random.below(kept.len())].1;
        let input = corpus::mutated(&mut random, input, other, target.longest);
        run(target, &input, &format!("run {runs} of seed {seed}"));
        runs += 1;
    }
    eprintln!(
        "{name}: {} kept inputs, {runs} runs of seed {seed}",
        kept.len()
    );
}

fn run(target: &Target, input: &[u8], which: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target.check(input)));
    if let Err(panic) = outcome {
        let file = std::env::temp_dir().join(format!("baton-fuzz-{}.bin", target.name));
        std::fs::write(&file, input).unwrap();
        eprintln!(
            "{}: {which} is a finding; its input is in {}: keep it as corpus/{}/NAME, with a name that tells its story",
            target.name,
            file.display(),
            target.name,
        );
        resume_unwind(panic);
    }
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                short(stringify!($name));
            }
        )+

        /// Neither a target nor its corpus nor its libFuzzer binary can be forgotten.
        #[test]
        fn every_target_is_run_here_and_has_a_corpus_and_a_binary() {
            let here = [$(stringify!($name)),+];
            let names = TARGETS.map(|target| target.name);
            assert_eq!(here.as_slice(), names.as_slice());
            let manifest = include_str!("../fuzz/Cargo.toml");
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
                assert!(!corpus::kept(name).is_empty());
            }
            let folders = std::fs::read_dir(corpus::folder()).unwrap();
            for folder in folders {
                let folder = folder.unwrap().file_name();
                let folder = folder.to_string_lossy();
                assert!(names.contains(&&*folder), "corpus/{folder} is nobody's");
            }
        }
    };
}

targets!(
    lib0,
    state_vector,
    y_websocket,
    hocuspocus,
    awareness,
    channel,
    record,
    scan,
    scan_yrs,
    peers,
    handshake,
    room,
    room_stored,
    log_rows,
    client,
    http,
);
