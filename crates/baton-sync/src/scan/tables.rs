//! Tables of an update: where its blocks and deletions are.
//!
//! Owns the walk over an update's bytes and the offsets that it finds. The rules of a content are
//! in `content`, those of a header in `block`.

use std::ops::Range;

use super::block::{GC, Header, Id, IdRange, SKIP};
use super::content;
use super::error::ScanError;
use super::limits::ScanLimits;
use super::update_v2::looks_like_v2;
use crate::lib0::Reader;
use crate::state_vector::{CLOCK_END, ClientId, Clock, read_clock};

/// Blocks and deletions of an update, as offsets into its bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    runs: Vec<Run>,
    entries: Vec<Entry>,
    deletes: Vec<IdRange>,
    beyond_yrs: bool,
}

/// The blocks of one client, in ascending order and without holes between them: a hole is a Skip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) client: ClientId,
    /// Indices of its blocks.
    first: u32,
    end: u32,
}

impl Run {
    pub(crate) fn blocks(self) -> Range<usize> {
        self.first as usize..self.end as usize
    }
}

/// Start of a block, in 8 bytes: a sender can make blocks of two bytes, which must not cost a
/// hundred each. A block ends where the next entry begins, so that one more entry stands behind the
/// last block of a run. Everything else is read again from the block's bytes when it is needed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    clock: Clock,
}

impl Tables {
    /// Reads an update and checks every byte rule.
    pub(super) fn read(update: &[u8], limits: &ScanLimits) -> Result<Self, ScanError> {
        if u32::try_from(update.len()).is_err() {
            return Err(ScanError::TooLarge);
        }
        Self::walk(update, limits).map_err(|error| {
            if looks_like_v2(update) {
                ScanError::UpdateV2
            } else {
                error
            }
        })
    }

    fn walk(update: &[u8], limits: &ScanLimits) -> Result<Self, ScanError> {
        let mut reader = Reader::new(update);
        let mut tables = Self::default();
        tables.read_blocks(&mut reader, limits)?;
        tables.read_deletes(&mut reader, limits)?;
        reader.finish()?;
        Ok(tables)
    }

    /// Returns the runs: clients descending.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns the deleted ranges as they are listed.
    pub(super) fn deletes(&self) -> &[IdRange] {
        &self.deletes
    }

    /// Returns true if there is content that yrs reads otherwise than Yjs.
    pub(super) const fn is_beyond_yrs(&self) -> bool {
        self.beyond_yrs
    }

    /// Returns a number that is larger than the index of every block.
    pub(super) fn indices(&self) -> usize {
        self.entries.len()
    }

    /// Returns the first clock of a block.
    pub(super) fn clock(&self, index: usize) -> Clock {
        self.entries[index].clock
    }

    /// Returns the clock behind the last one of a block.
    pub(super) fn end(&self, index: usize) -> Clock {
        self.entries[index + 1].clock
    }

    /// Returns the bytes of consecutive blocks of one run.
    pub(super) fn span(&self, blocks: Range<usize>) -> Range<usize> {
        let (first, past) = (self.entries[blocks.start], self.entries[blocks.end]);
        first.start as usize..past.start as usize
    }

    /// Returns the block of a client, among its `blocks`, that has the clock.
    pub(super) fn block_at(&self, blocks: Range<usize>, clock: Clock) -> Option<usize> {
        let entries = self.entries.get(blocks.clone())?;
        let at = blocks.start + entries.partition_point(|entry| entry.clock <= clock);
        at.checked_sub(1)
            .filter(|index| blocks.contains(index) && clock < self.end(*index))
    }

    /// Returns the first of these blocks of one run that ends behind the clock, or the end of the
    /// range.
    pub(super) fn first_past(&self, blocks: Range<usize>, clock: Clock) -> usize {
        let ends = &self.entries[blocks.start + 1..=blocks.end];
        blocks.start + ends.partition_point(|entry| entry.clock <= clock)
    }

