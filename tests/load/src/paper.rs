//! A long document as it comes about: somebody writes a paper, deletes, jumps back and forth.
//!
//! Owns its making: always the same for the same number of edits, with the proportions of the editing traces that
//! others have published (seven insertions to three deletions, most of them where the last one was, about a hundred edits
//! between two jumps). It is made by the library that Yjs documents are made with, and cut into updates of many edits.

use std::fs;
use std::io;
use std::path::Path;

use baton_sync::lib0::{Reader, write_var_buf};
use baton_testkit::Random;
use bytes::Bytes;
use yrs::{ClientID, Doc, GetString, OffsetKind, Options, Text, TextRef, Transact, TransactionMut};

/// Edits of the published trace that this one is made after.
pub const EDITS: u32 = 259_778;

/// Edits in one update, as a server is given them.
const TOGETHER: u32 = 100;

/// The document, as the updates that make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// In order.
    pub updates: Vec<Bytes>,
}

impl Paper {
    /// Writes it: `edits` single characters inserted or deleted.
    #[must_use]
    pub fn write(edits: u32) -> Self {
        let doc = Doc::with_options(Options {
            client_id: ClientID::new(1_234_567_890),
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        });
        let text = doc.get_or_insert_text("content");
        let mut author = Author::new();
        let mut updates = Vec::new();
        let mut left = edits;
        while left > 0 {
            let mut transaction = doc.transact_mut();
            for _ in 0..TOGETHER.min(left) {
                author.edit(&text, &mut transaction);
            }
            left = left.saturating_sub(TOGETHER);
            updates.push(transaction.encode_update_v1().into());
        }
        debug_assert_eq!(
            text.get_string(&doc.transact()).len(),
            author.length as usize
        );
        Self { updates }
    }

    /// The same, kept in a file from one time to the next: the writing takes seconds.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn kept(file: &Path, edits: u32) -> io::Result<Self> {
        match fs::read(file) {
            Ok(bytes) => return Self::decode(&bytes),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        let paper = Self::write(edits);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut out = Vec::new();
        for update in &paper.updates {
            write_var_buf(&mut out, update);
        }
        fs::write(file, out)?;
        Ok(paper)
    }

    fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut reader = Reader::new(bytes);
        let mut updates = Vec::new();
        while !reader.rest().is_empty() {
            let update = reader.var_buf().map_err(io::Error::other)?;
            updates.push(Bytes::copy_from_slice(update));
        }
        Ok(Self { updates })
    }
}

/// Writes the paper, in the same way each time.
struct Author {
    random: Random,
    length: u32,
    at: u32,
    /// Edits until the next jump or change of mind.
    left: u32,
    deletes: u32,
}

impl Author {
    fn new() -> Self {
        Self {
            random: Random::from_seed(0),
            length: 0,
            at: 0,
            left: 0,
            deletes: 0,
        }
    }

    fn edit(&mut self, text: &TextRef, transaction: &mut TransactionMut<'_>) {
        if self.left == 0 {
            self.turn();
        }
        self.left -= 1;
        if self.deletes > 0 && self.at > 0 {
            self.deletes -= 1;
            self.at -= 1;
            self.length -= 1;
            text.remove_range(transaction, self.at, 1);
        } else {
            let letter = char::from(b'a' + self.random.below(26));
            let letter = if self.random.one_in(6) { ' ' } else { letter };
            text.insert(transaction, self.at, letter.encode_utf8(&mut [0; 4]));
            self.at += 1;
            self.length += 1;
        }
    }

    /// What comes next: typing on or deleting here, or after a jump, mostly a short one.
    fn turn(&mut self) {
        match self.random.below(8) {
            0 => self.at = self.random.below(self.length + 1),
            1 | 2 => {
                let back = self.random.below(400);
                self.at = (self.at + 200).saturating_sub(back).min(self.length);
            }
            _ => {}
        }
        self.left = 1 + self.random.below(48);
        self.deletes = if self.random.chance(30) { self.left } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paper_is_the_same_each_time_and_whole_when_kept() {
        let paper = Paper::write(5_000);
        assert_eq!(paper.updates.len(), 50);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench/paper");
        assert_eq!(Paper::kept(&file, 5_000).unwrap(), paper);
        assert_eq!(Paper::kept(&file, 0).unwrap(), paper, "read, not made");
    }
}
