//! The scanner that stands before yrs: one pass over an update's bytes, which says what is in them
//! or refuses them.
//!
//! Owns the *byte rules*: everything about an update that can be judged without a document. What
//! the update means for a given document is [`crate::state`]'s question. The scanner copies no
//! content, recurses only to [`ANY_DEPTH`] and [`JSON_DEPTH`], reserves nothing that the bytes do
//! not pay for, and never panics.
//!
//! The format is Yjs 13's update v1. A rule that is stricter than the format says why: either yrs
//! reads the bytes otherwise than Yjs does, or it cannot bear them, or Yjs in the browser cannot.
//! What both write is always accepted.
//!
//! | rule | why |
//! | --- | --- |
//! | a count fits in the bytes that remain | a count of 2^28 in five bytes costs half a gigabyte |
//! | integers are in their shortest form, below 2^53 (clients), 2^31 (clocks) | yrs wraps around |
//! | clients of blocks strictly descend; clients of deletions are listed once | yrs keeps the last, Yjs too, of different ones |
//! | no block and no deleted range is empty | division by zero |
//! | origin, right origin and parent lie before the block | cycles |
//! | no content 2 (legacy JSON), no type 5 (hook) | mis-decoded by yrs |
//! | no other content or type that Yjs 13 does not know | it throws, and would at every later load |
//! | values and JSON nest at most [`ANY_DEPTH`] and [`JSON_DEPTH`] deep | stack overflow, which aborts |
//! | JSON is such as yrs parses | otherwise admitted bytes could not be applied |
//! | nothing after the end | two readers must not disagree where it is |

mod content;

use std::ops::Range;

use crate::lib0::{DecodeError, Reader};
use crate::state_vector::{CLOCK_END, ClientId, Clock, read_clock};

/// Deepest nesting of arrays and maps in a value of an `Any` content.
pub const ANY_DEPTH: usize = 100;
/// Deepest nesting of arrays and objects in the JSON of an embed or a format (yrs gives up at 128).
pub const JSON_DEPTH: usize = 100;

const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
const GC: u8 = 0;
const SKIP: u8 = 10;

/// Why an update's bytes were refused. The fault is the sender's, and asking again is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The bytes are not even well-formed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More than 4 GiB.
    #[error("the update is larger than 4 GiB")]
    TooLarge,
    /// The clients of the blocks do not strictly descend.
    #[error("client {client} is out of order")]
    ClientOrder {
        /// The client that should have come earlier, or not again.
        client: ClientId,
    },
    /// A clock and a length add up to 2^31 or more.
    #[error("clock {clock} of client {client} and its length pass 2^31")]
    ClockOverflow {
        /// The client.
        client: ClientId,
        /// Where its block or range begins.
        clock: Clock,
    },
    /// A client without blocks or ranges, a block or a range without length.
    #[error("nothing is announced at byte {at}")]
    Empty {
        /// Offset in bytes just behind it.
        at: usize,
    },
    /// A kind of block that Yjs 13 and yrs do not both read the same way.
    #[error("block kind {info:#04x} at byte {at} is not supported")]
    UnsupportedBlock {
        /// Offset in bytes of the block.
        at: usize,
        /// Its first byte.
        info: u8,
    },
    /// A shared type that Yjs 13 and yrs do not both read the same way.
    #[error("shared type {kind} at byte {at} is not supported")]
    UnsupportedType {
        /// Offset in bytes of the type number.
        at: usize,
        /// The type number.
        kind: u8,
    },
    /// A block refers to itself or to what its own client writes later.
    #[error("client {client}'s block at clock {clock} refers ahead of itself")]
    RefersAhead {
        /// The client.
        client: ClientId,
        /// The block's clock.
        clock: Clock,
    },
    /// The byte that tells a parent's name from its id is neither 0 nor 1.
    #[error("the kind of parent at byte {at} is unknown")]
    BadParent {
        /// Offset in bytes.
        at: usize,
    },
    /// A value that is not one of lib0's, or that no JavaScript number holds.
    #[error("the value at byte {at} cannot be read")]
    BadValue {
        /// Offset in bytes.
        at: usize,
    },
    /// JSON that yrs would not parse.
    #[error("the JSON before byte {at} cannot be read")]
    BadJson {
        /// Offset in bytes just behind it.
        at: usize,
    },
    /// A value or JSON that nests deeper than [`ANY_DEPTH`] or [`JSON_DEPTH`].
    #[error("the value at byte {at} nests too deep")]
    TooDeep {
        /// Offset in bytes.
        at: usize,
    },
    /// Deleted ranges of one client that are not ascending and disjoint.
    #[error("the deleted ranges of client {client} are not sorted")]
    DeleteOrder {
        /// The client.
        client: ClientId,
    },
}

