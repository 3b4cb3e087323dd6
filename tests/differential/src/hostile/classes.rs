//! Classes of histories that are left out, each by its name.
//!
//! On all but the last, replicas of Yjs differ from each other by the order of delivery or by cuts,
//! so that no replica can agree with all of them. The tests show that for each class. No client
//! makes such blocks: Yjs and yrs give a value of a key one unit and no right origin.

use super::closed_form::{Place, Unit, chains, places};
use super::world::{Block, Content, Id, World};

/// One of those classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A value of a key that is several units long. If it arrives cut, its second part deletes the
    /// first. If it is split after it arrived, the first part stays, even if the type that has the
    /// key is deleted.
    KeyedSpan,
    /// A block's origins are in two lists, and one of them is the chain of a key. Its place in a
    /// chain depends on the order. If only the right one has a key, yrs takes that, and Yjs none.
    TornByKey,
    /// A value of a key whose right origin is not behind its origin.
    Backwards,
    /// A value of a key whose origin and right origin never were neighbours: the right origin's
    /// own origin is between them.
    CrossesOrigin,
    /// One of a block's origins is nowhere and the other is not. Yjs drops the block. yrs does as
    /// if it had only the other.
    GoneNeighbour,
}

/// The class of this history, if it has one.
#[must_use]
pub fn class(world: &World) -> Option<Class> {
    let places = places(world);
    let neighbours = |block: &Block| {
        let at = |id: Id| world.block_of(id).map(|index| places[index]);
        let left = block.origin.and_then(at);
        left.zip(block.right.and_then(at))
    };
    let blocks = world.blocks.iter();
    let keyed = blocks
        .zip(places.iter().copied())
        .filter(|(_, place)| place.is_keyed());
    let keyed: Vec<(&Block, Place)> = keyed.collect();
    let chains = chains(world, &places);
    let is_span = |(block, _): &(&Block, Place)| {
        block.len > 1 && !matches!(block.content, None | Some(Content::Deleted))
    };
    let is_torn = |block: &Block| {
        neighbours(block).is_some_and(|(left, right)| {
            let keyed = left.is_keyed() || right.is_keyed();
            left != right && keyed && left != Place::Gone && right != Place::Gone
        })
    };
    let is_beside_gone = |block: &Block| {
        neighbours(block)
            .is_some_and(|(left, right)| (left == Place::Gone) != (right == Place::Gone))
    };
    if world.blocks.iter().any(is_torn) {
        Some(Class::TornByKey)
    } else if keyed.iter().any(is_span) {
        Some(Class::KeyedSpan)
    } else if let Some(class) = keyed
        .iter()
        .find_map(|(block, place)| bounds(block, &chains[place]))
    {
        Some(class)
    } else if world.blocks.iter().any(is_beside_gone) {
        Some(Class::GoneNeighbour)
    } else {
        None
    }
}

/// The class of a block by its bounds in its chain.
fn bounds(block: &Block, chain: &[Unit]) -> Option<Class> {
    let at = |id: Id| chain.iter().position(|unit| unit.id == id);
    let left = block.origin.and_then(at);
    let right = match block.right {
        Some(id) => at(id),
        None => Some(chain.len()),
    };
    let right = right?;
    if left.is_some_and(|left| right <= left) {
        return Some(Class::Backwards);
    }
    let crossed = |id: Option<Id>| {
        id.and_then(at)
            .is_some_and(|at| Some(at) > left && at < right)
    };
    if crossed(chain.get(right).and_then(|unit| unit.origin)) {
        return Some(Class::CrossesOrigin);
    }
    None
}
