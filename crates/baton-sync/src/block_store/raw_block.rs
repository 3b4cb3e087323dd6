//! One stored block, read as far as it takes to pass it, to cut it, or to join another one to it.
//!
//! Owns the taking apart of a block's bytes, and the writing of them around content that is copied.
//! The bytes were found sound when they came.

use crate::lib0::{Reader, write_var_uint};
use crate::scan::{
    Content, GC, HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Header, Id, SKIP, content_kind,
    content_len, past_unit, utf16_len,
};
use crate::state_vector::{ClientId, Clock};

/// A block at the start of some bytes.
pub(super) struct RawBlock<'a> {
    info: u8,
    pub(super) header: Header<'a>,
    /// Bytes before the content, without and with the length that stands before it.
    head: usize,
    pub(super) content_at: usize,
    body: Body<'a>,
}

/// The content of a block.
enum Body<'a> {
    /// This many units, of which nothing is left.
    Units(Clock),
    Text(&'a [u8]),
    /// This many values, and all bytes from the first one on, also those behind the block.
    Values(Clock, &'a [u8]),
    /// One unit, and all bytes from it on.
    Whole(&'a [u8]),
}

/// A unit inside of a block: units before it, and bytes of content before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) units: Clock,
    pub(super) byte: usize,
}

impl Inner {
    pub(super) const START: Self = Self { units: 0, byte: 0 };
}

impl<'a> RawBlock<'a> {
    /// `None` for bytes that are no block.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let info = reader.u8().ok()?;
        if matches!(info, GC | SKIP) {
            let head = reader.position();
            let units = reader.var_uint().ok()? as Clock;
            return Some(Self {
                info,
                header: Header::NONE,
                head,
                content_at: reader.position(),
                body: Body::Units(units),
            });
        }
        let kind = content_kind(info)?;
        let header = Header::read(&mut reader, info).ok()?;
        let head = reader.position();
        let body = match kind {
            Content::Deleted => Body::Units(reader.var_uint().ok()? as Clock),
            Content::String => Body::Text(reader.var_buf().ok()?),
            Content::Any | Content::Json => {
                Body::Values(reader.var_uint().ok()? as Clock, reader.rest())
            }
            _ => Body::Whole(reader.rest()),
        };
        let text = match body {
            Body::Text(text) => text.len(),
            _ => 0,
        };
        Some(Self {
            info,
            header,
            head,
            content_at: reader.position() - text,
            body,
        })
    }

    /// Returns the units and the bytes of the block. Only the content behind `from` is looked at.
    /// `None` if it cannot be read.
    pub(super) fn end(&self, from: Inner) -> Option<(Clock, usize)> {
        let (units, content) = match self.body {
            Body::Units(units) => (units, 0),
            Body::Text(text) => {
                let rest = utf16_len(text.get(from.byte..)?) as Clock;
                (from.units + rest, text.len())
            }
            Body::Values(count, values) => {
                let mut reader = Reader::new(values.get(from.byte..)?);
                for _ in from.units..count {
                    past_unit(content_kind(self.info)?, &mut reader).ok()?;
                }
                (count, from.byte + reader.position())
            }
            Body::Whole(rest) => {
                let mut reader = Reader::new(rest);
                content_len(&mut reader, content_kind(self.info)?).ok()?;
                (1, reader.position())
            }
        };
        Some((units, self.content_at + content))
    }

    /// Writes the block, from a later unit on, as Yjs writes an item from an offset on: up to its
    /// content, of which the rest is to be copied from the byte that is returned. `clock` is the
    /// block's first. `None` if it ends before that unit.
    pub(super) fn write_cut(
        &self,
        client: ClientId,
        clock: Clock,
        from: Inner,
        to: Clock,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let units = to - clock;
        match self.body {
            Body::Units(count) if units < count => {
                self.write_head(client, to, out);
                write_var_uint(out, u64::from(count - units));
                Some(0)
            }
            Body::Text(text) => {
                let rest = std::str::from_utf8(text.get(from.byte..)?).ok()?;
                let mut at = from;
                for character in rest.chars() {
                    if at.units >= units {
                        break;
                    }
                    at.units += character.len_utf16() as Clock;
                    at.byte += character.len_utf8();
                }
                if at.units < units || (at.units == units && at.byte == text.len()) {
                    return None;
                }
                self.write_head(client, to, out);
                let half = if at.units > units { HALF } else { "" };
                write_var_uint(out, (half.len() + text.len() - at.byte) as u64);
                out.extend_from_slice(half.as_bytes());
                Some(at.byte)
            }
            Body::Values(count, values) if units < count => {
                let mut reader = Reader::new(values.get(from.byte..)?);
                for _ in from.units..units {
                    past_unit(content_kind(self.info)?, &mut reader).ok()?;
                }
                self.write_head(client, to, out);
                write_var_uint(out, u64::from(count - units));
                Some(from.byte + reader.position())
            }
            Body::Units(_) | Body::Values(..) | Body::Whole(_) => None,
        }
    }

    fn write_head(&self, client: ClientId, to: Clock, out: &mut Vec<u8>) {
        if matches!(self.info, GC | SKIP) {
            out.push(self.info);
            return;
        }
        let right = self.header.right_origin;
        let bits = HAS_ORIGIN | right.map_or(0, |_| HAS_RIGHT_ORIGIN);
        out.push(self.info & !(HAS_ORIGIN | HAS_RIGHT_ORIGIN) | bits);
        write_var_uint(out, client.get());
        write_var_uint(out, u64::from(to - 1));
        if let Some(id) = right {
            write_var_uint(out, id.client.get());
            write_var_uint(out, u64::from(id.clock));
        }
    }

    /// Joins the next block of the client to this one, which is the last in `tail` and begins at
    /// `at`. Returns the bytes of content that were there before; `None` if the two are not to be
    /// joined.
    pub(super) fn join(
        next: &RawBlock<'_>,
        last: Id,
        at: usize,
        tail: &mut Vec<u8>,
    ) -> Option<usize> {
        let own = RawBlock::read(&tail[at..])?;
        let both_gone = own.info == GC && next.info == GC;
        let goes_on = next.header.origin == Some(last)
            && next.header.right_origin == own.header.right_origin
            && own.info & HAS_KEY == 0
            && own.info != GC
            && content_kind(own.info) == content_kind(next.info);
        if !both_gone && !goes_on {
            return None;
        }
        let sum = match (&own.body, &next.body) {
            (Body::Units(own), Body::Units(next))
            | (Body::Values(own, _), Body::Values(next, _)) => u64::from(*own) + u64::from(*next),
            (Body::Text(own), Body::Text(next)) => (own.len() + next.len()) as u64,
            _ => return None,
        };
        let (head, content) = (at + own.head, at + own.content_at);
        let before = tail.len() - content;
        let mut length = Vec::with_capacity(5);
        write_var_uint(&mut length, sum);
        tail.splice(head..content, length);
        Some(before)
    }
}

/// Replacement for half a character, as in Yjs.
const HALF: &str = "\u{fffd}";
