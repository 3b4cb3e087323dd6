//! The stored blocks of one client, to be read.
//!
//! Owns the search for a unit, and the writing of a part of an update. Positions are counted from
//! the first block on, over the section of the base and the tail.

use super::marks::{Mark, Marks};
use super::raw_block::{Inner, RawBlock};
use crate::lib0::write_var_uint;
use crate::state_vector::{ClientId, Clock};
use crate::unit_cursor::UnitCursor;

/// The blocks of one client, of which `len` bytes are in the base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) start: Clock,
    /// The clock behind all blocks.
    pub(super) end: Clock,
    /// Place in the base of the first block.
    pub(super) at: u32,
    /// Bytes in the base.
    pub(super) len: u32,
    /// Number of all blocks.
    pub(super) count: u32,
}

/// The blocks that are not in the base, and the marks of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    /// The clock behind the blocks in the base.
    pub(super) base_end: Clock,
    /// Position and first clock of the last block, if it is in the tail.
    pub(super) last_at: u32,
    pub(super) last_clock: Clock,
    pub(super) tail: Vec<u8>,
    pub(super) marks: Marks,
}

/// The blocks of one client, to be read.
#[derive(Clone, Copy)]
pub(super) struct BlocksRef<'a> {
    section: Section,
    growth: Option<&'a Growth>,
}

impl<'a> BlocksRef<'a> {
    pub(super) const fn new(section: Section, growth: Option<&'a Growth>) -> Self {
        Self { section, growth }
    }

    /// The clock behind the last block.
    pub(super) const fn end(&self) -> Clock {
        self.section.end
    }

    /// Bytes of all blocks.
    pub(super) fn len(&self) -> usize {
        self.section.len as usize + self.tail().len()
    }

    fn tail(&self) -> &'a [u8] {
        self.growth.map_or(&[], |growth| &growth.tail)
    }

    fn base_end(&self) -> Clock {
        self.growth
            .map_or(self.section.end, |growth| growth.base_end)
    }

    /// The mark at or before a unit, and the same as a place in its block.
    pub(super) fn nearest(&self, clock: Clock) -> (Mark, Inner) {
        let marks = self
            .growth
            .map_or(&[][..], |growth| growth.marks.as_slice());
        let at = marks.partition_point(|mark| mark.clock <= clock);
        let first = Mark::at_block(self.section.start, 0, 0);
        let mark = at.checked_sub(1).map_or(first, |at| marks[at]);
        let inner = Inner {
            units: mark.clock - mark.block_clock,
            byte: mark.byte as usize,
        };
        (mark, inner)
    }

    /// The bytes from a position on to the end of the part that it is in, and the clock there.
    fn part(&self, base: &'a [u8], position: usize) -> (&'a [u8], Clock) {
        let Section { at, len, end, .. } = self.section;
        match position.checked_sub(len as usize) {
            Some(at) => (self.tail().get(at..).unwrap_or_default(), end),
            None => {
                let start = at as usize;
                let bytes = &base[start + position..start + len as usize];
                (bytes, self.base_end())
            }
        }
    }

    /// Finds the blocks from a unit on.
    pub(super) fn find(
        &self,
        base: &'a [u8],
        client: ClientId,
        clock: Clock,
    ) -> Option<UnitCursor<'a>> {
        if clock < self.section.start || clock >= self.section.end {
            return None;
        }
        let mark = if clock >= self.base_end() && !self.tail().is_empty() {
            self.nearest_in_tail(clock)
        } else {
            self.nearest(clock).0
        };
        let (bytes, end) = self.part(base, mark.block_at as usize);
        let mut side = UnitCursor::read(bytes, client, mark.block_clock, end)?;
        if mark.byte > 0 {
            side.skip_to(mark.clock, mark.byte as usize);
        }
        side.seek(clock).then_some(side)
    }

    /// The mark at or before a unit of the tail, but not one of the base.
    fn nearest_in_tail(&self, clock: Clock) -> Mark {
        let (mark, _) = self.nearest(clock);
        if mark.block_at >= self.section.len {
            return mark;
        }
        // The number of a block matters only where blocks are written.
        Mark::at_block(self.base_end(), self.section.len, 0)
    }

    /// Writes the client's part of an update: all that lies behind `since`. If a block cannot be
    /// cut there, everything of the client is written, which is as good: the reader knows the rest.
    pub(super) fn write_since(
        &self,
        base: &'a [u8],
        client: ClientId,
        since: Clock,
        out: &mut Vec<u8>,
    ) {
        let Section { start, count, .. } = self.section;
        let written = out.len();
        if since > start && self.write_cut(base, client, since, out).is_some() {
            return;
        }
        debug_assert!(since <= start, "a stored block could not be cut");
        out.truncate(written);
        write_run(client, count, start, out);
        self.write_from(base, 0, out);
    }

    /// Writes all from a later unit on. `None` if a stored block cannot be read: then some of it
    /// may be written.
    fn write_cut(
        &self,
        base: &'a [u8],
        client: ClientId,
        since: Clock,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let count = self.section.count;
        let written = out.len();
        let (mut mark, mut from) = self.nearest(since);
        loop {
            let position = mark.block_at as usize;
            let (bytes, _) = self.part(base, position);
            write_run(client, count.checked_sub(mark.number)?, since, out);
            if mark.block_clock == since {
                self.write_from(base, position, out);
                return Some(());
            }
            let block = RawBlock::read(bytes)?;
            if let Some(byte) = block.write_cut(client, mark.block_clock, from, since, out) {
                self.write_from(base, position + block.content_at + byte, out);
                return Some(());
            }
            out.truncate(written);
            let (units, size) = block.end(from)?;
            let past = mark.block_clock + units;
            mark = Mark::at_block(past, mark.block_at + size as u32, mark.number + 1);
            from = Inner::START;
        }
    }

    /// Copies all blocks from a position on.
    fn write_from(&self, base: &[u8], position: usize, out: &mut Vec<u8>) {
        let (start, len) = (self.section.at as usize, self.section.len as usize);
        if position < len {
            out.extend_from_slice(&base[start + position..start + len]);
        }
        let at = position.saturating_sub(len);
        out.extend_from_slice(self.tail().get(at..).unwrap_or_default());
    }
}

fn write_run(client: ClientId, count: u32, start: Clock, out: &mut Vec<u8>) {
    write_var_uint(out, u64::from(count));
    write_var_uint(out, client.get());
    write_var_uint(out, u64::from(start));
}
