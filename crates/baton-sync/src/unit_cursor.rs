//! A cursor over the units of stored blocks, and the comparison of two.
//!
//! It reads bytes that were found sound, and knows no document. Equal blocks may be merged or split
//! in different ways, and a library that stored one may have written its values in another
//! spelling. So a block is read unit by unit, and compared in the form that Yjs would give it if it
//! were cut there.

mod block_head;
mod equal_values;
mod single_unit;
mod utf16_units;

use self::block_head::BlockHead;
use self::equal_values::{same_json_value, same_value};
use self::single_unit::{same_whole, whole_size};
use self::utf16_units::{Units, same_unit};
use crate::lib0::Reader;
use crate::scan::{Content, GC, HAS_KEY, Header, Id, Parent, content_kind, past_unit};
use crate::state_vector::{ClientId, Clock};

/// A block, and a place in it. What follows it in the bytes may be read as well.
#[derive(Clone)]
pub(crate) struct UnitCursor<'a> {
    /// From the block on.
    bytes: &'a [u8],
    client: ClientId,
    /// The first unit of the block.
    start: Clock,
    /// The unit at which it is.
    clock: Clock,
    /// The clock up to which blocks of this client follow in the bytes.
    end: Clock,
    content: Option<Content>,
    header: Header<'a>,
    keyed: bool,
    body: Body<'a>,
    /// Bytes of the whole block.
    size: usize,
}

