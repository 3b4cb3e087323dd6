//! An update of a whole document, cut into pieces.
//!
//! Owns the cuts. They are made from the blocks' own bytes, and each piece only when it is asked
//! for, so that the first one is on its way while the others are made. A piece can be applied when
//! those before it are. It lists the deletions of its own units, so that no client shows in between
//! what was deleted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use bytes::Bytes;

use crate::lib0::write_var_uint;
use crate::scan::{Id, IdRange, OpenBlock, OwnedScan, Run, Scan, SplitPoint};
use crate::state_vector::{ClientId, Clock, StateVector};

/// Largest size of what stands before a client's blocks in an update, in bytes.
const RUN_OVERHEAD: usize = 20;

/// Blocks of one run of an update: its number, and theirs.
pub(super) type BlocksOfRun = (usize, Range<usize>);

/// The pieces of an update that were not made yet.
pub(super) struct PieceCutter {
    update: OwnedScan,
    /// The units that the client has.
    vector: StateVector,
    /// Size of a piece, in bytes.
    most: usize,
    /// For each run, the first block that the client lacks, and the place in it from which on.
    starts: Vec<(usize, SplitPoint)>,
    /// The blocks in an order in which they can be applied, the next ones last.
    order: Vec<BlocksOfRun>,
    /// The place from which on the next block was not written yet.
    inside: Option<SplitPoint>,
    /// For each client, its ranges in the list of deletions.
    deletes: BTreeMap<ClientId, Range<usize>>,
    is_done: bool,
}

impl PieceCutter {
    /// Cuts what a client with this vector lacks of an update into pieces of at most about `most`
    /// bytes. A single value that is larger makes a larger piece. `None` if the update cannot be
    /// applied as a whole.
    pub(super) fn new(update: OwnedScan, vector: StateVector, most: usize) -> Option<Self> {
        let scan = update.as_scan();
        let starts = starts(&scan, &vector);
        let order = Walk::new(&scan, &vector, &starts).run()?;
        Some(Self::with_order(update, vector, starts, order, most))
    }

    /// Cuts a whole document, of which it is known in which order its blocks can be applied.
    pub(super) fn of_whole(update: OwnedScan, order: Vec<BlocksOfRun>, most: usize) -> Self {
        let vector = StateVector::new();
        let starts = starts(&update.as_scan(), &vector);
        Self::with_order(update, vector, starts, order, most)
    }

    fn with_order(
        update: OwnedScan,
        vector: StateVector,
        starts: Vec<(usize, SplitPoint)>,
        mut order: Vec<BlocksOfRun>,
        most: usize,
    ) -> Self {
        order.reverse();
        let mut deletes: BTreeMap<ClientId, Range<usize>> = BTreeMap::new();
        for (index, range) in update.as_scan().deletes().iter().enumerate() {
            let client = deletes.entry(range.client).or_insert(index..index);
            client.end = index + 1;
        }
        Self {
            update,
            vector,
            most,
            starts,
            order,
            inside: None,
            deletes,
            is_done: false,
        }
    }

    /// Returns true when the last piece was made.
    pub(super) const fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Iterator for PieceCutter {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return None;
        }
        let scan = self.update.as_scan();
        let deletes = Deletes {
            ranges: scan.deletes(),
            clients: &self.deletes,
        };
        let (most, mut writer) = (self.most, Writer::default());
        while let Some((run, blocks)) = self.order.last_mut() {
            let client = scan.runs()[*run].client;
            let Some(index) = blocks.next() else {
                self.order.pop();
                continue;
            };
            let (first, cut) = self.starts[*run];
            let start = if index == first {
                cut
            } else {
                SplitPoint::START
            };
            let mut from = self.inside.take().unwrap_or(start);
            let size = scan.size(index);
            if from == SplitPoint::START && size <= most.saturating_sub(writer.bytes) {
                writer.blocks(&scan, client, index..index + 1);
                continue;
            }
            let block = scan.open(client, index);
            let end = block.end();
            while from.units < end.units {
                let room = most.saturating_sub(writer.bytes);
                if size > room && writer.bytes > most / 2 {
                    blocks.start = index;
                    self.inside = Some(from);
                    return Some(writer.finish_own(deletes).into());
                }
                let to = block.next_point(from, room.max(1));
                writer.part(client, scan.clock(index), &block, (from, to));
                from = to;
            }
        }
        self.is_done = true;
        // The deletions of what the client has.
        let known = scan.deletes().iter().filter_map(|range| {
            let end = range.end.min(self.vector.get(range.client));
            (range.start < end).then_some(IdRange { end, ..*range })
        });
        let mut last = known.collect();
        writer.own_deletes(deletes, &mut last);
        Some(writer.finish(&last).into())
    }
}

