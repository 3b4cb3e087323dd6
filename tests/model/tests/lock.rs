//! The lock as it is, on every schedule of a bounded world; then each known flaw, which the checker
//! must find. `BATON_MODEL_DEEP=1` looks further. `--nocapture` shows sizes and traces.

use std::time::Instant;

use baton_model::{Flaw, FreeEdits, LockModel, Operation, Place, Rule, Settings};
use stateright::{Checker, HasDiscoveries, Model};

fn deep() -> bool {
    std::env::var("BATON_MODEL_DEEP").is_ok_and(|deep| deep == "1")
}

/// How far a search goes.
#[derive(Clone, Copy)]
enum Depth {
    /// To the end of the state space.
    Whole,
    /// So many states on a path; in a deep run, to the second number.
    To(usize, usize),
}

#[expect(clippy::print_stdout, reason = "a test may print")]
fn holds(settings: Settings, depth: Depth, possible: &[&'static str]) {
    let begun = Instant::now();
    let mut checker = LockModel(settings).checker().threads(2);
    // All that is possible is found long before all is seen; only a broken rule ends the search.
    checker = checker.finish_when(HasDiscoveries::AnyFailures);
    if let Depth::To(usual, far) = depth {
        checker = checker.target_max_depth(if deep() { far } else { usual });
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
            let actions = path.into_actions();
            let trace: Vec<_> = actions.iter().map(|a| format!("{a:?}")).collect();
            let trace = trace.join("\n  ");
            panic!(
                "{} is broken by\n  {trace}\nwhich ends in {last}",
                rule.name()
            );
        }
    }
    for name in possible {
        checker.assert_any_discovery(name);
    }
}

#[expect(clippy::print_stdout, reason = "a test may print")]
fn caught(settings: Settings, rule: Rule) {
    let begun = Instant::now();
    let only = HasDiscoveries::AnyOf([rule.name()].into());
    let checker = LockModel(settings).checker().threads(2).finish_when(only);
    let checker = checker.target_max_depth(26).spawn_bfs().join();
    let trace = checker.assert_any_discovery(rule.name()).into_actions();
    println!(
        "{:?} breaks {} in {} steps ({} states, {:?}):\n  {trace:?}",
        settings.flaw,
        rule.name(),
        trace.len(),
        checker.unique_state_count(),
        begun.elapsed()
    );
}

#[test]
fn no_schedule_of_messages_and_timers_breaks_a_rule() {
    let possible = [
        "the younger one edits under the lock",
        "an offer missed",
        "a silent holder that nobody replaces",
        "a client that lost a lock and was not told",
    ];
    holds(Settings::calm(), Depth::To(16, 60), &possible);
}

/// With one message under way, this is seen whole.
#[test]
fn no_schedule_of_messages_in_a_narrow_network_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        ..Settings::calm()
    };
    holds(settings, Depth::Whole, &["an offer missed"]);
}

#[test]
fn no_schedule_with_a_broken_connection_or_a_kill_breaks_a_rule() {
    let settings = Settings::faulty(Flaw::None);
    holds(settings, Depth::To(13, 20), &["an offer missed"]);
}

/// The default profile: a lost connection and an unheard drain are waited for as long as the lease.
#[test]
fn no_schedule_without_a_grace_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        ..Settings::graceless(Flaw::None)
    };
    holds(settings, Depth::To(14, 20), &["an offer missed"]);
}

#[test]
fn no_schedule_with_handoffs_without_a_grace_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        operations: ALL,
        ..Settings::graceless(Flaw::None)
    };
    holds(settings, Depth::To(11, 20), &["a holder that was asked"]);
}

#[test]
fn no_schedule_with_a_crash_breaks_a_rule() {
    let settings = Settings::crashing(Flaw::None);
    holds(settings, Depth::To(17, 20), &[]);
}

/// With one message under way, this too is seen whole.
#[test]
fn no_schedule_with_a_crash_and_a_narrow_network_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        ..Settings::crashing(Flaw::None)
    };
    holds(settings, Depth::Whole, &["a holder of before, overdue"]);
}

