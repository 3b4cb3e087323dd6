//! The values that were given to the keys of maps, and the one among them that is shown.
//!
//! Owns the *implied deletions* of keys. All values of one key of one type form a chain, ordered as
//! Yjs orders a sequence; only the last one is shown. Yjs and yrs delete every other one without
//! a word in any update (`Item.integrate` of Yjs 13.6, the two places that look at `parentSub`).
//!
//! # Closed form
//! A value has no right origin (see [`Refusal::ValueBefore`](super::Refusal::ValueBefore)). It
//! stands behind its origin, and behind the values with the same origin and a smaller client id,
//! each with all that follows from it. So the chain is a tree in depth-first order: the last value
//! is found from the first by going to the last child again and again. Of the tree only that path
//! is kept, since what is off the path never comes back to it. A new value becomes the last one if
//! its origin is on the path and its client id is larger than that of the next value on it.
//!
//! Several values of the same client with the same origin stand the newest first: the newer one
//! does not become the last.

use std::collections::BTreeMap;

use super::type_index::{ChainKey, Container};
use crate::state_vector::{ClientId, Clock};

/// A path of more runs than this gets an index.
const WALKED: usize = 16;

/// The units of one client from `start` to before `end`, each the origin of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The client's number.
    pub(super) writer: u32,
    pub(super) start: Clock,
    pub(super) end: Clock,
}

/// A value to be added to a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) units: Run,
    /// Its origin: a client's number and a clock.
    pub(super) origin: Option<(u32, Clock)>,
}

/// The chains of a document whose type is not deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct MapKeys {
    chains: BTreeMap<ChainKey, Chain>,
}

#[derive(Clone, Debug)]
enum Chain {
    /// The path is one run, whose units from `last` on came as one block.
    One {
        run: Run,
        last: Clock,
    },
    Path(Box<Path>),
}

#[derive(Clone, Debug)]
struct Path {
    /// Never empty.
    runs: Vec<Run>,
    /// The first unit of the last block.
    last: Clock,
    /// For each client by number the places of its runs, ascending; empty while there are few.
    places: BTreeMap<u32, Vec<u32>>,
}

impl MapKeys {
    /// Adds a value, and returns the units that are deleted by that: those of the value that was
    /// last so far, or of this one. `id` returns the client of a number.
    pub(super) fn add(
        &mut self,
        key: ChainKey,
        value: Value,
        id: impl Fn(u32) -> Option<ClientId>,
    ) -> Option<Run> {
        match self.chains.get_mut(&key) {
            Some(chain) => chain.add(value, id),
            // Its origin is not on any path.
            None if value.origin.is_some() => Some(value.units),
            None => {
                let (run, last) = (value.units, value.units.start);
                self.chains.insert(key, Chain::One { run, last });
                None
            }
        }
    }

    /// Forgets the chains of a type that was deleted.
    pub(super) fn forget(&mut self, of: Container) {
        let of_type = (of, 0)..=(of, u32::MAX);
        let keys: Vec<ChainKey> = self.chains.range(of_type).map(|(key, _)| *key).collect();
        for key in keys {
            self.chains.remove(&key);
        }
    }
}

impl Chain {
    fn add(&mut self, value: Value, id: impl Fn(u32) -> Option<ClientId>) -> Option<Run> {
        if let Self::One { run, last } = self {
            let at_end = value.origin == Some((run.writer, run.end - 1));
            if at_end && value.units.writer == run.writer && value.units.start == run.end {
                let lost = Run {
                    start: *last,
                    ..*run
                };
                (*last, run.end) = (value.units.start, value.units.end);
                return Some(lost);
            }
            let path = Path {
                runs: vec![*run],
                last: *last,
                places: BTreeMap::new(),
            };
            *self = Self::Path(Box::new(path));
        }
        match self {
            Self::Path(path) => path.add(value, id),
            Self::One { .. } => None,
        }
    }
}

impl Path {
    fn add(&mut self, value: Value, id: impl Fn(u32) -> Option<ClientId>) -> Option<Run> {
        let lost = self.runs.last().map(|run| Run {
            start: self.last.max(run.start),
            ..*run
        });
        let kept = match value.origin {
            None => Some((0, 0)),
            Some((writer, clock)) => self.find(writer, clock).map(|at| (at, clock + 1)),
        };
        // The runs before `at` stay, and of that one the units before `end`.
        let Some((at, end)) = kept else {
            return Some(value.units);
        };
        let inner = self
            .runs
            .get(at)
            .filter(|run| end > run.start && end < run.end);
        let next = match inner {
            Some(run) => Some(run.writer),
            None if value.origin.is_none() => self.runs.first().map(|run| run.writer),
            None => self.runs.get(at + 1).map(|run| run.writer),
        };
        if next.is_some_and(|next| id(value.units.writer) <= id(next)) {
            return Some(value.units);
        }
        let whole = if value.origin.is_none() { 0 } else { at + 1 };
        self.truncate(whole);
        if whole > 0
            && let Some(run) = self.runs.last_mut()
        {
            run.end = end;
        }
        self.push(value.units);
        lost
    }

    /// The place of the run that has the unit.
    fn find(&self, writer: u32, clock: Clock) -> Option<usize> {
        let has = |run: &Run| run.writer == writer && (run.start..run.end).contains(&clock);
        let end = self.runs.len();
        if self.runs.last().is_some_and(has) {
            return Some(end - 1);
        }
        if self.places.is_empty() {
            return self.runs.iter().rposition(has);
        }
        let places = self.places.get(&writer)?;
        let at = places.partition_point(|place| self.runs[*place as usize].start <= clock);
        let place = places[at.checked_sub(1)?] as usize;
        has(&self.runs[place]).then_some(place)
    }

    fn truncate(&mut self, len: usize) {
        while self.runs.len() > len {
            let Some(run) = self.runs.pop() else {
                return;
            };
            if let Some(places) = self.places.get_mut(&run.writer) {
                places.pop();
            }
        }
    }

    fn push(&mut self, run: Run) {
        self.last = run.start;
        if let Some(last) = self.runs.last_mut()
            && last.writer == run.writer
            && last.end == run.start
        {
            last.end = run.end;
            return;
        }
        self.runs.push(run);
        let place = self.runs.len() - 1;
        if !self.places.is_empty() {
            let places = self.places.entry(run.writer).or_default();
            places.push(place as u32);
        } else if place >= WALKED {
            for (place, run) in self.runs.iter().enumerate() {
                let places = self.places.entry(run.writer).or_default();
                places.push(place as u32);
            }
        }
    }
}
