//! The measuring program in small: that each row can be measured, not what comes of it.

use baton_cluster_tests::Measure;

/// All rows but that of the rivals, which need more programs. Once the names of numbers are as
/// expected, the numbers themselves are a matter of the machine; but not all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn each_row_can_be_measured() {
    let results = Measure::tiny().run(|line| eprintln!("{line}")).await;
    assert_eq!(results.problems(), [""; 0]);
    let (one, three) = ("1 node, embedded store", "3 nodes, 3 engines");
    for what in [
        "echo, 20 edits/s: p50",
        "saved, 20 edits/s: p99",
        "saturated: saved edits",
        "saturated: nodes",
        "30 readers: deliveries",
        "30 readers: nodes",
        "node killed, until its clients have saved an edit again: all",
    ] {
        for setup in [one, three] {
            let number = results.number(what, setup);
            assert!(
                number.is_some_and(|number| number > 0.0),
                "{what} of {setup}: {number:?}"
            );
        }
    }
    let apart = "3 nodes, 3 engines; reader at another one";
    assert!(results.number("echo, 20 edits/s: p50", apart).is_some());
    // A document that is hot costs each node one subscription, whatever the number of its readers.
    let subscriptions = results.number("30 readers: subscriptions of all nodes", three);
    assert_eq!(subscriptions, Some(3.0));
    // A dead node may come back for the time of its lease, 15 s from a renewal at most 3 s ago, and
    // not for much longer.
    let lock = results.number("node killed, until a lock of it passes on", three);
    assert!(
        lock.is_some_and(|seconds| (12.0..35.0).contains(&seconds)),
        "{lock:?}"
    );
    for failure in ["engine killed", "engine frozen"] {
        let what = format!("{failure}, longest time in which nothing of a document is saved");
        let pause = results.number(&what, three);
        assert!(
            pause.is_some_and(|seconds| seconds > 0.0),
            "{what}: {pause:?}"
        );
    }
    let late: Vec<_> = results
        .names()
        .filter(|(what, _)| what.ends_with("not in time"))
        .collect();
    assert_eq!(late, [], "what is small comes in time");
    assert!(results.markdown().contains("| 1 x |"));
}