#[test]
fn no_schedule_of_three_clients_breaks_a_rule() {
    let settings = Settings {
        clients: 3,
        ..Settings::faulty(Flaw::None)
    };
    holds(settings, Depth::To(10, 14), &[]);
}

const WHOLE_AND_A: &[Place] = &[Place::Whole, Place::A];
const REGIONS: &[Place] = &[Place::Whole, Place::A, Place::B];

#[test]
fn no_schedule_with_regions_breaks_a_rule() {
    let settings = Settings::of_places(Flaw::None, REGIONS);
    holds(settings, Depth::To(13, 15), &["two edit side by side"]);
}

/// With one message under way, to the end.
#[test]
fn no_schedule_with_regions_and_a_narrow_network_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        ..Settings::of_places(Flaw::None, WHOLE_AND_A)
    };
    holds(settings, Depth::Whole, &[]);
}

#[test]
fn no_schedule_with_transfers_breaks_a_rule() {
    let settings = Settings::handing_over(Flaw::None, &[Operation::Transfer]);
    let possible = [
        "a lock that drains with an edit under way",
        "the younger one edits under the lock",
    ];
    holds(settings, Depth::To(16, 40), &possible);
}

#[test]
fn no_schedule_with_requests_breaks_a_rule() {
    let settings = Settings::handing_over(Flaw::None, &[Operation::Request, Operation::Idle]);
    let possible = [
        "a lock that drains with an edit under way",
        "a holder that was asked",
    ];
    holds(settings, Depth::To(16, 40), &possible);
}

#[test]
fn no_schedule_with_take_overs_breaks_a_rule() {
    let settings = Settings::handing_over(Flaw::None, &[Operation::TakeOver]);
    let possible = ["a lock that drains with an edit under way"];
    holds(settings, Depth::To(16, 40), &possible);
}

const ALL: &[Operation] = &[Operation::Transfer, Operation::Request, Operation::TakeOver];

/// With one message under way, to the end.
#[test]
fn no_schedule_with_handoffs_and_a_narrow_network_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        ..Settings::handing_over(Flaw::None, ALL)
    };
    holds(settings, Depth::Whole, &["a holder that was asked"]);
}

#[test]
fn no_schedule_with_handoffs_and_a_fault_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        faults: 1,
        ..Settings::handing_over(Flaw::None, ALL)
    };
    holds(settings, Depth::To(14, 40), &["a holder that was asked"]);
}

#[test]
fn no_schedule_with_handoffs_and_a_crash_breaks_a_rule() {
    let settings = Settings {
        in_flight: 1,
        crashes: 1,
        ..Settings::handing_over(Flaw::None, ALL)
    };
    holds(settings, Depth::To(14, 40), &["a holder that was asked"]);
}

#[test]
fn no_schedule_with_handoffs_of_three_clients_breaks_a_rule() {
    let settings = Settings {
        clients: 3,
        ..Settings::handing_over(Flaw::None, ALL)
    };
    holds(settings, Depth::To(9, 12), &[]);
}

#[test]
fn without_a_claim_the_dead_are_made_holders() {
    caught(Settings::faulty(Flaw::NoClaim), Rule::L1);
}

#[test]
fn a_lease_that_counts_from_receipt_lets_two_clients_edit() {
    caught(Settings::with(Flaw::LeaseFromReceipt), Rule::S5);
}

#[test]
fn equal_timeouts_let_two_clients_edit() {
    caught(Settings::with(Flaw::EqualTimeouts), Rule::S5);
}

#[test]
fn a_restart_that_forgets_the_holder_makes_two() {
    caught(Settings::crashing(Flaw::ForgetHolder), Rule::S1);
}

#[test]
fn a_restart_that_forgets_what_was_locked_makes_two_holders() {
    let settings = Settings {
        crashes: 1,
        ..Settings::of_places(Flaw::ForgetScopes, WHOLE_AND_A)
    };
    caught(settings, Rule::S1);
}

