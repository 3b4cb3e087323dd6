//! The roster: who is online, shaky, offline, gone.

use baton_server::close;
use baton_sync::control_channel::{ClientMessage, PeerStatus, ServerMessage, User};
use baton_tests::{Beats, Join, RawClient, TestServer, millis, one_machine};

/// The next state that the watcher is told of this peer.
async fn next_of(watcher: &RawClient, name: &str) -> PeerStatus {
    watcher
        .hears(&format!("news of {name}"), |message| match message {
            ServerMessage::Peer { peer } if peer.user.name == name => Some(peer.state),
            _ => None,
        })
        .await
}

/// The session leaves the roster.
async fn goes(watcher: &RawClient, session: u64) {
    watcher
        .hears("somebody to be gone", |message| match message {
            ServerMessage::Peer { peer } if peer.session == session => {
                (peer.state == PeerStatus::Gone).then_some(())
            }
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn everybody_is_in_the_roster_with_name_and_client_id() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server
        .connect(Join::member("notes", "Bob").observing())
        .await;
    let _carol = server.connect(Join::stock("notes")).await;
    ada.sees_peer("Bob", PeerStatus::Online).await;
    bob.sees_peer("Ada", PeerStatus::Online).await;
    let seen = bob.look(|known| known.peer("Ada").cloned()).unwrap();
    assert_eq!(seen.session, ada.session());
    assert_eq!(
        seen.client,
        Some(ada.look(|known| known.memory.client.get()))
    );
    assert_eq!(seen.user.color, "teal");
    assert!(seen.lock && !seen.observer);
    assert!(ada.look(|known| known.peer("Bob").is_some_and(|peer| peer.observer)));
    ada.until("the stock client", |known| {
        let stock = known.roster.values().find(|peer| !peer.lock)?;
        (stock.state == PeerStatus::Online).then_some(())
    })
    .await;
    assert!(
        ada.session() < bob.session(),
        "who came first has the smaller number"
    );
}

#[tokio::test]
async fn another_name_is_shown_to_all() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let user = User {
        name: "Bobby".to_owned(),
        color: "plum".to_owned(),
        ..User::default()
    };
    bob.says(&ClientMessage::Profile { user });
    ada.sees_peer("Bobby", PeerStatus::Online).await;
    let carol = server.connect(Join::member("notes", "Carol")).await;
    assert!(carol.look(|known| known.peer("Bobby").is_some()));
}

/// A browser answers pings for a frozen tab; only the page itself answers beats.
#[tokio::test]
async fn a_frozen_tab_goes_from_online_over_shaky_to_offline_and_back() {
    one_machine!(KnownLimit);
    let server = TestServer::with(TestServer::brisk).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").ignoring_beats())
        .await;
    assert_eq!(next_of(&bob, "Ada").await, PeerStatus::Online);
    assert_eq!(next_of(&bob, "Ada").await, PeerStatus::Shaky);
    assert_eq!(next_of(&bob, "Ada").await, PeerStatus::Offline);
    ada.set_beats(Beats::Answered);
    assert_eq!(next_of(&bob, "Ada").await, PeerStatus::Online);
    assert!(
        ada.look(|known| known.ended.is_none()),
        "its connection lives"
    );
}

#[tokio::test]
async fn who_answers_in_time_stays_online() {
    let server = TestServer::with(TestServer::brisk).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let _ada = server.connect(Join::member("notes", "Ada")).await;
    assert_eq!(next_of(&bob, "Ada").await, PeerStatus::Online);
    let _carol = server
        .connect(Join::member("notes", "Carol").ignoring_beats())
        .await;
    bob.sees_peer("Carol", PeerStatus::Offline).await;
    let ill = bob.look(|known| {
        known.channel.iter().any(
            |message| matches!(message, ServerMessage::Peer { peer } if peer.user.name == "Ada"),
        )
    });
    assert!(!ill, "while Carol was given up, nothing was said of Ada");
}

/// The story of the online list in a chat: a silent user leaves it.
#[tokio::test]
async fn a_network_that_swallows_everything_makes_offline_and_closes() {
    let server = TestServer::with(TestServer::brisk).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").saying("{}"))
        .await;
    let stock = server.connect(Join::stock("notes").saying("{}")).await;
    server
        .comes_to("three connections", |load| load.connections == 3)
        .await;
    ada.stalls();
    stock.stalls();
    bob.sees_peer("Ada", PeerStatus::Offline).await;
    bob.until("both awareness states to be gone", |known| {
        let gone = known
            .memory
            .others
            .values()
            .filter(|seen| seen.state.is_none());
        (gone.count() == 2).then_some(())
    })
    .await;
    server
        .comes_to("one connection", |load| load.connections == 1)
        .await;
}

#[tokio::test]
async fn who_says_goodbye_is_gone_at_once_and_who_is_cut_off_is_offline_first() {
    let server = TestServer::with(|settings| {
        TestServer::graced(settings, 300);
        settings.ticket_life = millis(600);
    })
    .await;
    let watcher = server.connect(Join::member("chat", "Watcher")).await;
    let ada = server.connect(Join::member("chat", "Ada")).await;
    let bob = server.connect(Join::member("chat", "Bob")).await;
    assert_eq!(next_of(&watcher, "Ada").await, PeerStatus::Online);
    assert_eq!(next_of(&watcher, "Bob").await, PeerStatus::Online);
    let (first, second) = (ada.session(), bob.session());
    ada.leaves().await;
    goes(&watcher, first).await;
    bob.vanishes().await;
    assert_eq!(next_of(&watcher, "Bob").await, PeerStatus::Offline);
    goes(&watcher, second).await;
    let late = server.connect(Join::member("chat", "Late")).await;
    assert!(late.look(|known| known.peer("Ada").is_none() && known.peer("Bob").is_none()));
}

#[tokio::test]
async fn a_stock_client_leaves_the_roster_with_its_connection() {
    let server = TestServer::start().await;
    let watcher = server.connect(Join::member("chat", "Watcher")).await;
    let stock = server.connect(Join::stock("chat")).await;
    let anonymous = next_of(&watcher, "").await;
    assert_eq!(anonymous, PeerStatus::Online);
    stock.vanishes().await;
    assert_eq!(next_of(&watcher, "").await, PeerStatus::Gone);
}

#[tokio::test]
async fn who_resumes_is_the_same_session_and_online_again() {
    let server = TestServer::start().await;
    let watcher = server.connect(Join::member("chat", "Watcher")).await;
    let ada = server.connect(Join::member("chat", "Ada")).await;
    let session = ada.session();
    let memory = ada.vanishes().await;
    watcher.sees_peer("Ada", PeerStatus::Offline).await;
    let ada = server
        .connect(Join::member("chat", "Ada").remembering(memory))
        .await;
    assert!(ada.look(|known| known.resumed));
    assert_eq!(ada.session(), session);
    watcher.sees_peer("Ada", PeerStatus::Online).await;
}

#[tokio::test]
async fn a_token_works_once() {
    one_machine!(KnownLimit);
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("chat", "Ada")).await;
    let stolen = ada.look(|known| known.memory.resume.clone());
    let memory = ada.vanishes().await;
    let ada = server
        .connect(Join::member("chat", "Ada").remembering(memory))
        .await;
    // Its answer to a beat shows that it has the next token: until then the old one works, as that may have been lost.
    ada.until("a confirmed beat", |known| {
        (known.beats.1 > 0).then_some(())
    })
    .await;
    // A duplicated tab has a copy of what the first one stored.
    let mut copy = baton_tests::Memory::fresh();
    copy.resume = stolen;
    let twin = server
        .connect(Join::member("chat", "Twin").remembering(copy))
        .await;
    assert!(ada.look(|known| known.resumed) && !twin.look(|known| known.resumed));
    assert_ne!(ada.session(), twin.session());
    ada.sees_peer("Twin", PeerStatus::Online).await;
}

