//! Awareness: who is here, with cursors, and nobody who is not.

use std::time::Duration;

use baton_tests::{Join, Memory, RawClient, TestServer};

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

async fn misses(watcher: &RawClient, whom: u64) {
    watcher
        .until("an awareness to be gone", |known| {
            known
                .memory
                .others
                .get(&whom)?
                .state
                .is_none()
                .then_some(())
        })
        .await;
}

#[tokio::test]
async fn who_comes_is_seen_and_sees_who_is_here() {
    let server = TestServer::start().await;
    let ada = server
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let bob = server
        .connect(Join::stock("notes").saying(r#"{"name":"Bob"}"#))
        .await;
    sees(&bob, id(&ada), "Ada").await;
    sees(&ada, id(&bob), "Bob").await;
    ada.states(r#"{"name":"Ada","cursor":7}"#);
    sees(&bob, id(&ada), "cursor").await;
}

/// A provider closes a connection on which nothing comes for 30 s, and its own awareness is all that it sends then.
#[tokio::test]
async fn awareness_comes_back_to_its_sender() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes").saying("{}")).await;
    ada.until("the first echo", |known| {
        (known.awareness_frames > 0).then_some(())
    })
    .await;
    let before = ada.look(|known| known.awareness_frames);
    ada.states(r#"{"cursor":1}"#);
    ada.until("the echo", |known| {
        (known.awareness_frames > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_leaves_is_removed_at_the_last_clock_and_not_beyond() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server.connect(Join::stock("notes").saying("{}")).await;
    let who = id(&ada);
    ada.states(r#"{"cursor":1}"#);
    sees(&bob, who, "cursor").await;
    let memory = ada.vanishes().await;
    misses(&bob, who).await;
    let clock = bob.look(|known| known.memory.others[&who].clock);
    assert_eq!(clock, memory.clock, "removed at the clock that it had");
}

/// Elsewhere such a client stays invisible until its next renewal, up to 15 s.
#[tokio::test]
async fn who_comes_back_with_the_same_clock_is_seen_at_once_by_all() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let who = id(&ada);
    sees(&bob, who, "Ada").await;
    let memory = ada.vanishes().await;
    misses(&bob, who).await;
    let ada = server
        .connect(
            Join::stock("notes")
                .saying(r#"{"name":"Ada"}"#)
                .remembering(memory),
        )
        .await;
    sees(&bob, who, "Ada").await;
    drop(ada);
}

/// Its first awareness message is a repetition of somebody else's entry, which is not its own for that.
#[tokio::test]
async fn a_client_without_a_state_of_its_own_hides_nobody() {
    let server = TestServer::start().await;
    let robot = server.connect(Join::stock("notes").unseen()).await;
    let ada = server
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let who = id(&ada);
    sees(&robot, who, "Ada").await;
    let bob = server.connect(Join::stock("notes")).await;
    sees(&bob, who, "Ada").await;
    let memory = ada.vanishes().await;
    misses(&bob, who).await;
    let ada = server
        .connect(
            Join::stock("notes")
                .saying(r#"{"name":"Ada"}"#)
                .remembering(memory),
        )
        .await;
    sees(&bob, who, "Ada").await;
    sees(&robot, who, "Ada").await;
    drop(ada);
}

#[tokio::test]
async fn who_comes_back_before_the_old_connection_is_known_dead_stays_visible() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let old = server
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let who = id(&old);
    sees(&bob, who, "Ada").await;
    // A page that goes on over a new connection while the network still holds the old one.
    let memory = old.look(|known| Memory {
        client: known.memory.client,
        clock: known.memory.clock,
        ..Memory::fresh()
    });
    old.stalls();
    let new = server
        .connect(
            Join::stock("notes")
                .saying(r#"{"name":"Ada","again":true}"#)
                .remembering(memory),
        )
        .await;
    new.states(r#"{"name":"Ada","again":true}"#);
    sees(&bob, who, "again").await;
    old.vanishes().await;
    // What the room says of the old connection's end comes before this.
    new.types("still here");
    bob.sees("still here").await;
    sees(&bob, who, "again").await;
}

#[tokio::test]
async fn a_question_for_awareness_is_answered() {
    let server = TestServer::start().await;
    let ada = server
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let bob = server.connect(Join::raw("notes")).await;
    sees(&bob, id(&ada), "Ada").await;
    let before = bob.look(|known| known.awareness_frames);
    bob.send(baton_sync::y_websocket::query_awareness());
    bob.until("an answer", |known| {
        (known.awareness_frames > before).then_some(())
    })
    .await;
}

/// A hidden tab's timers are throttled, so that its provider does not renew its awareness in time; its message handler
/// runs all the same.
#[tokio::test]
async fn a_client_that_renews_nothing_is_asked_and_stays_visible() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::stock("notes").saying(r#"{"name":"Ada"}"#))
        .await;
    let who = id(&ada);
    sees(&bob, who, "Ada").await;
    // Who comes is asked at once; that is not what is meant here.
    bob.until("the first answer", |known| {
        (known.memory.others.get(&who)?.clock > 0).then_some(())
    })
    .await;
    let first = bob.look(|known| known.memory.others[&who].clock);
    let patience = Duration::from_secs(40);
    bob.until_within(patience, "a renewal", |known| {
        let seen = known.memory.others.get(&who)?;
        assert!(seen.state.is_some(), "never removed in between");
        (seen.clock > first).then_some(())
    })
    .await;
}
