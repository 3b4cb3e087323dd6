//! The stored blocks of one client.
//!
//! Owns the adding of blocks. They stand in two parts: the section of the base that was loaded or
//! encoded last, and the tail of those that came since.

use std::ops::Range;

use super::blocks_ref::{BlocksRef, Growth, Section};
use super::marks::{MARK_BYTES, Mark, Marks};
use super::raw_block::{Inner, RawBlock};
use crate::lib0::write_var_uint;
use crate::scan::{Id, SKIP, Scan};
use crate::state_vector::{ClientId, Clock};
use crate::unit_cursor::UnitCursor;

/// A last block of more bytes than this is not copied so that the next one can be joined to it.
const COPIED: usize = 1024;

/// The blocks of one client, to be added to.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    section: Section,
    /// Nothing for most clients of a document that rests.
    growth: Option<Box<Growth>>,
}

impl Blocks {
    /// Blocks that are all in the base, and few.
    pub(super) const fn of(section: Section) -> Self {
        Self {
            section,
            growth: None,
        }
    }

    pub(super) fn load(scan: &Scan<'_>, client: ClientId, blocks: Range<usize>) -> Self {
        let bytes = scan.block_bytes(blocks.clone());
        let mut loaded = Self::of(Section {
            start: scan.clock(blocks.start),
            end: scan.end(blocks.end - 1),
            at: scan.offset(blocks.start) as u32,
            len: bytes.len() as u32,
            count: blocks.len() as u32,
        });
        if bytes.len() > MARK_BYTES {
            let Section { at, end, .. } = loaded.section;
            let mut marks = Marks::default();
            for (number, index) in blocks.enumerate() {
                let position = scan.offset(index) as u32 - at;
                let mark = Mark::at_block(scan.clock(index), position, number as u32);
                marks.add_block(mark, scan.block_bytes(index..index + 1), client);
            }
            if !marks.is_empty() {
                marks.shrink();
                let growth = Growth {
                    base_end: end,
                    marks,
                    ..Growth::default()
                };
                loaded.growth = Some(Box::new(growth));
            }
        }
        loaded
    }

    pub(super) fn as_ref(&self) -> BlocksRef<'_> {
        BlocksRef::new(self.section, self.growth.as_deref())
    }

    /// The section, if there is nothing beside it.
    pub(super) fn section_if_plain(&self) -> Option<Section> {
        self.growth.is_none().then_some(self.section)
    }

    /// Returns true if some blocks are not in the base.
    pub(super) fn has_tail(&self) -> bool {
        self.growth
            .as_ref()
            .is_some_and(|growth| !growth.tail.is_empty())
    }

    /// Raises the clock behind the last unit of a client whose blocks are not kept.
    pub(super) fn raise(&mut self, end: Clock) {
        self.section.end = end.max(self.section.end);
    }

    /// All blocks are in the base now, from this place on.
    pub(super) fn rebase(&mut self, at: usize) {
        self.section.len = self.as_ref().len() as u32;
        self.section.at = at as u32;
        if let Some(growth) = &mut self.growth {
            if growth.marks.is_empty() {
                self.growth = None;
                return;
            }
            growth.base_end = self.section.end;
            growth.tail = Vec::new();
            growth.marks.shrink();
        }
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
        if self.section.count == 0 {
            (self.section.start, self.section.end) = (clock, clock);
        }
        if clock > self.section.end {
            let mut hole = vec![SKIP];
            write_var_uint(&mut hole, u64::from(clock - self.section.end));
            self.push(self.section.end, &hole, client);
        }
        if !(may_join && self.join(base, client, clock, block)) {
            self.push(clock, block, client);
        }
        self.section.end = end;
    }

    fn growth(&mut self) -> &mut Growth {
        let base_end = self.section.end;
        self.growth.get_or_insert_with(|| {
            Box::new(Growth {
                base_end,
                ..Growth::default()
            })
        })
    }

    fn push(&mut self, clock: Clock, block: &[u8], client: ClientId) {
        let (position, number) = (self.as_ref().len() as u32, self.section.count);
        let growth = self.growth();
        let mark = Mark::at_block(clock, position, number);
        growth.marks.add_block(mark, block, client);
        (growth.last_at, growth.last_clock) = (position, clock);
        reserve(&mut growth.tail, block.len());
        growth.tail.extend_from_slice(block);
        self.section.count += 1;
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
        if self.section.count == 0 || !may_go_on || (!self.has_tail() && !self.take_last(base)) {
            return false;
        }
        let (len, number) = (self.section.len, self.section.count - 1);
        let growth = self.growth();
        reserve(&mut growth.tail, block.len());
        let at = (growth.last_at - len) as usize;
        let Some(before) = RawBlock::join(&next, last, at, &mut growth.tail) else {
            return false;
        };
        let content = &block[next.content_at..];
        growth.tail.extend_from_slice(content);
        let unit = Mark {
            clock,
            block_clock: growth.last_clock,
            block_at: growth.last_at,
            number,
            byte: before as u32,
        };
        let whole = || UnitCursor::read(&growth.tail[at..], client, growth.last_clock, clock);
        growth.marks.add_joined(unit, content.len(), whole);
        true
    }

    /// Moves the last block of the base into the tail, so that another can be joined to it. Returns
    /// true if there is one that is small enough.
    fn take_last(&mut self, base: &[u8]) -> bool {
        let Section { at, len, end, .. } = self.section;
        let stored = &base[at as usize..][..len as usize];
        let (mut mark, mut from) = self.as_ref().nearest(end.saturating_sub(1));
        loop {
            let at = mark.block_at as usize;
            let bytes = &stored[at..];
            let Some((units, size)) = RawBlock::read(bytes).and_then(|block| block.end(from))
            else {
                return false;
            };
            let past = mark.block_clock + units;
            if past < end {
                mark = Mark::at_block(past, mark.block_at + size as u32, mark.number + 1);
                from = Inner::START;
                continue;
            }
            if size > COPIED || past != end || at + size != stored.len() {
                return false;
            }
            self.section.len = mark.block_at;
            let growth = self.growth();
            growth.tail = bytes.to_vec();
            growth.base_end = mark.block_clock;
            (growth.last_at, growth.last_clock) = (mark.block_at, mark.block_clock);
            return true;
        }
    }
}

/// Reserves more than is needed now, in proportion to what is there.
fn reserve(tail: &mut Vec<u8>, more: usize) {
    if tail.capacity() - tail.len() < more + 8 {
        tail.reserve_exact(more + 8 + tail.len() / 16);
    }
}
