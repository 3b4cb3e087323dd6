//! Yjs updates that are made byte by byte, for tests of millions of edits or of an exact form.

use baton_sync::lib0::{write_var_string, write_var_uint};
use bytes::Bytes;

/// The first byte of a block of text.
const TEXT: u8 = 4;

/// Marks a block that names the unit to its left.
const HAS_LEFT: u8 = 0x80;

/// Marks a block that names the unit to its right.
const HAS_RIGHT: u8 = 0x40;

/// Says that a block names its root type.
const IN_ROOT: u8 = 1;

/// A Yjs client that writes into one text, without a document behind it.
///
/// Its updates are those that Yjs sends for the same edits. It does not see what others write.
#[derive(Debug, Clone)]
pub struct TextAuthor {
    client: u64,
    root: &'static str,
    clock: u64,
}

impl TextAuthor {
    /// Returns a client that has written nothing yet.
    #[must_use]
    pub const fn new(client: u64, root: &'static str) -> Self {
        Self::after(client, root, 0)
    }

    /// Returns a client that has written this many UTF-16 units already.
    #[must_use]
    pub const fn after(client: u64, root: &'static str, clock: u64) -> Self {
        Self {
            client,
            root,
            clock,
        }
    }

    /// Returns the number of UTF-16 units that it has written.
    #[must_use]
    pub const fn clock(&self) -> u64 {
        self.clock
    }

    /// Writes a text behind the unit that it wrote last: an update of one block.
    pub fn append(&mut self, text: &str) -> Bytes {
        let mut update = self.header(1);
        self.write_block(&mut update, HAS_LEFT, text);
        Self::without_deletions(update)
    }

    /// Writes letters one at a time, each before the last one: an update of as many blocks, no two
    /// of which can be joined.
    pub fn prepend_letters(&mut self, count: u64) -> Bytes {
        let mut update = self.header(count);
        for _ in 0..count {
            self.write_block(&mut update, HAS_RIGHT, "x");
        }
        Self::without_deletions(update)
    }

    fn header(&self, blocks: u64) -> Vec<u8> {
        let mut update = vec![1];
        for number in [blocks, self.client, self.clock] {
            write_var_uint(&mut update, number);
        }
        update
    }

    /// Writes a block beside the unit that was written last; the first one names the root type.
    fn write_block(&mut self, update: &mut Vec<u8>, neighbour: u8, text: &str) {
        if let Some(last) = self.clock.checked_sub(1) {
            update.push(TEXT | neighbour);
            write_var_uint(update, self.client);
            write_var_uint(update, last);
        } else {
            update.extend([TEXT, IN_ROOT]);
            write_var_string(update, self.root);
        }
        write_var_string(update, text);
        self.clock += text.encode_utf16().count() as u64;
    }

    fn without_deletions(mut update: Vec<u8>) -> Bytes {
        update.push(0);
        update.into()
    }
}

#[cfg(test)]
mod tests {
    use baton_sync::yrs::{Doc, Text, Transact};

    use super::*;

    #[test]
    fn the_updates_are_those_that_the_library_makes() {
        let doc = Doc::with_client_id(4711);
        let text = doc.get_or_insert_text("content");
        let mut author = TextAuthor::new(4711, "content");
        for word in ["a", "longer words ", "ä€𝄞"] {
            let mut transaction = doc.transact_mut();
            text.push(&mut transaction, word);
            assert_eq!(author.append(word), transaction.encode_update_v1());
        }

        let doc = Doc::with_client_id(7);
        let text = doc.get_or_insert_text("t");
        let mut author = TextAuthor::new(7, "t");
        for _ in 0..2 {
            let mut transaction = doc.transact_mut();
            for _ in 0..3 {
                text.insert(&mut transaction, 0, "x");
            }
            assert_eq!(author.prepend_letters(3), transaction.encode_update_v1());
        }
        assert_eq!(author.clock(), 6);
    }
}
