//! Marks in the stored blocks of one client, so that a unit is found without reading all of them.
//!
//! Owns where they stand: at about each kilobyte of blocks, or of one large block's content.

use crate::state_vector::{ClientId, Clock};
use crate::unit_cursor::UnitCursor;

/// Bytes of blocks, or of one block's content, between two marks.
pub(super) const MARK_BYTES: usize = 1024;

/// A unit's place in the blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// The unit that is here.
    pub(super) clock: Clock,
    /// First clock of the block that has the unit.
    pub(super) block_clock: Clock,
    /// Position of that block.
    pub(super) block_at: u32,
    /// Number of blocks before that one.
    pub(super) number: u32,
    /// Bytes of the block's content before the unit.
    pub(super) byte: u32,
}

impl Mark {
    /// A mark at the start of a block.
    pub(super) const fn at_block(clock: Clock, position: u32, number: u32) -> Self {
        Self {
            clock,
            block_clock: clock,
            block_at: position,
            number,
            byte: 0,
        }
    }

    const fn position(self) -> usize {
        self.block_at as usize + self.byte as usize
    }
}

/// The marks of one client, by ascending clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

impl Marks {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[Mark] {
        &self.0
    }

    /// Marks the block that comes next, if the last mark is far, and inside of it, if it is large.
    pub(super) fn add_block(&mut self, block: Mark, bytes: &[u8], client: ClientId) {
        if self.is_far(block.position()) {
            self.push(block);
        }
        if bytes.len() > 2 * MARK_BYTES
            && let Some(side) = UnitCursor::read(bytes, client, block.clock, block.clock)
        {
            self.add_inside(side, block);
        }
    }

    /// Marks content of `more` bytes that was joined to the last block, at its first unit. `whole`
    /// reads the block.
    pub(super) fn add_joined<'b>(
        &mut self,
        unit: Mark,
        more: usize,
        whole: impl FnOnce() -> Option<UnitCursor<'b>>,
    ) {
        if more > 0 && self.is_far(unit.position()) {
            self.push(unit);
        }
        if more > 2 * MARK_BYTES
            && let Some(mut side) = whole()
        {
            side.skip_to(unit.clock, unit.byte as usize);
            self.add_inside(side, unit);
        }
    }

    /// Marks a large block inside, from the place of `side` on.
    fn add_inside(&mut self, mut side: UnitCursor<'_>, block: Mark) {
        while let Some((clock, byte)) = side.next_place(MARK_BYTES) {
            self.push(Mark {
                clock,
                byte: byte as u32,
                ..block
            });
        }
    }

    fn is_far(&self, position: usize) -> bool {
        let last = self.0.last().map_or(0, |mark| mark.position());
        position >= last + MARK_BYTES
    }

    fn push(&mut self, mark: Mark) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(1 + self.0.len() / 8);
        }
        self.0.push(mark);
    }

    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}
