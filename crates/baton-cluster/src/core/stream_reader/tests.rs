use baton_presence::Time;
use bytes::Bytes;

use super::*;
use crate::core::{
    BootId, DocumentKey, Incarnations, MessageContent, MessageEnvelope, Part, RecordId, Subject,
};

const NOW: Time = Time::from_millis(5_000);

fn id(boot: u64, counter: u64) -> RecordId {
    RecordId {
        boot: BootId(boot),
        counter,
    }
}

fn stored(id: RecordId) -> Bytes {
    let content = MessageContent::Record {
        part: Part::default(),
        bytes: Bytes::from_static(b"edit"),
    };
    MessageEnvelope { id, content }.encode()
}

/// A reader that has delivered its probe at 10 and the records 11 to 13 of boot 2.
struct Story {
    reader: StreamReader,
    generation: u64,
    number: u64,
}

impl Story {
    fn new() -> Self {
        let reader = StreamReader::new(id(1, 1), ReaderOptions::default(), NOW);
        let mut story = Self {
            reader,
            generation: 0,
            number: 0,
        };
        story.effects();
        let content = MessageContent::Probe;
        let probe = MessageEnvelope {
            id: id(1, 1),
            content,
        }
        .encode();
        story.receive(10, Subject::Probes, &probe);
        story.effects();
        // Each consumer begins with the last message that was delivered.
        story.receive(10, Subject::Probes, &probe);
        for sequence in 11..=13 {
            story.record(sequence, id(2, sequence));
        }
        let delivered = story.effects().into_iter();
        assert_eq!(
            delivered
                .filter(|e| matches!(e, ReaderOutput::Deliver(_)))
                .count(),
            3
        );
        story
    }

    fn receive(&mut self, sequence: u64, subject: Subject, stored: &Bytes) {
        self.number += 1;
        let (generation, number) = (self.generation, self.number);
        self.reader
            .received(generation, number, sequence, subject, stored, NOW);
    }

    fn record(&mut self, sequence: u64, id: RecordId) {
        let subject = Subject::Records(DocumentKey::new("minutes"));
        self.receive(sequence, subject, &stored(id));
    }

    fn effects(&mut self) -> Vec<ReaderOutput> {
        let effects: Vec<_> = std::iter::from_fn(|| self.reader.next_output()).collect();
        for effect in &effects {
            if let ReaderOutput::Subscribe { generation, .. } = effect {
                self.generation = *generation;
                self.number = 0;
            }
        }
        effects
    }
}

#[test]
fn a_message_that_a_consumer_left_out_is_read_again() {
    let mut story = Story::new();
    story.number += 1;
    story.record(15, id(2, 15));
    let effects = story.effects();
    assert!(
        matches!(effects[..], [ReaderOutput::Subscribe { from: 10, .. }]),
        "{effects:?}"
    );
    story.record(13, id(2, 13));
    story.record(14, id(2, 14));
    let effects = story.effects();
    assert!(
        matches!(&effects[..], [ReaderOutput::Deliver(m)] if m.sequence == 14),
        "{effects:?}"
    );
}

#[test]
fn an_old_answer_about_the_end_is_doubted_and_decides_nothing() {
    let mut story = Story::new();
    story.reader.stream_ends_at(12, NOW);
    assert_eq!(story.effects(), [ReaderOutput::Doubt]);
    story.reader.acknowledged(Some(14), 13, NOW);
    story.reader.acknowledged(None, 13, NOW);
    assert_eq!(story.effects(), []);
    assert!(story.reader.is_live());
}

/// The end after 11 was lost, and the last message came again at the sequence that it had: the node
/// stayed in the former incarnation, and others dropped what it wrote there.
#[test]
fn one_message_that_is_as_it_was_does_not_hide_what_was_lost_before_it() {
    // After a long loss a server says how short the stream is.
    for (last, told) in [(13, None), (200, Some(11))] {
        let mut story = Story::new();
        for sequence in 14..=last {
            story.record(sequence, id(2, sequence));
        }
        story.effects();
        story.reader.heartbeat(story.generation, 999, NOW);
        if let Some(end) = told {
            story.effects();
            story.reader.stream_ends_at(end, NOW);
        }
        let from = story.effects().into_iter().find_map(|effect| match effect {
            ReaderOutput::Subscribe { from, .. } => Some(from),
            _ => None,
        });
        assert_eq!(from, Some(told.unwrap_or(10)));
        story.record(11, id(2, 11));
        story.record(12, id(3, 1));
        let effects = story.effects();
        assert!(
            matches!(effects[..], [ReaderOutput::Subscribe { from: 10, .. }]),
            "{effects:?}"
        );
        story.record(11, id(2, 11));
        story.record(12, id(3, 1));
        let effects = story.effects();
        let lost = |effect: &ReaderOutput| matches!(effect, ReaderOutput::TailLost { end: 11, .. });
        assert!(effects.iter().any(lost), "{effects:?}");
    }
}

