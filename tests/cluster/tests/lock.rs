//! The lock when a node or the engines fail: it passes on, or its holder keeps it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use baton_client::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_client::{Client, ClientEvent, ClientOptions, FencingToken, Outcome, UserSecret};
use baton_cluster_tests::{Engines, Machines, Network, Nodes, Relayed};
use baton_testkit::{Direction, Proxy};
use baton_tests::within;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::time::{sleep, timeout};

/// A node is lost when its lease (15 s) and the grace (5 s) are over. Its sessions could go on
/// elsewhere all the while, so their locks pass on at once.
const PASSES: Duration = Duration::from_secs(15 + 5);

/// Two intervals of renewals (3 s), by which others see the age of a lease, and the delay of a busy
/// machine. Less than `recovery` (10 s), the time that holders have after an outage.
const SLACK: Duration = Duration::from_secs(8);

/// Longer than an election (11 s) and all that follows from it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn three_nodes(folder: &TempDir) -> (Engines, Nodes) {
    let engines = Engines::start(3, folder.path(), Relayed::No).await;
    let engines = engines.expect("three engines");
    let nodes = Nodes::start(3, &engines, &[]).await;
    let nodes = nodes.expect("three nodes");
    (engines, nodes)
}

async fn comes(address: SocketAddr, name: &str) -> Client {
    comes_to("notes", address, name).await
}

async fn comes_to(document: &str, address: SocketAddr, name: &str) -> Client {
    let mut options = ClientOptions::new(format!("ws://{address}/ws"), document);
    name.clone_into(&mut options.user.name);
    let secret = UserSecret::new(format!("{name} of the cluster tests"));
    options.user_key = Some(secret.expect("a secret"));
    let client = Client::connect(options).expect("an address");
    within("the first sync", client.synced())
        .await
        .expect("a document");
    client
}

/// Takes the lock where nobody else wants it.
async fn takes(client: &Client) -> FencingToken {
    let outcome = within("an answer", client.acquire()).await;
    assert_eq!(outcome, Ok(Outcome::Done));
    within("a grant", client.granted()).await.expect("a grant")
}

async fn queues(client: &Client) {
    let outcome = within("an answer", client.acquire()).await;
    assert_eq!(outcome, Ok(Outcome::Queued));
}

async fn types(client: &Client, word: &str) {
    let edit = client.edit(|txn| txn.get_or_insert_text("t").push(txn, word));
    edit.expect("an edit that is allowed");
}

