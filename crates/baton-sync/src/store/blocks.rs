//! The stored blocks of one client.
//!
//! Owns the two parts that they stand in, and the marks.

use std::ops::Range;

use super::raw_block::{Inner, RawBlock};
use crate::lib0::write_var_uint;
use crate::originals::Side;
use crate::scan::{Id, SKIP, Scan};
use crate::state_vector::{ClientId, Clock};

/// Bytes of blocks, or of one block's content, between two marks.
const MARK_BYTES: usize = 1024;

/// A last block of more bytes than this is not copied so that the next one can be joined to it.
const COPIED: usize = 1024;

/// A place in the blocks.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The unit that is here.
    clock: Clock,
    /// The block that has the unit: its first clock, where it begins, and the number of those before it.
    block_clock: Clock,
    block_at: u32,
    number: u32,
    /// Bytes of the block's content before the unit.
    byte: u32,
}

/// See the module. Positions are counted from the first block on, over both parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    start: Clock,
    /// The part in the base: where it begins, how long it is, and the clock behind it.
    base_at: u32,
    base_len: u32,
    base_end: Clock,
    /// Behind all blocks.
    end: Clock,
    /// How many blocks there are.
    count: u32,
    /// The last block, if it is in the tail.
    last_at: u32,
    last_clock: Clock,
    tail: Vec<u8>,
    marks: Vec<Mark>,
}

impl Blocks {
    pub(super) fn load(scan: &Scan<'_>, client: ClientId, blocks: Range<usize>) -> Self {
        let mut loaded = Self {
            start: scan.clock(blocks.start),
            base_at: scan.offset(blocks.start) as u32,
            ..Self::default()
        };
        for index in blocks {
            loaded.base_len = scan.offset(index) as u32 - loaded.base_at;
            loaded.mark(
                scan.clock(index),
                scan.block_bytes(index..index + 1),
                client,
            );
            loaded.base_len += scan.size(index) as u32;
            loaded.count += 1;
            loaded.end = scan.end(index);
        }
        loaded.base_end = loaded.end;
        loaded.marks.shrink_to_fit();
        loaded
    }

    /// The clock behind the last block.
    pub(super) const fn end(&self) -> Clock {
        self.end
    }

    /// Bytes of all blocks.
    pub(super) fn len(&self) -> usize {
        self.base_len as usize + self.tail.len()
    }

    /// All blocks are in the base now, from this place on.
    pub(super) fn rebase(&mut self, at: usize) {
        self.base_len = self.len() as u32;
        self.base_at = at as u32;
        self.base_end = self.end;
        self.tail = Vec::new();
        self.marks.shrink_to_fit();
    }

    /// Adds the next block of a client.
    pub(super) fn append(
        &mut self,
        base: &[u8],
        scan: &Scan<'_>,
        client: ClientId,
        index: usize,
        may_join: bool,
    ) {
        let (clock, end) = (scan.clock(index), scan.end(index));
        let block = scan.block_bytes(index..index + 1);
        if self.count == 0 {
            (self.start, self.end, self.base_end) = (clock, clock, clock);
        }
        if clock > self.end {
            let mut hole = vec![SKIP];
            write_var_uint(&mut hole, u64::from(clock - self.end));
            self.push(self.end, &hole, client);
        }
        if !(may_join && self.join(base, client, clock, block)) {
            self.push(clock, block, client);
        }
        self.end = end;
    }

    fn push(&mut self, clock: Clock, block: &[u8], client: ClientId) {
        self.mark(clock, block, client);
        (self.last_at, self.last_clock) = (self.len() as u32, clock);
        self.reserve(block.len());
        self.tail.extend_from_slice(block);
        self.count += 1;
    }

