//! The examples of docs/protocol.md, replayed: this crate reads and writes the bytes of the page.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use baton_sync::compressed_update::decompress;
use baton_sync::control_channel::{ClientMessage, ServerMessage};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::hocuspocus::{self, Envelope, HocuspocusFrame, HocuspocusMessage, SyncStep};
use baton_sync::y_websocket::{self, Message};
use baton_sync::yrs::{GetString, ReadTxn};
use baton_sync::{ClientId, StateVector};
use bytes::Bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

/// The wire of a fence: its first line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    YWebsocket,
    Hocuspocus,
}

struct Example {
    wire: Wire,
    from: From,
    frame: Vec<u8>,
    line: String,
}

/// Lines `> 00 01 ..   words` and `< ..` inside fences. The words start at the first two spaces. A
/// line `> {..}` is a payload of the control channel as text. A fence that begins with
/// "```hocuspocus" shows frames of that wire.
fn examples() -> Vec<Example> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut fence = None;
    let mut examples = Vec::new();
    for line in page.lines() {
        if let Some(of) = line.strip_prefix("```") {
            fence = match (fence, of) {
                (Some(_), _) => None,
                (None, "hocuspocus") => Some(Wire::Hocuspocus),
                (None, _) => Some(Wire::YWebsocket),
            };
        }
        let from = match line.get(..2) {
            Some("> ") => From::Client,
            Some("< ") => From::Server,
            _ => continue,
        };
        let wire = fence.unwrap_or_else(|| panic!("an example outside of a fence: {line}"));
        if line[2..].starts_with('{') {
            examples.push(Example {
                wire,
                from,
                frame: y_websocket::baton(&line[2..]).to_vec(),
                line: line.to_owned(),
            });
            continue;
        }
        let hex: String = line[2..].split("  ").next().unwrap().replace(' ', "");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        examples.push(Example {
            wire,
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
    for wire in [Wire::YWebsocket, Wire::Hocuspocus] {
        let of_wire = examples.iter().filter(|example| example.wire == wire);
        assert!(
            of_wire.count() >= 5,
            "the page has lost its {wire:?} examples"
        );
    }
    for example in &examples {
        let again = match example.wire {
            Wire::YWebsocket => y_websocket_again(example),
            Wire::Hocuspocus => hocuspocus_again(example),
        };
        assert_eq!(again[..], example.frame[..], "{}", example.line);
    }
}

/// Reads a frame of the y-websocket wire, and writes it again.
fn y_websocket_again(
    Example {
        from, frame, line, ..
    }: &Example,
) -> Bytes {
    let message = y_websocket::decode(frame).unwrap_or_else(|error| panic!("{line}: {error}"));
    match message {
        Message::Step1(vector) => y_websocket::step1(&state_vector(vector, line)),
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
        Message::CompressedStep2(payload) => {
            y_websocket::compressed_step2(compressed(payload, line))
        }
        Message::CompressedUpdate(payload) => {
            y_websocket::compressed_update(compressed(payload, line))
        }
        Message::Unknown(kind) => panic!("{line}: type {kind} is not in the table"),
    }
}

/// The payload holds a sound update.
fn compressed<'a>(payload: &'a [u8], line: &str) -> &'a [u8] {
    let update = decompress(payload, payload.len() * 100).expect(line);
    sound(&update, line);
    payload
}

/// Reads a frame of the Hocuspocus wire, and writes it again.
fn hocuspocus_again(Example { frame, line, .. }: &Example) -> Bytes {
    let frame = hocuspocus::decode(frame).unwrap_or_else(|error| panic!("{line}: {error}"));
    let Envelope { address, message } = match frame {
        HocuspocusFrame::Ping => return hocuspocus::ping(),
        HocuspocusFrame::Pong => return hocuspocus::pong(),
        HocuspocusFrame::Message(envelope) => envelope,
    };
    let to = address.raw;
    match message {
        HocuspocusMessage::Sync(SyncStep::Step1(vector)) => {
            hocuspocus::step1(to, &state_vector(vector, line))
        }
        HocuspocusMessage::Sync(SyncStep::Step2(update)) => {
            hocuspocus::step2(to, sound(update, line))
        }
        HocuspocusMessage::Sync(SyncStep::Update(update)) => {
            hocuspocus::update(to, sound(update, line))
        }
        HocuspocusMessage::SyncReply(step) => hocuspocus::sync_reply(to, step),
        HocuspocusMessage::Awareness(payload) => hocuspocus::awareness(to, payload),
        HocuspocusMessage::QueryAwareness => hocuspocus::query_awareness(to),
        HocuspocusMessage::Token { token, version } => hocuspocus::token(to, token, version),
        HocuspocusMessage::TokenRequest => hocuspocus::token_request(to),
        HocuspocusMessage::Authenticated(scope) => hocuspocus::authenticated(to, scope),
        HocuspocusMessage::PermissionDenied(why) => hocuspocus::permission_denied(to, why),
        HocuspocusMessage::Stateless(text) => hocuspocus::stateless(to, text),
        HocuspocusMessage::BroadcastStateless(text) => hocuspocus::broadcast_stateless(to, text),
        HocuspocusMessage::Close(None) => hocuspocus::close_request(to),
        HocuspocusMessage::Close(Some(reason)) => hocuspocus::close(to, reason),
        HocuspocusMessage::SyncStatus(saved) => hocuspocus::sync_status(to, saved),
        HocuspocusMessage::Unknown(kind) => panic!("{line}: type {kind} is not in the table"),
    }
}

fn of_y_websocket(examples: &[Example]) -> impl Iterator<Item = &Example> {
    let is_meant = |example: &&Example| example.wire == Wire::YWebsocket;
    examples.iter().filter(is_meant)
}

fn state_vector(vector: &[u8], line: &str) -> StateVector {
    StateVector::decode(vector).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn sound<'a>(update: &'a [u8], line: &str) -> &'a [u8] {
    baton_sync::scan::scan(update).unwrap_or_else(|error| panic!("{line}: {error}"));
    update
}

#[test]
fn the_edit_of_the_example_says_what_the_page_says_it_does() {
    let examples = examples();
    let edit =
        of_y_websocket(&examples).find_map(|example| match y_websocket::decode(&example.frame) {
            Ok(Message::Update(update)) => Some(update),
            _ => None,
        });
    let mut document = Document::new(&DocumentOptions::new(ClientId::from(99)));
    document
        .apply(edit.expect("an edit among the examples"))
        .unwrap();
    let text = document.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
    assert_eq!(text.unwrap().as_deref(), Some("hi"));
    assert_eq!(document.state().vector().get(ClientId::from(1)), 2);
}

#[test]
fn the_hello_of_the_example_is_adas() {
    let examples = examples();
    let hello = of_y_websocket(&examples).find_map(|example| {
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