/// One inserted unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Who inserted it.
    pub client: ClientId,
    /// At which position of what that client inserted.
    pub clock: Clock,
}

/// The units from `start` to before `end` of one client; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// Who inserted them.
    pub client: ClientId,
    /// The first.
    pub start: Clock,
    /// One past the last.
    pub end: Clock,
}

/// What an item holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Only the length of what was deleted.
    Deleted,
    /// A byte array.
    Binary,
    /// Text; its length is counted in UTF-16 code units.
    String,
    /// An embedded JSON object of a rich text.
    Embed,
    /// A formatting mark of a rich text.
    Format,
    /// A shared type.
    Type,
    /// Values.
    Any,
    /// A subdocument.
    Doc,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Something inserted.
    Item(Content),
    /// Something inserted and deleted since, of which only the clocks remain.
    Gc,
    /// A hole: the sender does not have these clocks either.
    Skip,
}

/// Where an item says that it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// Into the root type of this name.
    Root(&'a str),
    /// Into the shared type that this unit is.
    Id(Id),
    /// Where its origin is, or else its right origin. (GC and Skip have no parent either.)
    Inherited,
}

/// One block of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Who inserted it.
    pub client: ClientId,
    /// Its first clock.
    pub clock: Clock,
    /// How many clocks it takes; never 0.
    pub len: Clock,
    /// What it is.
    pub kind: BlockKind,
    /// What was to its left when it was inserted.
    pub origin: Option<Id>,
    /// What was to its right when it was inserted.
    pub right_origin: Option<Id>,
    /// Where it belongs.
    pub parent: Parent<'a>,
    /// The key under which a map holds it, if it is said here (with [`Parent::Inherited`] it is
    /// inherited as well).
    pub key: Option<&'a str>,
    /// Where its bytes are in the update.
    pub span: Range<usize>,
}

impl Block<'_> {
    /// One past its last clock.
    #[must_use]
    pub const fn end(&self) -> Clock {
        self.clock + self.len
    }

    /// What it refers to: origin, right origin, parent.
    pub fn references(&self) -> impl Iterator<Item = Id> + use<> {
        references(self.origin, self.right_origin, self.parent)
    }
}

/// An update whose bytes are sound. It borrows them.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    runs: Vec<Run>,
    entries: Vec<Entry>,
    deletes: Vec<IdRange>,
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

/// A block, in 16 bytes: a sender can make blocks of two bytes, and they must not cost a hundred.
/// The rest is read again from its bytes when somebody asks.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    clock: Clock,
    len: Clock,
}

