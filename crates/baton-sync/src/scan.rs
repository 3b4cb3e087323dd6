//! The scanner that stands before yrs: one pass over an update's bytes, which says what is in them
//! or refuses them.
//!
//! Owns the *byte rules*: everything about an update that can be judged without a document. What
//! the update means for a given document is [`crate::state`]'s question. The scanner copies no
//! content, recurses only to [`ANY_DEPTH`] and [`JSON_DEPTH`], reserves nothing that the bytes do
//! not pay for, and never panics.
//!
//! The format is Yjs 13's update v1. A rule that is stricter than the format says why: either a
//! reader cannot bear the bytes, or two readers would not agree. Everything that Yjs 13 writes is
//! accepted, also what yrs reads otherwise ([`Scan::is_beyond_yrs`]).
//!
//! | rule | why |
//! | --- | --- |
//! | a count fits in the bytes that remain | a count of 2^28 in five bytes costs half a gigabyte |
//! | integers are in their shortest form, below 2^53 (clients), 2^31 (clocks) | yrs wraps around |
//! | clients of blocks strictly descend; clients of deletions are listed once | yrs keeps the last, Yjs too, of different ones |
//! | no block and no deleted range is empty | division by zero |
//! | origin, right origin and parent lie before the block | cycles |
//! | no content or type that Yjs 13 does not define | it has no known length, and Yjs would throw at every later load |
//! | values and JSON nest at most [`ANY_DEPTH`] and [`JSON_DEPTH`] deep | stack overflow, which aborts |
//! | JSON is such as JavaScript parses | Yjs throws on other text, at every later load |
//! | nothing after the end | two readers must not disagree where it is |

mod block;
mod content;
mod cut;
mod error;
mod form;
mod owned;
mod read;

use std::borrow::Cow;
use std::ops::Range;

pub use self::block::{Block, BlockKind, Content, Id, IdRange, Parent};
pub use self::error::ScanError;
pub use self::owned::OwnedScan;

pub(crate) use self::block::{HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN};
pub(crate) use self::content::{
    CONTENT, is_named_type, kind as content_kind, len as content_len, past_unit, past_value,
    utf16_len,
};
pub(crate) use self::cut::{Cut, Opened};

pub(crate) use self::block::Header;
use crate::lib0::Reader;
use crate::state_vector::{ClientId, Clock};

/// Deepest nesting of arrays and maps in a value of an `Any` content.
pub const ANY_DEPTH: usize = 100;
/// Deepest nesting of arrays and objects in the JSON of an embed, a format or a legacy value (yrs
/// gives up at 128).
pub const JSON_DEPTH: usize = 100;

pub(crate) const GC: u8 = 0;
pub(crate) const SKIP: u8 = 10;

/// An update whose bytes are sound. It borrows them.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    tables: Cow<'a, Tables>,
}

/// Where the blocks and deletions of an update are, as offsets into its bytes.
#[derive(Clone, Debug, Default)]
struct Tables {
    runs: Vec<Run>,
    entries: Vec<Entry>,
    deletes: Vec<IdRange>,
    beyond_yrs: bool,
}

/// The blocks of one client, in ascending order without a hole between them (a hole is a Skip).
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

/// Where a block begins, in 8 bytes: a sender can make blocks of two bytes, and they must not cost a
/// hundred. It ends where the next entry begins; behind the last block of a run there is one more for
/// that. The rest is read again from the block's bytes when it is wanted.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    clock: Clock,
}

/// Bounds on what one update may hold. They bound, with its bytes, the memory and time that it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// Blocks.
    pub blocks: usize,
    /// Clients of blocks, and clients of deletions.
    pub clients: usize,
    /// Deleted ranges.
    pub ranges: usize,
}

impl ScanLimits {
    /// None but those of the format: for what was admitted before.
    pub const NONE: Self = Self {
        blocks: usize::MAX,
        clients: usize::MAX,
        ranges: usize::MAX,
    };
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            blocks: 500_000,
            clients: 100_000,
            ranges: 1_000_000,
        }
    }
}

/// Reads an update and checks every byte rule.
///
/// # Errors
/// The first rule that is broken. Nothing else has happened.
pub fn scan(update: &[u8]) -> Result<Scan<'_>, ScanError> {
    scan_within(update, &ScanLimits::NONE)
}

/// [`scan()`] of an update from a stranger, which may hold so much.
///
/// # Errors
/// As [`scan()`], and [`ScanError::TooMany`]: as soon as the bytes announce too much, so that nothing is
/// reserved for it.
pub fn scan_within<'a>(update: &'a [u8], limits: &ScanLimits) -> Result<Scan<'a>, ScanError> {
    Ok(Scan {
        bytes: update,
        tables: Cow::Owned(Tables::read(update, limits)?),
    })
}

