//! The examples of docs/protocol.md, replayed: this crate reads and writes the bytes of the page.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use baton_sync::control_channel::{ClientMessage, ServerMessage};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::y_websocket::{self, Message};
use baton_sync::yrs::{GetString, ReadTxn};
use baton_sync::{ClientId, StateVector};
use bytes::Bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

struct Example {
    from: From,
    frame: Vec<u8>,
    line: String,
}

/// Lines `> 00 01 ..   words` and `< ..` inside fences. The words start at the first two spaces. A
/// line `> {..}` is a payload of the control channel as text.
fn examples() -> Vec<Example> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut fenced = false;
    let mut examples = Vec::new();
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        let from = match line.get(..2) {
            Some("> ") => From::Client,
            Some("< ") => From::Server,
            _ => continue,
        };
        assert!(fenced, "an example outside of a fence: {line}");
        if line[2..].starts_with('{') {
            examples.push(Example {
                from,
                frame: y_websocket::baton(&line[2..]).to_vec(),
                line: line.to_owned(),
            });
            continue;
        }
        let hex: String = line[2..].split("  ").next().unwrap().replace(' ', "");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        examples.push(Example {
            from,
            frame: (0..hex.len()).step_by(2).map(byte).collect(),
            line: line.to_owned(),
        });
    }
    examples
}

#[test]
fn every_example_is_read_and_written_again_as_the_same_bytes() {
    let examples = examples();
    assert!(examples.len() >= 5, "the page has lost its examples");
    for Example { from, frame, line } in &examples {
        let message = y_websocket::decode(frame).unwrap_or_else(|error| panic!("{line}: {error}"));
        let again: Bytes = match message {
            Message::Step1(vector) => {
                y_websocket::step1(&StateVector::decode(vector).expect("a state vector"))
            }
            Message::Step2(update) => y_websocket::step2(sound(update, line)),
            Message::Update(update) => y_websocket::update(sound(update, line)),
            Message::Awareness(payload) => y_websocket::awareness(payload),
            Message::QueryAwareness => y_websocket::query_awareness(),
            Message::AuthDenied(reason) => y_websocket::auth_denied(reason),
            Message::Baton(payload) => {
                // It is read and written again: all its fields are known.
                let (said, again) = match from {
                    From::Client => {
                        let message = ClientMessage::decode(payload).expect(line);
                        let again = message.encode();
                        (ClientMessage::decode(&again).unwrap() == message, again)
                    }
                    From::Server => {
                        let message = ServerMessage::decode(payload).expect(line);
                        let again = message.encode();
                        (ServerMessage::decode(&again).unwrap() == message, again)
                    }
                };
                assert!(said, "{line}: read as something else than {again}");
                if matches!(from, From::Server) {
                    assert_eq!(again, payload, "{line}: a server writes it otherwise");
                }
                y_websocket::baton(payload)
            }
            Message::Barrier(version) => y_websocket::barrier(version),
            Message::Unknown(kind) => panic!("{line}: type {kind} is not in the table"),
        };
        assert_eq!(&again[..], &frame[..], "{line}");
    }
}

fn sound<'a>(update: &'a [u8], line: &str) -> &'a [u8] {
    baton_sync::scan::scan(update).unwrap_or_else(|error| panic!("{line}: {error}"));
    update
}

#[test]
fn the_edit_of_the_example_says_what_the_page_says_it_does() {
    let examples = examples();
    let edit = examples
        .iter()
        .find_map(|example| match y_websocket::decode(&example.frame) {
            Ok(Message::Update(update)) => Some(update),
            _ => None,
        });
    let mut document = Document::new(&DocumentOptions {
        client: ClientId::from(99),
    });
    document
        .apply(edit.expect("an edit among the examples"))
        .unwrap();
    let text = document.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
    assert_eq!(text.unwrap().as_deref(), Some("hi"));
    assert_eq!(document.state().vector().get(ClientId::from(1)), 2);
}

#[test]
fn the_hello_of_the_example_is_adas() {
    let hello = examples().into_iter().find_map(|example| {
        match (example.from, y_websocket::decode(&example.frame)) {
            (From::Client, Ok(Message::Baton(payload))) => ClientMessage::decode(payload).ok(),
            _ => None,
        }
    });
    let Some(ClientMessage::Hello {
        version: 1, user, ..
    }) = hello
    else {
        panic!("a hello among the examples");
    };
    assert_eq!((user.name.as_str(), user.color.as_str()), ("Ada", ""));
}
