//! The part of an update that can be applied: block by block, each when all that it refers to is
//! there.
//!
//! Owns the walk over an update by which [`ReplicaIndex`](super::ReplicaIndex) judges it, cuts it
//! and learns from it. It changes no index.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::overlay::Overlay;
use super::place::Place;
use super::{Judgement, Refusal, placement};
use crate::delete_set::DeleteSet;
use crate::scan::{Block, Id, IdRange, Scan};
use crate::state_vector::{ClientId, Clock, StateVector};

/// The blocks of one client that could be admitted.
struct Progress {
    /// The first of its blocks that is new.
    first: usize,
    /// The first of its blocks that could not be admitted, or one past the last.
    next: usize,
    /// The clock up to which the client is known, with what was admitted.
    clock: Clock,
    /// The clients (by index) that wait for a clock of this one, the nearest clock first.
    waiting: BinaryHeap<Reverse<(Clock, usize)>>,
}

/// The outcome of the walk.
pub(crate) struct Applicability<'u, 's> {
    view: Overlay<'s>,
    scan: &'s Scan<'u>,
    progress: Vec<Progress>,
    places: Places<'s>,
    keyed: Vec<(u32, u32)>,
    /// The runs and their admitted blocks, each after all that it refers to; of an update of
    /// several runs.
    order: Vec<(usize, Range<usize>)>,
    /// The listed deletions, once they were asked for.
    listed: OnceCell<DeleteSet>,
    /// Clocks that are lacking.
    missing: StateVector,
    refusal: Option<Refusal>,
    astride: Option<Id>,
    /// Admits the rest of a block of which a part is known.
    takes_rests: bool,
}

/// For each new block that was admitted, its place. Neighbours mostly have the same.
struct Places<'s> {
    /// By block: the number of its place, from 1; 0 if it was not admitted.
    of: Vec<u32>,
    all: Vec<Place<&'s str>>,
}

impl<'s> Places<'s> {
    fn set(&mut self, index: usize, place: Place<&'s str>) {
        if self.all.last() != Some(&place) {
            self.all.push(place);
        }
        self.of[index] = self.all.len() as u32;
    }

    fn get(&self, index: usize) -> Option<Place<&'s str>> {
        let number = self.of.get(index)?.checked_sub(1)?;
        self.all.get(number as usize).copied()
    }
}

impl<'u, 's> Applicability<'u, 's> {
    /// Admits as many blocks as can be: the largest set that refers to nothing unknown.
    pub(super) fn new(view: Overlay<'s>, scan: &'s Scan<'u>) -> Self {
        Self::walk(view, scan, false)
    }

    /// The same, and of a block that is known in part the rest.
    pub(super) fn with_rests(view: Overlay<'s>, scan: &'s Scan<'u>) -> Self {
        Self::walk(view, scan, true)
    }

    fn walk(view: Overlay<'s>, scan: &'s Scan<'u>, takes_rests: bool) -> Self {
        let progress = scan.runs().iter().map(|run| {
            let blocks = run.blocks();
            let clock = view.clock(run.client);
            let waiting = BinaryHeap::new();
            Progress {
                first: blocks.start,
                next: blocks.start,
                clock,
                waiting,
            }
        });
        let mut walk = Self {
            view,
            scan,
            progress: progress.collect(),
            places: Places {
                of: vec![0; scan.indices()],
                all: Vec::new(),
            },
            keyed: Vec::new(),
            listed: OnceCell::new(),
            order: Vec::new(),
            missing: StateVector::new(),
            refusal: None,
            astride: None,
            takes_rests,
        };
        walk.run();
        walk
    }

    fn run(&mut self) {
        let scan = self.scan;
        let mut ready: Vec<usize> = (0..scan.runs().len()).collect();
        while let Some(run) = ready.pop() {
            let before = self.progress[run].next;
            if let Err(refusal) = self.advance(run) {
                self.refusal.get_or_insert(refusal);
            }
            let Progress {
                first,
                next,
                clock,
                waiting,
            } = &mut self.progress[run];
            let admitted = before.max(*first)..*next;
            if scan.runs().len() > 1 && !admitted.is_empty() {
                self.order.push((run, admitted));
            }
            while waiting
                .peek()
                .is_some_and(|Reverse((wanted, _))| *wanted < *clock)
            {
                ready.extend(waiting.pop().map(|Reverse((_, waiter))| waiter));
            }
        }
        for range in scan.deletes() {
            // Units that the update itself inserts come with their block, which has an obstacle of
            // its own.
            let own = self.run_of(range.client);
            let own = own.is_some_and(|run| range.end <= scan.reaches(run));
            if !own && self.known(range.client) < range.end {
                self.lack(range.client, range.end);
            }
        }
    }

