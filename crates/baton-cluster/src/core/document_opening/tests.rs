use bytes::Bytes;

use super::*;
use crate::core::{BootId, DocumentKey, MessageEnvelope, Part, Subject};

const NOW: Time = Time::from_millis(5_000);

fn delivered(sequence: u64, boot: u64, content: MessageContent) -> Delivered {
    let id = RecordId {
        boot: BootId(boot),
        counter: sequence,
    };
    Delivered {
        sequence,
        subject: Subject::Records(DocumentKey::new("minutes")),
        envelope: MessageEnvelope { id, content },
    }
}

fn record(sequence: u64) -> Delivered {
    let (part, bytes) = (Part::default(), Bytes::from_static(b"edit"));
    delivered(sequence, 2, MessageContent::Record { part, bytes })
}

/// The record came in one step of the shell with the last answer: the node passed over it, and over
/// all that its author wrote later.
#[test]
fn a_record_that_comes_before_the_document_is_taken_is_in_it() {
    let history = Incarnations::default();
    let mut opening = DocumentOpening::new(history, OpeningOptions::default(), NOW);
    assert_eq!(opening.next_output(), Some(OpeningOutput::Mark));
    let name = "minutes".to_owned();
    let mark = delivered(10, 1, MessageContent::Opened { name });
    opening.marked(mark.envelope.id);
    opening.delivered(&mark, NOW);
    assert_eq!(opening.next_output(), Some(OpeningOutput::ReadTail));
    opening.tail_read(Some(std::slice::from_ref(&mark)), NOW);
    assert_eq!(opening.next_output(), Some(OpeningOutput::ListSnapshots));
    opening.delivered(&record(11), NOW);
    opening.listed(&[], NOW);
    opening.delivered(&record(12), NOW);
    let Some(OpeningOutput::Opened(mut opened)) = opening.next_output() else {
        panic!("it is open");
    };
    let positions = opened.tail.iter().map(|record| record.position.sequence);
    assert_eq!(positions.collect::<Vec<_>>(), [11, 12]);
    assert!(opened.feed.take(&record(12)).is_none(), "it is there");
    assert!(opened.feed.take(&record(13)).is_some());
    assert_eq!(opening.next_output(), None);
}

fn at(sequence: u64) -> StreamPosition {
    StreamPosition {
        incarnation: 0,
        sequence,
    }
}

/// The mark at `sequence` of the snapshot at this position.
fn marked(sequence: u64, position: StreamPosition) -> Delivered {
    let name = "minutes".to_owned();
    let mark = delivered(sequence, 2, MessageContent::SnapshotAt { position, name });
    let subject = Subject::Snapshots(DocumentKey::new("minutes"));
    Delivered { subject, ..mark }
}

/// An opening that has read this tail, and its own mark at 30, of a stream that has lost all after
/// 12: the incarnation began with the message at 27.
fn has_read(tail: &[Delivered]) -> DocumentOpening {
    let history = Incarnations::new(vec![12]).expect("one");
    let history = history.begun_at(27, &Incarnations::default());
    let mut opening = DocumentOpening::new(history, OpeningOptions::default(), NOW);
    let name = "minutes".to_owned();
    let mark = delivered(30, 1, MessageContent::Opened { name });
    opening.marked(mark.envelope.id);
    opening.delivered(&mark, NOW);
    for asked in [OpeningOutput::Mark, OpeningOutput::ReadTail] {
        assert_eq!(opening.next_output(), Some(asked));
    }
    opening.tail_read(Some(&[tail, &[mark]].concat()), NOW);
    opening
}

/// A node that had not seen the lost end had gone on, and had purged what its snapshot has.
#[test]
fn the_newest_mark_that_counts_at_its_place_is_opened_and_nothing_else() {
    let marks = [marked(16, at(10)), marked(25, at(20)), marked(28, at(22))];
    let mut opening = has_read(&marks);
    // The one at 28 is late: with the incarnation all had given up what was after 12.
    let asked = Some(OpeningOutput::FetchSnapshot(at(20)));
    assert_eq!(opening.next_output(), asked);
    // A server of the store is behind. The list is not asked: it may have one of the lost end.
    opening.fetched(at(20), FetchedSnapshot::Missing, NOW);
    assert_eq!(opening.next_output(), None);
    let due = opening.poll_timeout();
    opening.handle_timeout(due);
    assert_eq!(opening.next_output(), asked);
}

#[test]
fn a_snapshot_of_the_list_is_opened_only_if_nothing_is_left_from_before_it() {
    let mut opening = has_read(&[record(11)]);
    let asked = Some(OpeningOutput::ListSnapshots);
    assert_eq!(opening.next_output(), asked);
    // Its purge would have taken the record.
    opening.listed(&[at(11), at(12)], NOW);
    let Some(OpeningOutput::Opened(opened)) = opening.next_output() else {
        panic!("all is in the tail");
    };
    assert_eq!((opened.snapshot, opened.tail.len()), (None, 1));

    let mut opening = has_read(&[record(26)]);
    assert_eq!(opening.next_output(), asked);
    // The one at 20 is of the lost end.
    opening.listed(&[at(10), at(12), at(20)], NOW);
    let asked = Some(OpeningOutput::FetchSnapshot(at(12)));
    assert_eq!(opening.next_output(), asked);
}
