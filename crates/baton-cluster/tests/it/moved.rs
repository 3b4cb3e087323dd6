//! Documents that come from another log, and nodes that come and go meanwhile.

use std::time::{Duration, Instant};

use baton_cluster::{ClusterLog, ClusterOptions};
use baton_log::{
    ClusterNode, Committed, DocumentJournal, Durability, Journals, LoadedDocument, LogError,
    MovedContent, Position, Urgency,
};

use crate::servers::{Servers, Setup};

/// The last position in the other log, beyond all that the streams of a test reach.
const ABOVE: Position = Position::new(1_000_000);

async fn node(servers: &Servers) -> ClusterLog {
    let mut options = ClusterOptions::new(servers.options());
    options.snapshots.purge_delay = Duration::from_millis(200);
    let (log, _news) = ClusterLog::open(options).await.expect("the node starts");
    log
}

fn open(log: &ClusterLog) -> (Box<dyn DocumentJournal>, LoadedDocument) {
    tokio::task::block_in_place(|| log.open("notes")).expect("it opens")
}

async fn proposes(journal: &mut Box<dyn DocumentJournal>, record: &'static str) -> Committed {
    let nothing = journal.share().nothing(record.len());
    let placed = journal.propose(nothing, 1, record.into(), Urgency::Now);
    placed.expect("accepted");
    let mut watch = journal.watch();
    loop {
        if let Some(committed) = journal.next_committed() {
            return committed;
        }
        if let Durability::Failed(error) = &*watch.borrow_and_update() {
            panic!("{error}");
        }
        let moved = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await;
        moved.expect("delivered in time").expect("a log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_another_log_goes_on_above_its_positions_on_every_node() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let (one, two) = (node(&servers).await, node(&servers).await);
    let (mut journal, loaded) = open(&one);
    assert_eq!(loaded, LoadedDocument::default());
    journal
        .replace(ABOVE, MovedContent::Document("moved".into()))
        .expect("accepted");
    drop(journal);
    // After the flush an opening finds it, on any node.
    one.flush().await.expect("it is stored");
    let (mut a, loaded) = open(&one);
    assert_eq!(loaded.snapshot, Some((ABOVE, "moved".into())));
    assert!(loaded.tail.is_empty() && !loaded.erased);
    let (mut b, same) = open(&two);
    assert_eq!(same, loaded);
    let first = proposes(&mut a, "one").await;
    assert!(first.position > ABOVE);
    let second = proposes(&mut b, "one, too").await;
    assert_eq!((second.position, second.own), (first.position, None));

    // A snapshot of its own carries the base on.
    a.snapshot(first.position, "one".into()).expect("accepted");
    drop((a, b));
    // It may stand at a mark behind its last record.
    let is_stored = |loaded: &LoadedDocument| {
        let snapshot = loaded.snapshot.as_ref();
        snapshot.is_some_and(|(at, bytes)| *at >= first.position && bytes == "one")
    };
    let until = Instant::now() + Duration::from_secs(30);
    let (mut a, loaded) = loop {
        let (journal, loaded) = open(&two);
        if is_stored(&loaded) {
            break (journal, loaded);
        }
        assert!(Instant::now() < until, "{loaded:?}");
        drop(journal);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let third = loaded.tail.last().expect("the record after it").0;
    assert!(third > first.position);
    assert_eq!(a.last(), third);

    // Positions never go back, whatever the other log says; the marks are before the new content.
    a.replace(Position::new(7), MovedContent::Remains("remains".into()))
        .expect("accepted");
    drop(a);
    two.flush().await.expect("it is stored");
    let (mut a, loaded) = open(&one);
    let (at, bytes) = loaded.snapshot.expect("what remains");
    assert!(loaded.erased && loaded.tail.is_empty() && bytes == "remains");
    assert!(at > third, "{at} comes after {third}");
    assert!(!tokio::task::block_in_place(|| one.holds("notes")).expect("an answer"));
    let high = a.replace(Position::new(1 << 52), MovedContent::Erased);
    assert!(matches!(high, Err(LogError::PositionTooHigh { .. })));
    assert!(proposes(&mut a, "again").await.position > at);
}

/// The task of a node's leases saw the deletion by its own node and took a new lease, so the others
/// waited 20 s for a node that had left in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_left_has_no_lease() {
    let Some(servers) = Servers::start(&Setup::of(1)) else {
        return;
    };
    let stays = node(&servers).await;
    for _ in 0..8 {
        let leaves = node(&servers).await;
        let boot = leaves.boot();
        let has_lease = || stays.leases().iter().any(|lease| lease.boot == boot);
        let comes = async {
            while !has_lease() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(20), comes).await;
        came.expect("it is seen");
        leaves.shutdown().await.expect("a quiet end");
        let goes = async {
            while has_lease() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // A lease that nobody gives up is there for 20 s.
        let gone = tokio::time::timeout(Duration::from_secs(5), goes).await;
        gone.expect("its lease is gone");
        // Its handle is still there, and takes no other lease.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!has_lease());
    }
}
