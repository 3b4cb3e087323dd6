//! Partial updates: a document's update in pieces of bounded size.
//!
//! A client would wait too long for a large document in one message. [`pieces`] are updates, each
//! of which can be applied once those before it are. They are made of the blocks' own bytes and
//! need no document. Each piece lists the deletions of its own units, so that deleted content never
//! appears in between.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use bytes::Bytes;

use crate::lib0::write_var_uint;
use crate::scan::{Id, IdRange, OpenBlock, Run, Scan, SplitPoint};
use crate::state_vector::{ClientId, Clock, StateVector};

/// Most bytes before a client's blocks in an update.
const RUN_OVERHEAD: usize = 20;

/// Returns the part of an update that a client with this state vector lacks, in pieces of at most
/// about `most` bytes. Each can be applied when all before it are. A single value that is larger
/// makes a larger piece. `None` if such a client could not apply the whole update either.
pub(crate) fn pieces(scan: &Scan<'_>, vector: &StateVector, most: usize) -> Option<Vec<Bytes>> {
    let mut walk = Walk::new(scan, vector);
    let order = walk.run()?;
    let mut deletes: BTreeMap<ClientId, &[IdRange]> = BTreeMap::new();
    for ranges in scan.deletes().chunk_by(|a, b| a.client == b.client) {
        deletes.insert(ranges[0].client, ranges);
    }
    let mut pieces = Vec::new();
    let mut writer = Writer::default();
    for (run, blocks) in order {
        let client = scan.runs()[run].client;
        for index in blocks {
            let (size, from) = (scan.size(index), walk.start_of(run, index));
            if from == SplitPoint::START && size <= most.saturating_sub(writer.bytes) {
                writer.blocks(scan, client, index..index + 1);
                continue;
            }
            let block = scan.open(client, index);
            let (mut from, end) = (from, block.end());
            while from.units < end.units {
                let room = most.saturating_sub(writer.bytes);
                if size > room && writer.bytes > most / 2 {
                    pieces.push(std::mem::take(&mut writer).finish_own(&deletes).into());
                    continue;
                }
                let to = block.next_point(from, room.max(1));
                writer.part(client, scan.clock(index), &block, (from, to));
                from = to;
            }
        }
    }
    // Deletions of units that the client has.
    let known = scan.deletes().iter().filter_map(|range| {
        let end = range.end.min(vector.get(range.client));
        (range.start < end).then_some(IdRange { end, ..*range })
    });
    let mut last = known.collect();
    writer.own_deletes(&deletes, &mut last);
    pieces.push(writer.finish(&last).into());
    Some(pieces)
}

/// Returns, for each run, the first block that reaches behind the vector, and the place in it at
/// which that part begins.
fn starts(scan: &Scan<'_>, vector: &StateVector) -> Vec<(usize, SplitPoint)> {
    let start = |run: &Run| {
        let known = vector.get(run.client);
        let blocks = run.blocks();
        let first = scan.first_past(blocks.clone(), known);
        let inside = blocks.contains(&first) && scan.clock(first) < known;
        let place = if inside {
            let block = scan.open(run.client, first);
            block.point_at(known - scan.clock(first))
        } else {
            SplitPoint::START
        };
        (first, place)
    };
    scan.runs().iter().map(start).collect()
}

/// Walk over the blocks of an update in an order in which they can be applied.
struct Walk<'u, 's> {
    scan: &'s Scan<'u>,
    vector: &'s StateVector,
    starts: Vec<(usize, SplitPoint)>,
    /// For each run, its first block that has not been passed.
    next: Vec<usize>,
    /// For each run, the runs that wait for one of its clocks, the nearest clock first.
    waiting: Vec<BinaryHeap<Reverse<(Clock, usize)>>>,
}

impl<'u, 's> Walk<'u, 's> {
    fn new(scan: &'s Scan<'u>, vector: &'s StateVector) -> Self {
        let starts = starts(scan, vector);
        Self {
            scan,
            vector,
            next: starts.iter().map(|(first, _)| *first).collect(),
            waiting: starts.iter().map(|_| BinaryHeap::new()).collect(),
            starts,
        }
    }

    fn start_of(&self, run: usize, index: usize) -> SplitPoint {
        let (first, place) = self.starts[run];
        if index == first {
            place
        } else {
            SplitPoint::START
        }
    }

    /// Returns the blocks of the runs in an order in which each comes after the units that it
    /// refers to. `None` if there is no such order.
    fn run(&mut self) -> Option<Vec<(usize, Range<usize>)>> {
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
                    // The client has a unit that is not in the update, or will ask for it.
                    _ => {}
                }
            }
            self.next[run] = index + 1;
        }
    }

    /// Returns the run that brings this unit.
    fn run_of(&self, id: Id) -> Option<usize> {
        if id.clock < self.vector.get(id.client) {
            return None;
        }
        let runs = self.scan.runs();
        let run = runs.binary_search_by(|run| id.client.cmp(&run.client));
        run.ok().filter(|run| id.clock < self.scan.reaches(*run))
    }

    /// Returns the clock up to which a run has been passed.
    fn known(&self, run: usize) -> Clock {
        let next = self.next[run];
        if next > self.scan.runs()[run].blocks().start {
            self.scan.end(next - 1)
        } else {
            0
        }
    }
}

/// Writer of one update, which collects blocks of several clients.
#[derive(Default)]
struct Writer {
    runs: BTreeMap<ClientId, Written>,
    /// Approximate size of the update.
    bytes: usize,
}

struct Written {
    start: Clock,
    end: Clock,
    blocks: u64,
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds a part of a block that begins at `clock`, behind the blocks of its client so far.
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
    fn own_deletes(&self, deletes: &BTreeMap<ClientId, &[IdRange]>, found: &mut Vec<IdRange>) {
        for (client, run) in &self.runs {
            let ranges = deletes.get(client).copied().unwrap_or_default();
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

    /// Returns the update, with the deletions of its own units.
    fn finish_own(self, deletes: &BTreeMap<ClientId, &[IdRange]>) -> Vec<u8> {
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

/// Writes the deletions of an update. Ranges of one client may touch, and may stand in two places:
/// those of units that the client has come first.
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
