//! Parts of a block, each written as a block of its own: for a reader that has the beginning, or
//! that gets a large block in several messages.
//!
//! Owns the places at which a block can be split, and the form of its parts, which is that of an
//! item that Yjs writes from an offset on. It reads only bytes that were found sound, and changes
//! none.

use super::block::{Content, GC, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Header, SKIP};
use super::borrowed_scan::Scan;
use super::content;
use crate::lib0::{Reader, write_var_uint};
use crate::state_vector::{ClientId, Clock};

/// A place inside a block: before its first unit, behind its last, or between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SplitPoint {
    /// Units before it.
    pub(crate) units: Clock,
    /// Bytes of content before it, without the count or length before the whole content.
    byte: usize,
    /// True if it is in the middle of a character of two units.
    torn: bool,
}

impl SplitPoint {
    /// The place before the first unit.
    pub(crate) const START: Self = Self {
        units: 0,
        byte: 0,
        torn: false,
    };
}

/// A block that is taken apart, so that parts of it can be written.
pub(crate) struct OpenBlock<'a> {
    client: ClientId,
    clock: Clock,
    len: Clock,
    info: u8,
    header: Header<'a>,
    /// Bytes of the header.
    head: &'a [u8],
    body: Body<'a>,
}

/// Content of a block.
enum Body<'a> {
    /// Only a number of units.
    Length,
    /// A text, which was found to be UTF-8 when the block was scanned.
    Text(&'a [u8]),
    /// Values one after the other, each of them one unit.
    Values(Content, &'a [u8]),
    /// One unit, which cannot be split.
    Whole(&'a [u8]),
}

impl<'a> Scan<'a> {
    /// Takes a block apart.
    pub(crate) fn open(&self, client: ClientId, index: usize) -> OpenBlock<'a> {
        let bytes = self.block_bytes(index..index + 1);
        let clock = self.clock(index);
        let mut reader = Reader::new(bytes);
        let info = reader.u8().unwrap_or(GC);
        let mut opened = OpenBlock {
            client,
            clock,
            len: self.end(index) - clock,
            info,
            header: Header::NONE,
            head: &[],
            body: Body::Length,
        };
        if matches!(info, GC | SKIP) {
            return opened;
        }
        opened.header = Header::read(&mut reader, info).unwrap_or(Header::NONE);
        opened.head = &bytes[1..reader.position()];
        opened.body = match content::kind(info) {
            Some(Content::Deleted) => Body::Length,
            Some(Content::String) => Body::Text(reader.var_buf().unwrap_or_default()),
            Some(kind @ (Content::Any | Content::Json)) => {
                let _count = reader.var_uint();
                Body::Values(kind, reader.rest())
            }
            _ => Body::Whole(reader.rest()),
        };
        opened
    }
}

impl OpenBlock<'_> {
    /// Returns the place behind the last unit.
    pub(crate) fn end(&self) -> SplitPoint {
        let byte = match self.body {
            Body::Text(text) => text.len(),
            Body::Values(_, values) | Body::Whole(values) => values.len(),
            Body::Length => 0,
        };
        SplitPoint {
            units: self.len,
            byte,
            torn: false,
        }
    }

    /// Returns the place behind so many units.
    pub(crate) fn point_at(&self, units: Clock) -> SplitPoint {
        let (byte, torn) = match self.body {
            Body::Text(text) => byte_of(text, units),
            Body::Values(kind, values) => (past_values(kind, values, units as usize), false),
            Body::Length | Body::Whole(_) => (0, false),
        };
        SplitPoint { units, byte, torn }
    }

    /// Returns the next place after `from`, between two characters, up to which the content has at
    /// most about `most` bytes. It is never `from` itself.
    pub(crate) fn next_point(&self, from: SplitPoint, most: usize) -> SplitPoint {
        let mut to = SplitPoint {
            torn: false,
            ..from
        };
        match self.body {
            Body::Text(text) => {
                to.byte = char_boundary(text, from.byte, most);
                let units = content::utf16_len(&text[from.byte..to.byte]) as Clock;
                to.units += units - Clock::from(from.torn);
            }
            Body::Values(kind, values) => {
                while to.units < self.len && (to == from || to.byte - from.byte < most) {
                    to.byte += past_values(kind, &values[to.byte..], 1);
                    to.units += 1;
                }
            }
            Body::Length | Body::Whole(_) => return self.end(),
        }
        to
    }

    /// Writes the units between two places.
    pub(crate) fn write(&self, from: SplitPoint, to: SplitPoint, out: &mut Vec<u8>) {
        if from.units == 0 {
            out.push(self.info);
            out.extend_from_slice(self.head);
        } else if matches!(self.info, GC | SKIP) {
            out.push(self.info);
        } else {
            let right = self.header.right_origin;
            let bits = HAS_ORIGIN | right.map_or(0, |_| HAS_RIGHT_ORIGIN);
            out.push(self.info & !(HAS_ORIGIN | HAS_RIGHT_ORIGIN) | bits);
            write_var_uint(out, self.client.get());
            write_var_uint(out, u64::from(self.clock + from.units - 1));
            if let Some(id) = right {
                write_var_uint(out, id.client.get());
                write_var_uint(out, u64::from(id.clock));
            }
        }
        let units = u64::from(to.units - from.units);
        match self.body {
            Body::Length => write_var_uint(out, units),
            Body::Text(text) => write_text(text, from, to, out),
            Body::Values(_, values) => {
                write_var_uint(out, units);
                out.extend_from_slice(&values[from.byte..to.byte]);
            }
            Body::Whole(content) => out.extend_from_slice(content),
        }
    }
}

