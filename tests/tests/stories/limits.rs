//! Every limit that a client can meet, with what it is told.

use std::time::{Duration, Instant};

use baton_server::close;
use baton_sync::awareness;
use baton_sync::control_channel::{ClientMessage, ErrorCode};
use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::y_websocket;
use baton_tests::{Join, TestServer, http, millis, one_machine, within};
use bytes::Bytes;
use bytesize::ByteSize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_frame_over_max_frame_closes_its_connection_only() {
    let server = TestServer::with(|settings| settings.max_frame = ByteSize::kib(64)).await;
    let ada = server.connect(Join::stock("notes")).await;
    let bob = server.connect(Join::stock("notes")).await;
    bob.types(&"x".repeat(60 * 1024));
    ada.sees("xxx").await;
    bob.types(&"y".repeat(70 * 1024));
    bob.is_closed_with(close::TOO_LARGE).await;
    let carol = server.connect(Join::stock("notes")).await;
    carol.types("on");
    ada.sees("on").await;
    assert!(!ada.text().contains('y'));
}

#[tokio::test]
async fn a_connection_over_max_connections_is_told_503_until_one_ends() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| settings.max_connections = 2).await;
    let ada = server.connect(Join::stock("a")).await;
    let _bob = server.connect(Join::stock("b")).await;
    let refused = server.try_connect(Join::stock("c")).await.unwrap_err();
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("max_connections"), "{}", refused.body);
    ada.leaves().await;
    server
        .comes_to("one connection", |load| load.connections == 1)
        .await;
    server.connect(Join::stock("c")).await;
}

#[tokio::test]
async fn a_connection_over_max_connections_per_address_is_told_429() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| settings.max_connections_per_address = 1).await;
    let _ada = server.connect(Join::stock("a")).await;
    let refused = server.try_connect(Join::stock("b")).await.unwrap_err();
    assert_eq!(refused.status, 429);
    assert!(
        refused.body.contains("max_connections_per_address"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn a_connection_over_max_connections_per_document_is_closed_with_1013() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| settings.max_connections_per_document = 1).await;
    let _ada = server.connect(Join::stock("full")).await;
    let bob = server.try_connect(Join::stock("full")).await.unwrap();
    let reason = bob.is_closed_with(close::OVERLOADED).await;
    assert!(reason.contains("max_connections_per_document"), "{reason}");
    server.connect(Join::stock("other")).await;
}

#[tokio::test]
async fn a_document_over_max_documents_is_closed_with_1013_until_one_is_idle() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| {
        settings.max_documents = 1;
        settings.unload_after = millis(50);
    })
    .await;
    let ada = server.connect(Join::stock("one")).await;
    let bob = server.try_connect(Join::stock("two")).await.unwrap();
    let reason = bob.is_closed_with(close::OVERLOADED).await;
    assert!(reason.contains("max_documents"), "{reason}");
    ada.leaves().await;
    server
        .comes_to("no document in memory", |load| load.documents == 0)
        .await;
    server.connect(Join::stock("two")).await;
}

#[tokio::test]
async fn a_name_over_max_document_name_is_closed_with_4404() {
    let server = TestServer::with(|settings| settings.max_document_name = 8).await;
    server.connect(Join::stock("12345678")).await;
    let ada = server.try_connect(Join::stock("123456789")).await.unwrap();
    let reason = ada.is_closed_with(close::BAD_NAME).await;
    assert!(reason.contains("max_document_name"), "{reason}");
}

#[tokio::test]
async fn messages_over_max_messages_per_second_wait() {
    let server = TestServer::with(|settings| settings.max_messages_per_second = 40).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let began = Instant::now();
    for _ in 0..80 {
        ada.types("x");
    }
    ada.is_saved().await;
    let took = began.elapsed();
    // A second's worth at once, the rest at the rate.
    assert!(took > Duration::from_millis(800), "{took:?}");
    assert_eq!(ada.text().len(), 80, "none is dropped");
}

fn awareness_of(entries: &[(u64, String)]) -> Bytes {
    let mut payload = Vec::new();
    write_var_uint(&mut payload, entries.len() as u64);
    for (client, state) in entries {
        write_var_uint(&mut payload, *client);
        write_var_uint(&mut payload, 1);
        write_var_string(&mut payload, state);
    }
    y_websocket::awareness(&payload)
}

