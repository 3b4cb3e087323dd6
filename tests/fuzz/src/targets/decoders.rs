//! Readers of bytes that strangers send: whatever they accept, they write again as the same.

use std::time::Duration;

use baton_room::{Record, TokenHash};
use baton_sync::awareness::{Awareness, AwarenessLimits};
use baton_sync::compressed_update::decompress;
use baton_sync::control_channel::{ClientMessage, ServerMessage};
use baton_sync::hocuspocus::{self, Address, HocuspocusFrame, HocuspocusMessage, SyncStep};
use baton_sync::lib0::{Reader, write_var_buf, write_var_string, write_var_uint};
use baton_sync::y_websocket::{self, Message};
use baton_sync::{ClientId, StateVector};

use super::script::Script;

/// The first byte says what is read, again and again; each value has one spelling.
pub(crate) fn lib0(input: &[u8]) {
    let Some((&kind, bytes)) = input.split_first() else {
        return;
    };
    let mut reader = Reader::new(bytes);
    let mut again = Vec::new();
    loop {
        let before = reader.position();
        again.clear();
        let read = match kind % 6 {
            0 => reader
                .var_uint()
                .map(|value| write_var_uint(&mut again, value)),
            1 => reader
                .var_buf()
                .map(|value| write_var_buf(&mut again, value)),
            2 => reader
                .var_string()
                .map(|value| write_var_string(&mut again, value)),
            3 => reader.u8().map(|value| again.push(value)),
            4 => {
                let read = reader.count(usize::from(kind / 6).max(1));
                read.map(|count| {
                    assert!(count <= reader.remaining());
                    write_var_uint(&mut again, count as u64);
                })
            }
            _ => {
                // There is no writer of signed integers; the magnitude is bounded.
                let read = reader.var_int();
                read.map(|value| {
                    assert_ne!(value, i64::MIN);
                    again.extend(&bytes[before..reader.position()]);
                })
            }
        };
        assert!(reader.position() + reader.remaining() == bytes.len());
        if read.is_err() {
            return;
        }
        assert!(reader.position() > before);
        assert_eq!(again, bytes[before..reader.position()]);
    }
}

pub(crate) fn state_vector(input: &[u8]) {
    let Ok(vector) = StateVector::decode(input) else {
        return;
    };
    let bytes = vector.encode();
    assert_eq!(StateVector::decode(&bytes).as_ref(), Ok(&vector));
    assert!(vector.covers(&vector) && vector.covers(&StateVector::new()));
    assert!(vector.iter().all(|(client, clock)| {
        client <= ClientId::MAX && clock > 0 && clock < 1 << 31 && vector.get(client) == clock
    }));
    let again: StateVector = vector.iter().collect();
    assert_eq!(again, vector);
}

pub(crate) fn y_websocket(input: &[u8]) {
    let Ok(message) = y_websocket::decode(input) else {
        return;
    };
    let again = match message {
        Message::Step1(vector) => {
            state_vector(vector);
            y_websocket::step1_bytes(vector)
        }
        Message::Step2(update) => {
            super::document::scan_only(update);
            y_websocket::step2(update)
        }
        Message::Update(update) => {
            super::document::scan_only(update);
            y_websocket::update(update)
        }
        Message::Awareness(payload) => {
            awareness_payload(payload);
            y_websocket::awareness(payload)
        }
        Message::QueryAwareness => y_websocket::query_awareness(),
        Message::AuthDenied(reason) => y_websocket::auth_denied(reason),
        Message::Baton(payload) => {
            channel_payload(payload);
            y_websocket::baton(payload)
        }
        Message::Barrier(version) => y_websocket::barrier(version),
        Message::CompressedStep2(payload) => {
            compressed_payload(payload);
            y_websocket::compressed_step2(payload)
        }
        Message::CompressedUpdate(payload) => {
            compressed_payload(payload);
            y_websocket::compressed_update(payload)
        }
        Message::Unknown(_) => return,
    };
    assert_eq!(&again[..], input, "{message:?}");
}

/// Whatever a server sends, a client makes no more of it than it allows.
fn compressed_payload(payload: &[u8]) {
    let most = 64 * 1024;
    if let Ok(update) = decompress(payload, most) {
        assert!(update.len() <= most);
        super::document::scan_only(&update);
    }
}

