//! Snapshots in a bucket: what a start refuses, and what happens when the store fails.

use std::time::Duration;

use baton_cluster::core::{DocumentKey, StreamPosition, stream_of};
use baton_cluster::engine::{
    BucketOptions, Engine, EngineOptions, Put, SnapshotKey, SnapshotPlace,
};
use baton_log::{Journals, LogError};
use bytes::Bytes;

use crate::member::Member;
use crate::s3_server::{BUCKET, S3Server, options_at, unconditional_gate};
use crate::servers::{Servers, Setup};

/// Returns one engine and one store, if there are programs for both.
async fn both() -> Option<(Servers, S3Server)> {
    let servers = Servers::start(&Setup::of(1))?;
    Some((servers, S3Server::start().await?))
}

fn options(servers: &Servers, place: SnapshotPlace) -> EngineOptions {
    EngineOptions {
        snapshots: place,
        ..servers.options()
    }
}

async fn refusal(options: EngineOptions) -> String {
    let refused = Engine::start(options).await;
    refused.expect_err("a refusal").to_string()
}

fn key(document: &str, sequence: u64) -> SnapshotKey {
    SnapshotKey {
        document: DocumentKey::new(document),
        at: StreamPosition {
            incarnation: 0,
            sequence,
        },
    }
}