#[tokio::test]
async fn a_session_that_goes_on_elsewhere_ends_its_old_connection() {
    let server = TestServer::start().await;
    let old = server.connect(Join::member("chat", "Ada")).await;
    let mut memory = baton_tests::Memory::fresh();
    memory.resume = old.look(|known| known.memory.resume.clone());
    let new = server
        .connect(Join::member("chat", "Ada").remembering(memory))
        .await;
    old.is_closed_with(close::SUPERSEDED).await;
    assert!(new.look(|known| known.resumed));
    new.types("on we go");
    new.is_saved().await;
}

#[tokio::test]
async fn a_wrong_token_makes_a_new_session() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("chat", "Ada")).await;
    let session = ada.session();
    let mut memory = ada.vanishes().await;
    if let Some(resume) = &mut memory.resume {
        resume.token = "00".repeat(16);
    }
    let guess = server
        .connect(Join::member("chat", "Guess").remembering(memory))
        .await;
    assert!(!guess.look(|known| known.resumed));
    assert_ne!(guess.session(), session);
}

#[tokio::test]
async fn a_copy_of_another_epoch_is_refused() {
    let server = TestServer::start().await;
    let mut memory = baton_tests::Memory::fresh();
    memory.epoch = Some(99);
    let ada = server
        .try_connect(Join::member("notes", "Ada").remembering(memory))
        .await
        .unwrap();
    let reason = ada.is_closed_with(close::EPOCH).await;
    assert!(reason.contains("afresh"), "{reason}");
}
