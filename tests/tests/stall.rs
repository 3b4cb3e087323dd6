//! A server that is stopped (SIGSTOP) and goes on: it slept, not the others. Nobody is called lost, locks stay with their
//! holders, and the dead are found all the same.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the story")]

use std::time::Duration;

use baton_sync::control_channel::{Outcome, PeerStatus, ServerMessage};
use baton_tests::{Join, RawClient, ServerProcess};

/// A fifth of the product's clocks, but for the grace.
const FAST: [&str; 4] = ["--profile", "fast", "--grace", "1s"];

/// Twice as long as anybody may be silent.
const STOPPED: Duration = Duration::from_secs(4);

/// Everybody whom this client was told to be offline or gone.
fn called_lost(client: &RawClient) -> usize {
    client.look(|known| {
        let told = known.channel.iter();
        let lost = told.filter(|message| {
            matches!(message, ServerMessage::Peer { peer }
                if matches!(peer.state, PeerStatus::Offline | PeerStatus::Gone))
        });
        lost.count()
    })
}

/// The answers of the living wait in the server's sockets when it goes on.
#[tokio::test]
async fn a_server_that_was_stopped_evicts_nobody_on_waking() {
    let server = ServerProcess::start(&FAST).await;
    let holder = server.connect(Join::member("notes", "Ada")).await;
    let fence = holder.takes_lock().await;
    let waiter = server.connect(Join::member("notes", "Bob")).await;
    assert_eq!(waiter.acquires().await, Outcome::Queued);
    let mut others = Vec::new();
    for number in 0..5 {
        let name = format!("reader {number}");
        others.push(server.connect(Join::member("notes", &name)).await);
    }
    server.freezes();
    // Not for luck: this is the story.
    tokio::time::sleep(STOPPED).await;
    server.thaws();
    // Longer than a silence would be waited for from the waking on.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    holder.types("still here");
    waiter.sees("still here").await;
    assert_eq!(called_lost(&waiter), 0);
    assert_eq!(called_lost(&holder), 0);
    holder.releases(fence).await;
    assert!(waiter.claims().await > fence);
}

#[tokio::test]
async fn a_server_that_was_stopped_finds_the_dead_all_the_same() {
    let server = ServerProcess::start(&FAST).await;
    let holder = server
        .connect(Join::member("notes", "Ada").ignoring_beats())
        .await;
    let fence = holder.takes_lock().await;
    let waiter = server.connect(Join::member("notes", "Bob")).await;
    assert_eq!(waiter.acquires().await, Outcome::Queued);
    server.freezes();
    tokio::time::sleep(STOPPED).await;
    server.thaws();
    assert!(waiter.claims().await > fence);
}