    /// Joins a block to the last one, if they go together.
    fn join(&mut self, base: &[u8], client: ClientId, clock: Clock, block: &[u8]) -> bool {
        let last = Id {
            client,
            clock: clock.wrapping_sub(1),
        };
        let Some(next) = RawBlock::read(block) else {
            return false;
        };
        let may_go_on = next.header.origin == Some(last) || next.header.origin.is_none();
        if self.count == 0 || !may_go_on || (self.tail.is_empty() && !self.take_last(base)) {
            return false;
        }
        self.reserve(block.len());
        let at = (self.last_at - self.base_len) as usize;
        let Some(before) = RawBlock::join(&next, last, at, &mut self.tail) else {
            return false;
        };
        let content = &block[next.content_at..];
        self.tail.extend_from_slice(content);
        let mark = Mark {
            clock,
            block_clock: self.last_clock,
            block_at: self.last_at,
            number: self.count - 1,
            byte: before as u32,
        };
        if !content.is_empty() && self.is_far(self.last_at as usize + before) {
            self.marks.push(mark);
        }
        if content.len() > 2 * MARK_BYTES {
            let whole = Side::read(&self.tail[at..], client, self.last_clock, clock);
            if let Some(mut side) = whole {
                side.skip_to(clock, before);
                Self::mark_inside(&mut self.marks, side, mark);
            }
        }
        true
    }

    /// Moves the last block of the base into the tail, so that another can be joined to it. Says whether
    /// there is one that is small enough.
    fn take_last(&mut self, base: &[u8]) -> bool {
        let stored = &base[self.base_at as usize..][..self.base_len as usize];
        let (mut mark, mut from) = self.nearest(self.base_end.saturating_sub(1));
        loop {
            let at = mark.block_at as usize;
            let bytes = &stored[at..];
            let Some((units, size)) = RawBlock::read(bytes).and_then(|block| block.end(from))
            else {
                return false;
            };
            let past = mark.block_clock + units;
            if past < self.base_end {
                mark = Mark {
                    clock: past,
                    block_clock: past,
                    block_at: mark.block_at + size as u32,
                    number: mark.number + 1,
                    byte: 0,
                };
                from = Inner::START;
                continue;
            }
            if size > COPIED || past != self.base_end || at + size != stored.len() {
                return false;
            }
            self.tail = bytes.to_vec();
            (self.base_len, self.base_end) = (mark.block_at, mark.block_clock);
            (self.last_at, self.last_clock) = (mark.block_at, mark.block_clock);
            return true;
        }
    }

    /// Says whether a place is far behind the last mark.
    fn is_far(&self, position: usize) -> bool {
        let last = self.marks.last();
        let last = last.map_or(0, |mark| mark.block_at as usize + mark.byte as usize);
        position >= last + MARK_BYTES
    }

    /// Marks the block that comes next, if the last mark is far.
    fn mark(&mut self, clock: Clock, block: &[u8], client: ClientId) {
        let mark = Mark {
            clock,
            block_clock: clock,
            block_at: self.len() as u32,
            number: self.count,
            byte: 0,
        };
        if self.is_far(self.len()) {
            self.marks.push(mark);
        }
        if block.len() > 2 * MARK_BYTES
            && let Some(side) = Side::read(block, client, clock, clock)
        {
            Self::mark_inside(&mut self.marks, side, mark);
        }
    }

    /// Marks a large block inside, from the place of `side` on.
    fn mark_inside(marks: &mut Vec<Mark>, mut side: Side<'_>, block: Mark) {
        while let Some((clock, byte)) = side.next_place(MARK_BYTES) {
            marks.push(Mark {
                clock,
                byte: byte as u32,
                ..block
            });
        }
    }

    fn reserve(&mut self, more: usize) {
        if self.tail.capacity() - self.tail.len() < more + 8 {
            self.tail.reserve_exact(more + 8 + self.tail.len() / 8);
        }
    }