/// For each run, the first block of which something lies behind the vector, and where in it.
fn starts(scan: &Scan<'_>, vector: &StateVector) -> Vec<(usize, SplitPoint)> {
    let start = |run: &Run| {
        let known = vector.get(run.client);
        let blocks = run.blocks();
        let first = scan.first_past(blocks.clone(), known);
        let inside = blocks.contains(&first) && scan.clock(first) < known;
        let cut = if inside {
            let block = scan.open(run.client, first);
            block.point_at(known - scan.clock(first))
        } else {
            SplitPoint::START
        };
        (first, cut)
    };
    scan.runs().iter().map(start).collect()
}

/// The order in which blocks can be applied.
struct Walk<'u, 's> {
    scan: &'s Scan<'u>,
    vector: &'s StateVector,
    /// For each run, its first block that was not admitted.
    next: Vec<usize>,
    /// For each run, the runs that wait for a clock of it, the nearest clock first.
    waiting: Vec<BinaryHeap<Reverse<(Clock, usize)>>>,
}

impl<'u, 's> Walk<'u, 's> {
    fn new(scan: &'s Scan<'u>, vector: &'s StateVector, starts: &[(usize, SplitPoint)]) -> Self {
        Self {
            scan,
            vector,
            next: starts.iter().map(|(first, _)| *first).collect(),
            waiting: starts.iter().map(|_| BinaryHeap::new()).collect(),
        }
    }

    /// The blocks of the runs in an order in which each comes after all that it refers to. `None`
    /// if there is none.
    fn run(&mut self) -> Option<Vec<BlocksOfRun>> {
        let mut order = Vec::new();
        let mut ready: Vec<usize> = (0..self.next.len()).collect();
        while let Some(run) = ready.pop() {
            let before = self.next[run];
            self.advance(run);
            if before < self.next[run] {
                order.push((run, before..self.next[run]));
            }
            let known = self.known(run);
            let waiting = &mut self.waiting[run];
            while waiting
                .peek()
                .is_some_and(|Reverse((wanted, _))| *wanted < known)
            {
                ready.extend(waiting.pop().map(|Reverse((_, waiter))| waiter));
            }
        }
        let runs = self.scan.runs().iter().zip(&self.next);
        let complete = runs
            .into_iter()
            .all(|(run, next)| *next == run.blocks().end);
        complete.then_some(order)
    }

    fn advance(&mut self, run: usize) {
        let (client, end) = {
            let run = &self.scan.runs()[run];
            (run.client, run.blocks().end)
        };
        while self.next[run] < end {
            let index = self.next[run];
            // A hole cannot be applied.
            if self.scan.is_skip(index) {
                return;
            }
            let block = self.scan.block(client, index);
            for id in block.references() {
                if id.client == client {
                    continue;
                }
                match self.run_of(id) {
                    Some(other) if self.known(other) <= id.clock => {
                        self.waiting[other].push(Reverse((id.clock, run)));
                        return;
                    }
                    // The client has units that are not in the update, or asks for them.
                    _ => {}
                }
            }
            self.next[run] = index + 1;
        }
    }

    /// The run that brings this unit.
    fn run_of(&self, id: Id) -> Option<usize> {
        if id.clock < self.vector.get(id.client) {
            return None;
        }
        let runs = self.scan.runs();
        let run = runs.binary_search_by(|run| id.client.cmp(&run.client));
        run.ok().filter(|run| id.clock < self.scan.reaches(*run))
    }

    /// The clock up to which a run was admitted.
    fn known(&self, run: usize) -> Clock {
        let next = self.next[run];
        if next > self.scan.runs()[run].blocks().start {
            self.scan.end(next - 1)
        } else {
            0
        }
    }
}

