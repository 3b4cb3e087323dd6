//! A run of some seconds: churn, storms, handoffs, stalled readers, black holes, and back to where it began.

use std::sync::Arc;
use std::time::Duration;

use baton_soak::arrivals::Arrivals;
use baton_soak::findings::Findings;
use baton_soak::member::Member;
use baton_soak::run::{Plan, run};
use baton_soak::scenes::Size;
use baton_tests::ServerProcess;
use futures_util::future::join_all;
use tokio::time::sleep;

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

/// Once, one client of a storm that was told to come again (1013) ended a run. A server that is full must
/// serve all of them within the bound, one after another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_that_is_told_to_come_again_is_served() {
    let server = ServerProcess::start(&["--max-connections-per-document", "10"]).await;
    let (address, arrivals) = (server.address(), Arrivals::default());
    let visits = (0..40).map(|number| {
        let arrivals = &arrivals;
        async move {
            let joins = || Member::joins(address, "storm");
            let member = arrivals.until_served(number, joins).await?;
            sleep(Duration::from_millis(100)).await;
            member.leaves().await
        }
    });
    let visits: std::io::Result<Vec<()>> = join_all(visits).await.into_iter().collect();
    visits.expect("all of them are served");
    let counts = arrivals.counts();
    assert_eq!(counts.served, 40);
    assert!(counts.told_again >= 20, "{counts:?}");
    assert!(server.said().contains("connections_of_document"));
}
