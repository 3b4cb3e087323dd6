//! Two nodes on one cluster: one order for both, snapshots, leases, an engine that is killed.

use std::time::Duration;

use baton_cluster::ClusterOptions;
use baton_log::{ClusterNode, Committed, Journals, LoadedDocument, LogError, NodeNews};
use bytes::Bytes;

use crate::member::{Member, Open, records};
use crate::servers::{Servers, Setup};

/// Both nodes append at once; both deliver the same records at the same positions, each its own
/// under the counters of its proposals, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_deliver_one_order() {
    let Some(servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let (one, two) = (Member::start(&servers).await, Member::start(&servers).await);
    let (mut a, loaded) = one.open("notes/ä").await;
    assert_eq!(loaded, LoadedDocument::default());
    let (mut b, _) = two.open("notes/ä").await;
    assert!(matches!(
        one.try_open("notes/ä").await,
        Err(LogError::AlreadyOpen { .. })
    ));
    for round in 0..100 {
        a.propose(format!("a{round}")).await;
        b.propose(format!("b{round}")).await;
    }
    // Longer than a stored message may be.
    let long = Bytes::from(vec![7; 3 << 20]);
    a.propose(long.clone()).await;
    let (from_a, from_b) = (a.take(201).await, b.take(201).await);
    assert_eq!(records(&from_a), records(&from_b));
    assert!(from_a.is_sorted_by_key(|committed| committed.position));
    let own = |taken: &[Committed]| taken.iter().filter_map(|it| it.own).collect::<Vec<_>>();
    assert_eq!(own(&from_a), (1..=101).collect::<Vec<_>>());
    assert_eq!(own(&from_b), (1..=100).collect::<Vec<_>>());
    assert!(from_a.iter().any(|committed| committed.record == long));
    assert!(a.journal.is_settled() && b.journal.is_settled());
    assert_eq!(a.journal.durable(), a.journal.last());

    // A later opening reads the same.
    drop(b);
    let (b, loaded) = two.open("notes/ä").await;
    assert_eq!(loaded.tail, records(&from_a));
    assert_eq!(b.journal.last(), a.journal.last());
    let stored = two.log.clone();
    let (held, missing) = tokio::task::spawn_blocking(move || {
        (
            stored.holds("notes/ä").unwrap(),
            stored.holds("other").unwrap(),
        )
    })
    .await
    .unwrap();
    assert!(held && !missing);
}