#[test]
fn handing_over_early_lets_two_clients_edit() {
    caught(Settings::with(Flaw::HandOverEarly), Rule::S5);
}

#[test]
fn without_the_fence_check_a_late_write_is_applied() {
    caught(Settings::with(Flaw::NoFenceCheck), Rule::S3);
}

#[test]
fn a_fence_that_is_reset_comes_twice() {
    caught(Settings::with(Flaw::FenceReset), Rule::S2);
}

#[test]
fn a_confirmation_to_the_loser_lets_two_clients_edit() {
    caught(Settings::with(Flaw::ConfirmToTheLoser), Rule::S5);
}

#[test]
fn a_grace_that_ends_before_the_lease_lets_two_clients_edit() {
    caught(Settings::graceless(Flaw::GraceAlone), Rule::S5);
}

#[test]
fn a_drain_that_ends_before_the_lease_lets_two_clients_edit() {
    let settings = Settings {
        faults: 0,
        operations: &[Operation::Transfer],
        ..Settings::graceless(Flaw::GraceAlone)
    };
    caught(settings, Rule::S5);
}

#[test]
fn a_waiter_that_is_never_offered_a_free_lock_again_is_caught() {
    caught(Settings::with(Flaw::NeverAgain), Rule::L5);
}

#[test]
fn a_loss_of_which_the_server_never_knows_that_it_was_told_is_caught() {
    let settings = Settings::handing_over(Flaw::ForgetToTell, &[Operation::Transfer]);
    caught(settings, Rule::L6);
}

#[test]
fn an_announcement_of_what_is_not_durable_gives_a_fence_twice() {
    caught(Settings::crashing(Flaw::AnnounceEarly), Rule::S2);
}

#[test]
fn a_release_that_overtakes_an_edit_parks_it() {
    caught(Settings::with(Flaw::ReleaseOvertakes), Rule::S6);
}

#[test]
fn a_word_that_all_is_sent_that_overtakes_an_edit_parks_it() {
    let settings = Settings::handing_over(Flaw::ReleaseOvertakes, &[Operation::Transfer]);
    caught(settings, Rule::S6);
}

#[test]
fn a_drain_that_is_over_before_its_time_lets_two_clients_edit() {
    let settings = Settings::handing_over(Flaw::DrainAtOnce, &[Operation::Transfer]);
    caught(settings, Rule::S5);
}

#[test]
fn a_drain_that_the_server_ends_in_the_name_of_the_holder_parks_an_edit() {
    let settings = Settings::handing_over(Flaw::DrainForHim, &[Operation::Request]);
    caught(settings, Rule::S6);
}

#[test]
fn a_drain_that_the_server_ends_in_the_name_of_the_holder_lets_two_clients_edit() {
    let settings = Settings::handing_over(Flaw::DrainForHim, &[Operation::TakeOver]);
    caught(settings, Rule::S5);
}

#[test]
fn a_confirmation_to_one_who_is_to_stop_lets_two_clients_edit() {
    let settings = Settings::handing_over(Flaw::ConfirmToTheLoser, &[Operation::Transfer]);
    caught(settings, Rule::S5);
}

#[test]
fn a_take_over_without_the_right_is_caught() {
    let settings = Settings::handing_over(Flaw::RightsForAll, &[Operation::TakeOver]);
    caught(settings, Rule::S7);
}

#[test]
fn scopes_compared_for_equality_only_let_two_clients_edit_the_same() {
    let settings = Settings::of_places(Flaw::EqualScopes, WHOLE_AND_A);
    caught(settings, Rule::S1);
}

/// An edit that was typed while nobody held the lock may come when somebody does.
#[test]
fn without_the_fence_check_a_write_from_before_the_lock_is_applied() {
    let settings = Settings {
        free_edits: FreeEdits::Too,
        ..Settings::with(Flaw::NoFenceCheck)
    };
    caught(settings, Rule::S3);
}
