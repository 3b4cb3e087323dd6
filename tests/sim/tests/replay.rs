//! A run is its seed: equal seeds make equal runs, others do not; a failure is found again at the same step, and shrinks.

use std::time::Duration;

use baton_sim::{Flaw, Options, run, shrink};

fn options() -> Options {
    Options {
        lasts: Duration::from_secs(40),
        ..Options::default()
    }
}

#[test]
fn equal_seeds_make_equal_runs_and_others_do_not() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let report = run(seed, &options());
        assert_eq!(report, run(seed, &options()));
        traces.insert(report.trace);
    }
    assert_eq!(traces.len(), 6);
}

#[test]
fn equal_seeds_make_equal_runs_on_another_thread_too() {
    let here = run(3, &options());
    let there = std::thread::spawn(|| run(3, &options())).join();
    assert_eq!(there.expect("it ran"), here);
}

#[test]
fn a_failure_is_found_again_at_the_same_step_and_shrinks() {
    let options = Options {
        flaw: Flaw::SkipFenceCheck,
        ..options()
    };
    let failed = (0..60).map(|seed| run(seed, &options));
    let failed = failed.into_iter().find(|report| !report.is_good());
    let failed = failed.expect("a planted bug is found");
    assert_eq!(run(failed.seed, &options), failed);
    let text = failed.to_string();
    let seed = format!("seed {}: S3", failed.seed);
    assert!(text.contains(&seed) && text.contains("replay: BATON_SIM_SEED="));

    let smaller = shrink(&failed, &options, 20);
    assert!(smaller.people <= failed.people && smaller.lasts_ms <= failed.lasts_ms);
    assert_eq!(
        smaller.violation.map(|violation| violation.invariant),
        failed.violation.map(|violation| violation.invariant)
    );
}