/// The last message alone was lost, and another one has its sequence: the numbers say nothing.
#[test]
fn another_message_in_the_place_of_the_last_one_shows_a_lost_end() {
    let mut story = Story::new();
    story.reader.heartbeat(story.generation, 99, NOW);
    story.effects();
    for is_compared in [false, true] {
        for sequence in 11..=12 {
            story.record(sequence, id(2, sequence));
        }
        story.record(13, id(3, 1));
        let effects = story.effects();
        let compares = matches!(effects[..], [ReaderOutput::Subscribe { from: 10, .. }]);
        let lost = |effect: &ReaderOutput| matches!(effect, ReaderOutput::TailLost { end: 12, .. });
        assert_eq!(compares, !is_compared, "{effects:?}");
        assert_eq!(effects.iter().any(lost), is_compared, "{effects:?}");
    }
}

/// Others had purged all that came in place of a lost end, and the numbers went on: the node stayed
/// in the former incarnation.
#[test]
fn a_consumer_that_does_not_begin_with_the_last_message_shows_a_hole() {
    let mut story = Story::new();
    story.reader.heartbeat(story.generation, 99, NOW);
    story.effects();
    story.record(14, id(2, 14));
    let effects = story.effects();
    assert!(
        matches!(effects[..], [ReaderOutput::Subscribe { from: 10, .. }]),
        "{effects:?}"
    );
    // 11 is still there; 12 and 13 were purged, or lost with all that came in their place.
    story.record(11, id(2, 11));
    story.record(14, id(2, 14));
    let effects = story.effects();
    let missing = effects.iter().find_map(|effect| match effect {
        ReaderOutput::Hole {
            after: 13, missing, ..
        } => Some(missing),
        _ => None,
    });
    let missing = missing.expect("a hole");
    let missing: Vec<_> = missing.iter().map(|lost| lost.original).collect();
    assert_eq!(missing, [id(2, 12), id(2, 13)]);
}

/// The own batch had proved the loss, and what came in its place was purged before it was read.
#[test]
fn a_proven_loss_needs_no_message_in_its_place() {
    let mut story = Story::new();
    story.reader.acknowledged(Some(13), 13, NOW);
    story.effects();
    for sequence in 11..=12 {
        story.record(sequence, id(2, sequence));
    }
    story.record(20, id(3, 1));
    let effects = story.effects();
    let [ReaderOutput::TailLost { end: 12, lost, .. }, ..] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(lost.len(), 1);
}

#[test]
fn a_stream_that_is_shorter_is_doubted_until_something_new_comes() {
    let mut story = Story::new();
    story.reader.stream_ends_at(12, NOW);
    story.effects();
    let due = story.reader.poll_timeout().expect("the next probe");
    story.reader.handle_timeout(due);
    assert_eq!(story.effects(), [ReaderOutput::Doubt]);
    story.record(14, id(2, 14));
    story.effects();
    let later = story.reader.poll_timeout().expect("silence");
    assert!(later > due, "no further probe");
}

