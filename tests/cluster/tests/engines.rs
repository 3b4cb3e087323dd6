//! The harness itself: three engines that replicate, are killed, frozen and parted.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, ServerAddr};
use baton_cluster_tests::{Engines, Relayed};
use baton_testkit::Direction;
use tokio::time::{Instant, sleep, timeout};

const STREAM: &str = "proof";
const SUBJECT: &str = "proof.records";

/// An election takes up to 11 s, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(40);

async fn context(engines: &Engines) -> Context {
    let (user, password) = engines.login();
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    let servers: Vec<ServerAddr> = (0..engines.count())
        .map(|engine| engines.address(engine).to_string())
        .map(|address| address.parse().expect("an address"))
        .collect();
    let client = options.connect(servers).await.expect("an engine answers");
    jetstream::new(client)
}

/// Publishes one record, until it is acknowledged; returns its sequence.
async fn stored(context: &Context, record: &str) -> u64 {
    let until = Instant::now() + PATIENCE;
    loop {
        let publish = async {
            let sent = context.publish(SUBJECT, record.to_owned().into()).await;
            sent.ok()?.await.ok()
        };
        let answer = timeout(Duration::from_secs(3), publish).await;
        if let Ok(Some(ack)) = answer {
            return ack.sequence;
        }
        assert!(Instant::now() < until, "{record:?} is not acknowledged");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Returns what is stored, read from a leader.
async fn records(context: &Context) -> Vec<String> {
    let stream = context.get_stream(STREAM).await.expect("the stream");
    let state = stream.cached_info().state.clone();
    let mut records = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.expect("a record");
        records.push(String::from_utf8(message.payload.to_vec()).expect("text"));
    }
    records
}

async fn hold_the_stream(engines: &Engines) {
    let until = Instant::now() + PATIENCE;
    for engine in 0..engines.count() {
        while engines.streams(engine).await != Some(vec![STREAM.to_owned()]) {
            assert!(Instant::now() < until, "engine {engine} lacks the stream");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn engines_go_on_with_a_majority_and_keep_all_when_all_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut engines = Engines::start(3, folder.path(), Relayed::No).await.unwrap();
    for engine in 0..3 {
        assert!(engines.syncs_always(engine).await, "engine {engine}");
    }
    let context = context(&engines).await;
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        num_replicas: 3,
        storage: StorageType::File,
        ..Config::default()
    };
    context.create_stream(config).await.unwrap();
    hold_the_stream(&engines).await;
    assert_eq!(stored(&context, "one").await, 1);

    let leader = engines.leader().await.expect("a leader");
    engines.kill(leader).await.unwrap();
    assert_eq!(engines.meta(leader).await, None);
    stored(&context, "two").await;
    engines.are_ready().await.unwrap();
    let next = engines.leader().await.expect("another leader");
    assert_ne!(next, leader);

    for engine in (0..3).filter(|engine| *engine != leader) {
        engines.kill(engine).await.unwrap();
    }
    for engine in 0..3 {
        engines.start_again(engine).unwrap();
    }
    engines.are_ready().await.unwrap();
    hold_the_stream(&engines).await;
    stored(&context, "three").await;
    // What was sent again while no answer came may stand there twice.
    let mut records = records(&context).await;
    records.dedup();
    assert_eq!(records, ["one", "two", "three"]);
    engines.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn an_engine_that_is_parted_or_frozen_leads_no_more_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let engines = Engines::start(3, folder.path(), Relayed::Yes)
        .await
        .unwrap();
    // Nothing that it sends arrives: the others have no leader any more, and elect one.
    for way in [Direction::ToServer, Direction::Both] {
        let parted = engines.leader().await.expect("a leader");
        engines.part(parted, way);
        another_leads(&engines, parted).await;
        engines.join();
        engines.are_ready().await.unwrap();
    }
    let frozen = engines.leader().await.expect("a leader");
    engines.freeze(frozen).unwrap();
    another_leads(&engines, frozen).await;
    engines.thaw(frozen).unwrap();
    engines.are_ready().await.unwrap();
    engines.stop().await.unwrap();
}

/// Waits until the two others agree on one of them.
async fn another_leads(engines: &Engines, former: usize) {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut leaders = Vec::new();
        for engine in (0..3).filter(|engine| *engine != former) {
            let meta = engines.meta(engine).await;
            leaders.push(meta.and_then(|meta| meta.leader));
        }
        let former = Some(format!("nats-{}", former + 1));
        if leaders[0] == leaders[1] && leaders[0].is_some() && leaders[0] != former {
            return;
        }
        assert!(Instant::now() < until, "they have {leaders:?}");
        sleep(Duration::from_millis(200)).await;
    }
}
