use super::*;
use proptest::prelude::*;

#[test]
fn messages_are_announced_together_up_to_the_first_that_is_not_durable() {
    let mut ledger = SavedLedger::default();
    for position in [10, 11, 12] {
        let number = ledger.next(SyncKind::Update);
        ledger.settle(number, position);
    }
    assert_eq!(ledger.durable(9), None);
    assert_eq!(ledger.durable(11), Some(2));
    assert_eq!(ledger.durable(11), None);
    assert_eq!(ledger.durable(50), Some(3));
    assert!(!ledger.has_unsaved());
}

#[test]
fn nothing_but_itself_settles_a_message() {
    let mut ledger = SavedLedger::default();
    (0..4).for_each(|_| assert!(ledger.next(SyncKind::Update) > 0));
    ledger.settle(1, 10);
    ledger.settle(3, 12);
    ledger.settle(4, 13);
    assert_eq!(ledger.durable(100), Some(1));
    ledger.settle(2, 200);
    assert_eq!(ledger.durable(199), None);
    assert_eq!(ledger.durable(200), Some(4));
}

#[test]
fn what_is_lost_holds_back_all_that_follows_and_costs_nothing() {
    let mut ledger = SavedLedger::default();
    for position in 1..=100 {
        let number = ledger.next(SyncKind::Update);
        ledger.settle(number, position);
    }
    ledger.lose(51);
    assert_eq!(ledger.durable(1000), Some(50));
    for position in 101..=10_000 {
        let number = ledger.next(SyncKind::Update);
        ledger.settle(number, position);
    }
    assert!(ledger.runs.is_empty());
    assert_eq!(ledger.durable(20_000), None);
    assert!(!ledger.has_unsaved(), "nothing more is ever announced");
}

#[test]
fn memory_is_bounded_and_what_is_joined_is_announced_later_not_earlier() {
    let mut ledger = SavedLedger::default();
    for position in 1..=10_000 {
        let number = ledger.next(SyncKind::Update);
        ledger.settle(number, position);
    }
    assert!(ledger.runs.len() <= RUNS);
    assert_eq!(ledger.durable(20), Some(20));
    assert_eq!(ledger.durable(5000), Some(RUNS as u64 - 1));
    assert_eq!(ledger.durable(10_000), Some(10_000));
}

#[test]
fn thousands_that_are_settled_in_reverse_order_are_all_announced() {
    let mut ledger = SavedLedger::default();
    (0..8000).for_each(|_| assert!(ledger.next(SyncKind::Update) > 0));
    for (position, number) in (1..=8000).rev().enumerate() {
        ledger.settle(number, position as u64);
    }
    assert!(ledger.runs.len() <= RUNS);
    assert_eq!(ledger.durable(8000), Some(8000));
}

const NONE: [bool; 0] = [];

fn with_statuses() -> SavedLedger {
    let mut ledger = SavedLedger::default();
    ledger.give_statuses();
    ledger
}

/// The statuses that a client is sent when the log is durable up to a position.
fn statuses(ledger: &mut SavedLedger, position: u64) -> Vec<bool> {
    let _ = ledger.durable(position);
    std::iter::from_fn(|| ledger.next_status(position)).collect()
}

#[test]
fn each_message_has_one_status_in_order_and_true_only_when_it_is_durable() {
    let mut ledger = with_statuses();
    for position in [10, 11, 12] {
        let number = ledger.next(SyncKind::Update);
        ledger.settle(number, position);
    }
    assert_eq!(statuses(&mut ledger, 9), NONE);
    assert_eq!(statuses(&mut ledger, 11), [true, true]);
    assert!(ledger.has_unsaved());
    assert_eq!(statuses(&mut ledger, 12), [true]);
    assert!(!ledger.has_unsaved());
    assert_eq!(statuses(&mut ledger, 50), NONE);
}