/// A snapshot replaces the records up to its position; what follows it is the tail. The records
/// are purged, and a document that is erased is empty but goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_opened_from_its_snapshot_and_tail() {
    let Some(servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let (one, two) = (Member::start(&servers).await, Member::start(&servers).await);
    let (mut a, _) = one.open("plan").await;
    for round in 0..20 {
        a.propose(format!("{round}")).await;
    }
    let taken = a.take(20).await;
    // Not at the end: the table of names must be that of the snapshot's position.
    let at = taken[14].position;
    a.journal.snapshot(at, "fifteen".into()).unwrap();
    assert_eq!((a.journal.tail_records(), a.journal.tail_bytes()), (5, 10));
    let engine = servers.engine().await;
    let subject = format!(
        "baton.{}.d.plan.r",
        baton_cluster::core::stream_of("plan", 2)
    );
    let stream = engine.stream(baton_cluster::core::stream_of("plan", 2));
    let purged = async {
        while stream
            .tail(&subject, 1)
            .await
            .is_ok_and(|left| left.len() > 5)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let purged = tokio::time::timeout(Duration::from_secs(30), purged).await;
    purged.expect("purged in time");
    let (b, loaded) = two.open("plan").await;
    assert_eq!(loaded.snapshot, Some((at, "fifteen".into())));
    assert_eq!(loaded.tail, records(&taken[15..]));
    assert_eq!(b.journal.stored_bytes(), 7 + 10);
    drop(b);

    a.journal.erase_leaving("rest".into()).unwrap();
    let erased = async {
        loop {
            let (b, loaded) = two.open("plan").await;
            drop(b);
            if loaded.erased {
                return loaded;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let loaded = tokio::time::timeout(Duration::from_secs(30), erased).await;
    let loaded = loaded.expect("erased in time");
    assert_eq!(loaded.snapshot, Some((taken[19].position, "rest".into())));
    a.propose("again").await;
    let again = a.next().await;
    assert!(again.position > taken[19].position);
    let (_b, loaded) = two.open("plan").await;
    assert_eq!(loaded.tail, records(&[again]));
}

/// Documents that rest hold the first messages of their stream, between which those of others were
/// purged. Each gets a snapshot that the log asks for; then the first sequence moves, and they open
/// as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_hold_the_oldest_part_of_a_stream_are_asked_for_and_let_it_go() {
    const RESTING: &str = "at rest";
    let Some(servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let trims = |options: &mut ClusterOptions| {
        options.trim.holes = 50;
        options.trim.interval = Duration::from_secs(1);
    };
    let mut one = Member::start_changed(servers.options(), trims).await;
    let streams = 2;
    let of = baton_cluster::core::stream_of(RESTING, streams);
    // Others of the same stream.
    let busy = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"];
    let mut busy = busy.into_iter();
    let busy = busy.find(|name| baton_cluster::core::stream_of(name, streams) == of);
    let busy = busy.expect("one of nine names");

    let (mut resting, _) = one.open(RESTING).await;
    for round in 0..3 {
        resting.propose(format!("kept {round}")).await;
    }
    let kept = records(&resting.take(3).await);
    drop(resting);
    let (mut writer, _) = one.open(busy).await;
    for round in 0..100 {
        writer.propose(format!("{round}")).await;
    }
    let last = writer.take(100).await.pop().expect("a record").position;
    writer.journal.snapshot(last, "all".into()).unwrap();

    // The server's part.
    let asked = async {
        loop {
            match one.news.next().await.expect("news") {
                NodeNews::Oldest { document } if &*document == RESTING => return,
                NodeNews::Oldest { document } => eprintln!("also {document}"),
                _ => {}
            }
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(30), asked).await;
    asked.expect("asked for in time");
    let engine = servers.engine().await;
    let stream = engine.stream(of);
    let first = stream.state().await.expect("a state").first;
    let (mut resting, loaded) = one.open(RESTING).await;
    assert_eq!(loaded.tail, kept);
    let at = resting.journal.last();
    resting.journal.snapshot(at, "kept".into()).unwrap();
    drop(resting);
    let moved = async {
        while stream
            .state()
            .await
            .is_ok_and(|state| state.first <= at.get())
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let moved = tokio::time::timeout(Duration::from_secs(30), moved).await;
    moved.expect("purged in time");
    let after = stream.state().await.expect("a state").first;
    assert!(after > first && after > at.get(), "{first}, then {after}");

    // It rests again: the marks of its openings go with the next snapshot, although it has no
    // record that is newer.
    let (resting, loaded) = one.open(RESTING).await;
    let (snapshot, content) = loaded.snapshot.expect("a snapshot");
    assert_eq!((&content[..], loaded.tail.len()), (&b"kept"[..], 0));
    assert!(snapshot > at);
    drop(resting);
    let (mut resting, _) = one.open(RESTING).await;
    let at = resting.journal.last();
    resting.journal.snapshot(at, "kept again".into()).unwrap();
    resting.propose("and more").await;
    let more = records(&resting.take(1).await);
    drop(resting);
    let key = baton_cluster::core::DocumentKey::new(RESTING);
    let subject = format!("baton.{of}.d.{key}.r");
    let purged = async {
        while stream
            .tail(&subject, 1)
            .await
            .is_ok_and(|left| left.len() > 1)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let purged = tokio::time::timeout(Duration::from_secs(30), purged).await;
    purged.expect("purged in time");
    let (_resting, loaded) = one.open(RESTING).await;
    let (_, content) = loaded.snapshot.expect("a snapshot");
    assert_eq!((&content[..], loaded.tail), (&b"kept again"[..], more));
}

/// A node that is gone without a word is lost once its lease has lapsed; the other goes on. A node
/// that leaves is lost at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_is_lost_and_the_other_goes_on() {
    let Some(servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let mut one = Member::start(&servers).await;
    let two = Member::start(&servers).await;
    let (mut a, _) = one.open("minutes").await;
    let (mut b, _) = two.open("minutes").await;
    b.propose("from the dead").await;
    assert_eq!(a.next().await.record, "from the dead");
    let dead = two.log.boot();
    assert!(one.log.is_alive(dead));
    let met = async {
        while one.log.leases().len() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), met)
        .await
        .expect("both have leases");
    drop(b);
    drop(two);
    let lost = async {
        loop {
            if let Some(NodeNews::Lost(boot)) = one.news.next().await {
                return boot;
            }
        }
    };
    let lost = tokio::time::timeout(Duration::from_secs(60), lost).await;
    assert_eq!(lost.expect("lost in time"), dead);
    assert!(!one.log.is_alive(dead));
    // TTL and grace are 5 s here, 3 s of which the dead one may have needed to notice.
    let served = one.log.served_without(dead);
    assert!(served >= Duration::from_secs(2), "{served:?}");
    assert!(served < Duration::from_secs(60), "{served:?}");
    a.propose("goes on").await;
    assert_eq!(a.next().await.record, "goes on");

    let three = Member::start(&servers).await;
    let leaving = three.log.boot();
    let (mut c, loaded) = three.open("minutes").await;
    assert_eq!(loaded.tail.len(), 2);
    c.propose("goodbye").await;
    three.log.shutdown().await.expect("a quiet end");
    assert!(matches!(
        c.journal.failure().as_deref(),
        Some(LogError::Closed)
    ));
    assert_eq!(a.next().await.record, "goodbye");
    let left = async {
        loop {
            if let Some(NodeNews::Lost(boot)) = one.news.next().await {
                return boot;
            }
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(20), left).await;
    assert_eq!(left.expect("lost in time"), leaving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relayed_messages_reach_the_nodes_that_have_the_document_open() {
    let Some(servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let mut one = Member::start(&servers).await;
    let two = Member::start(&servers).await;
    let _a = one.open("board").await;
    let _b = two.open("board").await;
    let heard = async {
        loop {
            match one.news.next().await.expect("news") {
                NodeNews::Relayed {
                    document,
                    from,
                    bytes,
                } => return (document, from, bytes),
                other => eprintln!("{other:?}"),
            }
        }
    };
    let sending = async {
        loop {
            two.log.relay("board", "cursor".into());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let heard = tokio::select! {
        heard = tokio::time::timeout(Duration::from_secs(20), heard) => heard,
        () = sending => unreachable!(),
    };
    let expected = (
        "board".into(),
        two.log.boot(),
        Bytes::from_static(b"cursor"),
    );
    assert_eq!(heard.expect("heard in time"), expected);
}

/// All engines are killed: the node is isolated, proposals wait. When they are back all of them are
/// delivered, once and in order, and no node was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_all_engines_delays_and_loses_nothing() {
    let Some(mut servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let mut one = Member::start(&servers).await;
    let two = Member::start(&servers).await;
    let (mut a, _) = one.open("outage").await;
    let (mut b, _) = two.open("outage").await;
    a.propose("before").await;
    assert_eq!(b.next().await.record, "before");
    for index in 0..3 {
        servers.kill(index);
    }
    a.propose("during a").await;
    b.propose("during b").await;
    let isolated = async {
        loop {
            if let Some(NodeNews::Isolated(isolated)) = one.news.next().await
                && isolated
            {
                return;
            }
        }
    };
    let isolated = tokio::time::timeout(Duration::from_secs(10), isolated).await;
    isolated.expect("isolated in time");
    assert!(one.log.is_isolated());
    tokio::time::sleep(Duration::from_secs(6)).await;
    for index in 0..3 {
        servers.restart(index);
    }
    let (from_a, from_b) = (a.take(3).await, b.take(2).await);
    assert_eq!(records(&from_a)[1..], records(&from_b));
    let healed = async {
        while one.log.is_isolated() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), healed)
        .await
        .expect("healed in time");
    assert!(one.log.is_alive(two.log.boot()) && two.log.is_alive(one.log.boot()));
}

/// Each engine in turn is killed while both nodes append: every proposal is delivered once, in the
/// order of its node, at the same position on both nodes, and again from the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_deliver_one_order_while_engines_are_killed() {
    const EACH: usize = 600;
    let Some(mut servers) = Servers::start(&Setup::of(3)) else {
        return;
    };
    let (one, two) = (Member::start(&servers).await, Member::start(&servers).await);
    let (mut a, _) = one.open("storm").await;
    let (mut b, _) = two.open("storm").await;
    let write = |mut open: Open, name: &'static str| {
        tokio::spawn(async move {
            for round in 0..EACH {
                open.propose(format!("{name}{round}")).await;
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            open
        })
    };
    let writers = (write(a, "a"), write(b, "b"));
    for index in 0..3 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        servers.kill(index);
        tokio::time::sleep(Duration::from_millis(2000)).await;
        servers.restart(index);
    }
    (a, b) = (writers.0.await.unwrap(), writers.1.await.unwrap());
    let (from_a, from_b) = (a.take(2 * EACH).await, b.take(2 * EACH).await);
    assert_eq!(records(&from_a), records(&from_b));
    for (taken, name) in [(&from_a, "a"), (&from_b, "b")] {
        let own = taken.iter().filter(|committed| committed.own.is_some());
        let own: Vec<_> = own.map(|committed| committed.record.clone()).collect();
        let proposed: Vec<_> = (0..EACH)
            .map(|round| Bytes::from(format!("{name}{round}")))
            .collect();
        assert_eq!(own, proposed);
    }
    drop(b);
    let (_b, loaded) = two.open("storm").await;
    assert_eq!(loaded.tail, records(&from_a));
}
