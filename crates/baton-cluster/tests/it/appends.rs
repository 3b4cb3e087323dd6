//! Appending: atomic, once, contiguous; compare-and-set.

use baton_cluster::core::{BootId, DocumentKey, RecordId, Subject};
use baton_cluster::engine::{
    AppendAnswer, Delivery, Engine, LogStream, NewMessage, StoredMessage, Written,
};
use bytes::Bytes;

use crate::servers::{Servers, Setup};

/// Returns the subject of a document's records in stream 0.
pub(crate) fn subject(document: &str) -> String {
    Subject::Records(DocumentKey::new(document)).render("baton", 0)
}

pub(crate) fn message(document: &str, boot: u64, counter: u64) -> NewMessage {
    let id = RecordId {
        boot: BootId(boot),
        counter,
    };
    let content = Bytes::from(format!("{boot}/{counter}"));
    NewMessage::new(subject(document), id.message_id(0), content)
}

pub(crate) fn batch(document: &str, boot: u64, from: u64, count: u64) -> Vec<NewMessage> {
    let counters = from..from + count;
    counters
        .map(|counter| message(document, boot, counter))
        .collect()
}

pub(crate) async fn next(delivery: &mut Delivery) -> StoredMessage {
    delivery.next().await.expect("a delivery")
}

/// Returns the sequences of what was stored just now.
fn stored(answer: &AppendAnswer) -> (u64, u64) {
    match answer {
        AppendAnswer::Stored { first, last } => (*first, *last),
        other => panic!("{other:?}"),
    }
}

fn is_duplicate(answer: &AppendAnswer) -> bool {
    matches!(answer, AppendAnswer::Duplicate)
}

async fn engine(servers: usize) -> Option<(Servers, Engine, LogStream)> {
    let servers = Servers::start(&Setup::of(servers))?;
    let engine = servers.engine().await;
    let stream = engine.stream(0);
    Some((servers, engine, stream))
}

async fn batches_are_contiguous_and_stored_once(servers: usize) {
    let Some((_servers, _engine, stream)) = engine(servers).await else {
        return;
    };
    let one = batch("a", 1, 1, 3);
    assert_eq!(stored(&stream.append(&one).await), (1, 3));
    // Several writers at once: each batch is contiguous.
    let writers = (2..10).map(|boot| {
        let stream = stream.clone();
        tokio::spawn(async move { stored(&stream.append(&batch("b", boot, 1, 50)).await) })
    });
    for writer in writers.collect::<Vec<_>>() {
        let (first, last) = writer.await.expect("an answer");
        assert!((last - 3) % 50 == 0 && first + 49 == last, "{first} {last}");
    }
    // The same again, whole or one message, was stored earlier.
    assert!(is_duplicate(&stream.append(&one).await));
    assert!(is_duplicate(&stream.append(&one[1..2]).await));
    assert_eq!(stream.state().await.expect("an answer").last, 403);
    let mut delivery = stream.deliver(1);
    for sequence in 1..=403 {
        let message = next(&mut delivery).await;
        assert_eq!(message.sequence, sequence);
        if sequence <= 3 {
            assert_eq!(message.payload, format!("1/{sequence}"));
            assert_eq!(message.subject, subject("a"));
        }
    }
}

#[tokio::test]
async fn batches_are_contiguous_and_stored_once_on_one_server() {
    batches_are_contiguous_and_stored_once(1).await;
}

#[tokio::test]
async fn batches_are_contiguous_and_stored_once_on_three_servers() {
    batches_are_contiguous_and_stored_once(3).await;
}

/// A message that is wrong keeps its whole batch out. A batch of which another message than the last
/// was stored before is not this protocol's, and is at least not taken for stored.
#[tokio::test]
async fn a_batch_is_atomic_whatever_is_wrong_with_one_message() {
    let Some((_servers, _engine, stream)) = engine(3).await else {
        return;
    };
    assert_eq!(stored(&stream.append(&batch("a", 1, 2, 1)).await), (1, 1));
    let mixed = stream.append(&batch("a", 1, 1, 3)).await;
    assert!(matches!(mixed, AppendAnswer::Unknown(_)), "{mixed:?}");
    let mut conditional = batch("a", 1, 10, 3);
    conditional[0].expected_last = Some(77);
    let overtaken = stream.append(&conditional).await;
    assert!(
        matches!(overtaken, AppendAnswer::Overtaken),
        "{overtaken:?}"
    );
    let none = stream.append(&[]).await;
    let many = stream.append(&batch("a", 1, 100, 1001)).await;
    for refused in [none, many] {
        assert!(matches!(refused, AppendAnswer::Refused(_)), "{refused:?}");
    }
    let mut foreign = batch("a", 1, 20, 2);
    foreign[0].subject = "baton.1.d.a.r".to_owned();
    let foreign = stream.append(&foreign).await;
    assert!(
        !matches!(foreign, AppendAnswer::Stored { .. }),
        "{foreign:?}"
    );
    assert_eq!(stream.state().await.unwrap().last, 1);
}

#[tokio::test]
async fn one_of_two_conditional_appends_wins() {
    let Some((_servers, _engine, stream)) = engine(3).await else {
        return;
    };
    let first = stream.append(&[message("a", 1, 1).after(0)]).await;
    assert_eq!(stored(&first), (1, 1));
    let again = stream.append(&[message("a", 1, 1).after(0)]).await;
    assert!(is_duplicate(&again), "the same message finds itself");
    let late = stream.append(&[message("a", 2, 1).after(0)]).await;
    assert!(matches!(late, AppendAnswer::Overtaken), "{late:?}");
    assert_eq!(
        stored(&stream.append(&[message("b", 2, 1).after(0)]).await),
        (2, 2)
    );
    assert_eq!(
        stored(&stream.append(&[message("a", 2, 2).after(1)]).await),
        (3, 3)
    );
}

#[tokio::test]
async fn a_shared_value_is_written_by_compare_and_set() {
    let Some((servers, engine, _stream)) = engine(3).await else {
        return;
    };
    let other = servers.engine().await.leases();
    let leases = engine.leases();
    assert_eq!(leases.read("node-1").await.unwrap(), None);
    let write = |value: &'static str, replaces| leases.write("node-1", value.into(), replaces);
    let Written::As(first) = write("one", 0).await.unwrap() else {
        panic!("not written");
    };
    let again = write("one", 0).await.unwrap();
    assert!(
        matches!(again, Written::Earlier),
        "a repeated write finds itself: {again:?}"
    );
    let taken = other.write("node-1", "thief".into(), 0).await.unwrap();
    assert!(matches!(taken, Written::Overtaken), "{taken:?}");
    let Written::As(second) = other.write("node-1", "lost".into(), first).await.unwrap() else {
        panic!("not written");
    };
    let renewal = write("two", first).await.unwrap();
    assert!(
        matches!(renewal, Written::Overtaken),
        "the holder learns that it is lost"
    );
    let read = leases.read("node-1").await.unwrap().unwrap();
    assert_eq!((read.revision, &read.value[..]), (second, &b"lost"[..]));
    let mut delivery = leases.deliver();
    let mut seen = next(&mut delivery).await;
    if seen.sequence == first {
        // From a server that was behind; the newer value follows.
        seen = next(&mut delivery).await;
    }
    assert_eq!(leases.key_of(&seen.subject), Some("node-1"));
    assert_eq!((seen.sequence, &seen.payload[..]), (second, &b"lost"[..]));
}