    /// The mark at or before a unit, and the same as a place in its block.
    fn nearest(&self, clock: Clock) -> (Mark, Inner) {
        let at = self.marks.partition_point(|mark| mark.clock <= clock);
        let first = Mark {
            clock: self.start,
            block_clock: self.start,
            block_at: 0,
            number: 0,
            byte: 0,
        };
        let mark = at.checked_sub(1).map_or(first, |at| self.marks[at]);
        let inner = Inner {
            units: mark.clock - mark.block_clock,
            byte: mark.byte as usize,
        };
        (mark, inner)
    }

    /// The bytes from a position on to the end of the part that it is in, and the clock there.
    fn part<'a>(&'a self, base: &'a [u8], position: usize) -> (&'a [u8], Clock) {
        let base_len = self.base_len as usize;
        match position.checked_sub(base_len) {
            Some(at) => (self.tail.get(at..).unwrap_or_default(), self.end),
            None => {
                let start = self.base_at as usize;
                (&base[start + position..start + base_len], self.base_end)
            }
        }
    }

    pub(super) fn find<'a>(
        &'a self,
        base: &'a [u8],
        client: ClientId,
        clock: Clock,
    ) -> Option<Side<'a>> {
        if clock < self.start || clock >= self.end {
            return None;
        }
        let (mark, _) = if clock >= self.base_end && !self.tail.is_empty() {
            self.nearest_in_tail(clock)
        } else {
            self.nearest(clock)
        };
        let (bytes, end) = self.part(base, mark.block_at as usize);
        let mut side = Side::read(bytes, client, mark.block_clock, end)?;
        if mark.byte > 0 {
            side.skip_to(mark.clock, mark.byte as usize);
        }
        side.seek(clock).then_some(side)
    }

    /// The mark at or before a unit of the tail, but not one of the base.
    fn nearest_in_tail(&self, clock: Clock) -> (Mark, Inner) {
        let (mark, inner) = self.nearest(clock);
        if mark.block_at >= self.base_len {
            return (mark, inner);
        }
        let first = Mark {
            clock: self.base_end,
            block_clock: self.base_end,
            block_at: self.base_len,
            number: 0,
            byte: 0,
        };
        (first, Inner::START)
    }

    /// Writes the client's section of an update: what lies behind `since`.
    pub(super) fn write_since(
        &self,
        base: &[u8],
        client: ClientId,
        since: Clock,
        out: &mut Vec<u8>,
    ) {
        if since <= self.start {
            self.write_run(client, self.count, self.start, out);
            self.write_from(base, 0, out);
            return;
        }
        let (mut mark, mut from) = self.nearest(since);
        loop {
            let position = mark.block_at as usize;
            let (bytes, _) = self.part(base, position);
            if mark.block_clock == since {
                self.write_run(client, self.count - mark.number, since, out);
                return self.write_from(base, position, out);
            }
            let Some(block) = RawBlock::read(bytes) else {
                return;
            };
            let reserved = out.len();
            self.write_run(client, self.count - mark.number, since, out);
            if let Some(byte) = block.write_cut(client, mark.block_clock, from, since, out) {
                return self.write_from(base, position + block.content_at + byte, out);
            }
            out.truncate(reserved);
            let Some((units, size)) = block.end(from) else {
                return;
            };
            let past = mark.block_clock + units;
            mark = Mark {
                clock: past,
                block_clock: past,
                block_at: mark.block_at + size as u32,
                number: mark.number + 1,
                byte: 0,
            };
            from = Inner::START;
        }
    }

    fn write_run(&self, client: ClientId, count: u32, start: Clock, out: &mut Vec<u8>) {
        write_var_uint(out, u64::from(count));
        write_var_uint(out, client.get());
        write_var_uint(out, u64::from(start));
    }

    /// Copies all blocks from a position on.
    fn write_from(&self, base: &[u8], position: usize, out: &mut Vec<u8>) {
        let base_len = self.base_len as usize;
        if position < base_len {
            let start = self.base_at as usize;
            out.extend_from_slice(&base[start + position..start + base_len]);
        }
        let at = position.saturating_sub(base_len);
        out.extend_from_slice(self.tail.get(at..).unwrap_or_default());
    }
}