    /// Admits blocks of one client until one must wait or cannot be admitted.
    fn advance(&mut self, run: usize) -> Result<(), Refusal> {
        let client = self.scan.runs()[run].client;
        let end = self.scan.runs()[run].blocks().end;
        while self.progress[run].next < end {
            let index = self.progress[run].next;
            let clock = self.progress[run].clock;
            let (start, past) = (self.scan.clock(index), self.scan.end(index));
            if past <= clock {
                self.progress[run].first = index + 1;
            } else if start > clock || self.scan.is_skip(index) {
                self.lack(client, if start > clock { start } else { past });
                return Ok(());
            } else if start < clock && !self.takes_rests {
                self.astride.get_or_insert(Id { client, clock });
                return Ok(());
            } else {
                let block = self.scan.block(client, index);
                if !self.has_references(run, &block) {
                    return Ok(());
                }
                let place = placement::place_of(self, &block)?;
                if place.is_keyed() {
                    placement::check_value(self, &block)?;
                    self.keyed.push((run as u32, index as u32));
                }
                self.places.set(index, place);
                self.progress[run].clock = past;
            }
            self.progress[run].next = index + 1;
        }
        Ok(())
    }

    /// Returns true if all that the block refers to is there. If not, its client waits for
    /// another's blocks in this update, or the clock that is lacking is noted.
    fn has_references(&mut self, run: usize, block: &Block<'_>) -> bool {
        let mut complete = true;
        for id in block.references() {
            if id.clock < self.known(id.client) {
                continue;
            }
            match self.run_of(id.client) {
                Some(other) if self.scan.reaches(other) > id.clock => {
                    self.progress[other].waiting.push(Reverse((id.clock, run)));
                    return false;
                }
                _ => self.lack(id.client, id.clock + 1),
            }
            complete = false;
        }
        complete
    }

    fn lack(&mut self, client: ClientId, clock: Clock) {
        self.missing.lower(client, clock);
    }

    pub(crate) fn judgement(&self) -> Judgement {
        let all_admitted = self
            .scan
            .runs()
            .iter()
            .zip(&self.progress)
            .all(|(run, progress)| progress.next == run.blocks().end);
        if let Some(refusal) = self.refusal {
            Judgement::Refused(refusal)
        } else if let Some(at) = self.astride {
            Judgement::Astride { at }
        } else if !self.missing.is_empty() {
            Judgement::Gap {
                missing: self.missing.clone(),
            }
        } else if !all_admitted {
            Judgement::Refused(Refusal::Circular)
        } else if self.adds_nothing() {
            Judgement::Known
        } else if self.scan.has_skip() {
            Judgement::Gap {
                missing: StateVector::new(),
            }
        } else {
            Judgement::Fits
        }
    }

    /// Returns true if nothing that was admitted is new.
    pub(crate) fn adds_nothing(&self) -> bool {
        self.admitted().all(|(_, blocks)| blocks.is_empty())
            && self.deletes().all(|range| self.view.is_deleted(&range))
    }

    /// For some clients, the clock at which more of the update can come: its judgement changes only
    /// when one of them is reached. Not empty unless all of it was admitted, a Skip is in the way,
    /// or it can never come.
    pub(crate) fn obstacles(&self) -> StateVector {
        let mut obstacles = self.missing.clone();
        if let Some(Id { client, clock }) = self.astride {
            obstacles.lower(client, clock + 1);
        }
        obstacles
    }

    /// The update.
    pub(crate) const fn scan(&self) -> &'s Scan<'u> {
        self.scan
    }

