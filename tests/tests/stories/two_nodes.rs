//! Two servers over one log: any of them serves any document, and the lock still passes on.

use std::time::{Duration, Instant};

use baton_auth::Permissions;
use baton_log::Journals;
use baton_server::{Settings, Span, close};
use baton_sync::control_channel::{Outcome, PeerStatus};
use baton_tests::{
    Join, Known, LockState, Pass, RawClient, SharedLog, SharedNode, TestServer, converge, http,
    millis, one_machine, within,
};
use bytes::Bytes;

/// Time to resume after a server's end, where a story must not have to wait for it.
const RECOVERY: Duration = Duration::from_secs(20);

/// A cluster of two nodes.
struct TwoNodes {
    log: SharedLog,
    one: TestServer,
    other: TestServer,
    first_node: SharedNode,
}

impl TwoNodes {
    async fn start() -> Self {
        Self::with(TestServer::brisk).await
    }

    async fn with(change: impl Fn(&mut Settings)) -> Self {
        let log = SharedLog::start();
        let ((first_node, news), (second_node, other_news)) = (log.node(), log.node());
        Self {
            one: TestServer::on(&first_node, news, &change).await,
            other: TestServer::on(&second_node, other_news, &change).await,
            log,
            first_node,
        }
    }
}

async fn member(server: &TestServer, name: &str) -> RawClient {
    server.connect(Join::member("notes", name)).await
}

/// Waits until the server calls itself ready, or does not.
async fn comes_to_be(server: &TestServer, ready: bool) {
    let looking = async {
        // Readiness is looked at, as a load balancer does.
        while (server.get("/readyz").await.status == 200) != ready {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("another readiness", looking).await;
}

fn id(client: &RawClient) -> u64 {
    client.look(|known| known.memory.client.get())
}

async fn sees(watcher: &RawClient, whom: u64, part: &str) {
    watcher
        .until(&format!("awareness with {part}"), |known| {
            let seen = known.memory.others.get(&whom)?;
            seen.state.as_ref()?.contains(part).then_some(())
        })
        .await;
}

#[tokio::test]
async fn clients_of_two_nodes_edit_one_document() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    let stock = nodes.other.connect(Join::stock("notes")).await;
    ada.types("from one, ");
    bob.types("from the other, ");
    stock.types("and from a stock client");
    converge(&[&ada, &bob, &stock]).await;
    ada.is_saved().await;
    bob.is_saved().await;
    ada.sees_peer("Bob", PeerStatus::Online).await;
    bob.sees_peer("Ada", PeerStatus::Online).await;
    // One who comes later reads it from the log.
    let carol = member(&nodes.one, "Carol").await;
    converge(&[&ada, &carol]).await;
    nodes.one.stop().await;
    nodes.other.stop().await;
}

#[tokio::test]
async fn the_lock_passes_between_nodes_under_growing_fences() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    let first = ada.takes_lock().await;
    assert_eq!(bob.sees_lock(LockState::Held).await, Some(ada.session()));
    assert_eq!(bob.acquires().await, Outcome::Queued);
    assert_eq!(ada.releases(first).await, Outcome::Done);
    let second = bob.claims().await;
    assert_eq!(ada.sees_lock(LockState::Held).await, Some(bob.session()));
    assert_eq!(ada.acquires().await, Outcome::Queued);
    assert_eq!(bob.releases(second).await, Outcome::Done);
    let third = ada.claims().await;
    assert!(first < second && second < third);
}

