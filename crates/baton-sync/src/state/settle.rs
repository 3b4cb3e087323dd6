//! How far an update can be applied: block by block, each when all that it refers to is there.
//!
//! Owns the walk that [`State`] judges by, cuts by and learns from. It changes no state.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use super::outline::{Holds, Place};
use super::view::View;
use super::{Gain, Judgement, Refusal, State, TYPE_DEPTH};
use crate::delete_set::DeleteSet;
use crate::scan::{Block, BlockKind, Content, Id, IdRange, Parent, Scan};
use crate::state_vector::{ClientId, Clock, StateVector};

/// How many clients' blocks are given to yrs in one update. Looking for the next block it recurses
/// once for each client that it finds used up, and looks through all that wait: 10,000 clients, each
/// of which refers to the next, overflow its stack (without optimization) or take it seconds.
pub(crate) const CLIENTS_AT_ONCE: usize = 256;

/// How far one client's blocks could be admitted.
pub(super) struct Progress {
    /// The first of its blocks that is new.
    pub(super) first: usize,
    /// The first of its blocks that could not be admitted, or one past the last.
    pub(super) next: usize,
    /// The clock up to which the client is known, with what was admitted.
    clock: Clock,
    /// The clients (by index) that wait for a clock of this one, the nearest clock first.
    waiting: BinaryHeap<Reverse<(Clock, usize)>>,
}

/// The outcome of the walk.
pub(crate) struct Settled<'u, 's> {
    view: View<'s>,
    pub(super) scan: &'s Scan<'u>,
    pub(super) progress: Vec<Progress>,
    places: Places<'s>,
    /// The new blocks that have a key, in the order in which they were admitted: run and block.
    keyed: Vec<(u32, u32)>,
    /// What the update deletes, once that was asked for.
    listed: OnceCell<DeleteSet>,
    /// The runs of blocks in the order in which they were admitted: each comes after all that it
    /// refers to. Kept only for an update of many clients.
    pub(super) order: Vec<(ClientId, Range<usize>)>,
    /// Clocks that are lacking.
    missing: StateVector,
    refusal: Option<Refusal>,
    astride: Option<Id>,
}

/// What a state learns from an update, without borrowing from either.
pub(crate) struct Lesson {
    pub(super) inserts: Vec<Insert>,
    /// The new blocks of each client.
    pub(crate) blocks: Vec<(ClientId, Range<usize>)>,
    /// The new blocks that have a key, each after its origin: run and block of the update.
    pub(super) keyed: Vec<(u32, u32)>,
    /// Blocks that are deleted without being listed.
    pub(super) gone: Vec<IdRange>,
    /// The listed deletions, if not all of them are learnt.
    pub(super) clipped: Option<Vec<IdRange>>,
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

    fn are_same(&self, one: usize, other: usize) -> bool {
        self.of[one] == self.of[other]
    }
}

/// A block that was inserted.
pub(super) struct Insert {
    pub(super) range: IdRange,
    pub(super) place: Place<Result<u32, Arc<str>>>,
}

impl<'u, 's> Settled<'u, 's> {
    /// Admits as many blocks as can be: the largest set that refers to nothing unknown.
    pub(super) fn new(view: View<'s>, scan: &'s Scan<'u>) -> Self {
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
        let mut settled = Self {
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
        };
        let mut ready: Vec<usize> = (0..scan.runs().len()).collect();
        let many = scan.runs().len() > CLIENTS_AT_ONCE;
        while let Some(run) = ready.pop() {
            let before = settled.progress[run].next;
            settled.advance(run);
            if many {
                let Progress { first, next, .. } = settled.progress[run];
                settled
                    .order
                    .push((scan.runs()[run].client, before.max(first)..next));
            }
            let Progress { clock, waiting, .. } = &mut settled.progress[run];
            while waiting
                .peek()
                .is_some_and(|Reverse((wanted, _))| wanted < clock)
            {
                ready.extend(waiting.pop().map(|Reverse((_, waiter))| waiter));
            }
        }
        for range in scan.deletes() {
            // Units that the update itself inserts come with their block, which has an obstacle of its own.
            let own = settled.run_of(range.client);
            let own = own.is_some_and(|run| range.end <= scan.reaches(run));
            if !own && settled.known(range.client) < range.end {
                settled.lack(range.client, range.end);
            }
        }
        settled
    }

