//! The operator's HAProxy: nobody is left with a node that is down or stands still.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use baton_client::{Client, ClientEvent, ClientOptions};
use baton_cluster_tests::Balancer;
use baton_tests::{ServerProcess, within};

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

/// Waits for a welcome, after whatever came before.
async fn is_welcomed(events: &mut tokio::sync::broadcast::Receiver<ClientEvent>) {
    let welcome =
        async { while !matches!(events.recv().await, Ok(ClientEvent::Welcome { .. })) {} };
    within("a welcome", welcome).await;
}

/// Three servers of their own, with a document each: what is shown is only where clients go.
#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test --only cluster"]
async fn clients_of_a_node_that_is_killed_or_stands_still_are_sent_to_the_others() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(ServerProcess::start(&["--trusted-proxies", "127.0.0.1"]).await);
    }
    let nodes: Vec<_> = servers.iter().map(ServerProcess::address).collect();
    let folder = tempfile::tempdir().unwrap();
    let listen = free_port();
    let balancer = Balancer::start(listen, &nodes, folder.path()).await;
    let balancer = balancer.unwrap();

    let url = format!("ws://{}/ws", balancer.address());
    let mut options = ClientOptions::new(url, "notes");
    // Only the balancer is to tell that a node does not answer.
    options.silent_after = Duration::from_secs(3600);
    let client = Client::connect(options).unwrap();
    let mut events = client.events();
    is_welcomed(&mut events).await;
    within("the first sync", client.synced()).await.unwrap();

    let holds = |server: &ServerProcess| {
        // Of its sockets one is the client's.
        let page = baton_tests::http::get(server.address(), "/metrics");
        async move {
            let body = page.await.body;
            body.lines().any(|line| line == "baton_connections 1")
        }
    };
    let mut first = None;
    for (number, server) in servers.iter().enumerate() {
        if holds(server).await {
            first = Some(number);
        }
    }
    let first = first.expect("one of them has the client");
    servers[first].kill().await;
    is_welcomed(&mut events).await;

    let mut second = None;
    for (number, server) in servers.iter().enumerate() {
        if number != first && holds(server).await {
            second = Some(number);
        }
    }
    let second = second.expect("another one has the client");
    // A process that stands still: the kernel takes connections and acknowledges bytes.
    servers[second].freezes();
    is_welcomed(&mut events).await;
    assert!(balancer.answers().await);
    servers[second].thaws();
    client.close().await;
    balancer.stop().await.unwrap();
}
