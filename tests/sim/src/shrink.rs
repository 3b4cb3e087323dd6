//! A smaller run that fails in the same way: fewer people, less time. Owns the search; a run is a run.

use std::time::Duration;

use crate::options::Options;
use crate::report::Report;
use crate::run;

/// Looks for a smaller run with the same broken invariant: with fewer people under this seed or one of the next
/// `seeds`, then with as little time as that failure needs. Returns `report` itself if there is none.
#[must_use]
pub fn shrink(report: &Report, options: &Options, seeds: u64) -> Report {
    let Some(violation) = &report.violation else {
        return report.clone();
    };
    let fails = |seed: u64, options: &Options| {
        let found = run(seed, options);
        let same = |other: &crate::Violation| other.invariant == violation.invariant;
        found.violation.as_ref().is_some_and(same).then_some(found)
    };
    let mut smallest = report.clone();
    let mut options = *options;
    for people in 2..options.people {
        let fewer = Options { people, ..options };
        let found =
            (report.seed..=report.seed.saturating_add(seeds)).find_map(|seed| fails(seed, &fewer));
        if let Some(found) = found {
            smallest = found;
            options = fewer;
            break;
        }
    }
    // The end comes when the time is over, so that half of it is another end.
    loop {
        let half = Options {
            lasts: options.lasts / 2,
            ..options
        };
        if half.lasts < Duration::from_secs(1) {
            return smallest;
        }
        match fails(smallest.seed, &half) {
            Some(found) => {
                smallest = found;
                options = half;
            }
            None => return smallest,
        }
    }
}
