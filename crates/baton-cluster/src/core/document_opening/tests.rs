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
    let record = |sequence| {
        let content = MessageContent::Record {
            part: Part::default(),
            bytes: Bytes::from_static(b"edit"),
        };
        delivered(sequence, 2, content)
    };
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