async fn sees(client: &Client, word: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = client.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
        let text = text.expect("a readable copy").unwrap_or_default();
        if text.contains(word) {
            return;
        }
        assert!(Instant::now() < until, "{word:?} is not in {text:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a grant goes on, and returns its fence.
async fn keeps(events: &mut Receiver<ClientEvent>) -> FencingToken {
    let kept = async {
        loop {
            match events.recv().await {
                Ok(ClientEvent::Granted { fence, kept, .. }) => {
                    assert!(kept, "it got another grant: {fence:?}");
                    return fence;
                }
                Ok(ClientEvent::Lost { reason, .. }) => panic!("it lost the lock: {reason:?}"),
                Ok(_) => {}
                Err(error) => panic!("no more events: {error}"),
            }
        }
    };
    timeout(PATIENCE, kept).await.expect("its grant goes on")
}

async fn stop(engines: Engines, nodes: Nodes) {
    nodes.stop().await;
    engines.stop().await.expect("they end");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn the_lock_passes_on_when_the_node_of_its_holder_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (engines, mut nodes) = three_nodes(&folder).await;
    // It knows one node only, and cannot go on elsewhere.
    let holder = comes(nodes.address(0), "holder").await;
    let first = takes(&holder).await;
    types(&holder, "of the holder").await;
    within("it is saved", holder.saved()).await.expect("saved");
    let waiter = comes(nodes.address(1), "waiter").await;
    queues(&waiter).await;

    nodes.kill(0).await;
    let began = Instant::now();
    let second = timeout(PATIENCE, waiter.granted()).await;
    let second = second.expect("the lock passes on").expect("a grant");
    let took = began.elapsed();
    eprintln!("the lock passed on after {took:?}");
    assert!(took < PASSES + SLACK, "{took:?}");
    assert!(!holder.may_edit(), "two believe that they may edit");
    assert!(second > first, "{second:?} after {first:?}");
    sees(&waiter, "of the holder").await;
    types(&waiter, "of the waiter").await;
    within("it is saved", waiter.saved()).await.expect("saved");
    let newcomer = comes(nodes.address(2), "newcomer").await;
    sees(&newcomer, "of the waiter").await;

    nodes.start_again(0).await;
    sees(&holder, "of the waiter").await;
    stop(engines, nodes).await;
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn a_session_that_goes_on_at_another_node_keeps_its_lock_and_its_fence() {
    let folder = tempfile::tempdir().expect("a folder");
    let (engines, mut nodes) = three_nodes(&folder).await;
    let balancer = Proxy::among(nodes.addresses_from(0)).await;
    let balancer = balancer.expect("a free port");
    let holder = comes(balancer.address(), "holder").await;
    let fence = takes(&holder).await;
    let mut events = holder.events();
    let waiter = comes(nodes.address(2), "waiter").await;
    queues(&waiter).await;
    types(&holder, "before").await;
    within("it is saved", holder.saved()).await.expect("saved");

    nodes.kill(0).await;
    assert_eq!(keeps(&mut events).await, fence);
    types(&holder, "after").await;
    within("it is saved", holder.saved()).await.expect("saved");
    sees(&waiter, "after").await;
    // When the lease of the dead node runs out, nothing of it is left.
    sleep(PASSES + SLACK).await;
    assert!(holder.may_edit() && !waiter.may_edit());

    let release = within("an answer", holder.release()).await;
    assert_eq!(release, Ok(Outcome::Done));
    let next = within("a grant", waiter.granted()).await.expect("a grant");
    assert!(next > fence, "{next:?} after {fence:?}");
    stop(engines, nodes).await;
}

/// Parts the first node from the engines while its client holds the lock, and joins it again.
async fn part_the_node_of_a_holder(
    nodes: &Nodes,
    part: impl AsyncFnOnce(),
    join: impl AsyncFnOnce(),
) {
    let holder = comes(nodes.address(0), "holder").await;
    let first = takes(&holder).await;
    let waiter = comes(nodes.address(1), "waiter").await;
    queues(&waiter).await;

    part().await;
    let began = Instant::now();
    let second = timeout(PATIENCE, waiter.granted()).await;
    let second = second.expect("the lock passes on").expect("a grant");
    let took = began.elapsed();
    assert!(!holder.may_edit(), "two believe that they may edit");
    eprintln!("the lock passed on after {took:?}");
    assert!(took < PASSES + SLACK, "{took:?}");
    assert!(second > first, "{second:?} after {first:?}");
    types(&waiter, "meanwhile").await;
    within("it is saved", waiter.saved()).await.expect("saved");

    join().await;
    sees(&holder, "meanwhile").await;
    assert!(waiter.may_edit() && !holder.may_edit());
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn a_holder_whose_node_is_parted_from_the_engines_stops_before_the_lock_passes_on() {
    for way in [Direction::Both, Direction::ToServer] {
        let folder = tempfile::tempdir().expect("a folder");
        let (engines, nodes) = three_nodes(&folder).await;
        eprintln!("{way:?}");
        let (part, join) = (async || nodes.part(0, way), async || nodes.join(0));
        part_the_node_of_a_holder(&nodes, part, join).await;
        stop(engines, nodes).await;
    }
}

/// Real packets are lost, and connections come back as late as the system's retries.
#[test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
fn a_holder_whose_node_loses_its_cable_stops_before_the_lock_passes_on() {
    let name = "a_holder_whose_node_loses_its_cable_stops_before_the_lock_passes_on";
    // On loopback the story before this one has relays instead.
    if Network::of_test(name) != Network::Own {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let machines = Machines::make(6).await.expect("six machines");
        let engines = Engines::start_on(&machines, 3, folder.path()).await;
        let engines = engines.expect("three engines");
        let nodes = Nodes::start_on(&machines, (3, 3), &engines).await;
        let pull = async || machines.pull(3).await.expect("a cable");
        let plug = async || machines.plug(3).await.expect("a cable");
        part_the_node_of_a_holder(&nodes, pull, plug).await;

        // And the engine that leads most: the others go on without it.
        let (leader, _) = engines.leads_most("baton-log").await.expect("a leader");
        let ann = comes_to("others", nodes.address(1), "ann").await;
        let ben = comes_to("others", nodes.address(2), "ben").await;
        machines.pull(leader).await.expect("a cable");
        let began = Instant::now();
        types(&ann, "without a leader").await;
        let saved = timeout(PATIENCE, ann.saved()).await;
        saved.expect("it is saved in time").expect("saved");
        eprintln!(
            "saved {:?} after the leader lost its cable",
            began.elapsed()
        );
        sees(&ben, "without a leader").await;
        machines.plug(leader).await.expect("a cable");
        engines.are_ready().await.expect("all are one again");
        stop(engines, nodes).await;
    });
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test --only cluster"]
async fn without_engines_nothing_is_called_saved_and_when_they_are_back_all_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut engines, nodes) = three_nodes(&folder).await;
    let ann = comes(nodes.address(0), "ann").await;
    types(&ann, "before").await;
    within("it is saved", ann.saved()).await.expect("saved");
    for engine in 0..3 {
        engines.kill(engine).await.expect("it can be killed");
    }
    types(&ann, "meanwhile").await;
    let saved = timeout(Duration::from_secs(5), ann.saved()).await;
    assert!(saved.is_err(), "nothing can be saved: {saved:?}");
    for engine in 0..3 {
        engines.start_again(engine).expect("it can be started");
    }
    let saved = timeout(PATIENCE, ann.saved()).await;
    saved.expect("it is saved in time").expect("saved");
    let ben = comes(nodes.address(2), "ben").await;
    sees(&ben, "meanwhile").await;
    stop(engines, nodes).await;
}
