//! The Hocuspocus wire: the same room as for any other client.

use baton_server::close;
use baton_sync::control_channel::Outcome;
use baton_sync::hocuspocus;
use baton_tests::{Join, RawClient, TestServer, converge};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Waits until each sync message of a client that others have seen has its status.
async fn is_answered(client: &RawClient) {
    client
        .until("a status for each edit", |known| {
            (known.unanswered == 0).then_some(())
        })
        .await;
}

#[tokio::test]
async fn clients_of_both_wires_edit_one_document() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let join = Join::stock("notes").over_hocuspocus("notes");
    let bob = server.connect(join).await;
    let join = Join::stock("notes").over_hocuspocus("notes\0tab");
    let carol = server.connect(join).await;
    for round in 0..5 {
        ada.types(&format!("a{round} "));
        bob.types(&format!("b{round} "));
        carol.types(&format!("c{round} "));
    }
    converge(&[&ada, &bob, &carol]).await;
    is_answered(&bob).await;
    is_answered(&carol).await;
    let carol = carol.vanishes().await;
    ada.types("while carol is away ");
    let join = Join::stock("notes").over_hocuspocus("notes");
    let carol = server.connect(join.remembering(carol)).await;
    converge(&[&ada, &bob, &carol]).await;
    server.stop().await;
}

/// The statuses of a provider whose edits are on the disk are true after a restart.
#[tokio::test]
async fn what_has_its_status_is_there_after_a_restart() {
    let server = TestServer::start().await;
    let join = Join::stock("notes").over_hocuspocus("notes");
    let ada = server.connect(join).await;
    let bob = server.connect(Join::stock("notes")).await;
    ada.types("saved");
    bob.sees("saved").await;
    is_answered(&ada).await;
    let stopping = server.stop().await;
    let code = ada.ends().await.code;
    assert_eq!(
        code,
        Some(close::GOING_AWAY),
        "its socket is closed, so that it comes again"
    );
    let server = stopping.start().await;
    let carol = server.connect(Join::stock("notes")).await;
    assert_eq!(carol.text(), "saved");
}

#[tokio::test]
async fn batons_channel_rides_in_stateless_messages() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let join = Join::member("notes", "Bob").over_hocuspocus("notes\0tab");
    let bob = server.connect(join).await;
    let fence = ada.takes_lock().await;
    ada.types("by ada ");
    assert_eq!(bob.acquires().await, Outcome::Queued);
    ada.releases(fence).await;
    bob.claims().await;
    bob.types("by bob");
    bob.is_saved().await;
    ada.sees("by ada by bob").await;
    is_answered(&bob).await;
    // A stock client of this wire writes beside the lock, and is told so.
    let join = Join::stock("notes").over_hocuspocus("notes");
    let carol = server.connect(join).await;
    carol.types("too late");
    carol.ends().await;
    is_answered(&carol).await;
    assert_eq!(ada.text(), "by ada by bob");
    assert!(bob.look(|known| known.ended.is_none()));
}

#[tokio::test]
async fn any_path_behind_the_route_is_the_same_and_a_garbled_frame_ends_the_socket() {
    let server = TestServer::start().await;
    for path in ["/hocuspocus", "/hocuspocus/", "/hocuspocus/any/path?a=b"] {
        let url = format!("ws://{}{path}", server.address());
        let (mut socket, _) = connect_async(url).await.unwrap();
        socket
            .send(Message::Binary(hocuspocus::ping()))
            .await
            .unwrap();
        // The server asks first, so that the client sends what it had queued.
        for expected in [hocuspocus::ping(), hocuspocus::pong()] {
            let message = socket.next().await.unwrap().unwrap();
            assert_eq!(message, Message::Binary(expected));
        }
        let garbled = vec![200, 1, 2];
        socket.send(Message::Binary(garbled.into())).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
            panic!("the socket is closed");
        };
        assert_eq!(u16::from(frame.code), close::PROTOCOL);
    }
}

#[tokio::test]
async fn a_reader_too_slow_for_one_document_is_caught_up() {
    let server = TestServer::with(|settings| {
        settings.max_outbox = bytesize::ByteSize::kib(64);
    })
    .await;
    let ada = server.connect(Join::stock("notes")).await;
    let join = Join::stock("notes")
        .over_hocuspocus("notes")
        .with_a_narrow_socket();
    let bob = server.connect(join).await;
    bob.stalls();
    let paragraph = "x".repeat(1000);
    for _ in 0..3000 {
        ada.types(&paragraph);
    }
    let carol = server.connect(Join::stock("notes")).await;
    converge(&[&ada, &carol]).await;
    bob.reads_on();
    converge(&[&ada, &bob]).await;
    // Fewer updates than there were edits: the rest came as one difference.
    assert!(bob.look(|known| known.updates) < 3000);
}
