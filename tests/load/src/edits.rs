//! Prepared Yjs updates: what a person sends who types at the end of a text, one update a keystroke.
//!
//! Owns their making, before a measurement begins, and recognising an edit in an update that arrives, also if a server
//! has merged several. Never looks at a clock.

use baton_sync::scan::scan;
use baton_sync::y_websocket;
use bytes::Bytes;
use yrs::{Doc, Text, Transact};

/// The edits of one writer, in order, as frames of the y-websocket wire.
#[derive(Debug, Clone)]
pub struct Edits {
    /// One frame for each edit.
    pub frames: Vec<Bytes>,
}

impl Edits {
    /// `count` edits by the Yjs client `client`, each of `length` characters.
    #[must_use]
    pub fn typed(client: u64, count: usize, length: usize) -> Self {
        let doc = Doc::with_client_id(client);
        let text = doc.get_or_insert_text("content");
        let word = "x".repeat(length);
        let mut at = 0;
        let frames = (0..count).map(|_| {
            let mut transaction = doc.transact_mut();
            text.insert(&mut transaction, at, &word);
            at += u32::try_from(length).unwrap_or(u32::MAX);
            y_websocket::update(&transaction.encode_update_v1())
        });
        Self {
            frames: frames.collect(),
        }
    }
}

/// The clocks that an update holds: `(client, first, end)` of each unbroken stretch.
#[must_use]
pub fn stretches(update: &[u8]) -> Vec<(u64, u32, u32)> {
    let Ok(scanned) = scan(update) else {
        return Vec::new();
    };
    let inserts = scanned.inserts();
    inserts
        .map(|range| (range.client.get(), range.start, range.end))
        .collect()
}

/// A client id that no other writer of a run has.
#[must_use]
pub const fn writer_id(room: usize, writer: usize) -> u64 {
    1 + (room as u64) * 1000 + writer as u64
}
