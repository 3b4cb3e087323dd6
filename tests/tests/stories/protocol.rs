//! The examples of the protocol's page, replayed. Who writes a client from that page alone gets these very bytes.

use baton_server::close;
use baton_sync::control_channel::{ErrorCode, GrantStatus, Outcome, ServerMessage};
use baton_sync::y_websocket;
use baton_tests::{Join, LockState, TestServer, one_machine, within};
use bytes::Bytes;
use bytesize::ByteSize;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const PAGE: &str = include_str!("../../../docs/protocol.md");

enum Line {
    ToServer(Bytes),
    ToClient(Bytes),
}

/// The frames of each example: `>` or `<`, then hex, then perhaps what it means.
fn examples() -> Vec<Vec<Line>> {
    blocks(|info| info != HOCUSPOCUS)
}

/// What stands behind the backticks before the examples of the Hocuspocus wire.
const HOCUSPOCUS: &str = "hocuspocus";

fn blocks(is_wanted: impl Fn(&str) -> bool) -> Vec<Vec<Line>> {
    let blocks = PAGE.split("```").skip(1).step_by(2);
    blocks
        .filter(|block| is_wanted(block.lines().next().unwrap_or_default()))
        .map(|block| block.lines().filter_map(line).collect::<Vec<_>>())
        .filter(|lines| !lines.is_empty())
        .collect()
}

fn line(text: &str) -> Option<Line> {
    let (way, rest) = text.split_once(' ')?;
    let hex = rest.split("  ").next()?.replace(' ', "");
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect();
    let bytes = Bytes::from(bytes?);
    match way {
        ">" => Some(Line::ToServer(bytes)),
        "<" => Some(Line::ToClient(bytes)),
        _ => None,
    }
}

#[tokio::test]
async fn every_example_of_the_page_happens_as_it_is_written() {
    one_machine!(OwnLog);
    let examples = examples();
    assert!(examples.len() >= 2, "the page has examples");
    let server = TestServer::with(|settings| {
        // The page has no room for an update of the default size.
        settings.compress_from = ByteSize::b(64);
    })
    .await;
    for (number, lines) in examples.into_iter().enumerate() {
        let document = format!("example {number}");
        let client = server.connect(Join::raw(&document)).await;
        // Who has said hello hears more than a page can show: who comes, and every view of the locks.
        let member =
            matches!(lines.first(), Some(Line::ToServer(frame)) if frame.first() == Some(&98));
        for line in lines {
            match line {
                // What is said to be saved is counted.
                Line::ToServer(frame) => match y_websocket::decode(&frame) {
                    Ok(y_websocket::Message::Update(update)) => {
                        client.sends_update(update);
                    }
                    _ => client.send(frame),
                },
                Line::ToClient(expected) => {
                    let frame = client
                        .until("a frame", |known| {
                            loop {
                                let frame = known.frames.pop_front()?;
                                if !member || frame == expected {
                                    return Some(frame);
                                }
                            }
                        })
                        .await;
                    assert_eq!(frame, expected, "in example {number}");
                }
            }
        }
        let _other = server.connect(Join::stock(&document)).await;
        client
            .until("somebody else's awareness", |known| {
                (!known.memory.others.is_empty()).then_some(())
            })
            .await;
        assert!(client.look(|known| known.ended.is_none()));
    }
}

#[tokio::test]
async fn every_example_of_the_hocuspocus_wire_happens_as_it_is_written() {
    let server = TestServer::start().await;
    let examples = blocks(|info| info == HOCUSPOCUS);
    assert!(examples.len() >= 2, "the page has examples");
    for lines in examples {
        let url = format!("ws://{}/hocuspocus", server.address());
        let (mut socket, _) = connect_async(url).await.unwrap();
        for line in lines {
            match line {
                Line::ToServer(frame) => socket.send(Message::Binary(frame)).await.unwrap(),
                Line::ToClient(expected) => loop {
                    let message = within("a frame", socket.next()).await;
                    match message.unwrap().unwrap() {
                        Message::Binary(frame) => {
                            assert_eq!(frame, expected);
                            break;
                        }
                        Message::Ping(_) | Message::Pong(_) => {}
                        other => panic!("{other:?}"),
                    }
                },
            }
        }
    }
}

#[tokio::test]
async fn the_example_of_an_edit_writes_hi() {
    let server = TestServer::start().await;
    let client = server.connect(Join::raw("example")).await;
    for lines in examples().into_iter().take(1) {
        for line in lines {
            if let Line::ToServer(frame) = line {
                client.send(frame);
            }
        }
    }
    let bob = server.connect(Join::stock("example")).await;
    bob.sees("hi").await;
    assert_eq!(bob.text(), "hi");
}

