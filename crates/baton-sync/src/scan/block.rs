//! What a block says of itself: who inserted it, what it is, what it refers to.
//!
//! Owns the [`Block`] and the reading of what stands before an item's content.

use std::ops::Range;

use super::ScanError;
use crate::lib0::{DecodeError, Reader};
use crate::state_vector::{ClientId, Clock, read_clock};

pub(crate) const HAS_ORIGIN: u8 = 0x80;
pub(crate) const HAS_RIGHT_ORIGIN: u8 = 0x40;
pub(crate) const HAS_KEY: u8 = 0x20;

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

/// What stands between an item's first byte and its content.
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
