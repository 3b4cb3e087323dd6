//! One block of an update: its author, its kind, and the units that it refers to.
//!
//! Owns the [`Block`] and the reading of the header before an item's content.

use std::ops::Range;

use super::error::ScanError;
use crate::lib0::{DecodeError, Reader};
use crate::state_vector::{ClientId, Clock, read_clock};

/// First byte of a GC block.
pub(crate) const GC: u8 = 0;
/// First byte of a Skip block.
pub(crate) const SKIP: u8 = 10;

/// Bit of an item's first byte: an origin follows.
pub(crate) const HAS_ORIGIN: u8 = 0x80;
/// Bit of an item's first byte: a right origin follows.
pub(crate) const HAS_RIGHT_ORIGIN: u8 = 0x40;
/// Bit of an item's first byte: it has a key of a map, which follows unless it is inherited.
pub(crate) const HAS_KEY: u8 = 0x20;

/// One inserted unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Client that inserted it.
    pub client: ClientId,
    /// Position among the units that this client has inserted.
    pub clock: Clock,
}

/// The units from `start` to before `end` of one client; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// Client that inserted them.
    pub client: ClientId,
    /// Clock of the first unit.
    pub start: Clock,
    /// Clock behind the last unit.
    pub end: Clock,
}

/// Kind of an item's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Deleted content, of which only the length remains.
    Deleted,
    /// Values as JSON texts, which early versions of Yjs 13 wrote instead of [`Content::Any`].
    Json,
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

/// Kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Inserted content.
    Item(Content),
    /// Content that was inserted and deleted since, of which only the clocks remain.
    Gc,
    /// A hole: the sender does not have these clocks either.
    Skip,
}

/// Parent of an item, as the item states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// The root type of this name.
    Root(&'a str),
    /// The shared type that this unit is.
    Id(Id),
    /// The parent of its origin, or else of its right origin. (GC and Skip state no parent either.)
    Inherited,
}

/// One block of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Client that inserted it.
    pub client: ClientId,
    /// Its first clock.
    pub clock: Clock,
    /// Number of its clocks; never 0.
    pub len: Clock,
    /// Kind of block.
    pub kind: BlockKind,
    /// Unit to its left when it was inserted.
    pub origin: Option<Id>,
    /// Unit to its right when it was inserted.
    pub right_origin: Option<Id>,
    /// Parent, as the block states it.
    pub parent: Parent<'a>,
    /// Key under which a map holds it, if the block states one. (With [`Parent::Inherited`] the key
    /// is inherited as well.)
    pub key: Option<&'a str>,
    /// Range of its bytes in the update.
    pub span: Range<usize>,
}

impl Block<'_> {
    /// Returns the clock behind its last one.
    #[must_use]
    pub const fn end(&self) -> Clock {
        self.clock + self.len
    }

    /// Returns the units that it refers to: origin, right origin, parent.
    pub fn references(&self) -> impl Iterator<Item = Id> + use<> {
        references(self.origin, self.right_origin, self.parent)
    }
}

/// Fields between an item's first byte and its content.
#[derive(Clone)]
pub(crate) struct Header<'a> {
    pub(crate) origin: Option<Id>,
    pub(crate) right_origin: Option<Id>,
    pub(crate) parent: Parent<'a>,
    pub(crate) key: Option<&'a str>,
}

impl<'a> Header<'a> {
    pub(crate) const NONE: Self = Self {
        origin: None,
        right_origin: None,
        parent: Parent::Inherited,
        key: None,
    };

    pub(crate) fn read(reader: &mut Reader<'a>, info: u8) -> Result<Self, ScanError> {
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

    pub(super) fn references(&self) -> impl Iterator<Item = Id> + use<> {
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