#[test]
fn a_message_that_failed_has_its_status_in_its_turn_and_those_behind_it_have_theirs() {
    let mut ledger = with_statuses();
    (0..5).for_each(|_| assert!(ledger.next(SyncKind::Update) > 0));
    ledger.settle(1, 10);
    ledger.fail(2);
    ledger.settle(2, 11);
    ledger.lose(3);
    ledger.settle(4, 12);
    // The fifth is kept aside.
    assert_eq!(statuses(&mut ledger, 9), NONE);
    assert_eq!(statuses(&mut ledger, 10), [true, false, false]);
    assert_eq!(statuses(&mut ledger, 12), [true]);
    assert!(ledger.has_unsaved());
    ledger.settle(5, 13);
    assert_eq!(statuses(&mut ledger, 13), [true]);
    assert!(!ledger.has_unsaved());
    assert!(ledger.runs.is_empty());
    // A park counts as saved, a message that is not taken holds that count back.
    assert_eq!(ledger.announced, 2);
}

#[test]
fn a_refused_message_has_its_status_at_once_and_counts_as_saved_when_it_is_taken() {
    let mut ledger = with_statuses();
    let refused = ledger.next(SyncKind::Update);
    ledger.fail(refused);
    let next = ledger.next(SyncKind::Update);
    ledger.settle(next, 10);
    assert_eq!(statuses(&mut ledger, 10), [false, true]);
    assert_eq!(ledger.announced, 0);
    ledger.settle(refused, 11);
    assert_eq!(ledger.durable(11), Some(2));
    assert_eq!(statuses(&mut ledger, 11), NONE);
}

#[test]
fn an_answer_on_which_the_client_does_not_count_is_not_taken_for_an_edit_of_its() {
    let mut ledger = with_statuses();
    let answer = |ledger: &mut SavedLedger, position| {
        let number = ledger.next(SyncKind::Step2);
        ledger.settle(number, position);
        statuses(ledger, position)
    };
    ledger.asked(true);
    ledger.asked(false);
    assert_eq!(answer(&mut ledger, 1), [true]);
    assert_eq!(answer(&mut ledger, 2), [false]);
    assert_eq!(answer(&mut ledger, 3), [true], "it came unasked");
}

/// Each Step1 of a client looked once at every message that had no status yet. Behind an edit that
/// is kept aside these could be millions.
#[test]
fn counting_anew_makes_one_run_of_all_that_came() {
    let mut ledger = with_statuses();
    for number in 1..=1000 {
        assert_eq!(ledger.next(SyncKind::Update), number);
        if number % 3 == 0 {
            ledger.fail(number);
        }
    }
    ledger.count_anew(&StateVector::new());
    ledger.count_anew(&StateVector::new());
    let statuses = ledger.statuses.as_ref().unwrap();
    assert_eq!(statuses.runs_of_falses(), 1);
    let later = ledger.next(SyncKind::Update);
    ledger.settle(later, 7);
    let mut expected = vec![false; 1000];
    expected.push(true);
    assert_eq!(self::statuses(&mut ledger, 7), expected);
}

#[test]
fn memory_for_statuses_is_bounded_and_none_is_true_too_early() {
    let mut ledger = with_statuses();
    // The first is kept aside, and every other one fails.
    assert_eq!(ledger.next(SyncKind::Update), 1);
    for position in 1..=10_000 {
        let number = ledger.next(SyncKind::Update);
        if position % 2 == 0 {
            ledger.fail(number);
        } else {
            ledger.settle(number, position);
        }
    }
    assert_eq!(statuses(&mut ledger, 10_000), NONE);
    ledger.settle(1, 10_001);
    let told = statuses(&mut ledger, 10_001);
    assert_eq!(told.len(), 10_001);
    let falsely = told.iter().enumerate().skip(1);
    let mut falsely = falsely.filter(|(index, told)| **told && index % 2 == 0);
    assert_eq!(falsely.next(), None);
    assert!(told.iter().filter(|told| **told).count() > 60);
}

