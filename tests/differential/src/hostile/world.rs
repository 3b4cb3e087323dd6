//! Blocks of a hostile history, and the bytes of any part of it.

use std::fmt;

use baton_sync::lib0::{write_var_string, write_var_uint};

/// A unit of some client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The index of its client in [`World::clients`].
    pub client: usize,
    /// Its clock.
    pub clock: u32,
}

/// Units of one client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The index of the client.
    pub client: usize,
    /// The first clock.
    pub start: u32,
    /// The clock behind the last.
    pub end: u32,
}

/// The type that a block without origins names, and the key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// A root type by its number.
    Root(u8, Option<u8>),
    /// The type, or anything else, that this unit holds.
    Inside(Id, Option<u8>),
    /// None: the block is where its origin is, or its right origin.
    Inherited,
}

/// The content of a block. All of them but the first three are one unit long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, of one letter a unit.
    Text,
    /// Whole numbers, one a unit.
    Any,
    /// Content that its author deleted before sending it.
    Deleted,
    /// A map.
    Map,
    /// A text.
    TextType,
    /// Bytes.
    Binary,
    /// A formatting mark.
    Format,
}

/// One block. `content` is absent in a block that claims clocks and nothing else (GC).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its first unit.
    pub id: Id,
    /// Its units.
    pub len: u32,
    /// The unit on its left when it was made.
    pub origin: Option<Id>,
    /// The unit on its right when it was made.
    pub right: Option<Id>,
    /// Its place, if it has no origins.
    pub parent: Parent,
    /// Its content, or none.
    pub content: Option<Content>,
}

impl Block {
    /// Returns true if the unit is one of its own.
    #[must_use]
    pub const fn has(&self, id: Id) -> bool {
        let (first, len) = (self.id, self.len);
        first.client == id.client && first.clock <= id.clock && id.clock < first.clock + len
    }

    /// Returns true if it holds a type that other blocks can be in.
    #[must_use]
    pub const fn is_type(&self) -> bool {
        matches!(self.content, Some(Content::Map | Content::TextType))
    }

    /// The unit of the block at this offset.
    #[must_use]
    pub const fn unit(&self, offset: u32) -> Id {
        Id {
            client: self.id.client,
            clock: self.id.clock + offset,
        }
    }

    /// The units that it refers to.
    pub fn references(&self) -> impl Iterator<Item = Id> + use<> {
        let parent = match self.parent {
            Parent::Inside(id, _) => Some(id),
            _ => None,
        };
        [self.origin, self.right, parent].into_iter().flatten()
    }
}

/// A history: blocks in an order in which each comes after all that it refers to, and deletions.
#[derive(Clone, PartialEq, Eq)]
pub struct World {
    /// The ids of the clients, ascending.
    pub clients: Vec<u64>,
    /// The blocks. Those of one client follow each other without a gap.
    pub blocks: Vec<Block>,
    /// Deleted units.
    pub deletes: Vec<Span>,
}

impl World {
    /// The clock behind the last unit of a client.
    #[must_use]
    pub fn clock(&self, client: usize) -> u32 {
        let own = self.blocks.iter().rev();
        let last = own.clone().find(|block| block.id.client == client);
        last.map_or(0, |block| block.id.clock + block.len)
    }

    /// The index of the block that has this unit.
    #[must_use]
    pub fn block_of(&self, id: Id) -> Option<usize> {
        self.blocks.iter().position(|block| block.has(id))
    }

