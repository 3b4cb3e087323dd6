//! Stories of a first sync that comes compressed, and of a server that does so badly.

use baton_sync::compressed_update::{Compression, DEFLATE_RAW};
use baton_sync::control_channel::{ClientMessage, ErrorCode};
use baton_sync::lib0::write_var_uint;
use baton_sync::y_websocket;

use super::script::{Script, Sent, free, text};
use crate::core::connection::ConnectionPhase;
use crate::events::ClientEvent;

const PROSE: &str = "all work and no play makes the document easy to compress; ";

/// Returns the payload of a compressed update.
fn compressed(update: &[u8]) -> Vec<u8> {
    let compression = Compression { level: 6, least: 1 };
    let compressed = compression.compress(update).expect("it gets smaller");
    compressed.payload().to_vec()
}

#[test]
fn a_first_sync_comes_in_compressed_pieces_also_before_the_welcome() {
    let mut script = Script::new();
    let first = script.other_writes(&PROSE.repeat(50));
    let second = script.other_writes(&PROSE.repeat(40));
    let opening = script.opens();
    let Sent::Says(ClientMessage::Hello { encodings, .. }) = &opening[0] else {
        panic!("opens with {opening:?}");
    };
    assert_eq!(encodings[..], [DEFLATE_RAW]);
    script.frame(&y_websocket::compressed_update(&compressed(&first)));
    assert!(!script.events.contains(&ClientEvent::Synced));
    script.frame(&y_websocket::compressed_step2(&compressed(&second)));
    assert!(script.events.contains(&ClientEvent::Synced));
    assert_eq!(text(script.core.document()), PROSE.repeat(90));
    script.asks();
    script.welcomes(5, false, free(1));
    assert!(script.core.is_ready());
}

/// Returns the fault that the client reports when it is sent this frame. Nothing of it is applied,
/// and the connection is given up.
fn refused(frame: &[u8], max_message: usize) -> String {
    let mut script = Script::with(|options| options.max_message = max_message);
    script.opens();
    script.frame(frame);
    assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
    assert_eq!(text(script.core.document()), "");
    assert!(!script.events.contains(&ClientEvent::Synced));
    let events = script.takes_events();
    let fault = events.iter().find_map(|event| match event {
        ClientEvent::Error {
            code: ErrorCode::Protocol,
            message,
            ..
        } => Some(message.clone()),
        _ => None,
    });
    let reason = events.iter().find_map(|event| match event {
        ClientEvent::Closed { cause, .. } => Some(cause.to_string()),
        _ => None,
    });
    assert!(fault.expect("a fault").contains("the server is at fault"));
    reason.expect("a reason")
}

#[test]
fn a_bomb_is_not_unpacked_and_ends_the_connection() {
    let mut other = Script::new();
    let update = other.other_writes(&PROSE.repeat(2000));
    let bomb = compressed(&update);
    assert!(bomb.len() < 1000 && update.len() > 100_000);
    for frame in [
        y_websocket::compressed_step2(&bomb),
        y_websocket::compressed_update(&bomb),
    ] {
        let reason = refused(&frame, 100_000);
        let states = format!("states {} bytes, more than 100000", update.len());
        assert!(reason.contains(&states), "{reason}");
    }
}

#[test]
fn what_is_not_as_long_as_it_states_is_refused_whole() {
    let mut other = Script::new();
    let update = other.other_writes(&PROSE.repeat(50));
    let sound = compressed(&update);
    let mut length = Vec::new();
    write_var_uint(&mut length, update.len() as u64);
    let stream = sound.strip_prefix(&length[..]).unwrap();
    for wrong in [0, update.len() as u64 - 1, update.len() as u64 + 1] {
        let mut lie = Vec::new();
        write_var_uint(&mut lie, wrong);
        lie.extend_from_slice(stream);
        let reason = refused(&y_websocket::compressed_step2(&lie), 1 << 20);
        assert!(reason.contains("damaged"), "{wrong}: {reason}");
    }
    let mut lie = Vec::new();
    write_var_uint(&mut lie, 1 << 19);
    lie.extend_from_slice(&stream[..stream.len() / 2]);
    let reason = refused(&y_websocket::compressed_step2(&lie), 1 << 20);
    assert!(reason.contains("cannot hold"), "{reason}");
}

#[test]
fn a_truncated_or_damaged_stream_is_refused_whole() {
    let mut other = Script::new();
    let update = other.other_writes(&PROSE.repeat(50));
    let sound = compressed(&update);
    for end in [0, 1, 2, 10, sound.len() - 1] {
        let frame = y_websocket::compressed_step2(&sound[..end]);
        refused(&frame, 1 << 20);
    }
    let more = [&sound[..], b"more"].concat();
    refused(&y_websocket::compressed_update(&more), 1 << 20);
    // A stream of another thing than an update.
    let prose = compressed(PROSE.repeat(50).as_bytes());
    refused(&y_websocket::compressed_step2(&prose), 1 << 20);
}
