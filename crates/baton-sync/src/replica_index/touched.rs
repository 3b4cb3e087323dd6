//! The root types that an update changes, and how much it adds to them.
//!
//! Both are found from the index and the scan alone, and only of what was admitted.

use std::collections::BTreeSet;

use super::Gain;
use super::applicability::Applicability;
use super::place::Place;
use crate::scan::{BlockKind, Content, IdRange};

/// The names of the root types in which something new is inserted or deleted.
pub(super) fn root_names(walk: &Applicability<'_, '_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for root in roots(walk) {
        if !names.contains(root) {
            names.insert(root.to_owned());
        }
    }
    names
}

/// The same, each as often as it is found.
fn roots<'s>(walk: &Applicability<'_, 's>) -> impl Iterator<Item = &'s str> {
    // A range that the update lists as one may be deleted in part, and reach over two root types.
    let deleted = walk
        .deletes()
        .flat_map(|range| walk.view().undeleted(range))
        .flat_map(|range| places_in(walk, range));
    let changed = walk.new_places().chain(deleted);
    changed.filter_map(|place| match place {
        Place::At { root, .. } if !walk.is_dead(place) => Some(root),
        _ => None,
    })
}

/// The places of units that are known or were admitted.
fn places_in<'s>(walk: &Applicability<'_, 's>, range: IdRange) -> Vec<Place<&'s str>> {
    let IdRange { client, start, end } = range;
    let mut places = walk.view().places_in(range);
    let scan = walk.scan();
    let inside = |index: &usize| scan.clock(*index) < end && start < scan.end(*index);
    let admitted = walk.admitted_of(client).filter(inside);
    places.extend(admitted.filter_map(|index| walk.place_of_block(index)));
    places
}

/// Returns how much the admitted part adds.
pub(super) fn gain(walk: &Applicability<'_, '_>) -> Gain {
    let scan = walk.scan();
    let mut gain = Gain::default();
    for (client, blocks) in walk.admitted() {
        for index in blocks {
            if let BlockKind::Item(content) = scan.block(client, index).kind
                && !matches!(content, Content::Deleted | Content::Format)
            {
                gain.inserted += i64::from(scan.end(index) - scan.clock(index));
            }
        }
    }
    for range in walk
        .deletes()
        .flat_map(|range| walk.view().undeleted(range))
    {
        let base = walk.base_clock(range.client);
        let own = base.clamp(range.start, range.end);
        gain.deleted += u64::from(own - range.start);
        gain.inserted -= i64::from(range.end - own);
    }
    gain
}