#[tokio::test]
async fn the_example_of_a_hello_is_welcomed() {
    let server = TestServer::start().await;
    let client = server.connect(Join::raw("example")).await;
    let hello = examples()
        .into_iter()
        .flatten()
        .find_map(|line| match line {
            Line::ToServer(frame) if frame.first() == Some(&98) => Some(frame),
            _ => None,
        });
    client.send(hello.expect("the page has a hello"));
    client
        .until("a welcome", |known| known.session.map(drop))
        .await;
    assert!(client.look(|known| known.peer("Ada").is_some()));
}

#[tokio::test]
async fn a_frame_of_an_unknown_type_is_ignored() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.send(Bytes::from_static(&[7, 1, 2, 3]));
    ada.send(Bytes::from_static(&[0xac, 2]));
    ada.types("on");
    ada.is_saved().await;
}

#[tokio::test]
async fn a_channel_message_that_is_not_known_is_an_error_and_changes_nothing() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    for payload in [
        r#"{"type":"dance"}"#,
        r#"{"type":"acquire"}"#,
        r#"{"type":"acquire","nonce":-1}"#,
        r#"["acquire"]"#,
        "acquire",
        "",
    ] {
        ada.send(y_websocket::baton(payload));
        ada.is_told_off(ErrorCode::Protocol).await;
    }
    ada.send(y_websocket::baton(
        r#"{"type":"acquire","nonce":1,"not known":[]}"#,
    ));
    ada.is_offered().await;
}

#[tokio::test]
async fn hello_is_said_first_and_once() {
    let server = TestServer::start().await;
    let hello = r#"{"type":"hello","version":1}"#;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.send(y_websocket::baton(hello));
    ada.is_told_off(ErrorCode::Protocol).await;
    let bob = server.connect(Join::raw("notes")).await;
    bob.send(y_websocket::baton(r#"{"type":"acquire","nonce":1}"#));
    bob.is_closed_with(close::PROTOCOL).await;
    let carol = server.connect(Join::stock("notes")).await;
    carol.send(y_websocket::baton(hello));
    carol.is_closed_with(close::PROTOCOL).await;
    assert!(ada.look(|known| known.ended.is_none()));
}

#[tokio::test]
async fn another_version_of_the_channel_is_refused_with_the_one_that_is_spoken() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::raw("notes")).await;
    ada.send(y_websocket::baton(r#"{"type":"hello","version":2}"#));
    let reason = ada.is_closed_with(close::PROTOCOL).await;
    assert!(reason.contains("version 1"), "{reason}");
}

/// Each close code of the page is one of the server's, and the other way round.
#[test]
fn the_page_lists_the_close_codes_that_there_are() {
    for code in [
        close::OVERLOADED,
        close::PROTOCOL,
        close::BAD_NAME,
        close::SUPERSEDED,
        close::EPOCH,
        close::TOO_LARGE,
        close::LOCKED,
        close::UNAVAILABLE,
        close::GOING_AWAY,
        close::STORE_FAILED,
        close::SILENT,
    ] {
        assert!(PAGE.contains(&format!("| {code} |")), "{code}");
    }
}

/// Each outcome of the page is one of the channel's, and the other way round.
#[test]
fn the_page_lists_the_outcomes_that_there_are() {
    let (_, table) = PAGE.split_once("| `outcome` |").unwrap();
    let table = table.split("\n\n").next().unwrap();
    let listed: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for outcome in &listed {
        let result = format!(r#"{{"type":"result","nonce":1,"outcome":"{outcome}"}}"#);
        assert!(ServerMessage::decode(&result).is_ok(), "{outcome}");
    }
    assert_eq!(listed.len(), 11);
}

#[tokio::test]
async fn only_1000_says_that_a_client_is_done() {
    let server = TestServer::start().await;
    for code in [1000, 1001] {
        let document = format!("left with {code}");
        let ada = server.connect(Join::member(&document, "Ada")).await;
        let bob = server.connect(Join::member(&document, "Bob")).await;
        ada.takes_lock().await;
        bob.acquires().await;
        ada.closes(code).await;
        if code == 1000 {
            bob.is_offered().await;
        } else {
            bob.sees_lock(LockState::Is(GrantStatus::Suspect)).await;
        }
    }
}

#[tokio::test]
async fn an_operation_that_is_not_understood_is_answered_over_the_wire() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    for payload in [
        r#"{"type":"acquire","nonce":9,"paths":[]}"#,
        r#"{"type":"dance","nonce":9.0}"#,
    ] {
        ada.send(y_websocket::baton(payload));
        let outcome = ada
            .hears("a result", |message| match message {
                ServerMessage::Result {
                    nonce: 9, outcome, ..
                } => Some(*outcome),
                _ => None,
            })
            .await;
        assert_eq!(outcome, Outcome::Invalid);
    }
    ada.send(y_websocket::baton(
        r#"{"type":"acquire","nonce":10.0,"paths":null}"#,
    ));
    ada.is_offered().await;
}
