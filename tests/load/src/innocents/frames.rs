//! Frames that are cheap to send and may be dear to receive, encoded before the attack begins.
//!
//! Owns their making only. They are well formed: each is one that a Yjs client could send, if not in such numbers.

use baton_sync::lib0::{write_var_buf, write_var_string, write_var_uint};
use bytes::Bytes;
use serde_json::Value;

use crate::dialect::Dialect;
use baton_testkit::websocket;

/// The root type that all of them write in.
const ROOT: &str = "content";
/// A block of text behind another block.
const TEXT_BEHIND: u8 = 0x84;
/// A block of text before another block.
const TEXT_BEFORE: u8 = 0x44;
/// A block of text that names its root type.
const TEXT_FIRST: u8 = 0x04;
/// Characters in one block of a document that was typed.
pub(crate) const TYPED: usize = 16;
/// Characters in one block of a document that was pasted.
pub(crate) const PASTED: usize = 1024;
/// Bytes that a block of a long text takes beside its characters, about.
const AROUND: usize = 6;

/// A message of Baton's own channel, ready to be written.
pub(crate) fn channel(message: &Value) -> Bytes {
    let mut out = Vec::new();
    write_var_uint(&mut out, 98);
    write_var_string(&mut out, &message.to_string());
    websocket::ready(&out)
}

/// An edit, ready to be written.
pub(crate) fn update(update: &[u8]) -> Bytes {
    websocket::ready(&Dialect::YWebsocket.update("", update))
}

/// "I have nothing", ready to be written.
pub(crate) fn step1() -> Bytes {
    websocket::ready(&Dialect::YWebsocket.step1(""))
}

/// A text of about `bytes`, in blocks of `piece` characters, as updates of many blocks each. Two authors write in turns, so
/// that no server keeps it as one block.
pub(crate) fn long_text(bytes: usize, piece: usize) -> Vec<Vec<u8>> {
    const TOGETHER: usize = 512;
    let length = piece;
    let pieces = bytes.div_ceil(length + AROUND);
    let author = |piece: usize| (piece % 2) as u64 + 11;
    let clock = |piece: usize| (piece / 2 * length) as u64;
    (0..pieces)
        .step_by(2 * TOGETHER)
        .map(|first| {
            let end = pieces.min(first + 2 * TOGETHER);
            let mut out = Vec::new();
            // The smaller number of blocks is 0 when there is one piece; such an author is left out.
            let authors: Vec<usize> = (first..end.min(first + 2)).collect();
            write_var_uint(&mut out, authors.len() as u64);
            // Yjs writes the larger client first.
            for &start in authors.iter().rev() {
                let own: Vec<usize> = (start..end).step_by(2).collect();
                write_var_uint(&mut out, own.len() as u64);
                write_var_uint(&mut out, author(start));
                write_var_uint(&mut out, clock(start));
                for piece in own {
                    if let Some(before) = piece.checked_sub(1) {
                        out.push(TEXT_BEHIND);
                        write_var_uint(&mut out, author(before));
                        write_var_uint(&mut out, clock(before) + length as u64 - 1);
                    } else {
                        first_block(&mut out);
                    }
                    write_var_buf(&mut out, &vec![b'x'; length]);
                }
            }
            out.push(0);
            out
        })
        .collect()
}

fn first_block(out: &mut Vec<u8>) {
    out.push(TEXT_FIRST);
    write_var_uint(out, 1);
    write_var_string(out, ROOT);
}

/// One client's update: a header for `blocks` blocks, then what `write` adds, then no deletions.
fn blocks(client: u64, clock: u64, blocks: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![1];
    write_var_uint(&mut out, blocks as u64);
    write_var_uint(&mut out, client);
    write_var_uint(&mut out, clock);
    write(&mut out);
    out.push(0);
    out
}

