//! Each planted bug is found within a bounded number of seeds, by an oracle that names what it breaks.

use std::time::Duration;

use baton_sim::{Flaw, Options, Report, run};

/// Seeds within which each must be found.
const BOUND: u64 = 300;

fn options(flaw: Flaw) -> Options {
    Options {
        flaw,
        lasts: Duration::from_secs(match flaw {
            // Takes a page that is frozen for longer than anybody has to wait.
            Flaw::PongsAreAnswers | Flaw::NeverOfferedAgain => 150,
            _ => 60,
        }),
        ..Options::default()
    }
}

/// The first seed that finds the flaw.
fn found(flaw: Flaw) -> Report {
    let report = (0..BOUND)
        .map(|seed| run(seed, &options(flaw)))
        .find(|report| !report.is_good());
    report.unwrap_or_else(|| panic!("{flaw:?} was not found in {BOUND} seeds"))
}

/// Finds it, tells where (`--nocapture`), and checks that it was found as what it is.
#[expect(clippy::print_stdout, reason = "a test may print")]
fn check(flaw: Flaw, invariants: &[&str]) {
    let report = found(flaw);
    let violation = report.violation.as_ref().expect("found");
    println!(
        "{flaw:?}: seed {}, {} at step {}: {}",
        report.seed, violation.invariant, violation.step, violation.what
    );
    assert!(
        invariants.contains(&violation.invariant.as_str()),
        "{report}"
    );
    let sound = run(report.seed, &options(Flaw::None));
    assert!(
        sound.is_good(),
        "the seed fails without the flaw, too: {sound}"
    );
}

#[test]
fn a_holder_who_is_never_confirmed_again() {
    check(Flaw::NeverConfirmedAgain, &["L6"]);
}

#[test]
fn a_waiter_who_is_never_offered_a_free_lock_again() {
    check(Flaw::NeverOfferedAgain, &["L5"]);
}

#[test]
fn a_ticket_that_an_expired_offer_takes_along() {
    check(Flaw::LoseTicket, &["S9"]);
    // A later offer out of turn breaks S9 as well. The queue itself must tell, too.
    let reports = (0..BOUND).map(|seed| run(seed, &options(Flaw::LoseTicket)));
    let mut told = reports.filter_map(|report| report.violation);
    assert!(told.any(|violation| violation.what.contains("wait, and the queue is")));
}

#[test]
fn a_right_that_is_taken_away_and_stays() {
    check(Flaw::RightsStay, &["S7"]);
}

#[test]
fn an_edit_that_one_of_the_others_is_not_sent() {
    check(Flaw::DropFanOut, &["convergence"]);
}

#[test]
fn a_disk_that_lies_about_durability() {
    check(Flaw::LieAboutDurability, &["announced is durable"]);
}

#[test]
fn a_durable_record_that_a_crash_takes() {
    check(Flaw::LoseAtCrash, &["S2", "S4"]);
}

#[test]
fn a_snapshot_that_takes_the_place_of_one_record_too_many() {
    // The record that the snapshot lacks is missed at once, or when it was called saved.
    check(Flaw::SnapshotAhead, &["rebuilt equals live", "S4"]);
}

#[test]
fn equal_timeouts_on_client_and_server() {
    check(Flaw::EqualTimeouts, &["S5"]);
}

#[test]
fn a_superseded_connection_that_is_listened_to() {
    check(Flaw::DeliverSuperseded, &["S4", "S3", "S5", "S8"]);
}

#[test]
fn a_write_that_nobody_checks() {
    check(Flaw::SkipFenceCheck, &["S3"]);
}

#[test]
fn a_frozen_page_whose_pongs_count_as_answers() {
    // Answered by the network process, a beat confirms what the page says only when it wakes.
    check(Flaw::PongsAreAnswers, &["L1", "S5"]);
}

#[test]
fn a_driver_that_sleeps_too_long() {
    check(Flaw::SleepyDriver, &["L3", "L1"]);
}

#[test]
fn a_restart_that_forgets_the_holder() {
    check(Flaw::ForgetHolder, &["rebuilt equals live", "S1"]);
}

#[test]
fn frames_that_overtake_one_another() {
    check(
        Flaw::OvertakingFrames,
        &["convergence", "S5", "S6", "quiet end"],
    );
}

#[test]
fn a_drain_that_is_cut_short() {
    check(Flaw::DrainCutShort, &["S6", "S5"]);
}

#[test]
fn a_merge_that_loses_its_last_edit() {
    check(Flaw::MergeLosesLast, &["S4"]);
}

#[test]
fn a_check_that_looks_at_named_root_types_only() {
    check(Flaw::NamedRootsOnly, &["S3"]);
}

#[test]
fn rights_that_nobody_checks() {
    check(Flaw::EverybodyMay, &["S7"]);
}
