//! A run of some seconds: churn, storms, handoffs, stalled readers, black holes, and back to where it began.

use std::time::Duration;

use baton_soak::run::{Plan, run};
use baton_soak::scenes::Size;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_everything_the_server_holds_what_it_held_before() {
    let plan = Plan {
        lasts: Duration::from_secs(8),
        size: Size::SHORT,
        every: Duration::from_millis(500),
    };
    let report = run(plan).await.expect("the server does what it should");
    assert!(
        report.grown.is_empty(),
        "{:?}\n{}\n{}",
        report.grown,
        report.table(),
        report.csv()
    );
}
