//! An engine that is parted from the others while nodes are connected to it.

use std::time::Duration;

use baton_cluster_tests::{Engines, Nodes, Relayed};
use baton_load::{Dialect, Pace, Saves, Target};
use baton_testkit::Direction;
use tokio::time::{Instant, sleep};

/// Time for which the engine is parted.
const PARTED: Duration = Duration::from_secs(50);

/// A node takes 6 s to see that nothing of it is saved, up to 6 s to be given another server, and an
/// election up to 11 s; the rest is for a busy machine. One that stays has its edits saved when the
/// engine is joined again.
const ELSEWHERE: Duration = Duration::from_secs(36);

/// A node stayed with the server that it was connected to as long as that answered its pings. If
/// that server was parted from the others, nothing of the node was saved, and no document was
/// opened there, until it was joined again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn a_node_leaves_an_engine_that_is_parted_from_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let engines = Engines::start(3, folder.path(), Relayed::Yes).await;
    let engines = engines.expect("three engines");
    let nodes = Nodes::start(3, &engines, &[]).await.expect("three nodes");
    let targets: Vec<Target> = (0..3)
        .map(|node| Target::new(nodes.address(node), Dialect::Baton))
        .collect();
    let mut connected = Vec::new();
    for engine in 0..3 {
        connected.push(engines.subscriptions_at(engine, "_INBOX.").await);
    }
    let busiest = (0..3).max_by_key(|engine| connected[*engine]);
    let busiest = busiest.expect("one of three");
    let load = Saves {
        documents: 12,
        pace: Pace::Rate(5.0),
        time: PARTED + Duration::from_secs(2),
        patience: Duration::from_secs(60),
        ..Saves::default()
    };
    let (seen, ()) = tokio::join!(load.run(&targets), async {
        // The documents are open, and all is well.
        sleep(Duration::from_secs(2)).await;
        engines.part(busiest, Direction::Both);
        sleep(PARTED).await;
        engines.join();
    });
    let seen = seen.expect("documents that can be opened");
    eprintln!("{connected:?}: {seen:?}");
    // A node that was cut off for longer than its lease closes its connections; these writers do
    // not come again.
    assert!(seen.saved == seen.sent || seen.closed > 0, "{seen:?}");
    let pause = Duration::from_secs_f64(seen.longest_pause / 1000.0);
    assert!(pause < ELSEWHERE, "nothing is saved for {pause:?}");
    engines.are_ready().await.expect("they are one again");
    // The nodes come back one after the other, and close what was cut off for long.
    let until = Instant::now() + PARTED;
    loop {
        let afterwards = Saves {
            documents: 12,
            pace: Pace::Rate(5.0),
            time: Duration::from_secs(2),
            patience: Duration::from_secs(10),
            ..Saves::default()
        };
        let seen = afterwards.run(&targets).await;
        if matches!(&seen, Ok(seen) if (seen.saved, seen.closed) == (seen.sent, 0)) {
            break;
        }
        assert!(Instant::now() < until, "{seen:?}");
    }
    nodes.stop().await;
    engines.stop().await.expect("they end");
}