impl<'a> Scan<'a> {
    /// The update itself.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it inserts nothing and deletes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.deletes.is_empty() && self.inserts().next().is_none()
    }

    /// Returns true if it holds content that Yjs reads and yrs reads otherwise or not at all: values
    /// as legacy JSON, an XML hook, JSON with a whole number beyond 64 signed bits or with half of a
    /// surrogate pair. It is found while scanning, so asking costs nothing.
    #[must_use]
    pub fn is_beyond_yrs(&self) -> bool {
        self.tables.beyond_yrs
    }

    /// All blocks: clients descending, clocks ascending.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + '_ {
        self.tables
            .runs
            .iter()
            .flat_map(|run| run.blocks().map(|index| self.block(run.client, index)))
    }

    /// The clocks that it inserts: one range for each unbroken stretch of a client.
    pub fn inserts(&self) -> impl Iterator<Item = IdRange> + '_ {
        self.tables.runs.iter().flat_map(move |run| {
            let mut blocks = run.blocks().peekable();
            std::iter::from_fn(move || {
                while blocks.next_if(|index| self.is_skip(*index)).is_some() {}
                let first = blocks.next()?;
                let mut last = first;
                while let Some(next) = blocks.next_if(|index| !self.is_skip(*index)) {
                    last = next;
                }
                let start = self.tables.entries[first].clock;
                Some(IdRange {
                    client: run.client,
                    start,
                    end: self.end(last),
                })
            })
        })
    }

    /// The ranges that it deletes, as they are listed.
    #[must_use]
    pub fn deletes(&self) -> &[IdRange] {
        &self.tables.deletes
    }

    /// The names of root types that its blocks say; a name comes as often as it is said. Most
    /// blocks say none: [`crate::replica_index::ReplicaIndex::touched_roots`] finds those.
    pub fn roots(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.blocks().filter_map(|block| match block.parent {
            Parent::Root(name) => Some(name),
            Parent::Id(_) | Parent::Inherited => None,
        })
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.tables.runs
    }

    /// One past the last clock of the block.
    pub(crate) fn end(&self, index: usize) -> Clock {
        self.tables.entries[index + 1].clock
    }

    /// One past the last clock of a client's blocks.
    pub(crate) fn reaches(&self, run: usize) -> Clock {
        self.end(self.tables.runs[run].end as usize - 1)
    }

    /// More than the largest index of a block.
    pub(crate) fn indices(&self) -> usize {
        self.tables.entries.len()
    }

    pub(crate) fn has_skip(&self) -> bool {
        let mut blocks = self.tables.runs.iter().flat_map(|run| run.blocks());
        blocks.any(|index| self.is_skip(index))
    }

    /// The block of a client (among its `blocks`) that has the clock.
    pub(crate) fn block_at(&self, blocks: Range<usize>, clock: Clock) -> Option<usize> {
        let entries = self.tables.entries.get(blocks.clone())?;
        let at = blocks.start + entries.partition_point(|entry| entry.clock <= clock);
        at.checked_sub(1)
            .filter(|index| blocks.contains(index) && clock < self.end(*index))
    }

    /// The first of these blocks of one run that ends behind the clock, or one past the last.
    pub(crate) fn first_past(&self, blocks: Range<usize>, clock: Clock) -> usize {
        let ends = &self.tables.entries[blocks.start + 1..=blocks.end];
        blocks.start + ends.partition_point(|entry| entry.clock <= clock)
    }

    pub(crate) fn clock(&self, index: usize) -> Clock {
        self.tables.entries[index].clock
    }

    pub(crate) fn is_skip(&self, index: usize) -> bool {
        self.bytes[self.tables.entries[index].start as usize] == SKIP
    }

    /// The bytes of consecutive blocks of one run.
    pub(crate) fn block_bytes(&self, blocks: Range<usize>) -> &'a [u8] {
        let (first, past) = (
            self.tables.entries[blocks.start],
            self.tables.entries[blocks.end],
        );
        &self.bytes[first.start as usize..past.start as usize]
    }

    /// The block, read once more from bytes that were found sound.
    pub(crate) fn block(&self, client: ClientId, index: usize) -> Block<'a> {
        let (Entry { start, clock }, past) =
            (self.tables.entries[index], self.tables.entries[index + 1]);
        let span = start as usize..past.start as usize;
        let len = past.clock - clock;
        let mut reader = Reader::new(&self.bytes[span.clone()]);
        let (kind, header) = match reader.u8() {
            Ok(GC) => (BlockKind::Gc, Header::NONE),
            Ok(info) if info != SKIP => {
                let header = Header::read(&mut reader, info).unwrap_or(Header::NONE);
                (
                    BlockKind::Item(content::kind(info).unwrap_or(Content::Deleted)),
                    header,
                )
            }
            _ => (BlockKind::Skip, Header::NONE),
        };
        let Header {
            origin,
            right_origin,
            parent,
            key,
        } = header;
        Block {
            client,
            clock,
            len,
            kind,
            origin,
            right_origin,
            parent,
            key,
            span,
        }
    }

    /// The first byte of an item, and its content.
    pub(crate) fn content(&self, block: &Block<'_>) -> (u8, &'a [u8]) {
        let mut reader = Reader::new(&self.bytes[block.span.clone()]);
        let info = reader.u8().unwrap_or(GC);
        // It was found sound before.
        let _sound = Header::read(&mut reader, info);
        (info, reader.rest())
    }
}
