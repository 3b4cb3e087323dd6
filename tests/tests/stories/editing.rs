//! Co-editing: people converge, whoever comes when.

use std::time::Duration;

use baton_server::close;
use baton_sync::control_channel::{ClientMessage, ErrorCode, User};
use baton_sync::document::yrs::{Map, Text, WriteTxn};
use baton_sync::{StateVector, y_websocket};
use baton_testkit::Random;
use baton_tests::{Join, RawClient, TestServer, converge, one_machine};

#[tokio::test]
async fn two_people_edit_at_the_same_time_and_see_the_same() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    for turn in 0..50 {
        ada.types(&format!("a{turn} "));
        bob.types(&format!("b{turn} "));
    }
    converge(&[&ada, &bob]).await;
    let text = ada.text();
    for turn in 0..50 {
        assert!(text.contains(&format!("a{turn} ")) && text.contains(&format!("b{turn} ")));
    }
}

#[tokio::test]
async fn what_is_deleted_is_deleted_for_all_and_for_who_comes_later() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let bob = server.connect(Join::stock("notes")).await;
    ada.types("keep drop keep");
    bob.sees("drop").await;
    bob.edits(|txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 5, 5);
    });
    converge(&[&ada, &bob]).await;
    assert_eq!(ada.text(), "keep keep");
    let carol = server.connect(Join::stock("notes")).await;
    assert_eq!(carol.text(), "keep keep");
}

#[tokio::test]
async fn documents_of_other_names_are_other_documents() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("one")).await;
    let bob = server.connect(Join::stock("two")).await;
    ada.types("of one");
    bob.types("of two");
    let carol = server.connect(Join::stock("one")).await;
    carol.sees("of one").await;
    let dan = server.connect(Join::stock("two")).await;
    dan.sees("of two").await;
    assert_eq!(
        (carol.text(), dan.text()),
        ("of one".into(), "of two".into())
    );
}

#[tokio::test]
async fn who_worked_alone_brings_it_along_and_gets_the_rest() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    ada.types("together ");
    let bob = server.connect(Join::stock("notes")).await;
    bob.sees("together").await;
    let memory = bob.vanishes().await;
    ada.types("alone ");
    let mut memory = memory;
    let offline = memory.document.transact(|txn| {
        let text = txn.get_or_insert_text("t");
        text.push(txn, "offline ");
    });
    offline.unwrap();
    let bob = server
        .connect(Join::stock("notes").remembering(memory))
        .await;
    ada.sees("offline").await;
    bob.sees("alone").await;
    converge(&[&ada, &bob]).await;
}

/// The join and what is broadcast after it are one step of the room: nobody falls between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_in_a_storm_of_edits_miss_nothing() {
    let server = TestServer::start().await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        writers.push(server.connect(Join::stock("storm")).await);
    }
    let storm = async {
        for turn in 0..300 {
            for writer in &writers {
                writer.types(&format!("{turn} "));
            }
            // The rate of quick typists, so that the newcomers meet the storm and not its end.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let coming = async {
        let mut newcomers: Vec<RawClient> = Vec::new();
        for _ in 0..25 {
            newcomers.push(server.connect(Join::stock("storm")).await);
        }
        newcomers
    };
    // A gap in what a newcomer gets is a fault that its next wait would show; see the harness.
    let ((), newcomers) = tokio::join!(storm, coming);
    let all: Vec<&RawClient> = writers.iter().chain(&newcomers).collect();
    converge(&all).await;
    assert_eq!(writers[0].text().split_whitespace().count(), 4 * 300);
}

