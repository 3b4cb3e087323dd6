//! An index with another over it, such as a document's with that of a park.
//!
//! Owns the questions that both answer together.

use super::ReplicaIndex;
use super::place::Place;
use crate::scan::{Id, IdRange};
use crate::state_vector::{ClientId, Clock};

/// An index, and perhaps another laid over it. A unit is known if either knows it.
#[derive(Clone, Copy)]
pub(super) struct Overlay<'s> {
    pub(super) base: &'s ReplicaIndex,
    pub(super) over: Option<&'s ReplicaIndex>,
}

impl<'s> Overlay<'s> {
    pub(super) const fn of(base: &'s ReplicaIndex) -> Self {
        Self { base, over: None }
    }

    pub(super) const fn with(self, over: &'s ReplicaIndex) -> Self {
        Self {
            over: Some(over),
            ..self
        }
    }

    pub(super) fn clock(self, client: ClientId) -> Clock {
        let over = self.over.map_or(0, |over| over.clock(client));
        self.base.clock(client).max(over)
    }

    /// Returns true if everything that `other` knows is known to either.
    pub(super) fn covers(self, other: &ReplicaIndex) -> bool {
        let mut clocks = other.clocks();
        clocks.all(|(client, clock)| clock <= self.clock(client))
            && other.deletes.iter().all(|range| self.is_deleted(&range))
    }

    /// The place of a unit below [`Overlay::clock`].
    pub(super) fn place(self, id: Id) -> Place<&'s str> {
        let base = if id.clock < self.base.clock(id.client) {
            self.base.place(id)
        } else {
            None
        };
        let over = || self.over.and_then(|over| over.place(id));
        base.or_else(over).unwrap_or(Place::Gone)
    }

    pub(super) fn deletes_nothing(self) -> bool {
        self.base.deletes.is_empty() && self.over.is_none_or(|over| over.deletes.is_empty())
    }

    pub(super) fn is_deleted(self, range: &IdRange) -> bool {
        self.end_of_deleted(range.client, range.start, range.end) >= range.end
    }

    /// The end of a deleted range that has the unit.
    pub(super) fn end_of_deleted_at(self, id: Id) -> Option<Clock> {
        let base = self.base.deletes.end_of_range_at(id.client, id.clock);
        let over = || self.over?.deletes.end_of_range_at(id.client, id.clock);
        base.or_else(over)
    }

    /// The start of the first deleted range behind the unit.
    pub(super) fn next_deleted(self, id: Id) -> Option<Clock> {
        let next = |state: &ReplicaIndex| state.deletes.start_of_range_after(id.client, id.clock);
        let over = self.over.and_then(next);
        [next(self.base), over].into_iter().flatten().min()
    }

    /// The first clock from `clock` on that is not deleted, or one at or past `end`.
    fn end_of_deleted(self, client: ClientId, mut clock: Clock, end: Clock) -> Clock {
        while clock < end {
            let base = self.base.deletes.end_of_range_at(client, clock);
            let over = || self.over?.deletes.end_of_range_at(client, clock);
            match base.or_else(over) {
                Some(past) => clock = past,
                None => break,
            }
        }
        clock
    }

    /// The places of units below [`Overlay::clock`].
    pub(super) fn places_in(self, range: IdRange) -> Vec<Place<&'s str>> {
        let IdRange { client, start, end } = range;
        let (mut from, mut places) = (start, Vec::new());
        // Of the units that both know, the base has the places.
        for index in [Some(self.base), self.over].into_iter().flatten() {
            let to = end.min(index.clock(client));
            if from < to {
                places.extend(index.places_in(client, from..to));
                from = to;
            }
        }
        places
    }

    /// The parts of a range that are not deleted yet.
    pub(super) fn undeleted(self, range: IdRange) -> impl Iterator<Item = IdRange> {
        let IdRange { client, start, end } = range;
        let mut clock = start;
        std::iter::from_fn(move || {
            let start = self.end_of_deleted(client, clock, end);
            if start >= end {
                return None;
            }
            let past = self.next_deleted(Id {
                client,
                clock: start,
            });
            clock = past.map_or(end, |past| past.min(end));
            Some(IdRange {
                client,
                start,
                end: clock,
            })
        })
    }
}