#[derive(Clone)]
enum Body<'a> {
    /// This many units, of which nothing is left.
    Units(Clock),
    Text(Units<'a>),
    /// This many values, of which so many bytes are read.
    Values {
        count: Clock,
        bytes: &'a [u8],
        at: usize,
    },
    /// One unit.
    Whole(&'a [u8]),
}

impl<'a> UnitCursor<'a> {
    /// The block at the start of the bytes, at its first unit. `end` is the clock up to which
    /// others of its client follow. `None` for bytes that are no block with clocks.
    pub(crate) fn read(
        bytes: &'a [u8],
        client: ClientId,
        start: Clock,
        end: Clock,
    ) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let info = reader.u8().ok()?;
        let content = content_kind(info);
        let header = match content {
            _ if info == GC => Header::NONE,
            Some(_) => Header::read(&mut reader, info).ok()?,
            None => return None,
        };
        let body = match content {
            None | Some(Content::Deleted) => Body::Units(reader.var_uint().ok()? as Clock),
            Some(Content::String) => Body::Text(Units::of(reader.var_buf().ok()?)),
            Some(Content::Any | Content::Json) => {
                let count = reader.var_uint().ok()? as Clock;
                let bytes = reader.rest();
                Body::Values {
                    count,
                    bytes,
                    at: 0,
                }
            }
            Some(_) => Body::Whole(reader.rest()),
        };
        Some(Self {
            bytes,
            client,
            start,
            clock: start,
            end,
            content,
            header,
            keyed: content.is_some() && info & HAS_KEY != 0,
            body,
            size: reader.position(),
        })
    }

    /// Returns true if it holds content: not if it was deleted.
    pub(crate) fn is_content(&self) -> bool {
        !matches!(self.body, Body::Units(_))
    }

    /// Returns true if the unit is not before this place, and not far behind it.
    pub(crate) fn is_near(&self, clock: Clock, most: Clock) -> bool {
        (self.clock..self.clock.saturating_add(most)).contains(&clock) && clock < self.end
    }

    /// Goes on to a unit of this block whose content begins at a known byte.
    pub(crate) fn skip_to(&mut self, clock: Clock, byte: usize) {
        match &mut self.body {
            Body::Text(units) => units.at = byte,
            Body::Values { at, .. } => *at = byte,
            Body::Units(_) | Body::Whole(_) => return,
        }
        self.clock = clock;
    }

    /// Goes on behind about so many bytes of content of this block, to a place between two
    /// characters or values. Returns its unit and byte; `None` if the content ends before.
    pub(crate) fn next_place(&mut self, bytes: usize) -> Option<(Clock, usize)> {
        if let Body::Text(units) = &mut self.body {
            self.clock += units.skip(bytes)?;
            return Some((self.clock, units.at));
        }
        let past = self.byte()? + bytes;
        while self.byte()? < past {
            self.step()?;
        }
        Some((self.clock, self.byte()?))
    }

    /// Goes on to a unit at or behind this place. Returns true if it is there.
    pub(crate) fn seek(&mut self, clock: Clock) -> bool {
        if clock < self.clock || clock >= self.end {
            return clock == self.clock && clock < self.end;
        }
        loop {
            let past = match self.body {
                Body::Units(count) => Some(self.start + count),
                Body::Values { count, .. } => Some(self.start + count),
                Body::Whole(_) => Some(self.start + 1),
                Body::Text(_) => None,
            };
            if let (Body::Units(_), Some(past)) = (&self.body, past) {
                // A few bytes may stand for billions of units: these are never taken one by one.
                self.clock = clock.min(past);
                if clock < past {
                    return true;
                }
            }
            while self.clock < clock {
                if self.step().is_none() {
                    break;
                }
            }
            if self.clock == clock && past.is_none_or(|past| clock < past) && !self.is_used_up() {
                return true;
            }
            if !self.next_block() {
                return false;
            }
        }
    }

    /// Compares both from the unit on at which both are, up to `to` or to where the first of the
    /// two blocks ends. Returns that clock.
    ///
    /// # Errors
    /// The first unit that differs.
    pub(crate) fn compare(&mut self, other: &mut Self, to: Clock) -> Result<Clock, Clock> {
        let at = self.clock;
        if let (Body::Units(_), _) | (_, Body::Units(_)) = (&self.body, &other.body) {
            // Nothing is left to compare with: past the shorter one.
            return Ok(self.past().min(other.past()).min(to).max(at + 1));
        }
        if self.content != other.content || self.head() != other.head() {
            return Err(at);
        }
        match (&mut self.body, &mut other.body) {
            (Body::Text(ours), Body::Text(theirs)) => {
                while self.clock < to {
                    let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) else {
                        break;
                    };
                    if !same_unit(a, b) {
                        return Err(self.clock);
                    }
                    ours.next();
                    theirs.next();
                    self.clock += 1;
                    other.clock += 1;
                }
            }
            (Body::Values { .. }, Body::Values { .. }) => {
                while self.clock < to && !self.is_used_up() && !other.is_used_up() {
                    let (Some(a), Some(b)) = (self.take_value(), other.take_value()) else {
                        break;
                    };
                    let same = match self.content {
                        Some(Content::Json) => same_json_value(a, b),
                        _ => same_value(a, b),
                    };
                    if !same {
                        return Err(self.clock);
                    }
                    self.clock += 1;
                    other.clock += 1;
                }
            }
            (Body::Whole(ours), Body::Whole(theirs)) => {
                let content = self.content.unwrap_or(Content::Deleted);
                if same_whole(content, ours, theirs).is_none_or(|same| !same) {
                    return Err(at);
                }
                return Ok(at + 1);
            }
            _ => return Err(at),
        }
        if self.clock == at {
            return Err(at);
        }
        Ok(self.clock)
    }

    /// The head that the block gets if it is cut here.
    fn head(&self) -> BlockHead<'a> {
        let right_origin = self.header.right_origin;
        if self.clock == self.start {
            return BlockHead {
                origin: self.header.origin,
                right_origin,
                parent: self.header.parent,
                key: self.header.key,
                keyed: self.keyed,
            };
        }
        BlockHead {
            origin: Some(Id {
                client: self.client,
                clock: self.clock - 1,
            }),
            right_origin,
            parent: Parent::Inherited,
            key: None,
            keyed: self.keyed,
        }
    }

    /// The clock behind a block that has a count of units; for any other, the next clock.
    fn past(&self) -> Clock {
        match self.body {
            Body::Units(count) | Body::Values { count, .. } => self.start + count,
            Body::Text(_) | Body::Whole(_) => self.clock + 1,
        }
    }

    fn byte(&self) -> Option<usize> {
        match &self.body {
            Body::Text(units) => Some(units.at),
            Body::Values { at, .. } => Some(*at),
            Body::Units(_) | Body::Whole(_) => None,
        }
    }

    fn is_used_up(&self) -> bool {
        match &self.body {
            Body::Text(units) => units.peek().is_none(),
            Body::Values { count, .. } | Body::Units(count) => self.clock >= self.start + count,
            Body::Whole(_) => self.clock > self.start,
        }
    }

    /// One unit further, inside of the block.
    fn step(&mut self) -> Option<()> {
        match &mut self.body {
            Body::Text(units) => {
                units.next()?;
            }
            Body::Values { .. } => {
                self.take_value()?;
            }
            Body::Whole(_) if self.clock == self.start => {}
            Body::Units(_) | Body::Whole(_) => return None,
        }
        self.clock += 1;
        Some(())
    }

    fn take_value(&mut self) -> Option<&'a [u8]> {
        let Body::Values { count, bytes, at } = &mut self.body else {
            return None;
        };
        if self.clock >= self.start + *count {
            return None;
        }
        let rest = &bytes[*at..];
        let mut reader = Reader::new(rest);
        past_unit(self.content?, &mut reader).ok()?;
        *at += reader.position();
        Some(&rest[..reader.position()])
    }

    /// The block behind this one, of which all was read.
    fn next_block(&mut self) -> bool {
        let size = match &self.body {
            Body::Units(_) | Body::Text(_) => self.size,
            Body::Values { at, .. } => self.size + at,
            Body::Whole(rest) => {
                let content = self.content.unwrap_or(Content::Deleted);
                match whole_size(content, rest) {
                    Some(size) => self.size + size,
                    None => return false,
                }
            }
        };
        let (Some(bytes), clock) = (self.bytes.get(size..), self.clock) else {
            return false;
        };
        if clock >= self.end {
            return false;
        }
        match Self::read(bytes, self.client, clock, self.end) {
            Some(next) => {
                *self = next;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: u32 = 7;

    /// Compares the first `len` units of two runs of blocks: where the first differs.
    fn compared(ours: &[u8], theirs: &[u8], len: Clock) -> Result<(), Clock> {
        let read = |bytes| UnitCursor::read(bytes, CLIENT.into(), 0, len).unwrap();
        let (mut ours, mut theirs) = (read(ours), read(theirs));
        let mut clock = 0;
        while clock < len {
            assert!(ours.seek(clock) && theirs.seek(clock), "{clock}");
            clock = ours.compare(&mut theirs, len)?;
        }
        Ok(())
    }

    #[test]
    fn legacy_json_and_hooks_are_compared_by_what_they_say() {
        let row = |first: &[u8], values: &[&str]| {
            let texts = values.iter().flat_map(|text| {
                let length = [text.len() as u8];
                [&length[..], text.as_bytes()].concat()
            });
            let texts: Vec<u8> = texts.collect();
            [first, &[values.len() as u8], &texts].concat()
        };
        let root: &[u8] = &[2, 1, 1, b't'];
        let whole = row(root, &["1", "undefined", "{\"a\":2}"]);
        // The same in two blocks, of which the second is spelled otherwise.
        let second: &[u8] = &[0x82, 7, 0];
        let apart = |last: &str| [row(root, &["1"]), row(second, &["undefined", last])].concat();
        assert_eq!(compared(&whole, &apart("{ \"a\" : 2.0 }"), 3), Ok(()));
        assert_eq!(compared(&whole, &apart("{\"a\":3}"), 3), Err(2));
        assert_eq!(compared(&apart("null"), &apart("undefined"), 3), Err(2));

        let hook = |name: &[u8]| [&[7, 1, 1, b't', 5, name.len() as u8][..], name].concat();
        // A text follows, which is found only if the end of the name is.
        let text: &[u8] = &[0x84, 7, 0, 1, b'x'];
        let one = [&hook(b"one"), text].concat();
        assert_eq!(compared(&one, &one.clone(), 2), Ok(()));
        assert_eq!(compared(&one, &[&hook(b"two"), text].concat(), 2), Err(0));
    }

    /// Six bytes may stand for two billion deleted units. They were walked over one by one, and a
    /// frame of a kilobyte cost seconds (found by fuzzing the handshake).
    #[test]
    fn deleted_units_are_passed_over_at_once() {
        const DELETED: Clock = 1 << 31;
        let collected: &[u8] = &[0];
        let deleted: &[u8] = &[1, 1, 1, b't'];
        for head in [collected, deleted] {
            let mut bytes = head.to_vec();
            crate::lib0::write_var_uint(&mut bytes, DELETED.into());
            bytes.extend([4, 1, 1, b't', 2, b'x', b'y']);
            let mut cursor = UnitCursor::read(&bytes, CLIENT.into(), 0, DELETED + 2).unwrap();
            assert!(cursor.seek(DELETED - 1) && !cursor.is_content());
            assert!(cursor.seek(DELETED + 1) && cursor.is_content());
            assert!(!cursor.seek(DELETED + 2));
        }
    }
}