/// What a first answer holds is not sent before it: a library that shows a part of it at once would show it wrong.
#[tokio::test]
async fn no_update_comes_before_the_answer_that_holds_it() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let late = server.connect(Join::raw("notes")).await;
    ada.types("one ");
    ada.states(r#"{"cursor":4}"#);
    late.until("the awareness, which was said later", |known| {
        let mut others = known.memory.others.values();
        others
            .any(|seen| seen.state.as_deref() == Some(r#"{"cursor":4}"#))
            .then_some(())
    })
    .await;
    assert_eq!(late.look(|known| known.updates), 0);
    late.send(y_websocket::step1(&StateVector::new()));
    late.sees("one ").await;
    ada.types("two");
    late.sees("one two").await;
    assert_eq!(late.look(|known| known.updates), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_come_and_go_while_they_write_lose_nothing() {
    let server = TestServer::start().await;
    let witness = server.connect(Join::stock("restless")).await;
    let mut random = Random::from_seed(7);
    let mut restless = Vec::new();
    for name in ["x", "y", "z"] {
        restless.push((name, server.connect(Join::stock("restless")).await));
    }
    for turn in 0..60 {
        let chosen = random.below(restless.len());
        let (name, client) = restless.swap_remove(chosen);
        client.types(&format!("{name}{turn} "));
        // Whether the edit got out before the connection was lost, nobody knows; it is in the memory either way.
        let memory = client.vanishes().await;
        let back = server
            .connect(Join::stock("restless").remembering(memory))
            .await;
        restless.push((name, back));
    }
    let mut all: Vec<&RawClient> = restless.iter().map(|(_, client)| client).collect();
    all.push(&witness);
    converge(&all).await;
    assert_eq!(witness.text().split_whitespace().count(), 60);
}

#[tokio::test]
async fn a_document_of_some_megabytes_reaches_a_newcomer() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("large", "Ada")).await;
    let block = "0123456789abcdef".repeat(4096);
    for _ in 0..100 {
        ada.types(&block);
    }
    ada.is_saved().await;
    let bob = server.connect(Join::stock("large")).await;
    assert_eq!(bob.text().len(), 100 * 65_536);
}

#[tokio::test]
async fn a_map_that_two_set_at_once_has_the_same_winner_everywhere() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("map")).await;
    let bob = server.connect(Join::stock("map")).await;
    for client in [&ada, &bob] {
        let me = client.look(|known| known.memory.client.get());
        client.edits(|txn| {
            let map = txn.get_or_insert_map("m");
            map.insert(txn, "winner", me as f64)
        });
    }
    converge(&[&ada, &bob]).await;
    let carol = server.connect(Join::stock("map")).await;
    let states: Vec<_> = [&ada, &bob, &carol]
        .map(|client| client.look(winner))
        .into();
    assert_eq!(states[0], states[1]);
    assert_eq!(states[0], states[2]);
}

fn winner(known: &baton_tests::Known) -> Option<String> {
    use baton_sync::document::yrs::ReadTxn;
    let read = known.memory.document.read(|txn| {
        let map = txn.get_map("m")?;
        map.get(txn, "winner").map(|value| format!("{value:?}"))
    });
    read.unwrap()
}

fn writes_first(text: &str) -> bytes::Bytes {
    let options = baton_sync::DocumentOptions::new(baton_sync::ClientId::from(4711));
    let mut document = baton_sync::Document::new(&options);
    let edit = document.transact(|txn| {
        let target = txn.get_or_insert_text("t");
        target.push(txn, text);
    });
    edit.unwrap().1.unwrap()
}

/// The second one's letters have the clocks of the first one's: they would be nowhere.
#[tokio::test]
async fn an_edit_under_another_clients_id_is_refused_and_never_called_saved() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    ada.passes_on(&writes_first("of Ada"));
    bob.sees("of Ada").await;
    bob.is_saved().await;
    let before = bob.look(|known| known.saved);
    bob.sends_update(&writes_first("of Bob"));
    let told = bob.is_told_off(ErrorCode::ClientId).await;
    assert!(told.contains("4711") && told.contains("afresh"), "{told}");
    assert_eq!(bob.look(|known| known.saved), before);
    let stock = server.connect(Join::stock("notes")).await;
    stock.sends_update(&writes_first("of Eve"));
    stock.is_closed_with(close::PROTOCOL).await;
    let denied = stock.look(|known| known.denied.clone());
    assert!(denied.is_some_and(|denied| denied.contains("4711")));
    assert_eq!(ada.text(), "of Ada");
}

#[tokio::test]
async fn a_second_session_with_a_client_id_is_refused_while_the_first_is_here() {
    one_machine!(KnownLimit);
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let id = ada.look(|known| known.memory.client);
    let began = std::time::Instant::now();
    let second = server.connect(Join::raw("notes")).await;
    let hello = ClientMessage::Hello {
        version: 1,
        resume: None,
        epoch: None,
        fences: Vec::new(),
        locks: None,
        user: User::default(),
        user_key: None,
        client: Some(id.get()),
        observer: false,
        encodings: Vec::new(),
    };
    second.send(y_websocket::baton(&hello.encode()));
    second.is_told_off(ErrorCode::ClientId).await;
    second.is_closed_with(close::CLIENT_ID).await;
    assert!(began.elapsed() < Duration::from_secs(4));
    ada.types("still here");
    ada.is_saved().await;
}
