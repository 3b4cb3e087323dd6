//! Prepared Yjs updates: what a person sends who types at the end of a text, one update a keystroke.
//!
//! Owns their making, and recognising an edit in an update that arrives, also if a server has merged several. The bytes
//! are those that yrs (and Yjs) would send, written directly: a load of millions of edits is prepared in a moment. Never
//! looks at a clock.

use std::ops::Range;

use baton_sync::lib0::{Reader, write_var_string, write_var_uint};
use baton_sync::scan::scan;

/// A block of text that follows another block of its author.
const TEXT_AFTER: u8 = 0x84;
/// A block of text that is the first in its root type.
const TEXT_FIRST: u8 = 0x04;

/// Everything that one writer will type: edit by edit the same number of characters, at the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typed {
    /// The Yjs client.
    pub client: u64,
    /// Characters of an edit.
    pub length: u32,
}

impl Typed {
    /// The update of edit number `edit`, counted from 0.
    #[must_use]
    pub fn update(self, edit: u32) -> Vec<u8> {
        let clock = edit * self.length;
        let mut out = Vec::with_capacity(32 + self.length as usize);
        // One author, one block.
        out.extend_from_slice(&[1, 1]);
        write_var_uint(&mut out, self.client);
        write_var_uint(&mut out, u64::from(clock));
        if let Some(before) = clock.checked_sub(1) {
            out.push(TEXT_AFTER);
            write_var_uint(&mut out, self.client);
            write_var_uint(&mut out, u64::from(before));
        } else {
            out.push(TEXT_FIRST);
            write_var_uint(&mut out, 1);
            write_var_string(&mut out, "content");
        }
        write_var_uint(&mut out, u64::from(self.length));
        out.resize(out.len() + self.length as usize, b'x');
        // Nothing is deleted.
        out.push(0);
        out
    }
}

/// The clocks that an update holds: client and range of each unbroken stretch. Of no update: none.
pub fn stretches(update: &[u8], mut each: impl FnMut(u64, Range<u32>)) {
    if let Some((client, clocks)) = single(update) {
        each(client, clocks);
    } else if let Ok(scanned) = scan(update) {
        for range in scanned.inserts() {
            each(range.client.get(), range.start..range.end);
        }
    }
}

/// An update that is one edit as above, read without a scan: of millions a second the reading must cost little.
fn single(update: &[u8]) -> Option<(u64, Range<u32>)> {
    let mut reader = Reader::new(update.strip_prefix(&[1, 1])?);
    let client = reader.var_uint().ok()?;
    let clock = u32::try_from(reader.var_uint().ok()?).ok()?;
    if reader.u8().ok()? != TEXT_AFTER {
        return None;
    }
    reader.var_uint().ok()?;
    reader.var_uint().ok()?;
    let text = reader.var_buf().ok()?;
    let end = clock.checked_add(u32::try_from(text.len()).ok()?)?;
    // A byte a character is what we write; of other texts the scan knows the length.
    (text.first() == Some(&b'x') && reader.rest() == [0]).then_some((client, clock..end))
}

/// A client id that no other writer of a run has.
#[must_use]
pub const fn writer_id(room: usize, writer: usize) -> u64 {
    1 + (room as u64) * 1000 + writer as u64
}

#[cfg(test)]
mod tests {
    use yrs::{Doc, Text, Transact};

    use super::*;

    #[test]
    fn the_updates_are_those_that_the_library_makes() {
        for length in [1, 7, 300] {
            let doc = Doc::with_client_id(4711);
            let text = doc.get_or_insert_text("content");
            let typed = Typed {
                client: 4711,
                length,
            };
            for edit in 0..200 {
                let mut transaction = doc.transact_mut();
                let word = "x".repeat(length as usize);
                text.insert(&mut transaction, edit * length, &word);
                assert_eq!(typed.update(edit), transaction.encode_update_v1());
            }
        }
    }

    #[test]
    fn an_edit_is_recognised_alone_and_merged() {
        let typed = Typed {
            client: 9,
            length: 3,
        };
        let seen = |update: &[u8]| {
            let mut all = Vec::new();
            stretches(update, |client, clocks| all.push((client, clocks)));
            all
        };
        assert_eq!(seen(&typed.update(0)), [(9, 0..3)]);
        assert_eq!(seen(&typed.update(5)), [(9, 15..18)]);
        let merged =
            yrs::merge_updates_v1([typed.update(4), typed.update(5), typed.update(6)]).unwrap();
        assert_eq!(seen(&merged), [(9, 12..21)]);
        assert_eq!(seen(b"no update"), []);
    }
}
