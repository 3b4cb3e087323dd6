//! Direct reads, purges, snapshots and unstored messages.

use std::time::Duration;

use baton_cluster::core::{BootId, DocumentKey, StreamPosition, Subject};
use baton_cluster::engine::{Heard, Put, SnapshotKey};
use bytes::Bytes;

use crate::appends::{batch, message, next, subject};
use crate::servers::{Servers, Setup};

#[tokio::test]
async fn the_tail_of_a_document_is_read_from_where_it_is_asked_for() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let stream = servers.engine().await.stream(0);
    // More than one page of answers, between the records of another document.
    for round in 0..7 {
        let _ = stream.append(&batch("a", 1, round * 100, 100)).await;
        let _ = stream.append(&[message("b", 1, 5_000 + round)]).await;
    }
    let all = Subject::of_document(&DocumentKey::new("a"), "baton", 0);
    for filter in [&all, &subject("a")] {
        let tail = stream.tail(filter, 1).await.unwrap();
        assert_eq!(tail.len(), 700);
        assert!(tail.is_sorted_by_key(|message| message.sequence));
        assert!(tail.iter().all(|message| message.subject == subject("a")));
        assert_eq!(tail[699].payload, "1/699");
        let later = stream.tail(filter, tail[650].sequence).await.unwrap();
        assert_eq!(later, tail[650..]);
    }
    assert_eq!(stream.tail(&subject("nothing"), 1).await.unwrap(), []);
    let mut subjects = stream.subjects("baton.0.d.>").await.unwrap();
    subjects.sort();
    assert_eq!(subjects, [subject("a"), subject("b")]);
}

#[tokio::test]
async fn a_purge_removes_what_is_before_a_sequence_and_moves_the_first() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let stream = servers.engine().await.stream(0);
    let _ = stream.append(&batch("a", 1, 1, 10)).await;
    let _ = stream.append(&batch("b", 1, 11, 10)).await;
    stream.purge(subject("a"), 8).await.unwrap();
    let left = stream.tail(&subject("a"), 1).await.unwrap();
    assert_eq!(
        left.iter().map(|left| left.sequence).collect::<Vec<_>>(),
        [8, 9, 10]
    );
    let state = stream.state().await.unwrap();
    assert_eq!((state.first, state.last, state.messages), (8, 20, 13));
    // A reader from the beginning goes on over the gap.
    let mut delivery = stream.deliver(1);
    assert_eq!(next(&mut delivery).await.sequence, 8);
}

#[tokio::test]
async fn a_consumer_counts_what_it_sends() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let stream = servers.engine().await.stream(0);
    let _ = stream.append(&batch("a", 1, 1, 2)).await;
    let _ = stream.append(&batch("b", 1, 3, 2)).await;
    let mut consumer = stream.consume(vec![subject("b")], 1).await.unwrap();
    for (expected, sequence) in [(1, 3), (2, 4)] {
        let Heard::Message { number, message } = consumer.next().await else {
            panic!("no message");
        };
        assert_eq!((number, message.sequence), (expected, sequence));
    }
    let idle = tokio::time::timeout(Duration::from_secs(5), consumer.next()).await;
    assert_eq!(idle.unwrap(), Heard::Heartbeat { number: 2 });
}

async fn snapshots_are_created_once(servers: usize) {
    let Some(servers) = Servers::start(&Setup::of(servers)) else {
        return;
    };
    let snapshots = servers.engine().await.snapshots();
    let key = |document: &str, sequence| SnapshotKey {
        document: DocumentKey::new(document),
        at: StreamPosition {
            incarnation: 0,
            sequence,
        },
    };
    // Of many parts: 20 MiB, not compressible.
    let mut state = 1_u64;
    let large: Bytes = (0..20 << 20)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    for (key, bytes) in [
        (key("a", 900), large.clone()),
        (key("a", 1000), Bytes::from_static(b"small")),
        (key("b/c", 7), Bytes::new()),
    ] {
        let put = snapshots.put(&key, bytes.clone()).await;
        assert_eq!(put.expect("an answer"), Put::Stored, "{}", servers.logs());
        // Of a single copy the engine does not know that it was the same.
        let again = snapshots.put(&key, bytes.clone()).await;
        assert!(again.is_ok(), "{again:?}");
        let other = snapshots.put(&key, "other".into()).await;
        assert_eq!(other.expect("an answer"), Put::Taken);
        // The server that is asked may get it a moment later.
        let read = async {
            loop {
                if let Ok(Some(found)) = snapshots.get(&key).await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert_eq!(read.expect("read in time"), bytes);
    }
    let of_a = snapshots
        .of_document(&DocumentKey::new("a"))
        .await
        .expect("an answer");
    assert_eq!(of_a, [key("a", 900), key("a", 1000)]);
    assert_eq!(snapshots.all().await.expect("an answer").len(), 3);
    snapshots.remove(&key("a", 900)).await.expect("an answer");
    snapshots.remove(&key("a", 900)).await.expect("an answer");
    assert_eq!(
        snapshots
            .of_document(&DocumentKey::new("a"))
            .await
            .expect("an answer"),
        of_a[1..]
    );
}

#[tokio::test]
async fn snapshots_are_created_once_on_one_server() {
    snapshots_are_created_once(1).await;
}

#[tokio::test]
async fn snapshots_are_created_once_on_three_servers() {
    snapshots_are_created_once(3).await;
}

#[tokio::test]
async fn unstored_messages_reach_the_other_nodes() {
    let Some(servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let document = DocumentKey::new("a b");
    let one = servers.engine().await.relay(BootId(1));
    let two = servers.engine().await.relay(BootId(2));
    let mut ears = two.listen(&document).await.unwrap();
    let mut own = one.listen(&document).await.unwrap();
    // The subscription reaches the other servers a moment later.
    let sending = async {
        loop {
            one.send(&document, "hello".into()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let heard = tokio::select! {
        heard = ears.next() => heard,
        () = sending => None,
    };
    assert_eq!(heard, Some((BootId(1), Bytes::from_static(b"hello"))));
    let quiet = tokio::time::timeout(Duration::from_millis(200), own.next()).await;
    assert!(quiet.is_err(), "a node does not hear itself");
    let long = one.send(&document, vec![0; 2 << 20].into()).await;
    assert!(long.unwrap_err().to_string().contains("max_payload"));
}