#[tokio::test]
async fn an_awareness_entry_over_max_awareness_entry_is_refused_with_an_error() {
    let server = TestServer::with(|settings| settings.max_awareness_entry = ByteSize::b(100)).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::stock("notes")).await;
    let large = format!("\"{}\"", "x".repeat(200));
    ada.send(awareness_of(&[(77, large)]));
    ada.is_told_off(ErrorCode::Limit).await;
    ada.send(awareness_of(&[(78, "{}".to_owned())]));
    bob.until("the small one", |known| {
        known.memory.others.contains_key(&78).then_some(())
    })
    .await;
    assert!(bob.look(|known| !known.memory.others.contains_key(&77)));
}

#[tokio::test]
async fn awareness_entries_over_max_awareness_entries_are_not_taken() {
    let server = TestServer::with(|settings| settings.max_awareness_entries = 3).await;
    let ada = server.connect(Join::raw("notes")).await;
    let bob = server.connect(Join::raw("notes")).await;
    for client in 1..=10 {
        ada.send(awareness_of(&[(client, "{}".to_owned())]));
    }
    ada.send(y_websocket::update(&[0, 0]));
    ada.send(y_websocket::query_awareness());
    bob.until("three of them", |known| {
        (known.memory.others.len() == 3).then_some(())
    })
    .await;
    assert_eq!(awareness::AwarenessLimits::default().entries_per_owner, 64);
}

#[tokio::test]
async fn who_says_nothing_within_handshake_timeout_is_closed() {
    let server = TestServer::with(|settings| settings.handshake_timeout = millis(300)).await;
    let mute = server.connect(Join::raw("notes")).await;
    let reason = mute.is_closed_with(close::SILENT).await;
    assert!(reason.contains("handshake_timeout"), "{reason}");
}

#[tokio::test]
async fn a_request_that_does_not_come_to_its_end_within_handshake_timeout_is_closed() {
    let server = TestServer::with(|settings| settings.handshake_timeout = millis(300)).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"GET /ws/notes HTTP/1.1\r\nHost: localhost\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = within("the server to give up", stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(
        read.is_err() || text.is_empty() || text.contains("408"),
        "{text}"
    );
}

#[tokio::test]
async fn a_request_with_a_huge_head_is_refused() {
    let server = TestServer::start().await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "y".repeat(64 * 1024)
    );
    let answer = http::send(server.address(), head.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.contains(" 431 "), "{text}");
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_channel_message_over_its_limit_is_an_error_and_changes_nothing() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let long = format!(
        "{{\"type\":\"acquire\",\"nonce\":1,\"x\":\"{}\"}}",
        "y".repeat(70_000)
    );
    ada.send(y_websocket::baton(&long));
    ada.is_told_off(ErrorCode::Protocol).await;
    let outcome = ada
        .operates(|nonce| ClientMessage::Try {
            nonce,
            paths: Vec::new(),
        })
        .await;
    assert_eq!(outcome, baton_sync::control_channel::Outcome::Done);
}

/// Many documents at once, with one load at a time: they wait their turn, and all come in.
#[tokio::test]
async fn loads_over_max_loads_wait_their_turn() {
    one_machine!(OwnLimits);
    let server = TestServer::with(|settings| settings.max_loads = 1).await;
    let coming = (0..20).map(|number| {
        let join = Join::stock(&format!("document {number}"));
        server.connect(join)
    });
    let all = futures_util::future::join_all(coming).await;
    assert_eq!(all.len(), 20);
    assert_eq!(server.load().documents, 20);
}

#[tokio::test]
async fn what_waits_for_the_disk_is_bounded_and_nothing_is_lost() {
    let server = TestServer::with(|settings| {
        settings.max_frame = ByteSize::kib(64);
        settings.log_queue = ByteSize::kib(64);
        settings.max_aside = ByteSize::kib(32);
    })
    .await;
    let ada = server.connect(Join::member("a", "Ada")).await;
    let bob = server.connect(Join::member("b", "Bob")).await;
    let block = "w".repeat(16 * 1024);
    for _ in 0..40 {
        ada.types(&block);
        bob.types(&block);
    }
    ada.is_saved().await;
    bob.is_saved().await;
    let carol = server.connect(Join::stock("a")).await;
    assert_eq!(carol.text().len(), 40 * 16 * 1024);
}
