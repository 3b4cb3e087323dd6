//! The place that a new block gets, and the rules that it may break.
//!
//! Owns these rules. A block goes into the parent that it names, or where its origin is, or else
//! its right origin.

use super::applicability::Applicability;
use super::place::{Holds, Place};
use super::{Refusal, TYPE_DEPTH};
use crate::scan::{Block, BlockKind, Content, Id, IdRange, Parent};

/// Returns the place of a block of which everything that it refers to is there.
///
/// # Errors
/// The rule that the block breaks.
pub(super) fn place_of<'u: 's, 's>(
    walk: &Applicability<'u, 's>,
    block: &Block<'u>,
) -> Result<Place<&'s str>, Refusal> {
    let BlockKind::Item(content) = block.kind else {
        return Ok(Place::Gone);
    };
    let new = match content {
        Content::Type => Holds::Type,
        Content::Deleted => Holds::Deleted,
        _ => Holds::Value,
    };
    match block.parent {
        Parent::Root(name) => Ok(Place::At {
            root: name,
            depth: 0,
            inside: None,
            key: block.key,
            holds: new,
        }),
        Parent::Id(parent) => inside(walk, block, parent, new),
        Parent::Inherited => beside(walk, block, new),
    }
}

/// The place of a block that names the type that it is in.
fn inside<'u: 's, 's>(
    walk: &Applicability<'u, 's>,
    block: &Block<'u>,
    parent: Id,
    new: Holds,
) -> Result<Place<&'s str>, Refusal> {
    let Place::At {
        root, depth, holds, ..
    } = walk.place(parent)
    else {
        return Ok(Place::Gone);
    };
    match holds {
        Holds::Type if depth < TYPE_DEPTH => Ok(Place::At {
            root,
            depth: depth + 1,
            inside: Some(parent),
            key: block.key,
            holds: new,
        }),
        Holds::Type => Err(Refusal::TooDeep),
        Holds::Value => Err(Refusal::ParentIsNoType { parent }),
        Holds::Deleted => Ok(Place::Gone),
    }
}

/// The place of a block that names only its neighbours.
fn beside<'s>(
    walk: &Applicability<'_, 's>,
    block: &Block<'_>,
    new: Holds,
) -> Result<Place<&'s str>, Refusal> {
    let Block { client, clock, .. } = *block;
    let torn = Refusal::Torn {
        at: Id { client, clock },
    };
    let neighbours = [block.origin, block.right_origin];
    let [left, right] = neighbours.map(|id| id.map(|id| walk.place(id)));
    let Some(neighbour) = left.or(right) else {
        return Ok(Place::Gone);
    };
    let mut both = left.into_iter().chain(right);
    // Yjs makes garbage of what stands beside garbage (`Item.getMissing`).
    if both.clone().any(|place| place == Place::Gone) {
        let is_garbage = both.all(|place| is_invisible(walk, place));
        return if is_garbage {
            Ok(Place::Gone)
        } else {
            Err(torn)
        };
    }
    if right.is_some_and(|right| !neighbour.is_beside(&right)) {
        return Err(torn);
    }
    Ok(neighbour.with_holds(new))
}

/// Returns true if no client shows anything in this place after the update.
fn is_invisible(walk: &Applicability<'_, '_>, place: Place<&str>) -> bool {
    if place == Place::Gone || walk.is_dead(place) {
        return true;
    }
    let mut inside = place.inside();
    while let Some(id) = inside {
        if walk.listed().contains(id.client, id.clock, 1) {
            return true;
        }
        inside = walk.place(id).inside();
    }
    false
}

/// Checks that a block may stand under a key: one unit, or several that are all deleted, which
/// Yjs joins.
///
/// # Errors
/// The rule that the block breaks.
pub(super) fn check_value(walk: &Applicability<'_, '_>, block: &Block<'_>) -> Result<(), Refusal> {
    let Block { client, clock, .. } = *block;
    let at = Id { client, clock };
    if block.right_origin.is_some() {
        return Err(Refusal::ValueBefore { at });
    }
    if block.len == 1 || block.kind == BlockKind::Item(Content::Deleted) {
        return Ok(());
    }
    let range = IdRange {
        client,
        start: clock,
        end: block.end(),
    };
    let is_listed = walk.listed().contains(client, clock, block.len);
    if is_listed || walk.view().is_deleted(&range) {
        Ok(())
    } else {
        Err(Refusal::LongValue { at })
    }
}
