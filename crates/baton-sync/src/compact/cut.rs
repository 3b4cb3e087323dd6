//! Cutting the content of a block that is deleted in part.
//!
//! Owns the cuts of texts and of rows of values, one after another from the left; each costs what it
//! passes over.

use crate::lib0::{Reader, write_var_uint};
use crate::scan::{Content, past_value};
use crate::state_vector::Clock;

/// What each half of a character becomes that is cut in two: Yjs and yrs put the same.
const HALF: &str = "\u{fffd}";

/// The rest of a block's content.
#[derive(Debug)]
pub(super) enum Cutter<'a> {
    Text {
        rest: &'a str,
        /// The next unit is the second half of a character that was cut.
        half: bool,
    },
    Values(Reader<'a>),
}

impl<'a> Cutter<'a> {
    /// `None` for content that is one unit, and cannot be cut.
    pub(super) fn new(kind: Content, content: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(content);
        match kind {
            Content::String => {
                let rest = reader.var_string().ok()?;
                Some(Self::Text { rest, half: false })
            }
            Content::Any => {
                reader.var_uint().ok()?;
                Some(Self::Values(reader))
            }
            _ => None,
        }
    }

    /// The content of the next `len` units, as it stands in a block.
    pub(super) fn take(&mut self, len: Clock) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Text { rest, half } => {
                let (before, text, behind) = take_text(rest, half, len);
                let length = before.len() + text.len() + behind.len();
                out.reserve(length + 5);
                write_var_uint(&mut out, length as u64);
                for part in [before, text, behind] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
            Self::Values(reader) => {
                write_var_uint(&mut out, u64::from(len));
                out.extend_from_slice(take_values(reader, len));
            }
        }
        out
    }

    /// Passes over units.
    pub(super) fn skip(&mut self, len: Clock) {
        match self {
            Self::Text { rest, half } => {
                take_text(rest, half, len);
            }
            Self::Values(reader) => {
                take_values(reader, len);
            }
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

fn take_values<'a>(reader: &mut Reader<'a>, len: Clock) -> &'a [u8] {
    let from = reader.rest();
    for _ in 0..len {
        // They were found sound when the block was scanned.
        if past_value(reader).is_err() {
            break;
        }
    }
    &from[..from.len() - reader.remaining()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &[u8]) -> String {
        Reader::new(content).var_string().unwrap().to_owned()
    }

    #[test]
    fn a_text_is_cut_in_utf16_units() {
        let mut content = vec![9];
        content.extend("aö😀z".as_bytes());
        content[0] = (content.len() - 1) as u8;
        let mut cutter = Cutter::new(Content::String, &content).unwrap();
        assert_eq!(text(&cutter.take(2)), "aö");
        assert_eq!(text(&cutter.take(1)), "\u{fffd}");
        assert_eq!(text(&cutter.take(2)), "\u{fffd}z");
        let mut cutter = Cutter::new(Content::String, &content).unwrap();
        cutter.skip(3);
        assert_eq!(text(&cutter.take(1)), "\u{fffd}");
        assert_eq!(text(&cutter.take(1)), "z");
    }

    #[test]
    fn values_are_cut_between_each_other() {
        let content = [3, 120, 117, 1, 126, 119, 1, b'x'];
        let mut cutter = Cutter::new(Content::Any, &content).unwrap();
        assert_eq!(cutter.take(1), [1, 120]);
        assert_eq!(cutter.take(2), [2, 117, 1, 126, 119, 1, b'x']);
    }
}
