//! Who reads too slowly: costs little, misses nothing, and hurts nobody.

use std::time::Duration;

use baton_server::{Settings, Span};
use baton_sync::control_channel::ServerMessage;
use baton_sync::document::yrs::{GetString, ReadTxn};
use baton_sync::y_websocket::{self, Message};
use baton_sync::{ClientId, Document, DocumentOptions, StateVector};
use baton_tests::{Join, RawClient, TestServer, converge, millis};
use bytesize::ByteSize;

/// Characters of one edit.
const BLOCK: usize = 64 * 1024;

/// More edits than the sockets between a server and a narrow reader hold, with what may wait for it.
const EDITS: usize = 160;

/// Little may wait, and a reader that does not even answer pings is not given up for that.
fn patient(settings: &mut Settings) {
    settings.max_outbox = ByteSize::kib(256);
    settings.max_behind = Span(Duration::from_secs(300));
    settings.shaky_after = Span(Duration::from_secs(200));
    settings.offline_after = Span(Duration::from_secs(300));
}

/// Types so much that everybody who does not read falls behind.
async fn types_much(writer: &RawClient) {
    let block = "z".repeat(BLOCK);
    for _ in 0..EDITS {
        writer.types(&block);
    }
    writer.is_saved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stalls_and_reads_on_is_sent_what_it_missed_in_one_piece() {
    let server = TestServer::with(patient).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let slow = Join::stock("notes").with_a_narrow_socket();
    let slow = server.connect(slow).await;
    slow.stalls();
    ada.types("first, ");
    types_much(&ada).await;
    // Deletions have no clock, and are made up for as well.
    ada.edits(|txn| {
        let text = txn.get_text("t").unwrap();
        baton_sync::yrs::Text::remove_range(&text, txn, 0, 7);
    });
    ada.types(" last");
    ada.is_saved().await;
    // The others noticed nothing.
    let bob = server.connect(Join::stock("notes")).await;
    ada.types("!");
    bob.sees(" last!").await;

    slow.reads_on();
    converge(&[&ada, &bob, &slow]).await;
    assert!(slow.text().ends_with(" last!"));
    assert_eq!(slow.text().len(), EDITS * BLOCK + 6);
    let (updates, longest) = slow.look(|known| (known.updates, known.longest));
    assert!(updates < EDITS / 2, "{updates} updates came one by one");
    // What the kernel holds may grow once more when it seems full already; the rest came together.
    assert!(longest > EDITS * BLOCK / 2, "{longest}");
    // In step again: the next edit comes as it is.
    slow.types("?");
    bob.types("!");
    converge(&[&ada, &bob, &slow]).await;
    assert_eq!(slow.look(|known| known.updates), updates + 1);
}

/// Its next first sync brings exactly what it lacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stalls_for_longer_than_max_behind_is_closed_and_misses_nothing_when_it_comes_again() {
    let server = TestServer::with(|settings| {
        patient(settings);
        settings.max_behind = millis(100);
    })
    .await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let slow = server.connect(Join::stock("notes")).await;
    slow.stalls();
    types_much(&ada).await;
    server
        .comes_to("the slow one gone", |load| load.connections == 1)
        .await;
    let memory = slow.vanishes().await;
    let slow = server
        .connect(Join::stock("notes").remembering(memory))
        .await;
    converge(&[&ada, &slow]).await;
    assert_eq!(slow.text().len(), EDITS * BLOCK);
}

/// A lock that is offered goes with all that its last holder wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_member_is_told_of_the_lock_comes_behind_the_edits_that_went_before_it() {
    let server = TestServer::with(|settings| {
        patient(settings);
        settings.offer = Span(Duration::from_secs(300));
    })
    .await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let fence = ada.takes_lock().await;
    let bob = Join::member("notes", "Bob").unmannered();
    let bob = server.connect(bob.with_a_narrow_socket()).await;
    bob.send(y_websocket::step1(&StateVector::new()));
    bob.until("the first sync", |known| known.synced.then_some(()))
        .await;
    bob.acquires().await;
    bob.stalls();
    types_much(&ada).await;
    ada.types("the end");
    ada.releases(fence).await;
    ada.types(", and more");
    ada.is_saved().await;

    bob.reads_on();
    bob.is_offered().await;
    let frames = bob.look(|known| known.frames.clone());
    let client = ClientId::from(7);
    let mut document = Document::new(&DocumentOptions::new(client));
    let mut offered = false;
    for frame in frames {
        match y_websocket::decode(&frame).unwrap() {
            Message::Step2(update) | Message::Update(update) => {
                document.apply(update).unwrap();
            }
            Message::Baton(payload) => {
                let message = ServerMessage::decode(payload).unwrap();
                offered |= matches!(message, ServerMessage::Offer { .. });
            }
            _ => {}
        }
        if offered {
            break;
        }
    }
    assert!(offered);
    let text = document.read(|txn| txn.get_text("t").unwrap().get_string(txn));
    assert!(text.unwrap().contains("the end"), "all that Ada wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_knows_in_the_end_who_is_here_and_who_went() {
    let server = TestServer::with(patient).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let [goes, stays] = ["goes", "stays"].map(|name| Join::stock("notes").saying(&json(name)));
    let (goes, stays) = (server.connect(goes).await, server.connect(stays).await);
    let slow = Join::stock("notes").with_a_narrow_socket();
    let slow = server.connect(slow).await;
    let id = |client: &RawClient| client.look(|known| known.memory.client.get());
    let (gone, here) = (id(&goes), id(&stays));
    slow.until("both", |known| {
        let others = &known.memory.others;
        let seen = |id| others.get(&id).is_some_and(|seen| seen.state.is_some());
        (seen(gone) && seen(here)).then_some(())
    })
    .await;
    slow.stalls();
    types_much(&ada).await;
    goes.leaves().await;
    stays.states(&json("stays, and moved"));
    let comes = Join::stock("notes").saying(&json("comes"));
    let comes = server.connect(comes).await;
    let came = id(&comes);
    ada.until("all of it", |known| {
        let others = &known.memory.others;
        let state = |id| others.get(&id).and_then(|seen| seen.state.as_deref());
        let moved = state(here).is_some_and(|state| state.contains("moved"));
        (moved && state(gone).is_none() && state(came).is_some()).then_some(())
    })
    .await;

    slow.reads_on();
    slow.until("the same", |known| {
        let others = &known.memory.others;
        let state = |id| others.get(&id).and_then(|seen| seen.state.as_deref());
        let moved = state(here).is_some_and(|state| state.contains("moved"));
        (moved && state(gone).is_none() && state(came).is_some()).then_some(())
    })
    .await;
    converge(&[&ada, &slow]).await;
}

fn json(name: &str) -> String {
    format!("{{\"name\":\"{name}\"}}")
}