    fn read_blocks(
        &mut self,
        reader: &mut Reader<'_>,
        limits: &ScanLimits,
    ) -> Result<(), ScanError> {
        // Five bytes: a count, a client, a clock and the smallest block, a GC of two.
        let clients = within(reader.count(5)?, limits.clients, "clients of blocks")?;
        let mut total = 0;
        self.runs.reserve_exact(clients);
        let mut previous: Option<ClientId> = None;
        for _ in 0..clients {
            let blocks = reader.count(2)?;
            total = within(total + blocks, limits.blocks, "blocks")?;
            let client = ClientId::read(reader)?;
            let mut clock = read_clock(reader)?;
            if previous.is_some_and(|previous| client >= previous) {
                return Err(ScanError::ClientOrder { client });
            }
            previous = Some(client);
            if blocks == 0 {
                return Err(ScanError::Empty {
                    at: reader.position(),
                });
            }
            let first = self.entries.len() as u32;
            self.entries.reserve(blocks + 1);
            for _ in 0..blocks {
                clock = self.read_block(reader, client, clock)?;
            }
            self.runs.push(Run {
                client,
                first,
                end: self.entries.len() as u32,
            });
            let start = reader.position() as u32;
            self.entries.push(Entry { start, clock });
        }
        Ok(())
    }

    /// Reads a block. Returns the clock behind it.
    fn read_block(
        &mut self,
        reader: &mut Reader<'_>,
        client: ClientId,
        clock: Clock,
    ) -> Result<Clock, ScanError> {
        let start = reader.position();
        let info = reader.u8()?;
        let len = match info {
            GC | SKIP => reader.var_uint()?,
            _ => {
                let unsupported = ScanError::UnsupportedBlock { at: start, info };
                let kind = content::kind(info).ok_or(unsupported)?;
                let header = Header::read(reader, info)?;
                let ahead = |id: Id| id.client == client && id.clock >= clock;
                if header.references().any(ahead) {
                    return Err(ScanError::RefersAhead { client, clock });
                }
                let content = content::read(reader, kind)?;
                self.beyond_yrs |= content.beyond_yrs;
                content.len
            }
        };
        if len == 0 {
            return Err(ScanError::Empty {
                at: reader.position(),
            });
        }
        if len >= CLOCK_END - u64::from(clock) {
            return Err(ScanError::ClockOverflow { client, clock });
        }
        let start = start as u32;
        self.entries.push(Entry { start, clock });
        Ok(clock + len as Clock)
    }

    fn read_deletes(
        &mut self,
        reader: &mut Reader<'_>,
        limits: &ScanLimits,
    ) -> Result<(), ScanError> {
        // Four bytes: a client, a count and the smallest range, of two.
        let clients = within(reader.count(4)?, limits.clients, "clients of deletions")?;
        let mut seen = Vec::with_capacity(clients);
        for _ in 0..clients {
            let client = ClientId::read(reader)?;
            seen.push(client);
            let ranges = reader.count(2)?;
            if ranges == 0 {
                return Err(ScanError::Empty {
                    at: reader.position(),
                });
            }
            within(self.deletes.len() + ranges, limits.ranges, "deleted ranges")?;
            self.deletes.reserve(ranges);
            let mut past = 0;
            for _ in 0..ranges {
                let start = read_clock(reader)?;
                let len = reader.var_uint()?;
                if len == 0 {
                    return Err(ScanError::Empty {
                        at: reader.position(),
                    });
                }
                if len >= CLOCK_END - u64::from(start) {
                    return Err(ScanError::ClockOverflow {
                        client,
                        clock: start,
                    });
                }
                if start < past {
                    return Err(ScanError::DeleteOrder { client });
                }
                past = start + len as Clock;
                self.deletes.push(IdRange {
                    client,
                    start,
                    end: past,
                });
            }
        }
        // Yjs writes clients in descending order, yrs in ascending order.
        seen.sort_unstable();
        match seen.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ScanError::ClientOrder { client: pair[0] }),
            None => Ok(()),
        }
    }
}

fn within(count: usize, most: usize, what: &'static str) -> Result<usize, ScanError> {
    if count > most {
        return Err(ScanError::TooMany { what, count, most });
    }
    Ok(count)
}
