//! The fold under every order of records; then each known flaw, which the checker must find.
//! `BATON_MODEL_DEEP=1` looks further. `--nocapture` shows sizes and traces.

use std::time::Instant;

use baton_model::{Comings, Flaw, Place, RecordModel, RecordSettings, Rule, Wishes};
use baton_presence::{AutoPass, ClientKind};
use stateright::{Checker, HasDiscoveries, Model};

fn deep() -> bool {
    std::env::var("BATON_MODEL_DEEP").is_ok_and(|deep| deep == "1")
}

/// To the end of the state space, or to this depth if the run is not a deep one.
#[expect(clippy::print_stdout, reason = "a test may print")]
fn holds(settings: RecordSettings, usual: Option<usize>, possible: &[&'static str]) {
    let begun = Instant::now();
    let mut checker = RecordModel(settings).checker().threads(2);
    checker = checker.finish_when(HasDiscoveries::AnyFailures);
    if let Some(depth) = usual
        && !deep()
    {
        checker = checker.target_max_depth(depth);
    }
    let checker = checker.spawn_bfs().join();
    println!(
        "{settings:?}: {} states, {} steps, depth {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed()
    );
    for rule in Rule::ALL {
        if let Some(path) = checker.discovery(rule.name()) {
            let last = format!("{:?}", path.last_state());
            let trace: Vec<_> = path
                .into_actions()
                .iter()
                .map(|a| format!("{a:?}"))
                .collect();
            panic!(
                "{} is broken by\n  {}\nwhich ends in {last}",
                rule.name(),
                trace.join("\n  ")
            );
        }
    }
    for name in possible {
        checker.assert_any_discovery(name);
    }
}

#[expect(clippy::print_stdout, reason = "a test may print")]
fn caught(settings: RecordSettings, rule: Rule) {
    let begun = Instant::now();
    let only = HasDiscoveries::AnyOf([rule.name()].into());
    let checker = RecordModel(settings).checker().threads(2);
    let checker = checker.finish_when(only).spawn_bfs().join();
    let trace = checker.assert_any_discovery(rule.name()).into_actions();
    println!(
        "{:?} breaks {} in {} records ({} states, {:?}):",
        settings.flaw,
        rule.name(),
        trace.len(),
        checker.unique_state_count(),
        begun.elapsed()
    );
    for event in trace {
        println!("  {event:?}");
    }
}

const WHOLE: &[Place] = &[Place::Whole];
const REGIONS: &[Place] = &[Place::Whole, Place::A, Place::B];
const NESTED: &[Place] = &[Place::A, Place::InA, Place::B, Place::Pair];

#[test]
fn two_sessions_and_one_lock() {
    holds(RecordSettings::of(2, WHOLE, Flaw::None), None, &[]);
}

#[test]
fn two_sessions_and_one_lock_that_does_not_pass_by_itself() {
    let settings = RecordSettings {
        auto_pass: AutoPass::Off,
        ..RecordSettings::of(2, WHOLE, Flaw::None)
    };
    holds(settings, None, &[]);
}

#[test]
fn two_sessions_and_a_stock_client() {
    let settings = RecordSettings {
        last: ClientKind::LockUnaware,
        ..RecordSettings::of(3, WHOLE, Flaw::None)
    };
    holds(settings, None, &[]);
}

/// Otherwise the test before says little.
#[test]
fn a_lock_whose_holder_is_away_gives_way_to_a_stock_client() {
    let settings = RecordSettings {
        last: ClientKind::LockUnaware,
        ..RecordSettings::of(2, WHOLE, Flaw::NoException)
    };
    caught(settings, Rule::S11);
}

#[test]
fn three_sessions_and_one_lock() {
    let possible = ["a waiter behind one who waits for more"];
    holds(RecordSettings::of(3, WHOLE, Flaw::None), Some(8), &possible);
}

#[test]
fn two_sessions_two_regions_and_the_whole() {
    let possible = [
        "two hold side by side",
        "two locks drain to one",
        "more than one offer to make",
    ];
    let settings = RecordSettings::of(2, REGIONS, Flaw::None);
    holds(settings, Some(9), &possible);
}

/// Everything but broken connections: to the end in every run.
#[test]
fn two_sessions_two_regions_and_silence() {
    let settings = RecordSettings {
        comings: Comings::Silence,
        wishes: Wishes::Choosy,
        ..RecordSettings::of(2, REGIONS, Flaw::None)
    };
    holds(settings, None, &["two hold side by side"]);
}

#[test]
fn two_sessions_and_regions_in_regions() {
    let settings = RecordSettings {
        comings: Comings::Silence,
        ..RecordSettings::of(2, NESTED, Flaw::None)
    };
    holds(settings, Some(9), &["two hold side by side"]);
}

#[test]
fn three_sessions_two_regions_and_the_whole() {
    let settings = RecordSettings {
        comings: Comings::None,
        wishes: Wishes::Plain,
        ..RecordSettings::of(3, REGIONS, Flaw::None)
    };
    let possible = [
        "two hold side by side",
        "more than one offer to make",
        "a waiter behind one who waits for more",
    ];
    holds(settings, Some(8), &possible);
}

#[test]
fn three_sessions_hand_over_a_region_and_the_whole() {
    let settings = RecordSettings {
        comings: Comings::Silence,
        ..RecordSettings::of(3, &[Place::Whole, Place::A], Flaw::None)
    };
    holds(
        settings,
        Some(7),
        &["a waiter behind one who waits for more"],
    );
}

#[test]
fn three_sessions_a_region_and_the_whole() {
    let settings = RecordSettings {
        comings: Comings::None,
        wishes: Wishes::Plain,
        ..RecordSettings::of(3, &[Place::Whole, Place::A], Flaw::None)
    };
    holds(
        settings,
        Some(9),
        &["a waiter behind one who waits for more"],
    );
}

#[test]
fn the_right_to_lock_comes_and_goes() {
    let settings = RecordSettings {
        revokes: true,
        ..RecordSettings::of(2, WHOLE, Flaw::None)
    };
    holds(settings, Some(8), &["a lock drains for want of the right"]);
}

#[test]
fn the_right_to_lock_comes_and_goes_among_three() {
    let settings = RecordSettings {
        revokes: true,
        comings: Comings::Silence,
        wishes: Wishes::Choosy,
        ..RecordSettings::of(3, WHOLE, Flaw::None)
    };
    holds(settings, Some(7), &["a lock drains for want of the right"]);
}

#[test]
fn a_holder_that_keeps_its_lock_without_the_right_is_caught() {
    let settings = RecordSettings {
        revokes: true,
        ..RecordSettings::of(2, WHOLE, Flaw::RevokedKeeps)
    };
    caught(settings, Rule::S7);
}

#[test]
fn a_take_over_without_the_right_is_caught() {
    let settings = RecordSettings::of(2, WHOLE, Flaw::RightsForAll);
    caught(settings, Rule::S7);
}

#[test]
fn scopes_compared_for_equality_only_are_caught() {
    let settings = RecordSettings::of(2, REGIONS, Flaw::EqualScopes);
    caught(settings, Rule::S1);
}

#[test]
fn nested_scopes_compared_for_equality_only_are_caught() {
    let settings = RecordSettings::of(2, NESTED, Flaw::EqualScopes);
    caught(settings, Rule::S1);
}

#[test]
fn a_ticket_that_overtakes_an_older_one_is_caught() {
    caught(RecordSettings::of(3, WHOLE, Flaw::Overtake), Rule::S9);
}

#[test]
fn a_ticket_that_overtakes_an_older_one_in_conflict_is_caught() {
    const PLACES: &[Place] = &[Place::Whole, Place::A];
    let settings = RecordSettings {
        wishes: Wishes::Plain,
        ..RecordSettings::of(3, PLACES, Flaw::Overtake)
    };
    caught(settings, Rule::S9);
}

#[test]
fn a_request_that_never_runs_out_is_caught() {
    caught(RecordSettings::of(2, WHOLE, Flaw::RequestForEver), Rule::L1);
}

#[test]
fn a_waiter_that_is_never_offered_a_free_lock_again_is_caught() {
    caught(RecordSettings::of(2, WHOLE, Flaw::NeverAgain), Rule::L5);
}

#[test]
fn waiting_while_holding_leads_to_two_who_wait_for_each_other() {
    let settings = RecordSettings::of(2, REGIONS, Flaw::WaitWhileHolding);
    caught(settings, Rule::S10);
}