    /// Encodes units and deletions as one update v1: at most one span of blocks for a client, and
    /// blocks are cut where a span begins or ends, as Yjs cuts them.
    #[must_use]
    pub fn encode(&self, spans: &[Span], deletes: &[Span]) -> Vec<u8> {
        let mut spans: Vec<Span> = spans.to_vec();
        spans.sort_by_key(|span| std::cmp::Reverse(span.client));
        let mut out = Vec::with_capacity(64);
        write_var_uint(&mut out, spans.len() as u64);
        for span in spans {
            let own = self.blocks.iter().filter(|block| {
                block.id.client == span.client
                    && block.id.clock < span.end
                    && span.start < block.id.clock + block.len
            });
            write_var_uint(&mut out, own.clone().count() as u64);
            write_var_uint(&mut out, self.clients[span.client]);
            write_var_uint(&mut out, u64::from(span.start));
            for block in own {
                let from = span.start.saturating_sub(block.id.clock);
                let to = block.len.min(span.end - block.id.clock);
                self.write_block(&mut out, block, from, to);
            }
        }
        let mut deletes: Vec<Span> = deletes.to_vec();
        deletes.sort_by_key(|span| (span.client, span.start));
        let mut clients: Vec<usize> = deletes.iter().map(|span| span.client).collect();
        clients.dedup();
        write_var_uint(&mut out, clients.len() as u64);
        for client in clients {
            // Ranges of one update neither overlap nor touch.
            let mut ranges: Vec<(u32, u32)> = Vec::new();
            for span in deletes.iter().filter(|span| span.client == client) {
                match ranges.last_mut() {
                    Some(last) if span.start <= last.1 => last.1 = last.1.max(span.end),
                    _ => ranges.push((span.start, span.end)),
                }
            }
            write_var_uint(&mut out, self.clients[client]);
            write_var_uint(&mut out, ranges.len() as u64);
            for (start, end) in ranges {
                write_var_uint(&mut out, u64::from(start));
                write_var_uint(&mut out, u64::from(end - start));
            }
        }
        out
    }

    fn write_block(&self, out: &mut Vec<u8>, block: &Block, from: u32, to: u32) {
        let Some(content) = block.content else {
            out.push(0);
            return write_var_uint(out, u64::from(to - from));
        };
        let origin = match from {
            0 => block.origin,
            _ => Some(block.unit(from - 1)),
        };
        let inherited = origin.is_some() || block.right.is_some();
        let (root, inside, key) = match block.parent {
            Parent::Root(root, key) => (Some(root), None, key),
            Parent::Inside(id, key) => (None, Some(id), key),
            Parent::Inherited => (None, None, None),
        };
        let kind = match content {
            Content::Deleted => 1,
            Content::Binary => 3,
            Content::Text => 4,
            Content::Format => 6,
            Content::Map | Content::TextType => 7,
            Content::Any => 8,
        };
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(origin.is_some(), 0x80) | flag(block.right.is_some(), 0x40);
        out.push(kind | flags | flag(key.is_some(), 0x20));
        for id in [origin, block.right].into_iter().flatten() {
            self.write_id(out, id);
        }
        if !inherited {
            if let Some(root) = root {
                write_var_uint(out, 1);
                write_var_string(out, ["r", "s", "t"][usize::from(root) % 3]);
            } else if let Some(id) = inside {
                write_var_uint(out, 0);
                self.write_id(out, id);
            }
            if let Some(key) = key {
                write_var_string(out, ["k", "l", "m"][usize::from(key) % 3]);
            }
        }
        match content {
            Content::Deleted => write_var_uint(out, u64::from(to - from)),
            Content::Binary => out.extend([1, 9]),
            Content::Text => {
                let letters = (from..to).map(|at| char::from(b'a' + (at % 26) as u8));
                write_var_string(out, &letters.collect::<String>());
            }
            Content::Format => {
                write_var_string(out, "b");
                write_var_string(out, "true");
            }
            Content::Map => out.push(1),
            Content::TextType => out.push(2),
            Content::Any => {
                write_var_uint(out, u64::from(to - from));
                for at in from..to {
                    out.extend([125, (at % 64) as u8]);
                }
            }
        }
    }

    fn write_id(&self, out: &mut Vec<u8>, id: Id) {
        write_var_uint(out, self.clients[id.client]);
        write_var_uint(out, u64::from(id.clock));
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.client, self.clock)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}..{}", self.client, self.start, self.end)
    }
}

/// One line a block.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "clients {:?}", self.clients)?;
        for block in &self.blocks {
            write!(f, "{:?} x{} {:?}", block.id, block.len, block.content)?;
            if let Some(origin) = block.origin {
                write!(f, " after {origin:?}")?;
            }
            if let Some(right) = block.right {
                write!(f, " before {right:?}")?;
            }
            match block.parent {
                Parent::Inherited => writeln!(f)?,
                parent => writeln!(f, " in {parent:?}")?,
            }
        }
        write!(f, "deleted {:?}", self.deletes)
    }
}