    /// The index, or the two of them, that the update is compared with.
    pub(super) const fn view(&self) -> Overlay<'s> {
        self.view
    }

    /// The blocks of each client that are known by their clocks, and up to which clock they are.
    pub(crate) fn known_blocks(&self) -> impl Iterator<Item = (ClientId, Range<usize>, Clock)> {
        self.scan.runs().iter().filter_map(|run| {
            let known = self.view.clock(run.client);
            let blocks = run.blocks();
            (self.scan.clock(blocks.start) < known).then_some((run.client, blocks, known))
        })
    }

    /// The end of the deleted range that has this unit, if it is deleted.
    pub(crate) fn end_of_deleted(&self, id: Id) -> Option<Clock> {
        self.view.end_of_deleted_at(id)
    }

    /// The start of the first deleted range behind this unit.
    pub(crate) fn next_deleted(&self, id: Id) -> Option<Clock> {
        self.view.next_deleted(id)
    }

    /// The clock up to which the base knows a client, without the index that is laid over it.
    pub(crate) fn base_clock(&self, client: ClientId) -> Clock {
        self.view.base.clock(client)
    }

    /// The new blocks of each client that were admitted; of some clients none.
    pub(super) fn admitted(&self) -> impl Iterator<Item = (ClientId, Range<usize>)> {
        let runs = self.scan.runs().iter().zip(&self.progress);
        runs.map(|(run, progress)| (run.client, progress.first..progress.next))
    }

    /// The runs and their admitted blocks, each after all that it refers to.
    pub(crate) fn order(&self) -> Vec<(usize, Range<usize>)> {
        match &*self.progress {
            [one] if one.first < one.next => vec![(0, one.first..one.next)],
            _ => self.order.clone(),
        }
    }

    /// The new blocks that have a key, in the order in which they were admitted: run and block.
    pub(super) fn keyed(&self) -> &[(u32, u32)] {
        &self.keyed
    }

    /// The deleted ranges, as far as the units are known or admitted.
    pub(super) fn deletes(&self) -> impl Iterator<Item = IdRange> {
        self.scan.deletes().iter().filter_map(|range| {
            let end = range.end.min(self.known(range.client));
            (range.start < end).then_some(IdRange { end, ..*range })
        })
    }

    /// Everything that the update lists as deleted.
    pub(super) fn listed(&self) -> &DeleteSet {
        self.listed.get_or_init(|| {
            let mut listed = DeleteSet::new();
            listed.extend(self.scan.deletes().iter().copied());
            listed
        })
    }

    /// The place of a block of the update that was admitted and was not known.
    pub(crate) fn place_of_block(&self, index: usize) -> Option<Place<&'s str>> {
        self.places.get(index)
    }

    /// Returns true if two such blocks have the same place.
    pub(super) fn are_beside(&self, one: usize, other: usize) -> bool {
        self.places.of[one] == self.places.of[other]
    }

    /// The places of all blocks that were admitted; some of them several times.
    pub(super) fn new_places(&self) -> impl Iterator<Item = Place<&'s str>> {
        self.places.all.iter().copied()
    }

    /// The place of a unit that is known or was admitted.
    pub(crate) fn place(&self, id: Id) -> Place<&'s str> {
        if id.clock < self.view.clock(id.client) {
            return self.view.place(id);
        }
        let admitted = self.run_of(id.client).and_then(|run| {
            let blocks = self.scan.runs()[run].blocks();
            self.places.get(self.scan.block_at(blocks, id.clock)?)
        });
        admitted.unwrap_or(Place::Gone)
    }

    /// Returns true if the place is in a type that was deleted before: then no client ever shows
    /// it. A compaction leaves of such a type only the clocks, and what comes late must be judged
    /// the same before it and after it; else a replayed log would not make the room that was.
    pub(super) fn is_dead(&self, place: Place<&str>) -> bool {
        if self.view.deletes_nothing() {
            return false;
        }
        let mut inside = place.inside();
        while let Some(id) = inside {
            let Id { client, clock } = id;
            let unit = IdRange {
                client,
                start: clock,
                end: clock + 1,
            };
            if self.view.is_deleted(&unit) {
                return true;
            }
            inside = self.place(id).inside();
        }
        false
    }

    /// The clock up to which a client is known, with what was admitted.
    pub(super) fn known(&self, client: ClientId) -> Clock {
        match self.run_of(client) {
            Some(run) => self.progress[run].clock,
            None => self.view.clock(client),
        }
    }

    /// The admitted blocks of a client.
    pub(super) fn admitted_of(&self, client: ClientId) -> Range<usize> {
        self.run_of(client).map_or(0..0, |run| {
            self.progress[run].first..self.progress[run].next
        })
    }

    fn run_of(&self, client: ClientId) -> Option<usize> {
        self.scan
            .runs()
            .binary_search_by(|run| client.cmp(&run.client))
            .ok()
    }
}