    /// For some clients, the clock at which more of the update can come: something changes for it only
    /// when one of them is reached. Not empty unless all of it was admitted, a Skip is in the way, or
    /// it can never come.
    pub(crate) fn obstacles(&self) -> StateVector {
        let mut obstacles = self.missing.clone();
        if let Some(Id { client, clock }) = self.astride {
            obstacles.lower(client, clock + 1);
        }
        obstacles
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

    /// Up to which clock the base knows a client, without what is laid over it.
    pub(crate) fn base_clock(&self, client: ClientId) -> Clock {
        self.view.base.vector.get(client)
    }

    fn lack(&mut self, client: ClientId, clock: Clock) {
        self.missing.lower(client, clock);
    }

    /// The update.
    pub(crate) const fn scan(&self) -> &'s Scan<'u> {
        self.scan
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

    /// Whether nothing that was admitted is new.
    pub(crate) fn adds_nothing(&self) -> bool {
        self.progress
            .iter()
            .all(|progress| progress.first == progress.next)
            && self.deletes().all(|range| self.view.is_deleted(&range))
    }

    /// The names of the root types in which something new is inserted or deleted.
    pub(super) fn roots(&self) -> impl Iterator<Item = &'s str> {
        let inserted = self.places.all.iter().copied();
        // What one update lists as one range may be deleted in part, and reach over two root types.
        let deleted = self
            .deletes()
            .flat_map(|range| self.view.undeleted(range))
            .flat_map(|range| self.places_in(range));
        inserted.chain(deleted).filter_map(|place| match place {
            Place::At { root, .. } if !self.is_dead(place) => Some(root),
            _ => None,
        })
    }

    /// Whether it is in a type that was deleted before: then nobody ever sees it. A compaction
    /// leaves of such a type only the clocks, and what comes late must be judged the same before it
    /// and after it; else a replayed log would not make the room that was.
    fn is_dead(&self, place: Place<&str>) -> bool {
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

    /// How much the admitted part adds.
    pub(super) fn gain(&self) -> Gain {
        let mut gain = Gain::default();
        for (run, progress) in self.scan.runs().iter().zip(&self.progress) {
            for index in progress.first..progress.next {
                if let BlockKind::Item(content) = self.scan.block(run.client, index).kind
                    && !matches!(content, Content::Deleted | Content::Format)
                {
                    gain.inserted += i64::from(self.scan.end(index) - self.scan.clock(index));
                }
            }
        }
        for range in self.deletes().flat_map(|range| self.view.undeleted(range)) {
            let base = self.view.base.vector.get(range.client);
            let own = base.clamp(range.start, range.end);
            gain.deleted += u64::from(own - range.start);
            gain.inserted -= i64::from(range.end - own);
        }
        gain
    }

    /// What `state` learns from the admitted part.
    pub(crate) fn lesson(&self, state: &State) -> Lesson {
        let mut inserts: Vec<Insert> = Vec::new();
        // All of them if all was admitted: then they need no copy.
        let clipped = self.scan.deletes().iter();
        let clipped = clipped
            .clone()
            .any(|range| range.end > self.known(range.client));
        let clipped = clipped.then(|| self.deletes().collect());
        let mut gone: Vec<IdRange> = Vec::new();
        for (run, progress) in self.scan.runs().iter().zip(&self.progress) {
            for index in progress.first..progress.next {
                let Some(place) = self.places.get(index) else {
                    continue;
                };
                let client = run.client;
                let range = IdRange {
                    client,
                    start: self.scan.clock(index),
                    end: self.scan.end(index),
                };
                let is_gone = matches!(
                    place,
                    Place::Gone
                        | Place::At {
                            holds: Holds::Deleted,
                            ..
                        }
                );
                let goes_on =
                    |last: &&mut IdRange| last.client == client && last.end == range.start;
                if is_gone || self.is_dead(place) {
                    match gone.last_mut().filter(goes_on) {
                        Some(last) => last.end = range.end,
                        None => gone.push(range),
                    }
                }
                if index > progress.first && self.places.are_same(index - 1, index) {
                    if let Some(last) = inserts.last_mut() {
                        last.range.end = range.end;
                    }
                    continue;
                }
                let place = place.map_names(|name| state.outline.lookup(name));
                inserts.push(Insert { range, place });
            }
        }
        let runs = self.scan.runs().iter().zip(&self.progress);
        let blocks = runs.map(|(run, progress)| (run.client, progress.first..progress.next));
        Lesson {
            inserts,
            blocks: blocks.filter(|(_, blocks)| !blocks.is_empty()).collect(),
            keyed: self.keyed.clone(),
            gone,
            clipped,
        }
    }

    /// The deleted ranges, as far as what they delete is known or admitted.
    pub(super) fn deletes(&self) -> impl Iterator<Item = IdRange> {
        self.scan.deletes().iter().filter_map(|range| {
            let end = range.end.min(self.known(range.client));
            (range.start < end).then_some(IdRange { end, ..*range })
        })
    }

    /// Admits blocks of one client until one must wait or cannot be admitted.
    fn advance(&mut self, run: usize) {
        let client = self.scan.runs()[run].client;
        let end = self.scan.runs()[run].blocks().end;
        while self.progress[run].next < end {
            let index = self.progress[run].next;
            let clock = self.progress[run].clock;
            let (start, past) = (self.scan.clock(index), self.scan.end(index));
            if past <= clock {
                self.progress[run].first = index + 1;
            } else if start > clock || self.scan.is_skip(index) {
                let lacking = if start > clock { start } else { past };
                return self.lack(client, lacking);
            } else if start < clock {
                self.astride.get_or_insert(Id { client, clock });
                return;
            } else {
                let block = self.scan.block(client, index);
                if !self.has_references(run, &block) {
                    return;
                }
                match self.place_of(&block) {
                    Ok(place) => {
                        if place.is_keyed() {
                            if let Err(refusal) = self.check_value(&block) {
                                self.refusal.get_or_insert(refusal);
                                return;
                            }
                            self.keyed.push((run as u32, index as u32));
                        }
                        self.places.set(index, place);
                    }
                    Err(refusal) => {
                        self.refusal.get_or_insert(refusal);
                        return;
                    }
                }
                self.progress[run].clock = past;
            }
            self.progress[run].next = index + 1;
        }
    }

    /// What the update says that it deletes.
    fn listed(&self) -> &DeleteSet {
        self.listed.get_or_init(|| {
            let mut listed = DeleteSet::new();
            listed.extend(self.scan.deletes().iter().copied());
            listed
        })
    }

    /// Tells whether nothing can be seen of what is in this place, after this update.
    fn goes(&self, place: Place<&str>) -> bool {
        if place == Place::Gone || self.is_dead(place) {
            return true;
        }
        let mut inside = place.inside();
        while let Some(id) = inside {
            if self.listed().contains(id.client, id.clock, 1) {
                return true;
            }
            inside = self.place(id).inside();
        }
        false
    }

    /// Checks that a block may stand under a key: one unit, or several that are all deleted, which
    /// Yjs joins.
    fn check_value(&self, block: &Block<'_>) -> Result<(), Refusal> {
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
        let is_listed = self.listed().contains(client, clock, block.len);
        if is_listed || self.view.is_deleted(&range) {
            Ok(())
        } else {
            Err(Refusal::LongValue { at })
        }
    }

    /// Whether all that the block refers to is there. If not, its client waits for another's
    /// blocks in this update, or what is lacking is noted.
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

    /// The place of a block: in its parent, or where its origin is, or its right origin.
    fn place_of(&self, block: &Block<'u>) -> Result<Place<&'s str>, Refusal>
    where
        'u: 's,
    {
        let BlockKind::Item(content) = block.kind else {
            return Ok(Place::Gone);
        };
        let new = match content {
            Content::Type => Holds::Type,
            Content::Deleted => Holds::Deleted,
            _ => Holds::Value,
        };
        let Block { client, clock, .. } = *block;
        let at = Id { client, clock };
        match block.parent {
            Parent::Root(name) => Ok(Place::At {
                root: name,
                depth: 0,
                inside: None,
                key: block.key,
                holds: new,
            }),
            Parent::Id(parent) => match self.place(parent) {
                Place::At {
                    root, depth, holds, ..
                } => match holds {
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
                },
                Place::Gone => Ok(Place::Gone),
            },
            Parent::Inherited => {
                let neighbours = [block.origin, block.right_origin];
                let [left, right] = neighbours.map(|id| id.map(|id| self.place(id)));
                let Some(beside) = left.or(right) else {
                    return Ok(Place::Gone);
                };
                // Yjs makes garbage of what stands beside garbage (`Item.getMissing`).
                if left
                    .into_iter()
                    .chain(right)
                    .any(|place| place == Place::Gone)
                {
                    let mut others = left.into_iter().chain(right);
                    if others.all(|place| self.goes(place)) {
                        return Ok(Place::Gone);
                    }
                    return Err(Refusal::Torn { at });
                }
                if right.is_some_and(|right| !beside.is_beside(&right)) {
                    return Err(Refusal::Torn { at });
                }
                Ok(match beside {
                    Place::At {
                        root,
                        depth,
                        inside,
                        key,
                        ..
                    } => Place::At {
                        root,
                        depth,
                        inside,
                        key,
                        holds: new,
                    },
                    Place::Gone => Place::Gone,
                })
            }
        }
    }

    /// The place of a block of the update that was admitted and was not known.
    pub(crate) fn place_of_block(&self, index: usize) -> Option<Place<&'s str>> {
        self.places.get(index)
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

    fn places_in(&self, range: IdRange) -> Vec<Place<&'s str>> {
        let IdRange { client, start, end } = range;
        let states = [Some(self.view.base), self.view.over];
        let mut places: Vec<_> = states
            .into_iter()
            .flatten()
            .filter(|state| start < state.vector.get(client))
            .flat_map(|state| {
                state
                    .outline
                    .places(client, start, end.min(state.vector.get(client)))
            })
            .collect();
        if let Some(run) = self.run_of(client) {
            let blocks = self.progress[run].first..self.progress[run].next;
            let inside =
                |index: &usize| self.scan.clock(*index) < end && start < self.scan.end(*index);
            places.extend(
                blocks
                    .filter(inside)
                    .filter_map(|index| self.places.get(index)),
            );
        }
        places
    }

    /// The clock up to which a client is known, with what was admitted.
    fn known(&self, client: ClientId) -> Clock {
        match self.run_of(client) {
            Some(run) => self.progress[run].clock,
            None => self.view.clock(client),
        }
    }

    fn run_of(&self, client: ClientId) -> Option<usize> {
        self.scan
            .runs()
            .binary_search_by(|run| client.cmp(&run.client))
            .ok()
    }
}