#[test]
fn an_own_acknowledgement_proves_a_lost_end_and_the_journal_tells_where_it_is() {
    let mut story = Story::new();
    story.reader.acknowledged(Some(13), 13, NOW);
    assert!(matches!(
        story.effects()[..],
        [ReaderOutput::Subscribe { from: 10, .. }]
    ));
    let content = MessageContent::Probe;
    let probe = MessageEnvelope {
        id: id(1, 1),
        content,
    }
    .encode();
    story.receive(10, Subject::Probes, &probe);
    story.record(11, id(2, 11));
    story.record(12, id(3, 1));
    let effects = story.effects();
    let [
        ReaderOutput::TailLost {
            end: 11,
            lost,
            whole: true,
        },
        rest @ ..,
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    let lost: Vec<_> = lost.iter().map(|lost| lost.original).collect();
    assert_eq!(lost, [id(2, 12), id(2, 13)]);
    let [
        ReaderOutput::Proclaim {
            history,
            expected: 0,
        },
        ReaderOutput::Skip(_),
    ] = rest
    else {
        panic!("{rest:?}");
    };
    let content = MessageContent::Incarnations(history.clone());
    let proclaimed = MessageEnvelope {
        id: id(3, 0),
        content,
    }
    .encode();
    story.receive(13, Subject::Incarnations, &proclaimed);
    let effects = story.effects();
    assert!(
        matches!(effects[0], ReaderOutput::IncarnationBegan(_)),
        "{effects:?}"
    );
    assert_eq!(story.reader.position().incarnation, 1);
}

#[test]
fn a_message_that_is_not_understood_stops_the_reader() {
    let mut story = Story::new();
    story.receive(14, Subject::Probes, &Bytes::from_static(b"\x02\x00"));
    let effects = story.effects();
    assert!(matches!(
        effects[..],
        [ReaderOutput::Unreadable { sequence: 14, .. }]
    ));
    story.record(15, id(2, 15));
    assert_eq!(story.effects(), []);
    assert_eq!(story.reader.poll_timeout(), None);
}

fn probe(counter: u64) -> Bytes {
    let (id, content) = (id(1, counter), MessageContent::Probe);
    MessageEnvelope { id, content }.encode()
}

/// A reader that found another message at 10, the first of its journal, and has proclaimed the next
/// incarnation; then it looks for a proclamation of another node.
fn looks_for_a_proclamation() -> Story {
    let mut story = Story::new();
    story.reader.acknowledged(Some(13), 13, NOW);
    story.effects();
    story.record(10, id(3, 1));
    story.record(11, id(3, 2));
    let effects = story.effects();
    let [
        ReaderOutput::TailLost {
            end: 9,
            whole: false,
            ..
        },
        ReaderOutput::Proclaim { expected: 0, .. },
        ..,
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    let due = story.reader.poll_timeout().expect("it waits");
    story.reader.handle_timeout(due);
    let effects = story.effects();
    let [
        ReaderOutput::Doubt,
        ReaderOutput::Subscribe {
            from: 1,
            scope: ConsumerScope::Control,
            ..
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    story
}

#[test]
fn a_proclamation_below_all_that_the_journal_reaches_is_found() {
    let mut story = looks_for_a_proclamation();
    let history = Incarnations::default().with(5).expect("the first");
    let (name, content) = (id(3, 0), MessageContent::Incarnations(history));
    let proclaimed = MessageEnvelope { id: name, content }.encode();
    story.receive(8, Subject::Incarnations, &proclaimed);
    let effects = story.effects();
    let [
        ReaderOutput::TailLost { end: 5, lost, .. },
        ReaderOutput::IncarnationBegan(_),
        ReaderOutput::Skip(_),
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert!(lost.is_empty(), "what was skipped is in the stream");
    // An own probe from before is no sign that all was read.
    story.receive(11, Subject::Probes, &probe(4));
    assert!(!story.reader.is_live());
    story.receive(12, Subject::Probes, &probe(5));
    assert!(story.reader.is_live());
    assert_eq!(story.reader.position().incarnation, 1);
    assert!(matches!(
        story.effects()[..],
        [
            ReaderOutput::Skip(_),
            ReaderOutput::Subscribe { from: 12, .. },
            ReaderOutput::Skip(_),
        ]
    ));
}

#[test]
fn without_another_proclamation_the_own_one_is_made_again() {
    let mut story = looks_for_a_proclamation();
    story.receive(12, Subject::Probes, &probe(5));
    let effects = story.effects();
    let [
        ReaderOutput::Proclaim {
            history,
            expected: 0,
        },
        ReaderOutput::Subscribe {
            scope: ConsumerScope::Everything,
            ..
        },
        ReaderOutput::Skip(_),
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(history.bases(), [9]);
    assert!(!story.reader.is_live());
}
