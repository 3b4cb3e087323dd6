use super::*;
use crate::core::duplicate_table::DuplicateTable;

const NOW: Time = Time::ZERO;

fn plan(sequence: u64) -> SnapshotPlan {
    let snapshot = SnapshotEnvelope {
        position: at(sequence),
        name: "minutes".to_owned(),
        table: DuplicateTable::default(),
        content: Bytes::from_static(b"state"),
    };
    let options = SnapshotOptions::default();
    let mut plan = SnapshotPlan::new(BootId(1), &snapshot, 7, options, NOW);
    plan.put_answered(PutAnswer::Present);
    plan.read_back(Some(&snapshot.encode()), NOW);
    plan
}

fn at(sequence: u64) -> StreamPosition {
    StreamPosition {
        incarnation: 0,
        sequence,
    }
}

/// The expected sequence and the content of what is appended last.
fn appended(plan: &mut SnapshotPlan) -> Option<(u64, MessageContent)> {
    let outputs = std::iter::from_fn(|| plan.next_output());
    let appended = outputs.filter_map(|output| match output {
        SnapshotOutput::AppendMark {
            expected, payload, ..
        } => {
            let envelope = MessageEnvelope::decode(&payload).expect("own");
            Some((expected, envelope.content))
        }
        _ => None,
    });
    appended.last()
}

#[test]
fn a_mark_is_appended_after_the_own_claim_and_only_if_nothing_came_between() {
    let mut plan = plan(50);
    let claim = MessageContent::SnapshotClaimed { position: at(50) };
    assert_eq!(appended(&mut plan), Some((7, claim.clone())));
    plan.mark_answered(MarkAnswer::Stored, NOW);
    assert_eq!(appended(&mut plan), None, "the log tells");
    plan.claim_delivered(BootId(2), at(50), 51, NOW);
    assert_eq!(appended(&mut plan), None, "another's, of its own records");
    plan.claim_delivered(BootId(1), at(50), 52, NOW);
    assert!(!plan.is_marked(), "an opening does not find it yet");
    let (expected, mark) = appended(&mut plan).expect("the mark");
    assert!(matches!(mark, MessageContent::SnapshotAt { .. }) && expected == 52);
    plan.claim_delivered(BootId(2), at(40), 53, NOW);
    assert_eq!(appended(&mut plan), Some((53, claim)), "an older snapshot");
    plan.claim_delivered(BootId(2), at(60), 54, NOW);
    assert_eq!(appended(&mut plan), None, "a newer one goes first");
    plan.mark_delivered(at(60), 55, NOW);
    let done = std::iter::from_fn(|| plan.next_output()).last();
    let superseded = SnapshotOutput::Done(SnapshotOutcome::Superseded);
    assert_eq!(done, Some(superseded));
    assert!(plan.is_marked());
}

#[test]
fn another_snapshot_of_the_position_is_as_good_only_if_it_has_the_same_records() {
    for (counter, is_good) in [(None, true), (Some(3), false)] {
        let mut plan = plan(50);
        plan.step = Step::ReadBack { left: 1 };
        let mut table = DuplicateTable::default();
        if let Some(counter) = counter {
            let boot = BootId(9);
            table.admit(RecordId { boot, counter }, 50);
        }
        let other = SnapshotEnvelope {
            position: at(50),
            name: "minutes".to_owned(),
            table,
            content: Bytes::from_static(b"other bytes"),
        };
        appended(&mut plan);
        plan.read_back(Some(&other.encode()), NOW);
        assert_eq!(appended(&mut plan).is_some(), is_good);
    }
}

/// The store of the snapshots was killed after it had taken one. The plan gave it up after
/// twenty reads without an answer, and a document at rest kept its records for ever.
#[test]
fn a_store_that_does_not_answer_gives_no_snapshot_up() {
    let position = at(7);
    let outputs = |plan: &mut SnapshotPlan| -> Vec<SnapshotOutput> {
        std::iter::from_fn(|| plan.next_output()).collect()
    };
    let snapshot = SnapshotEnvelope {
        position,
        name: "minutes".to_owned(),
        table: DuplicateTable::default(),
        content: Bytes::from_static(b"content"),
    };
    let options = SnapshotOptions::default();
    let reads = options.reads;
    let mut now = Time::from_millis(0);
    let mut plan = SnapshotPlan::new(BootId(1), &snapshot, 0, options, now);
    plan.put_answered(PutAnswer::Present);
    for _ in 0..10 * reads {
        assert!(outputs(&mut plan).contains(&SnapshotOutput::ReadBack(position)));
        plan.read_unanswered(now);
        now = plan.poll_timeout().expect("it asks again");
        plan.handle_timeout(now);
    }
    assert_eq!(outputs(&mut plan), [SnapshotOutput::ReadBack(position)]);
    plan.read_back(Some(&snapshot.encode()), now);
    let marks = outputs(&mut plan);
    assert!(
        matches!(marks[..], [SnapshotOutput::AppendMark { .. }]),
        "{marks:?}"
    );
}