/// Waits for something that comes by itself.
async fn until<T>(what: &str, mut step: impl AsyncFnMut() -> Option<T>) -> T {
    let stepping = async {
        loop {
            if let Some(done) = step().await {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), stepping).await;
    done.unwrap_or_else(|_| panic!("not in time: {what}"))
}

#[tokio::test]
async fn snapshots_of_a_bucket_are_created_once() {
    let Some((servers, store)) = both().await else {
        return;
    };
    let place = SnapshotPlace::Bucket(store.options("baton/one"));
    let engine = Engine::start(options(&servers, place)).await.expect("fit");
    let snapshots = engine.snapshots();
    let large = Bytes::from(
        (0..8_000_000_u32)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>(),
    );
    let long = "long/ä ".repeat(60);
    for (key, bytes) in [
        (key("a", 900), large),
        (key("a", 1000), Bytes::from_static(b"small")),
        (key("a=b/c.d", 7), Bytes::new()),
        (key(&long, 3), Bytes::from_static(b"long")),
    ] {
        let other = || Bytes::from_static(b"other");
        assert_eq!(snapshots.get(&key).await.expect("an answer"), None);
        let two = (snapshots.put(&key, bytes.clone()), snapshots.get(&key));
        let (put, _) = tokio::join!(two.0, two.1);
        assert_eq!(put.expect("an answer"), Put::Stored);
        assert_eq!(snapshots.put(&key, other()).await.expect("one"), Put::Taken);
        assert_eq!(snapshots.get(&key).await.expect("an answer"), Some(bytes));
    }
    let of_a = snapshots.of_document(&DocumentKey::new("a")).await;
    assert_eq!(of_a.expect("an answer"), [key("a", 900), key("a", 1000)]);
    assert_eq!(snapshots.all().await.expect("an answer").len(), 4);
    for _ in 0..2 {
        snapshots.remove(&key("a", 900)).await.expect("an answer");
    }
    let of_a = snapshots.of_document(&DocumentKey::new("a")).await;
    assert_eq!(of_a.expect("an answer"), [key("a", 1000)]);
}

#[tokio::test]
async fn a_store_that_puts_over_an_object_is_refused_before_anything_is_made() {
    let Some((servers, store)) = both().await else {
        return;
    };
    let gate = unconditional_gate(store.address()).await;
    let place = SnapshotPlace::Bucket(options_at(gate, ""));
    let refused = refusal(options(&servers, place)).await;
    assert!(refused.contains("If-None-Match"), "{refused}");
    // Another place can still be chosen.
    servers.engine().await;
}

#[tokio::test]
async fn the_place_of_a_cluster_is_fixed_and_no_other_clusters() {
    let Some((servers, store)) = both().await else {
        return;
    };
    let place = |prefix: &str| SnapshotPlace::Bucket(store.options(prefix));
    let first = || options(&servers, place("one"));
    assert!(Engine::start(first()).await.is_ok());
    assert!(Engine::start(first()).await.is_ok());
    for other in [SnapshotPlace::Engine, place("two")] {
        let refused = refusal(options(&servers, other)).await;
        let mends = "start with `--cluster-snapshots s3://snapshots/one` as it was";
        assert!(refused.contains(mends), "{refused}");
    }
    let second = EngineOptions {
        prefix: "second".to_owned(),
        ..first()
    };
    let refused = refusal(second).await;
    assert!(refused.contains("those of another cluster"), "{refused}");

    // The same names in another store: its bucket is empty.
    let elsewhere = S3Server::start().await.expect("a server");
    let elsewhere = SnapshotPlace::Bucket(elsewhere.options("one"));
    let refused = refusal(options(&servers, elsewhere)).await;
    assert!(
        refused.contains("has no snapshots of this cluster"),
        "{refused}"
    );
    assert!(refused.contains("AWS_ENDPOINT_URL"), "{refused}");

    let wrong = [
        ("AWS_ACCESS_KEY_ID", "baton".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "wr0ng".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{}", store.address())),
    ];
    let wrong = wrong.map(|(name, value)| (name.to_owned(), value));
    let address = format!("s3://{BUCKET}/one");
    let wrong = BucketOptions::new(&address, wrong).expect("an address");
    let refused = refusal(options(&servers, SnapshotPlace::Bucket(wrong))).await;
    assert!(
        refused.contains("refuses the put of a snapshot"),
        "{refused}"
    );
    assert!(refused.contains("AWS_ACCESS_KEY_ID"), "{refused}");
    assert!(!refused.contains("wr0ng"), "{refused}");
}

/// A document at rest is in the bucket: the engine has nothing but the mark. Another node opens it
/// from there. With the object gone it does not open, and is not taken for an empty one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_at_rest_is_in_the_bucket_and_its_mark_in_the_engine() {
    let Some((servers, store)) = both().await else {
        return;
    };
    let place = || options(&servers, SnapshotPlace::Bucket(store.options("baton")));
    let one = Member::start_with(place()).await;
    let (mut a, _) = one.open("plan").await;
    for round in 0..20 {
        a.propose(format!("{round}")).await;
    }
    let taken = a.take(20).await;
    let at = taken[19].position;
    a.journal.snapshot(at, "twenty".into()).unwrap();
    let engine = Engine::start(place()).await.expect("fit");
    let stream = engine.stream(stream_of("plan", 2));
    let records_subject = format!("baton.{}.d.plan.r", stream_of("plan", 2));
    let marks_subject = format!("baton.{}.d.plan.s", stream_of("plan", 2));
    until("the purge", async || {
        let left = stream.tail(&records_subject, 1).await.ok()?;
        left.is_empty().then_some(())
    })
    .await;
    let marks = stream.tail(&marks_subject, 1).await.expect("an answer");
    assert_eq!(marks.len(), 1);
    assert!(
        engine
            .stream(0)
            .subjects("baton.snapshot.>")
            .await
            .is_ok_and(|it| it.is_empty())
    );

    drop(a);
    let two = Member::start_with(place()).await;
    let (b, loaded) = two.open("plan").await;
    assert_eq!(loaded.snapshot, Some((at, "twenty".into())));
    assert!(loaded.tail.is_empty());
    drop(b);

    let stored = engine
        .snapshots()
        .of_document(&DocumentKey::new("plan"))
        .await;
    let [only] = <[SnapshotKey; 1]>::try_from(stored.expect("an answer")).expect("one object");
    let backup = engine.snapshots().get(&only).await.expect("an answer");
    store
        .delete_by_hand(&engine.snapshots().place_of(&only))
        .await;
    let read = two.log.clone();
    let read = tokio::task::spawn_blocking(move || read.holds("plan")).await;
    let held = read.expect("no panic").expect("an answer");
    assert!(held, "it is damaged, and not one that does not exist");
    let not_opened = two.try_open("plan").await.map(|_| ());
    let failed = not_opened.expect_err("the snapshot is gone");
    assert!(matches!(failed, LogError::Damaged { .. }), "{failed}");
    let place = "s3://snapshots/baton/d/plan/0.";
    assert!(failed.to_string().contains(place), "{failed}");
    // Restored, it opens again.
    let put = engine
        .snapshots()
        .put(&only, backup.expect("the object"))
        .await;
    assert_eq!(put.expect("an answer"), Put::Stored);
    let (_b, loaded) = two.open("plan").await;
    assert_eq!(loaded.snapshot, Some((at, "twenty".into())));
}

/// The store is killed: open documents are edited on, nothing is purged, and a document that rests
/// there says why it does not open. When the store is back, the snapshot that waited is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_store_delays_snapshots_and_loses_nothing() {
    let Some((servers, mut store)) = both().await else {
        return;
    };
    let place = || options(&servers, SnapshotPlace::Bucket(store.options("")));
    let one = Member::start_with(place()).await;
    let two = Member::start_with(place()).await;
    let engine = Engine::start(place()).await.expect("fit");
    let left = async |document: &str| {
        let index = stream_of(document, 2);
        let subject = format!("baton.{index}.d.{document}.r");
        let left = engine.stream(index).tail(&subject, 1).await;
        left.expect("an answer").len()
    };
    let (mut rests, _) = one.open("rests").await;
    rests.propose("long ago").await;
    let at = rests.next().await.position;
    rests.journal.snapshot(at, "old".into()).unwrap();
    until("the first purge", async || {
        (left("rests").await == 0).then_some(())
    })
    .await;
    drop(rests);
    let (mut edited, _) = one.open("edited").await;
    edited.propose("before").await;
    edited.next().await;

    store.kill();
    edited.propose("during").await;
    let during = edited.next().await;
    let at = during.position;
    edited.journal.snapshot(at, "both".into()).unwrap();
    let refused = two.try_open("rests").await.map(|_| ());
    let refused = refused.expect_err("the store is down");
    assert!(matches!(refused, LogError::Load { .. }), "{refused}");
    let place_named = "the snapshot store s3://snapshots/ gave no answer";
    assert!(refused.to_string().contains(place_named), "{refused}");
    // Much longer than the delay of a purge; the mark of the opening is there, too.
    assert_eq!(left("edited").await, 3);

    store.restart();
    until("the purge", async || {
        (left("edited").await <= 1).then_some(())
    })
    .await;
    let (_b, loaded) = two.open("edited").await;
    assert_eq!(loaded.snapshot, Some((at, "both".into())));
    let (_b, loaded) = two.open("rests").await;
    assert_eq!(loaded.snapshot.map(|(_, bytes)| bytes), Some("old".into()));
}