#[test]
fn a_barrier_is_covered_when_all_before_it_is_in_the_document_and_durable() {
    let mut ledger = SavedLedger::default();
    // The client has not answered our Step1: it may have edits that it has not sent.
    let opening = ledger.mark(0);
    assert_eq!(ledger.coverage(opening), Coverage::Open);
    let answer = ledger.next(SyncKind::Step2);
    ledger.settle(answer, 10);
    assert_eq!(ledger.coverage(opening), Coverage::Open);
    let _ = ledger.durable(10);
    assert_eq!(ledger.coverage(opening), Coverage::Saved);

    let edit = ledger.next(SyncKind::Update);
    let behind = ledger.mark(0);
    ledger.settle(edit, 11);
    assert_eq!(ledger.coverage(behind), Coverage::Open);
    let _ = ledger.durable(11);
    assert_eq!(ledger.coverage(behind), Coverage::Saved);

    let parked = ledger.next(SyncKind::Update);
    ledger.fail(parked);
    ledger.settle(parked, 12);
    let _ = ledger.durable(12);
    assert_eq!(ledger.coverage(behind), Coverage::Saved);
    assert_eq!(ledger.coverage(ledger.mark(0)), Coverage::Failed);
    // Messages that wait to be judged are before it as well.
    assert_eq!(ledger.coverage(ledger.mark(2)), Coverage::Failed);
}

#[derive(Debug, Clone)]
enum Op {
    Settle { back: u64 },
    Skip,
    Fail { back: u64 },
    Lose,
    Durable { behind: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..5_u64).prop_map(|back| Op::Settle { back }),
        4 => Just(Op::Skip),
        1 => (0..3_u64).prop_map(|back| Op::Fail { back }),
        1 => Just(Op::Lose),
        6 => (0..6_u64).prop_map(|behind| Op::Durable { behind }),
    ]
}

proptest! {
    /// Against the plain account: the first position at which each message was settled, and those
    /// that failed.
    #[test]
    fn the_runs_say_what_a_plain_list_says(
        has_statuses: bool,
        ops in proptest::collection::vec(op(), 0..60),
    ) {
        let mut ledger = SavedLedger::default();
        if has_statuses {
            ledger.give_statuses();
        }
        let mut plain: Vec<Option<u64>> = Vec::new();
        let mut failed: Vec<bool> = Vec::new();
        let (mut announced, mut told, mut position) = (0, 0, 0);
        for op in ops {
            position += 1;
            if !matches!(op, Op::Durable { .. }) {
                ledger.next(SyncKind::Update);
                plain.push(None);
                failed.push(false);
            }
            let at = |back: u64| (plain.len() as u64).saturating_sub(back).max(1);
            match op {
                Op::Skip => {}
                Op::Settle { back } => {
                    let number = at(back);
                    ledger.settle(number, position);
                    plain[number as usize - 1].get_or_insert(position);
                }
                Op::Fail { back } => {
                    let number = at(back);
                    ledger.fail(number);
                    failed[number as usize - 1] |= number as usize > told;
                }
                // Of the one that just came: no other message is given up.
                Op::Lose => {
                    let number = at(0);
                    ledger.lose(number);
                    plain[number as usize - 1] = Some(u64::MAX);
                    failed[number as usize - 1] = true;
                }
                Op::Durable { behind } => {
                    let durable = position.saturating_sub(behind);
                    let settled = |at: &&Option<u64>| at.is_some_and(|at| at <= durable);
                    let expected = plain.iter().take_while(settled).count().max(announced);
                    let grew = (expected > announced).then_some(expected as u64);
                    announced = expected;
                    prop_assert_eq!(ledger.durable(durable), grew);
                    let mut expected = Vec::new();
                    while has_statuses && told < plain.len() {
                        let saved = plain[told].is_some_and(|at| at <= durable) || told < announced;
                        if !saved && !failed[told] {
                            break;
                        }
                        expected.push(!failed[told]);
                        told += 1;
                    }
                    let statuses: Vec<_> =
                        std::iter::from_fn(|| ledger.next_status(durable)).collect();
                    prop_assert_eq!(statuses, expected);
                }
            }
            let lost = plain.iter().position(|at| *at == Some(u64::MAX));
            let end = lost.unwrap_or(plain.len());
            let untold = has_statuses && told < plain.len();
            prop_assert_eq!(ledger.has_unsaved(), announced < end || untold);
        }
    }
}
