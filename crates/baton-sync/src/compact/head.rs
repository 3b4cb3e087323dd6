//! The part of an item before its content: its neighbours, parent and key.
//!
//! Owns the cutting, writing and measuring of heads.

use crate::lib0::{write_var_string, write_var_uint};
use crate::scan::{Block, HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Id, Parent};
use crate::state_vector::Clock;

/// The part of an item before its content.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) origin: Option<Id>,
    pub(super) right_origin: Option<Id>,
    parent: Parent<'a>,
    key: Option<&'a str>,
    /// [`HAS_KEY`] if the item has a key, also one that is inherited and not written.
    keyed: u8,
}

impl<'a> Head<'a> {
    /// The head of the part of the block that begins at `clock`.
    pub(super) fn of(block: &Block<'a>, info: u8, clock: Clock) -> Self {
        let (keyed, right_origin) = (info & HAS_KEY, block.right_origin);
        if clock == block.clock {
            return Self {
                origin: block.origin,
                right_origin,
                parent: block.parent,
                key: block.key,
                keyed,
            };
        }
        Self {
            origin: Some(Id {
                client: block.client,
                clock: clock - 1,
            }),
            right_origin,
            parent: Parent::Inherited,
            key: None,
            keyed,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, content: u8) {
        let origin = self.origin.map_or(0, |_| HAS_ORIGIN);
        let right_origin = self.right_origin.map_or(0, |_| HAS_RIGHT_ORIGIN);
        out.push(content | origin | right_origin | self.keyed);
        for id in [self.origin, self.right_origin].into_iter().flatten() {
            write_id(out, id);
        }
        match self.parent {
            Parent::Inherited => return,
            Parent::Id(id) => {
                out.push(0);
                write_id(out, id);
            }
            Parent::Root(name) => {
                out.push(1);
                write_var_string(out, name);
            }
        }
        if let Some(key) = self.key {
            write_var_string(out, key);
        }
    }
}

fn write_id(out: &mut Vec<u8>, id: Id) {
    write_var_uint(out, id.client.get());
    write_var_uint(out, u64::from(id.clock));
}

/// Bytes of the head of a part of the block that begins before `clock`, at most.
pub(super) fn size_of_cut(block: &Block<'_>, clock: Clock) -> usize {
    let client = block.client;
    1 + size_of_id(Id { client, clock }) + block.right_origin.map_or(0, size_of_id)
}

fn size_of_id(id: Id) -> usize {
    size_of(id.client.get()) + size_of(id.clock.into())
}

/// Bytes of an integer on the wire.
fn size_of(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize
}
