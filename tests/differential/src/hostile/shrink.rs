//! Makes a history that shows a difference smaller, as long as it still shows one of its kind.

use std::mem::discriminant;

use super::world::{Block, Id, Parent, World};
use super::{Difference, Outcome, orders};

/// Pairs of orders that a smaller history is tried in.
const ORDERS: u64 = 60;

/// The smallest history found, the seed of its orders, and its difference.
#[must_use]
pub fn shrink(
    world: World,
    seed: u64,
    difference: Difference,
    mut check: impl FnMut(&World, u64) -> Result<Outcome, Difference>,
) -> (World, u64, Difference) {
    let mut best = (world, seed, difference);
    'smaller: loop {
        for world in smaller(&best.0) {
            for seed in std::iter::once(best.1).chain(0..ORDERS) {
                if let Err(difference) = check(&world, seed)
                    && discriminant(&difference) == discriminant(&best.2)
                {
                    best = (world, seed, difference);
                    continue 'smaller;
                }
            }
        }
        return best;
    }
}

/// Shrinks, and writes the history and the deliveries of both orders for a person.
#[must_use]
pub fn report(
    world: World,
    seed: u64,
    difference: Difference,
    check: impl FnMut(&World, u64) -> Result<Outcome, Difference>,
) -> String {
    let (world, order, difference) = shrink(world, seed, difference, check);
    let mut text = format!("{difference:#?}\n{world:?}");
    for (name, updates) in ["one", "other"].iter().zip(orders(&world, order)) {
        text.push_str(&format!("\n{name} order:"));
        for update in updates {
            let hex = update.as_ref().iter().map(|byte| format!("{byte:02x}"));
            text.push_str(&format!("\n  {}", hex.collect::<String>()));
        }
    }
    text
}

fn smaller(world: &World) -> Vec<World> {
    let mut all = Vec::new();
    for index in 0..world.deletes.len() {
        let mut less = world.clone();
        less.deletes.remove(index);
        all.push(less);
    }
    for (index, block) in world.blocks.iter().enumerate().rev() {
        all.extend(without(world, index));
        let mut change = |change: &dyn Fn(&mut Block)| {
            let mut other = world.clone();
            change(&mut other.blocks[index]);
            if other != *world {
                all.push(other);
            }
        };
        if block.origin.is_some() {
            change(&|block| block.right = None);
        }
        if block.right.is_some() {
            change(&|block| block.origin = None);
        }
        if let Parent::Inside(_, key) | Parent::Root(1.., key) = block.parent {
            change(&|block| block.parent = Parent::Root(0, key));
        }
    }
    let used = |client: usize| world.blocks.iter().any(|block| block.id.client == client);
    if let Some(unused) = (0..world.clients.len()).find(|client| !used(*client)) {
        let mut less = world.clone();
        less.clients.remove(unused);
        let renumber = |id: &mut Id| id.client -= usize::from(id.client > unused);
        for block in &mut less.blocks {
            renumber(&mut block.id);
            renumber_references(block, renumber);
        }
        for span in &mut less.deletes {
            span.client -= usize::from(span.client > unused);
        }
        all.push(less);
    }
    all
}

/// The history without this block, or with one unit less of it, if nothing refers to that; the
/// later clocks of its client move down.
fn without(world: &World, index: usize) -> Option<World> {
    let block = world.blocks[index];
    let last = block.unit(block.len - 1);
    let refers = |other: &Block| other.references().any(|id| id == last);
    let deleted = world.deletes.iter().any(|span| {
        span.client == last.client && span.start <= last.clock && last.clock < span.end
    });
    if deleted || world.blocks.iter().any(refers) {
        return None;
    }
    let mut less = world.clone();
    let down = |id: &mut Id| {
        id.clock -= u32::from(id.client == last.client && id.clock > last.clock);
    };
    if block.len > 1 {
        less.blocks[index].len -= 1;
    } else {
        less.blocks.remove(index);
    }
    for block in &mut less.blocks {
        down(&mut block.id);
        renumber_references(block, down);
    }
    for span in &mut less.deletes {
        if span.client == last.client && span.start > last.clock {
            span.start -= 1;
            span.end -= 1;
        }
    }
    Some(less)
}

fn renumber_references(block: &mut Block, change: impl Fn(&mut Id)) {
    block.origin.as_mut().map(&change);
    block.right.as_mut().map(&change);
    if let Parent::Inside(id, _) = &mut block.parent {
        change(id);
    }
}