/// The deletions that an update lists, by client.
#[derive(Clone, Copy)]
struct Deletes<'a> {
    ranges: &'a [IdRange],
    clients: &'a BTreeMap<ClientId, Range<usize>>,
}

impl<'a> Deletes<'a> {
    fn of(self, client: ClientId) -> &'a [IdRange] {
        let ranges = self.clients.get(&client);
        ranges.map_or(&[], |ranges| &self.ranges[ranges.clone()])
    }
}

/// Collects blocks of several clients, and writes an update of them.
#[derive(Default)]
struct Writer {
    runs: BTreeMap<ClientId, Written>,
    /// Size of the update so far, roughly.
    bytes: usize,
}

struct Written {
    start: Clock,
    end: Clock,
    blocks: u64,
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds a part of a block that begins at `clock`, behind what was added of its client.
    fn part(
        &mut self,
        client: ClientId,
        clock: Clock,
        block: &OpenBlock<'_>,
        (from, to): (SplitPoint, SplitPoint),
    ) {
        let run = self.run(client, clock + from.units);
        let before = run.bytes.len();
        block.write(from, to, &mut run.bytes);
        run.blocks += 1;
        run.end = clock + to.units;
        self.bytes += self.runs[&client].bytes.len() - before;
    }

    /// Adds whole blocks.
    fn blocks(&mut self, scan: &Scan<'_>, client: ClientId, blocks: Range<usize>) {
        if blocks.is_empty() {
            return;
        }
        let run = self.run(client, scan.clock(blocks.start));
        run.blocks += blocks.len() as u64;
        run.end = scan.end(blocks.end - 1);
        let bytes = scan.block_bytes(blocks);
        run.bytes.extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    fn run(&mut self, client: ClientId, start: Clock) -> &mut Written {
        let bytes = &mut self.bytes;
        self.runs.entry(client).or_insert_with(|| {
            *bytes += RUN_OVERHEAD;
            Written {
                start,
                end: start,
                blocks: 0,
                bytes: Vec::new(),
            }
        })
    }

    /// Adds the deletions of its own units to `found`.
    fn own_deletes(&self, deletes: Deletes<'_>, found: &mut Vec<IdRange>) {
        for (client, run) in &self.runs {
            let ranges = deletes.of(*client);
            let from = ranges.partition_point(|range| range.end <= run.start);
            let inside = ranges[from..].iter();
            let inside = inside.take_while(|range| range.start < run.end);
            found.extend(inside.map(|range| IdRange {
                client: *client,
                start: range.start.max(run.start),
                end: range.end.min(run.end),
            }));
        }
    }

    /// The update, with the deletions of its own units.
    fn finish_own(self, deletes: Deletes<'_>) -> Vec<u8> {
        let mut own = Vec::new();
        self.own_deletes(deletes, &mut own);
        self.finish(&own)
    }

    fn finish(self, deletes: &[IdRange]) -> Vec<u8> {
        let size: usize = self.runs.values().map(|run| run.bytes.len()).sum();
        let mut out =
            Vec::with_capacity(size + RUN_OVERHEAD * (self.runs.len() + 1) + 10 * deletes.len());
        write_var_uint(&mut out, self.runs.len() as u64);
        for (client, run) in self.runs.into_iter().rev() {
            write_var_uint(&mut out, run.blocks);
            write_var_uint(&mut out, client.get());
            write_var_uint(&mut out, u64::from(run.start));
            out.extend_from_slice(&run.bytes);
        }
        write_deletes(deletes, &mut out);
        out
    }
}

/// Ranges of one client may touch, and may stand in two places: those that the client has first.
fn write_deletes(deletes: &[IdRange], out: &mut Vec<u8>) {
    let mut clients: BTreeMap<ClientId, Vec<(Clock, Clock)>> = BTreeMap::new();
    for range in deletes {
        let ranges = clients.entry(range.client).or_default();
        match ranges.last_mut() {
            Some(last) if last.1 == range.start => last.1 = range.end,
            _ => ranges.push((range.start, range.end)),
        }
    }
    write_var_uint(out, clients.len() as u64);
    for (client, ranges) in clients {
        write_var_uint(out, client.get());
        write_var_uint(out, ranges.len() as u64);
        for (start, end) in ranges {
            write_var_uint(out, u64::from(start));
            write_var_uint(out, u64::from(end - start));
        }
    }
}
