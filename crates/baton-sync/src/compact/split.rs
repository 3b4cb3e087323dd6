//! Content that is a row of units: texts and values, which can be cut and joined.
//!
//! Owns the cuts, one after another from the left, the blanks that stand for deleted units, and the
//! length before a row. A cut costs the bytes that it passes over.

use crate::lib0::Reader;
use crate::scan::{Content, past_unit};
use crate::state_vector::Clock;

/// Replacement for each half of a character that is cut in two, as in Yjs and yrs.
const HALF: &str = "\u{fffd}";

/// Most bytes of blanks in a piece; more than two heads of blocks ever have.
const BLANKS: usize = 80;

/// The units of a block's content without the length that stands before them. `None` for content
/// that is one unit, or none at all: Yjs neither cuts nor joins that.
pub(super) fn units(kind: Content, content: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(content);
    match kind {
        Content::String => reader.var_buf().ok(),
        Content::Any | Content::Json => {
            reader.var_uint().ok()?;
            Some(reader.rest())
        }
        _ => None,
    }
}

/// Some units of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// The second half of a character that was cut.
    before: &'static str,
    bytes: &'a [u8],
    /// The first half of one.
    behind: &'static str,
    units: Clock,
}

impl<'a> Piece<'a> {
    /// All units of a block, which are `units` many.
    pub(super) const fn whole(bytes: &'a [u8], units: Clock) -> Self {
        Self {
            before: "",
            bytes,
            behind: "",
            units,
        }
    }

    /// Blanks for so many deleted units: content that is never longer than what it stands for.
    /// `None` for more bytes than it may be worth.
    pub(super) fn blank(kind: Content, units: Clock) -> Option<Piece<'static>> {
        // Spaces, null, and the JSON text 0 with its length.
        const TEXT: &[u8] = &[b' '; BLANKS];
        const VALUES: &[u8] = &[126; BLANKS];
        const ZEROS: &[[u8; 2]] = &[*b"\x010"; BLANKS / 2];
        const JSON: &[u8] = ZEROS.as_flattened();
        let (blanks, size) = match kind {
            Content::String => (TEXT, 1),
            Content::Any => (VALUES, 1),
            Content::Json => (JSON, 2),
            _ => return None,
        };
        let bytes = blanks.get(..size * units as usize)?;
        Some(Piece::whole(bytes, units))
    }

    /// Bytes of content.
    pub(super) fn size(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// The amount that the piece adds to the length before a row: bytes of text, or values.
    pub(super) fn length(&self, kind: Content) -> u64 {
        match kind {
            Content::String => self.size() as u64,
            _ => u64::from(self.units),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for part in self.parts() {
            out.extend_from_slice(part);
        }
    }

    /// The bytes behind the piece, if they begin with it.
    pub(super) fn strip_from<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut rest = bytes;
        for part in self.parts() {
            rest = rest.strip_prefix(part)?;
        }
        Some(rest)
    }

    const fn parts(&self) -> [&[u8]; 3] {
        [self.before.as_bytes(), self.bytes, self.behind.as_bytes()]
    }
}

/// The rest of a row that is cut.
#[derive(Debug)]
pub(super) enum Splitter<'a> {
    Text {
        rest: &'a str,
        /// The next unit is the second half of a character that was cut.
        half: bool,
    },
    Values(Content, Reader<'a>),
}

impl<'a> Splitter<'a> {
    /// Cuts the [`units`] of this kind of content.
    pub(super) fn new(kind: Content, units: &'a [u8]) -> Self {
        if kind == Content::String {
            // They were found to be UTF-8 when the block was scanned.
            let rest = std::str::from_utf8(units).unwrap_or_default();
            return Self::Text { rest, half: false };
        }
        Self::Values(kind, Reader::new(units))
    }

    /// Takes the next units.
    pub(super) fn take(&mut self, units: Clock) -> Piece<'a> {
        match self {
            Self::Text { rest, half } => {
                let (before, text, behind) = take_text(rest, half, units);
                let bytes = text.as_bytes();
                Piece {
                    before,
                    bytes,
                    behind,
                    units,
                }
            }
            Self::Values(kind, reader) => Piece::whole(take_values(*kind, reader, units), units),
        }
    }
}

fn take_text<'a>(
    rest: &mut &'a str,
    half: &mut bool,
    len: Clock,
) -> (&'static str, &'a str, &'static str) {
    let mut wanted = len as usize;
    let mut before = "";
    if *half && wanted > 0 {
        before = HALF;
        *half = false;
        wanted -= 1;
    }
    let mut end = 0;
    for c in rest.chars() {
        if wanted < c.len_utf16() {
            break;
        }
        wanted -= c.len_utf16();
        end += c.len_utf8();
    }
    let (taken, left) = rest.split_at(end);
    *rest = left;
    if wanted == 0 {
        return (before, taken, "");
    }
    let mut cut = left.chars();
    cut.next();
    *rest = cut.as_str();
    *half = true;
    (before, taken, HALF)
}

fn take_values<'a>(kind: Content, reader: &mut Reader<'a>, len: Clock) -> &'a [u8] {
    let from = reader.rest();
    for _ in 0..len {
        // They were found sound when the block was scanned.
        if past_unit(kind, reader).is_err() {
            break;
        }
    }
    &from[..from.len() - reader.remaining()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a content into pieces of so many units, each with the length that would stand before
    /// it.
    fn cut(kind: Content, content: &[u8], sizes: &[Clock]) -> Vec<(u64, Vec<u8>)> {
        let mut splitter = Splitter::new(kind, units(kind, content).unwrap());
        let pieces = sizes.iter().map(|size| {
            let piece = splitter.take(*size);
            let mut out = Vec::new();
            piece.write(&mut out);
            assert_eq!(
                piece.strip_from(&[&out[..], b"more"].concat()),
                Some(&b"more"[..])
            );
            (piece.length(kind), out)
        });
        pieces.collect()
    }

    #[test]
    fn a_text_is_cut_in_utf16_units() {
        let text = "aö😀z";
        let content = [&[text.len() as u8], text.as_bytes()].concat();
        let cut = |sizes| {
            let pieces = cut(Content::String, &content, sizes).into_iter();
            let texts = pieces.map(|(length, bytes)| {
                assert_eq!(length, bytes.len() as u64);
                String::from_utf8(bytes).unwrap()
            });
            texts.collect::<Vec<_>>()
        };
        assert_eq!(cut(&[2, 1, 2]), ["aö", "\u{fffd}", "\u{fffd}z"]);
        assert_eq!(cut(&[3, 1, 1]), ["aö\u{fffd}", "\u{fffd}", "z"]);
        assert_eq!(cut(&[2, 2]), ["aö", "😀"]);
    }

    #[test]
    fn values_are_cut_between_each_other() {
        let content = [3, 120, 117, 1, 126, 119, 1, b'x'];
        let pieces = cut(Content::Any, &content, &[1, 2]);
        assert_eq!(pieces, [(1, vec![120]), (2, content[2..].to_vec())]);
        let content = b"\x03\x011\x09undefined\x02[]";
        let pieces = cut(Content::Json, content, &[2, 1]);
        assert_eq!(
            pieces,
            [(2, content[1..13].to_vec()), (1, content[13..].to_vec())]
        );
    }
}
