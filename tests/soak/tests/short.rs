//! A run of some seconds: churn, storms, handoffs, stalled readers, black holes, and back to where it began.

use std::sync::Arc;
use std::time::Duration;

use baton_soak::findings::Findings;
use baton_soak::run::{Plan, run};
use baton_soak::scenes::Size;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_everything_the_server_holds_what_it_held_before() {
    let plan = Plan {
        lasts: Duration::from_secs(8),
        size: Size::SHORT,
        every: Duration::from_millis(500),
    };
    let folder = tempfile::tempdir().expect("a folder for the findings");
    let findings = Arc::new(Findings::open(folder.path(), |_| {}).expect("it can be written"));
    let report = run(plan, &findings)
        .await
        .expect("the server does what it should");
    let kept = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it is kept");
    let samples = kept("samples.csv");
    assert!(
        report.grown.is_empty(),
        "{:?}\n{}\n{samples}",
        report.grown,
        report.table(),
    );
    assert!(report.arrived.served > 100, "{:?}", report.arrived);
    assert_eq!(samples.lines().count(), 1 + report.series.len());
    assert_eq!(
        kept("progress.txt").matches("round ").count(),
        report.rounds
    );
    assert!(!kept("server.log").is_empty());
}