/// Returns the last place between two characters at most `most` bytes behind `from`, and behind at
/// least one character.
fn char_boundary(text: &[u8], from: usize, most: usize) -> usize {
    let is_boundary = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let last = from.saturating_add(most).min(text.len());
    let mut before = (from + 1..=last).rev();
    before.find(is_boundary).unwrap_or_else(|| {
        let mut behind = from + 1..text.len();
        behind.find(is_boundary).unwrap_or(text.len())
    })
}

/// Returns the byte at which so many UTF-16 units of a text end. In the middle of a character, that
/// is its first byte, with true.
fn byte_of(text: &[u8], units: Clock) -> (usize, bool) {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let mut before = 0;
    for (at, character) in text.char_indices() {
        if before == units {
            return (at, false);
        }
        before += character.len_utf16() as Clock;
        if before > units {
            return (at, true);
        }
    }
    (text.len(), false)
}

/// Writes a part of a text. Each half of a split character becomes a replacement character, as in
/// Yjs.
fn write_text(text: &[u8], from: SplitPoint, to: SplitPoint, out: &mut Vec<u8>) {
    const HALF: &[u8] = "\u{fffd}".as_bytes();
    let start = if from.torn {
        char_boundary(text, from.byte, 1)
    } else {
        from.byte
    };
    let whole = &text[start..to.byte];
    let before = if from.torn { HALF } else { &[] };
    let behind = if to.torn { HALF } else { &[] };
    write_var_uint(out, (before.len() + whole.len() + behind.len()) as u64);
    for part in [before, whole, behind] {
        out.extend_from_slice(part);
    }
}

/// Returns the size of so many values, in bytes.
fn past_values(kind: Content, values: &[u8], count: usize) -> usize {
    let mut reader = Reader::new(values);
    for _ in 0..count {
        if content::past_unit(kind, &mut reader).is_err() {
            break;
        }
    }
    reader.position()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    #[test]
    fn rows_of_values_are_split_between_values() {
        let json: [&[u8]; 3] = [b"\x011", b"\x09undefined", b"\x02[]"];
        let any: [&[u8]; 3] = [&[120], &[117, 1, 126], &[119, 1, b'x']];
        for (kind, values) in [(2, json), (8, any)] {
            let head = [kind, 1, 1, b't'];
            let block = [&head[..], &[3], &values.concat()].concat();
            let update = [&[1, 1, 7, 0][..], &block, &[0]].concat();
            let scanned = scan(&update).unwrap();
            let opened = scanned.open(ClientId::from(7), 0);
            let written = |from, to| {
                let mut out = Vec::new();
                opened.write(from, to, &mut out);
                out
            };
            let (one, two, end) = (opened.point_at(1), opened.point_at(2), opened.end());
            assert_eq!(written(SplitPoint::START, end), block);
            let first = [&head[..], &[1], values[0]].concat();
            assert_eq!(written(SplitPoint::START, one), first);
            let second = [&[kind | HAS_ORIGIN, 7, 0, 1][..], values[1]].concat();
            assert_eq!(written(one, two), second);
            let last = [&[kind | HAS_ORIGIN, 7, 1, 1][..], values[2]].concat();
            assert_eq!(written(two, end), last);
            assert_eq!(opened.next_point(SplitPoint::START, 1), one);
        }
    }
}