/// Reads an update and checks every byte rule.
///
/// # Errors
/// The first rule that is broken. Nothing else has happened.
pub fn scan(update: &[u8]) -> Result<Scan<'_>, ScanError> {
    if u32::try_from(update.len()).is_err() {
        return Err(ScanError::TooLarge);
    }
    let mut reader = Reader::new(update);
    let mut scan = Scan {
        bytes: update,
        runs: Vec::new(),
        entries: Vec::new(),
        deletes: Vec::new(),
    };
    scan.read_blocks(&mut reader)?;
    scan.read_deletes(&mut reader)?;
    reader.finish()?;
    Ok(scan)
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
        self.deletes.is_empty() && self.inserts().next().is_none()
    }

    /// All blocks: clients descending, clocks ascending.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + '_ {
        self.runs
            .iter()
            .flat_map(|run| run.blocks().map(|index| self.block(run.client, index)))
    }

    /// The clocks that it inserts: one range for each unbroken stretch of a client.
    pub fn inserts(&self) -> impl Iterator<Item = IdRange> + '_ {
        self.runs.iter().flat_map(move |run| {
            let mut blocks = run.blocks().peekable();
            std::iter::from_fn(move || {
                while blocks.next_if(|index| self.is_skip(*index)).is_some() {}
                let first = blocks.next()?;
                let mut last = first;
                while let Some(next) = blocks.next_if(|index| !self.is_skip(*index)) {
                    last = next;
                }
                let start = self.entries[first].clock;
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
        &self.deletes
    }

    /// The names of root types that its blocks say; a name comes as often as it is said. Most
    /// blocks say none: [`crate::state::State::touched_roots`] finds those.
    pub fn roots(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.blocks().filter_map(|block| match block.parent {
            Parent::Root(name) => Some(name),
            Parent::Id(_) | Parent::Inherited => None,
        })
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// One past the last clock of the block.
    pub(crate) fn end(&self, index: usize) -> Clock {
        self.entries[index].clock + self.entries[index].len
    }

    /// One past the last clock of a client's blocks.
    pub(crate) fn reaches(&self, run: usize) -> Clock {
        self.end(self.runs[run].end as usize - 1)
    }

    pub(crate) fn block_count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn has_skip(&self) -> bool {
        (0..self.entries.len()).any(|index| self.is_skip(index))
    }

    /// The block of a client (among its `blocks`) that has the clock.
    pub(crate) fn block_at(&self, blocks: Range<usize>, clock: Clock) -> Option<usize> {
        let entries = self.entries.get(blocks.clone())?;
        let at = blocks.start + entries.partition_point(|entry| entry.clock <= clock);
        at.checked_sub(1)
            .filter(|index| blocks.contains(index) && clock < self.end(*index))
    }

    pub(crate) fn clock(&self, index: usize) -> Clock {
        self.entries[index].clock
    }

    pub(crate) fn is_skip(&self, index: usize) -> bool {
        self.bytes[self.entries[index].start as usize] == SKIP
    }

    /// The bytes of consecutive blocks of one run.
    pub(crate) fn block_bytes(&self, blocks: Range<usize>) -> &'a [u8] {
        let (first, last) = (self.entries[blocks.start], self.entries[blocks.end - 1]);
        &self.bytes[first.start as usize..last.end as usize]
    }

    /// The block, read once more from bytes that were found sound.
    pub(crate) fn block(&self, client: ClientId, index: usize) -> Block<'a> {
        let Entry {
            start,
            end,
            clock,
            len,
        } = self.entries[index];
        let span = start as usize..end as usize;
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

    fn read_blocks(&mut self, reader: &mut Reader<'a>) -> Result<(), ScanError> {
        // Five bytes: a count, a client, a clock and the smallest block, a GC of two.
        let clients = reader.count(5)?;
        self.runs.reserve_exact(clients);
        let mut previous: Option<ClientId> = None;
        for _ in 0..clients {
            let blocks = reader.count(2)?;
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
            self.entries.reserve(blocks.min(reader.remaining() / 8 + 1));
            for _ in 0..blocks {
                clock = self.read_block(reader, client, clock)?;
            }
            self.runs.push(Run {
                client,
                first,
                end: self.entries.len() as u32,
            });
        }
        Ok(())
    }

    /// Reads a block and returns the clock behind it.
    fn read_block(
        &mut self,
        reader: &mut Reader<'a>,
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
                content::read(reader, kind)?
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
        let len = len as Clock;
        let (start, end) = (start as u32, reader.position() as u32);
        self.entries.push(Entry {
            start,
            end,
            clock,
            len,
        });
        Ok(clock + len)
    }

    fn read_deletes(&mut self, reader: &mut Reader<'a>) -> Result<(), ScanError> {
        // Four bytes: a client, a count and the smallest range, of two.
        let clients = reader.count(4)?;
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
        // Yjs writes them descending, yrs ascending: any order is fine, twice is not.
        seen.sort_unstable();
        match seen.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ScanError::ClientOrder { client: pair[0] }),
            None => Ok(()),
        }
    }
}

/// What stands between an item's first byte and its content.
struct Header<'a> {
    origin: Option<Id>,
    right_origin: Option<Id>,
    parent: Parent<'a>,
    key: Option<&'a str>,
}

impl<'a> Header<'a> {
    const NONE: Self = Self {
        origin: None,
        right_origin: None,
        parent: Parent::Inherited,
        key: None,
    };

    fn read(reader: &mut Reader<'a>, info: u8) -> Result<Self, ScanError> {
        let mut header = Self::NONE;
        if info & HAS_ORIGIN != 0 {
            header.origin = Some(read_id(reader)?);
        }
        if info & HAS_RIGHT_ORIGIN != 0 {
            header.right_origin = Some(read_id(reader)?);
        }
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) != 0 {
            return Ok(header);
        }
        let at = reader.position();
        header.parent = match reader.u8()? {
            0 => Parent::Id(read_id(reader)?),
            1 => Parent::Root(reader.var_string()?),
            _ => return Err(ScanError::BadParent { at }),
        };
        if info & HAS_KEY != 0 {
            header.key = Some(reader.var_string()?);
        }
        Ok(header)
    }

    fn references(&self) -> impl Iterator<Item = Id> + use<> {
        references(self.origin, self.right_origin, self.parent)
    }
}

fn references(
    origin: Option<Id>,
    right_origin: Option<Id>,
    parent: Parent<'_>,
) -> impl Iterator<Item = Id> + use<> {
    let parent = match parent {
        Parent::Id(id) => Some(id),
        Parent::Root(_) | Parent::Inherited => None,
    };
    origin.into_iter().chain(right_origin).chain(parent)
}

fn read_id(reader: &mut Reader<'_>) -> Result<Id, DecodeError> {
    Ok(Id {
        client: ClientId::read(reader)?,
        clock: read_clock(reader)?,
    })
}
