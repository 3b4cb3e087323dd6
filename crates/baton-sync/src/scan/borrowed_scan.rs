//! A scanned update that borrows its bytes.
//!
//! Owns the reading of blocks from bytes that were found sound.

use std::borrow::Cow;
use std::ops::Range;

use super::block::{Block, BlockKind, Content, GC, Header, IdRange, Parent, SKIP};
use super::content;
use super::error::ScanError;
use super::limits::ScanLimits;
use super::tables::{Run, Tables};
use crate::lib0::Reader;
use crate::state_vector::{ClientId, Clock};

/// An update whose bytes are sound. It borrows them.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    tables: Cow<'a, Tables>,
}

/// Reads an update and checks every byte rule.
///
/// # Errors
/// The first rule that is broken. Nothing else has happened.
pub fn scan(update: &[u8]) -> Result<Scan<'_>, ScanError> {
    scan_within(update, &ScanLimits::NONE)
}

/// [`scan()`] of an update from a stranger, within limits.
///
/// # Errors
/// As [`scan()`], and [`ScanError::TooMany`] as soon as the bytes announce too much: nothing is
/// reserved for it.
pub fn scan_within<'a>(update: &'a [u8], limits: &ScanLimits) -> Result<Scan<'a>, ScanError> {
    let tables = Tables::read(update, limits)?;
    Ok(Scan::of(update, Cow::Owned(tables)))
}

impl<'a> Scan<'a> {
    /// Joins the tables of an update with its bytes.
    pub(super) const fn of(bytes: &'a [u8], tables: Cow<'a, Tables>) -> Self {
        Self { bytes, tables }
    }

    /// Returns the bytes of the update.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns true if the update inserts nothing and deletes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.deletes().is_empty() && self.inserts().next().is_none()
    }

    /// Returns true if the update holds content that Yjs reads and that yrs reads otherwise or not
    /// at all: values as legacy JSON, an XML hook, JSON with a whole number beyond 64 signed bits
    /// or with half of a surrogate pair. The scan has found that already, so asking costs nothing.
    #[must_use]
    pub fn is_beyond_yrs(&self) -> bool {
        self.tables.is_beyond_yrs()
    }

    /// Returns all blocks: clients descending, clocks ascending.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + '_ {
        self.runs()
            .iter()
            .flat_map(|run| run.blocks().map(|index| self.block(run.client, index)))
    }

    /// Returns the clocks that the update inserts: one range for each unbroken stretch of a client.
    pub fn inserts(&self) -> impl Iterator<Item = IdRange> + '_ {
        self.runs().iter().flat_map(move |run| {
            let mut blocks = run.blocks().peekable();
            std::iter::from_fn(move || {
                while blocks.next_if(|index| self.is_skip(*index)).is_some() {}
                let first = blocks.next()?;
                let mut last = first;
                while let Some(next) = blocks.next_if(|index| !self.is_skip(*index)) {
                    last = next;
                }
                Some(IdRange {
                    client: run.client,
                    start: self.clock(first),
                    end: self.end(last),
                })
            })
        })
    }

    /// Returns the ranges that the update deletes, as they are listed.
    #[must_use]
    pub fn deletes(&self) -> &[IdRange] {
        self.tables.deletes()
    }

    /// Returns the names of root types that the blocks state; a name comes as often as it is
    /// stated. Most blocks state none:
    /// [`ReplicaIndex::touched_roots`](crate::ReplicaIndex::touched_roots) finds the roots of
    /// those.
    pub fn roots(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.blocks().filter_map(|block| match block.parent {
            Parent::Root(name) => Some(name),
            Parent::Id(_) | Parent::Inherited => None,
        })
    }

    pub(crate) fn runs(&self) -> &[Run] {
        self.tables.runs()
    }

    /// Returns the first clock of a block.
    pub(crate) fn clock(&self, index: usize) -> Clock {
        self.tables.clock(index)
    }

    /// Returns the clock behind the last one of a block.
    pub(crate) fn end(&self, index: usize) -> Clock {
        self.tables.end(index)
    }

    /// Returns the clock behind the last block of a client.
    pub(crate) fn reaches(&self, run: usize) -> Clock {
        self.end(self.runs()[run].blocks().end - 1)
    }

    /// Returns a number that is larger than the index of every block.
    pub(crate) fn indices(&self) -> usize {
        self.tables.indices()
    }

    pub(crate) fn has_skip(&self) -> bool {
        let mut blocks = self.runs().iter().flat_map(|run| run.blocks());
        blocks.any(|index| self.is_skip(index))
    }

    pub(crate) fn is_skip(&self, index: usize) -> bool {
        self.bytes[self.offset(index)] == SKIP
    }

    /// Returns the block of a client, among its `blocks`, that has the clock.
    pub(crate) fn block_at(&self, blocks: Range<usize>, clock: Clock) -> Option<usize> {
        self.tables.block_at(blocks, clock)
    }

    /// Returns the first of these blocks of one run that ends behind the clock, or the end of the
    /// range.
    pub(crate) fn first_past(&self, blocks: Range<usize>, clock: Clock) -> usize {
        self.tables.first_past(blocks, clock)
    }

    /// Returns the offset of a block in the update, in bytes.
    pub(crate) fn offset(&self, index: usize) -> usize {
        self.tables.span(index..index + 1).start
    }

    /// Returns the size of a block, in bytes.
    pub(crate) fn size(&self, index: usize) -> usize {
        self.tables.span(index..index + 1).len()
    }

    /// Returns the bytes of consecutive blocks of one run.
    pub(crate) fn block_bytes(&self, blocks: Range<usize>) -> &'a [u8] {
        &self.bytes[self.tables.span(blocks)]
    }

    /// Reads a block again, from bytes that were found sound.
    pub(crate) fn block(&self, client: ClientId, index: usize) -> Block<'a> {
        let span = self.tables.span(index..index + 1);
        let clock = self.clock(index);
        let mut reader = Reader::new(&self.bytes[span.clone()]);
        let (kind, header) = match reader.u8() {
            Ok(GC) => (BlockKind::Gc, Header::NONE),
            Ok(info) if info != SKIP => {
                let header = Header::read(&mut reader, info).unwrap_or(Header::NONE);
                let content = content::kind(info).unwrap_or(Content::Deleted);
                (BlockKind::Item(content), header)
            }
            _ => (BlockKind::Skip, Header::NONE),
        };
        Block {
            client,
            clock,
            len: self.end(index) - clock,
            kind,
            origin: header.origin,
            right_origin: header.right_origin,
            parent: header.parent,
            key: header.key,
            span,
        }
    }

    /// Returns the first byte of an item, and its content.
    pub(crate) fn content(&self, block: &Block<'_>) -> (u8, &'a [u8]) {
        let mut reader = Reader::new(&self.bytes[block.span.clone()]);
        let info = reader.u8().unwrap_or(GC);
        // It was found sound before.
        let _sound = Header::read(&mut reader, info);
        (info, reader.rest())
    }
}
