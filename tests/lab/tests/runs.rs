//! A short run against the real server, with everything that can go wrong.

use std::time::Duration;

use baton_lab::{Chaos, LabError, Pace, Scenario, Target, run};

fn scenario() -> Scenario {
    Scenario {
        name: "short".to_owned(),
        clients: 6,
        docs: 2,
        lasts: Duration::from_secs(6),
        settle: Duration::from_secs(30),
        pause: Duration::from_millis(100),
        chaos: vec![
            Chaos::Drop,
            Chaos::Delay,
            Chaos::Partition,
            Chaos::Freeze,
            Chaos::Kill,
        ],
        disturbances: 30.0,
        pace: Pace::Brisk,
        ..Scenario::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_all_chaos_nothing_is_lost_and_the_lock_is_held_by_one() {
    let mut last = None;
    let target = Target::Started;
    let run = run(&scenario(), &target, |progress| last = Some(progress))
        .await
        .expect("the run can be made");
    run.verdict.assert_good();
    assert!(run.record.locks);
    let progress = last.expect("progress was told");
    assert!(progress.settling && progress.edits > 50, "{progress:?}");
    assert!(progress.saved > 0 && progress.disturbances > 10);
    let killed = |moment: &&baton_lab::Moment| moment.what == baton_lab::What::Killed;
    assert_eq!(run.record.moments.iter().filter(killed).count(), 1);

    // What was observed can be written down, and judged again.
    let text = serde_json::to_string(&run.record).expect("it is plain data");
    let read = serde_json::from_str(&text).expect("and can be read");
    assert_eq!(baton_lab::judge(&read), run.verdict);

    // The page holds all of it, and nothing that it would have to fetch.
    let page = run.html();
    assert!(page.contains("lab/2") && !page.contains("/*DATA*/"));
    assert!(!page.contains("http://") && !page.contains("https://"));
}

#[tokio::test]
async fn a_server_that_is_there_already_is_never_killed() {
    let target = Target::Url("ws://127.0.0.1:9/ws".to_owned());
    let refused = run(&scenario(), &target, |_| ()).await;
    assert!(matches!(refused, Err(LabError::NotOurs)));
}

#[test]
fn the_scenario_in_the_folder_can_be_run() {
    let text = include_str!("../scenarios/storm.toml");
    let scenario = Scenario::parse(text).expect("it is one");
    assert_eq!((scenario.clients, scenario.docs), (12, 3));
}