pub(crate) fn hocuspocus(input: &[u8]) {
    let (address, message) = match hocuspocus::decode(input) {
        Ok(HocuspocusFrame::Ping) => return assert_eq!(input, &hocuspocus::ping()[..]),
        Ok(HocuspocusFrame::Pong) => return assert_eq!(input, &hocuspocus::pong()[..]),
        Ok(HocuspocusFrame::Message(envelope)) => (envelope.address, envelope.message),
        Err(_) => return,
    };
    assert_eq!(Address::parse(address.raw), address);
    let joined = match address.session {
        Some(session) => format!("{}\0{session}", address.document),
        None => address.document.to_owned(),
    };
    assert_eq!(joined, address.raw);
    let to = address.raw;
    let again = match message {
        HocuspocusMessage::Sync(step) => {
            sync_step(step);
            match step {
                SyncStep::Step1(vector) => hocuspocus::step1_bytes(to, vector),
                SyncStep::Step2(update) => hocuspocus::step2(to, update),
                SyncStep::Update(update) => hocuspocus::update(to, update),
            }
        }
        HocuspocusMessage::SyncReply(step) => {
            sync_step(step);
            hocuspocus::sync_reply(to, step)
        }
        HocuspocusMessage::Awareness(payload) => {
            awareness_payload(payload);
            hocuspocus::awareness(to, payload)
        }
        HocuspocusMessage::QueryAwareness => hocuspocus::query_awareness(to),
        HocuspocusMessage::Token { token, version } => {
            // Bytes behind a token are ignored.
            let again = hocuspocus::token(to, token, version);
            return assert_eq!(again, input[..again.len()]);
        }
        HocuspocusMessage::TokenRequest => hocuspocus::token_request(to),
        HocuspocusMessage::Authenticated(scope) => hocuspocus::authenticated(to, scope),
        HocuspocusMessage::PermissionDenied(reason) => hocuspocus::permission_denied(to, reason),
        HocuspocusMessage::Stateless(payload) => {
            channel_payload(payload);
            hocuspocus::stateless(to, payload)
        }
        HocuspocusMessage::BroadcastStateless(payload) => {
            hocuspocus::broadcast_stateless(to, payload)
        }
        HocuspocusMessage::Close(None) => hocuspocus::close_request(to),
        HocuspocusMessage::Close(Some(reason)) => hocuspocus::close(to, reason),
        HocuspocusMessage::SyncStatus(saved) => hocuspocus::sync_status(to, saved),
        HocuspocusMessage::Unknown(_) => return,
    };
    assert_eq!(&again[..], input, "{message:?}");
}

fn sync_step(step: SyncStep<'_>) {
    match step {
        SyncStep::Step1(vector) => state_vector(vector),
        SyncStep::Step2(update) | SyncStep::Update(update) => super::document::scan_only(update),
    }
}

/// Small enough that the caps are met.
fn limits() -> AwarenessLimits {
    AwarenessLimits {
        entry_bytes: 64,
        entries_per_owner: 3,
        entries: 6,
        bytes: 256,
        tombstones: 4,
        ..AwarenessLimits::default()
    }
}

/// Three connections say who they are, say it of others, come, go, and are silent.
pub(crate) fn awareness(input: &[u8]) {
    let limits = limits();
    let mut table = Awareness::new(limits);
    let mut gone = 0_u8;
    let mut now = Duration::ZERO;
    for (step, body) in Script::new(input) {
        // A connection that has ended has another number when it comes again.
        let who = u32::from(step % 3) + 3 * u32::from(gone);
        match step / 3 % 8 {
            0..=3 => match table.apply(who, body, now) {
                Ok(applied) => {
                    for payload in [applied.broadcast, applied.answer].into_iter().flatten() {
                        others_understand(&payload);
                    }
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            },
            4 => {
                let id = body
                    .first_chunk::<2>()
                    .map_or(7, |id| u16::from_le_bytes(*id));
                table.claim(who, ClientId::from(u32::from(id)));
            }
            5 => {
                let removed = table.removed(who);
                gone = gone.wrapping_add(1);
                for payload in removed.answers.into_iter().map(|(_, payload)| payload) {
                    others_understand(&payload);
                }
                removed
                    .broadcast
                    .iter()
                    .for_each(|payload| others_understand(payload));
            }
            6 => {
                now += Duration::from_millis(u64::from(step) * 97 + body.len() as u64 * 1000);
                let stale = table.stale(now);
                for (_, payload) in &stale.ask {
                    others_understand(payload);
                }
                stale
                    .broadcast
                    .iter()
                    .for_each(|payload| others_understand(payload));
                assert!(table.next_stale().is_none_or(|next| next > now));
            }
            _ => table.transfer(who, u32::from(body.len() as u16 % 3) + 3 * u32::from(gone)),
        }
        assert!(table.len() <= limits.entries && table.bytes() <= limits.bytes);
        assert_eq!(table.iter().count(), table.len());
        let bytes: usize = table.iter().map(|(_, _, state, _)| state.len()).sum();
        assert_eq!(bytes, table.bytes());
        others_understand(&table.encode_all());
    }
    awareness_payload(input);
}

/// A payload that the table makes is one that a table takes.
fn others_understand(payload: &[u8]) {
    let applied = Awareness::new(AwarenessLimits::default()).apply(0, payload, Duration::ZERO);
    assert!(applied.is_ok(), "{applied:?} of {payload:?}");
}

fn awareness_payload(payload: &[u8]) {
    let mut table = Awareness::new(AwarenessLimits::default());
    if table.apply(0, payload, Duration::ZERO).is_ok() {
        others_understand(&table.encode_all());
    }
}

pub(crate) fn channel(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        channel_payload(text);
    }
}

fn channel_payload(text: &str) {
    if let Ok(message) = ClientMessage::decode(text) {
        let again = message.encode();
        assert_eq!(ClientMessage::decode(&again).unwrap(), message, "{again}");
    }
    if let Ok(message) = ServerMessage::decode(text) {
        let again = message.encode();
        assert_eq!(ServerMessage::decode(&again).unwrap(), message, "{again}");
    }
    // A resume token is only ever hashed.
    assert_eq!(TokenHash::of_text(text), TokenHash::of_text(text));
}

pub(crate) fn record(input: &[u8]) {
    let Ok(record) = Record::decode(input) else {
        return;
    };
    let again = record.encode().unwrap();
    assert_eq!(Record::decode(&again).unwrap(), record);
    assert!(again.len() <= input.len().max(8), "it grew: {record:?}");
}
