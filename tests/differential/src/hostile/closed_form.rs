//! The deletions of a history by the closed form, without integrating it as Yjs does.
//!
//! Of all units of one key of one type, all but the last in the order of YATA are deleted; so is
//! all that is in a deleted type, and all that refers to what claims clocks and nothing else. This
//! is slow and simple on purpose: an index is compared with it.

use std::collections::HashMap;

use super::world::{Block, Content, Id, Parent, Span, World};
use crate::knowledge::Knowledge;

/// The list that a block is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The sequence of a type, or the chain of one of its keys.
    In(Type, Option<u8>),
    /// Nowhere: it refers to what claims clocks and nothing else.
    Gone,
}

/// A type that blocks are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A root type.
    Root(u8),
    /// The type that this block holds.
    Of(Id),
}

impl Place {
    /// Returns true in a chain of values of one key.
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        matches!(self, Self::In(_, Some(_)))
    }
}

/// The places of all blocks, by their index: where Yjs puts them.
#[must_use]
pub fn places(world: &World) -> Vec<Place> {
    let mut places = Vec::with_capacity(world.blocks.len());
    for block in &world.blocks {
        let of = |id: Id| {
            world
                .block_of(id)
                .map_or(Place::Gone, |index| places[index])
        };
        places.push(place(world, block, of));
    }
    places
}

/// The place of one block, if those of the blocks that it refers to are known.
#[must_use]
pub fn place(world: &World, block: &Block, of: impl Fn(Id) -> Place) -> Place {
    if block.content.is_none() {
        return Place::Gone;
    }
    let [left, right] = [block.origin, block.right].map(|id| id.map(&of));
    match (left, right) {
        (Some(Place::Gone), _) | (_, Some(Place::Gone)) => Place::Gone,
        (Some(place), _) | (None, Some(place)) => place,
        (None, None) => match block.parent {
            Parent::Root(root, key) => Place::In(Type::Root(root), key),
            Parent::Inside(id, key) => {
                let holder = world.block_of(id).map(|index| world.blocks[index]);
                match holder.filter(Block::is_type) {
                    Some(holder) if of(id) != Place::Gone => Place::In(Type::Of(holder.id), key),
                    _ => Place::Gone,
                }
            }
            Parent::Inherited => Place::Gone,
        },
    }
}

/// The knowledge of a replica that took the whole history.
#[must_use]
pub fn knowledge(world: &World) -> Knowledge {
    let places = places(world);
    let chains = chains(world, &places);
    let winners: Vec<Id> = chains
        .values()
        .filter_map(|chain| chain.last())
        .map(|unit| unit.id)
        .collect();
    let clocks = (0..world.clients.len()).map(|index| (world.clients[index], world.clock(index)));
    let mut deleted: Vec<Id> = Vec::new();
    for (block, place) in world.blocks.iter().zip(&places) {
        let inside = match place {
            Place::In(Type::Of(holder), _) => deleted.contains(holder),
            Place::In(Type::Root(_), _) => false,
            Place::Gone => true,
        };
        let content = block.content == Some(Content::Deleted);
        for unit in (0..block.len).map(|offset| block.unit(offset)) {
            let lost = place.is_keyed() && !winners.contains(&unit);
            if inside || content || lost || is_listed(world, unit) {
                deleted.push(unit);
            }
        }
    }
    let ranges = deleted
        .iter()
        .map(|id| (world.clients[id.client], id.clock, id.clock + 1));
    Knowledge::new(clocks, ranges)
}

/// Returns true if the history deletes this unit by name.
fn is_listed(world: &World, id: Id) -> bool {
    let is_in =
        |span: &Span| span.client == id.client && span.start <= id.clock && id.clock < span.end;
    world.deletes.iter().any(is_in)
}

/// A unit in a chain.
#[derive(Clone, Copy)]
pub struct Unit {
    /// The unit.
    pub id: Id,
    /// The unit on its left when it was made.
    pub origin: Option<Id>,
    /// The unit on its right when it was made.
    pub right: Option<Id>,
}

/// The units of each key of each type, in their order.
pub type Chains = HashMap<Place, Vec<Unit>>;

/// The chains of values, each in the order of YATA.
pub fn chains(world: &World, places: &[Place]) -> Chains {
    let mut chains: Chains = HashMap::new();
    for (block, place) in world.blocks.iter().zip(places) {
        if !place.is_keyed() {
            continue;
        }
        let chain = chains.entry(*place).or_default();
        for offset in 0..block.len {
            let origin = match offset {
                0 => block.origin,
                _ => Some(block.unit(offset - 1)),
            };
            let id = block.unit(offset);
            let right = block.right;
            insert(world, chain, Unit { id, origin, right });
        }
    }
    chains
}

/// Inserts as YATA does.
fn insert(world: &World, chain: &mut Vec<Unit>, unit: Unit) {
    let at = |id: Option<Id>| id.and_then(|id| chain.iter().position(|other| other.id == id));
    let (left, right) = (at(unit.origin), at(unit.right));
    let mut place = left.map_or(0, |left| left + 1);
    let mut scanned = place;
    let mut conflicting_from = place;
    while scanned < chain.len() && Some(scanned) != right {
        let other = chain[scanned];
        if other.origin == unit.origin {
            let client = |unit: &Unit| world.clients[unit.id.client];
            if client(&other) < client(&unit) {
                place = scanned + 1;
                conflicting_from = place;
            } else if other.right == unit.right {
                break;
            }
        } else {
            let Some(origin) = at(other.origin) else {
                break;
            };
            let first = left.map_or(0, |left| left + 1);
            if origin < first || origin >= scanned {
                break;
            }
            if origin < conflicting_from {
                place = scanned + 1;
                conflicting_from = place;
            }
        }
        scanned += 1;
    }
    chain.insert(place, unit);
}
