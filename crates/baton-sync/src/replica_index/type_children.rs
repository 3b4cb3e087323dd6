//! The units inside each shared type, so that they can be deleted with it.
//!
//! Owns the way from a type to the units that were inserted in it. Runs of units are kept in one
//! list for all types, each with a link to the one that came before it in the same type.

use std::collections::BTreeMap;

use super::type_index::Container;
use crate::state_vector::Clock;

/// The units of one client, by number, that were inserted one after the other into one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inserted {
    pub(super) writer: u32,
    pub(super) start: Clock,
    pub(super) end: Clock,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    units: Inserted,
    /// The place of the one before, or [`FIRST`].
    before: u32,
}

const FIRST: u32 = u32::MAX;

/// For each type that is not deleted, the units in it.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeChildren {
    links: Vec<Link>,
    /// For each type the place of the newest link.
    newest: BTreeMap<Container, u32>,
}

impl TypeChildren {
    /// Adds units to a type.
    pub(super) fn add(&mut self, to: Container, units: Inserted) {
        let newest = self.newest.entry(to).or_insert(FIRST);
        if let Some(link) = self.links.get_mut(*newest as usize)
            && link.units.writer == units.writer
            && link.units.end == units.start
        {
            link.units.end = units.end;
            return;
        }
        let before = std::mem::replace(newest, self.links.len() as u32);
        self.links.push(Link { units, before });
    }

    /// Removes the types that are units of a client, by number, from `start` to before `end`. Calls
    /// `each` for every type, and `inside` for all units inside it.
    pub(super) fn take(
        &mut self,
        writer: u32,
        start: Clock,
        end: Clock,
        mut each: impl FnMut(Container),
        mut inside: impl FnMut(Inserted),
    ) {
        let types = Container::of_unit(writer, start)..Container::of_unit(writer, end);
        let found: Vec<(Container, u32)> = self
            .newest
            .range(types)
            .map(|(container, newest)| (*container, *newest))
            .collect();
        for (container, newest) in found {
            self.newest.remove(&container);
            each(container);
            let mut at = newest;
            while let Some(link) = self.links.get(at as usize) {
                inside(link.units);
                at = link.before;
            }
        }
    }

    pub(super) fn shrink(&mut self) {
        self.links.shrink_to_fit();
    }
}