#[tokio::test]
async fn awareness_of_one_node_is_seen_on_the_other_also_by_one_who_comes_later() {
    let nodes = TwoNodes::start().await;
    let ada = nodes
        .one
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let bob = nodes
        .other
        .connect(Join::stock("notes").saying(r#"{"name":"Bob"}"#))
        .await;
    sees(&ada, id(&bob), "Bob").await;
    sees(&bob, id(&ada), "Ada").await;
    ada.states(r#"{"name":"Ada","cursor":7}"#);
    sees(&bob, id(&ada), "cursor").await;
    // One who comes to a node that has nobody here yet.
    let carol = nodes
        .one
        .connect(Join::stock("other").saying(r#"{"name":"Carol"}"#))
        .await;
    let dan = nodes.other.connect(Join::stock("other")).await;
    sees(&dan, id(&carol), "Carol").await;
    let gone = id(&ada);
    ada.leaves().await;
    bob.until("that Ada is gone", |known| {
        let seen = known.memory.others.get(&gone)?;
        seen.state.is_none().then_some(())
    })
    .await;
}

/// Editing goes on in each part; nothing is called saved in the one that the log does not hear.
#[tokio::test]
async fn an_isolated_node_saves_nothing_and_all_merges_when_it_is_back() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    ada.types("before, ");
    bob.sees("before, ").await;
    ada.is_saved().await;
    nodes.log.isolate(&nodes.first_node, true);
    comes_to_be(&nodes.one, false).await;
    ada.types("while it was alone, ");
    bob.types("meanwhile on the other side, ");
    bob.is_saved().await;
    assert!(!bob.text().contains("alone"));
    assert!(!ada.text().contains("meanwhile"));
    nodes.log.isolate(&nodes.first_node, false);
    comes_to_be(&nodes.one, true).await;
    ada.is_saved().await;
    converge(&[&ada, &bob]).await;
    assert!(bob.text().contains("alone"));
}

#[tokio::test]
async fn the_lock_of_a_lost_node_passes_to_one_who_waits_on_another() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    let first = ada.takes_lock().await;
    assert_eq!(bob.acquires().await, Outcome::Queued);
    nodes.log.lose(&nodes.first_node);
    let second = bob.claims().await;
    assert!(first < second);
}

/// The clients of the lost node could have come to the other one all the while.
#[tokio::test]
async fn the_lock_of_a_lost_node_passes_at_once_if_its_holder_had_the_time_to_come() {
    let nodes = TwoNodes::with(|settings| {
        TestServer::brisk(settings);
        settings.recovery = Span(RECOVERY);
    })
    .await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    let first = ada.takes_lock().await;
    assert_eq!(bob.acquires().await, Outcome::Queued);
    let began = Instant::now();
    nodes.log.lose_after(&nodes.first_node, RECOVERY);
    let second = bob.claims().await;
    assert!(first < second);
    assert!(began.elapsed() < RECOVERY / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_document_at_rest_gets_the_snapshot_that_the_log_asks_for() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.other, "Ada").await;
    ada.types("kept");
    ada.is_saved().await;
    ada.leaves().await;
    assert_eq!(nodes.log.tail_behind_snapshot("notes"), None);
    // Nobody has it open at this node.
    nodes.log.ask_for_snapshot(&nodes.first_node, "notes");
    let written = async {
        while nodes.log.tail_behind_snapshot("notes").is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a snapshot", written).await;
    let bob = member(&nodes.one, "Bob").await;
    bob.sees("kept").await;
}

#[tokio::test]
async fn a_document_that_is_opened_after_a_node_was_lost_has_none_of_its_sessions() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let first = ada.takes_lock().await;
    nodes.log.lose(&nodes.first_node);
    let bob = member(&nodes.other, "Bob").await;
    bob.acquires().await;
    assert!(first < bob.claims().await);
}

#[tokio::test]
async fn a_session_that_goes_on_at_another_node_keeps_its_lock_and_its_fence() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    let fence = ada.takes_lock().await;
    let session = ada.session();
    assert_eq!(bob.acquires().await, Outcome::Queued);
    let memory = ada.vanishes().await;
    let ada = nodes
        .other
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    assert_eq!(ada.is_granted().await, fence);
    assert_eq!(ada.session(), session);
    assert_eq!(bob.sees_lock(LockState::Held).await, Some(session));
    ada.types("still mine");
    bob.sees("still mine").await;
    ada.releases(fence).await;
    assert!(fence < bob.claims().await);
}

/// What is stored of a document, snapshot and records.
fn stored(node: &SharedNode, name: &str) -> Vec<Bytes> {
    let mut stored = Vec::new();
    node.read_all(&mut |info, loaded| {
        let loaded = loaded.unwrap();
        let snapshot = loaded.snapshot.map(|(_, bytes)| bytes);
        let tail = loaded.tail.into_iter().map(|(_, record)| record);
        if &*info.name == name {
            stored.extend(snapshot.into_iter().chain(tail));
        }
    })
    .unwrap();
    stored
}

fn holds(stored: &[Bytes], words: &str) -> bool {
    let is_there = |bytes: &Bytes| {
        bytes
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    stored.iter().any(is_there)
}

/// Everybody at every node is told; and whoever comes back with a copy, at whichever node, does not bring it back.
#[tokio::test]
async fn a_document_is_erased_at_all_nodes_while_all_of_them_are_alive() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = nodes.other.connect(Join::stock("notes")).await;
    ada.types("precious words");
    bob.sees("precious").await;
    let fence = ada.takes_lock().await;
    let eve = member(&nodes.other, "Eve").await;
    eve.types("set aside");
    eve.is_parked().await;
    let away = nodes
        .one
        .connect(Join::stock("notes"))
        .await
        .vanishes()
        .await;
    assert!(holds(&stored(&nodes.first_node, "notes"), "precious"));
    nodes.other.erase("notes").await.unwrap();
    for client in [&ada, &bob, &eve] {
        let reason = client.is_closed_with(close::ERASED).await;
        assert!(reason.contains("erased"), "{reason}");
    }
    let carol = member(&nodes.one, "Carol").await;
    let dan = member(&nodes.other, "Dan").await;
    assert_eq!((carol.text(), dan.text()), (String::new(), String::new()));
    let again = carol.takes_lock().await;
    assert!(again > fence, "{again:?} comes after {fence:?}");
    carol.releases(again).await;
    let join = Join::member("notes", "Ada").remembering(ada.takes_memory());
    let ada = nodes.other.try_connect(join).await.unwrap();
    ada.is_closed_with(close::EPOCH).await;
    for (memory, server) in [
        (bob.takes_memory(), &nodes.one),
        (eve.takes_memory(), &nodes.one),
        (away, &nodes.other),
    ] {
        let back = server
            .connect(Join::stock("notes").remembering(memory))
            .await;
        let is_empty = |known: &mut Known| known.text().is_empty().then_some(());
        back.until("an empty copy", is_empty).await;
        back.leaves().await;
    }
    dan.types("a new beginning");
    carol.sees("a new beginning").await;
    converge(&[&carol, &dan]).await;
    let stored = stored(&nodes.first_node, "notes");
    assert!(!holds(&stored, "precious") && !holds(&stored, "set aside"));
}

/// The node was cut off, and its client typed: the erasure comes before that, and nothing of it counts.
#[tokio::test]
async fn edits_that_were_in_flight_come_too_late_for_an_erased_document() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    ada.types("precious words");
    bob.sees("precious").await;
    nodes.log.isolate(&nodes.first_node, true);
    ada.types(", and more");
    nodes.other.erase("notes").await.unwrap();
    bob.is_closed_with(close::ERASED).await;
    let carol = member(&nodes.other, "Carol").await;
    carol.types("new");
    carol.is_saved().await;
    nodes.log.isolate(&nodes.first_node, false);
    ada.is_closed_with(close::ERASED).await;
    let dan = member(&nodes.one, "Dan").await;
    converge(&[&carol, &dan]).await;
    assert_eq!(dan.text(), "new");
}

#[tokio::test]
async fn a_document_that_is_open_nowhere_is_erased_as_well() {
    let nodes = TwoNodes::with(|settings| {
        TestServer::brisk(settings);
        settings.unload_after = millis(10);
    })
    .await;
    let ada = member(&nodes.one, "Ada").await;
    ada.types("precious words");
    ada.is_saved().await;
    ada.leaves().await;
    nodes.other.erase("notes").await.unwrap();
    assert!(!holds(&stored(&nodes.first_node, "notes"), "precious"));
    let bob = member(&nodes.one, "Bob").await;
    assert_eq!(bob.text(), "");
    assert!(nodes.other.erase("unknown").await.is_err());
}

#[tokio::test]
async fn an_operator_sees_the_cluster() {
    let nodes = TwoNodes::with(Pass::asked_for).await;
    let operator = Pass::to("*", Permissions::MANAGE).of("operator").token();
    let line = "GET /api/v1/cluster";
    let answer = http::call(nodes.one.address(), line, Some(&operator)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cluster = answer.json();
    assert_eq!(cluster["isolated"], false);
    assert_eq!(cluster["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(cluster["nodes"][0]["node"], cluster["node"]);
    let metrics = nodes.one.get("/metrics").await.body;
    assert!(metrics.contains("\nbaton_cluster_nodes 2\n"), "{metrics}");
    assert!(metrics.contains("\nbaton_cluster_isolated 0\n"));
}

#[tokio::test]
async fn a_server_without_a_cluster_has_none_to_show() {
    one_machine!(OwnLog);
    let operator = Pass::to("*", Permissions::MANAGE).of("operator").token();
    let alone = TestServer::with(Pass::asked_for).await;
    let line = "GET /api/v1/cluster";
    let answer = http::call(alone.address(), line, Some(&operator)).await;
    assert_eq!(answer.status, 404, "{answer:?}");
}
