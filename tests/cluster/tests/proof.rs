//! Three nodes over three engines, all of which are killed, frozen and cut off while the lab
//! writes on each node.

use std::time::Duration;

use baton_cluster_tests::{Proof, prove};

/// Nothing that was called saved is lost, one session has a fence, and all copies on all nodes
/// agree. Longer runs: `cargo xtask cluster prove --lasts 30m --seed N`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn under_faults_of_nodes_and_engines_nothing_is_lost_and_the_lock_is_held_by_one() {
    let proof = Proof::new(7, Duration::from_secs(70));
    eprintln!("{}", proof.schedule());
    let run = prove(&proof, |line| eprintln!("{line}")).await;
    let run = run.expect("the run can be made");
    run.verdict.assert_good();
    assert!(run.record.locks, "the nodes speak Baton's channel");
    for document in &run.verdict.documents {
        assert!(document.acknowledged > 50, "{document:?}");
        assert!(document.lock.grants > 0, "{document:?}");
    }
}
