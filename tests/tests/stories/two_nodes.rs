//! Two servers over one log: any of them serves any document, and the lock still passes on.

use std::time::Duration;

use baton_auth::Permissions;
use baton_server::Settings;
use baton_sync::control_channel::{Outcome, PeerStatus};
use baton_tests::{
    Join, LockState, Pass, RawClient, SharedLog, SharedNode, TestServer, converge, http,
    one_machine, within,
};

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

#[tokio::test]
async fn a_document_is_erased_only_where_no_other_node_can_write_it_back() {
    let nodes = TwoNodes::start().await;
    let ada = member(&nodes.one, "Ada").await;
    let bob = member(&nodes.other, "Bob").await;
    ada.types("a secret");
    converge(&[&ada, &bob]).await;
    ada.is_saved().await;
    let refused = nodes.other.erase("notes").await.unwrap_err().to_string();
    assert!(refused.starts_with("1 other node(s)"), "{refused}");
    bob.types(", and more");
    converge(&[&ada, &bob]).await;
    nodes.log.lose(&nodes.first_node);
    nodes.other.erase("notes").await.unwrap();
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