/// A text of so many characters as one block of `client`, the first in the document.
pub(crate) fn one_block(client: u64, characters: usize) -> Vec<u8> {
    blocks(client, 0, 1, |out| {
        first_block(out);
        write_var_uint(out, characters as u64);
        out.resize(out.len() + characters, b'x');
    })
}

/// `count` blocks of two bytes each: what is left of a character that was deleted.
pub(crate) fn two_byte_blocks(client: u64, count: usize) -> Vec<u8> {
    blocks(client, 0, count, |out| {
        out.reserve(count * 2);
        for _ in 0..count {
            out.extend_from_slice(&[0, 1]);
        }
    })
}

/// `count` letters of `client`, each written at the very front of the text.
pub(crate) fn at_the_front(client: u64, count: usize) -> Vec<u8> {
    blocks(client, 0, count, |out| {
        for clock in 0..count as u64 {
            if let Some(behind) = clock.checked_sub(1) {
                out.push(TEXT_BEFORE);
                write_var_uint(out, client);
                write_var_uint(out, behind);
            } else {
                first_block(out);
            }
            write_var_string(out, "f");
        }
    })
}

/// Deletes every other character of `client`: `count` ranges of one character.
pub(crate) fn every_other(client: u64, count: usize) -> Vec<u8> {
    let mut out = vec![0, 1];
    write_var_uint(&mut out, client);
    write_var_uint(&mut out, count as u64);
    for range in 0..count as u64 {
        write_var_uint(&mut out, range * 2);
        write_var_uint(&mut out, 1);
    }
    out
}

/// A long run of one tiny frame, of the kinds that cost a server something in turn.
pub(crate) fn tiny(kind: usize) -> (Bytes, usize) {
    const RUN: usize = 4096;
    let frame = match kind % 5 {
        // An edit that adds nothing.
        0 => websocket::ready(&[0, 2, 2, 0, 0]),
        // A question for the awareness of all.
        1 => websocket::ready(&[3]),
        // An awareness without entries.
        2 => websocket::ready(&[1, 1, 0]),
        // A type that does not exist.
        3 => websocket::ready(&[77]),
        _ => websocket::ping(),
    };
    (frame.repeat(RUN).into(), RUN)
}

#[cfg(test)]
mod tests {
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, ReadTxn, Transact, Update};

    use super::*;

    fn applied(updates: &[Vec<u8>]) -> Doc {
        let doc = Doc::new();
        doc.get_or_insert_text(ROOT);
        for update in updates {
            let update = Update::decode_v1(update).unwrap();
            doc.transact_mut().apply_update(update).unwrap();
        }
        assert!(doc.transact().store().pending_update().is_none());
        doc
    }

    fn text(doc: &Doc) -> String {
        doc.get_or_insert_text(ROOT).get_string(&doc.transact())
    }

    #[test]
    fn a_long_text_is_whole_and_of_many_blocks() {
        for pieces in [1, 2, 3, 1024, 1025, 2500] {
            for length in [TYPED, PASTED] {
                let updates = long_text(pieces * (length + AROUND), length);
                assert_eq!(text(&applied(&updates)).len(), pieces * length);
                let size: usize = updates.iter().map(Vec::len).sum();
                assert!(size.abs_diff(pieces * (length + AROUND)) <= 32 + size / 5);
            }
        }
    }

    #[test]
    fn each_frame_means_what_its_name_says() {
        let doc = applied(&[one_block(5, 100), every_other(5, 50)]);
        assert_eq!(text(&doc).len(), 50);
        let doc = applied(&[at_the_front(5, 300), at_the_front(6, 300)]);
        assert_eq!(text(&doc), "f".repeat(600));
        let doc = applied(&[two_byte_blocks(5, 300)]);
        let vector = doc.transact().state_vector();
        assert_eq!(vector.get(&yrs::ClientID::new(5)), 300);
        assert_eq!(tiny(0).0.len(), tiny(0).1 * (6 + 5));
    }
}
