//! Parts of a whole document's update: what somebody lacks of it, and the whole in pieces.
//!
//! Owns the two cuts, which are made from the blocks' own bytes and need no document. [`since`] is what
//! Yjs answers to a state vector. [`pieces`] are updates of bounded size, each of which can be applied
//! when those before it are: for somebody who would wait too long for one message. Whoever applies them
//! sees in between what was deleted as deleted, since each piece says so of its own units.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use bytes::Bytes;

use crate::lib0::write_var_uint;
use crate::scan::{Id, IdRange, OpenBlock, Run, Scan, SplitPoint};
use crate::state_vector::{ClientId, Clock, StateVector};

/// What stands before a client's blocks in an update, at most.
const RUN_OVERHEAD: usize = 20;

/// What of the update lies behind `vector`, in pieces of at most about `most` bytes, of which each can be
/// applied when all before it are. (A single value that is larger makes a larger piece.) `None` if the
/// update itself cannot be applied as a whole by whoever has what `vector` says.
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
                let to = block.next_cut(from, room.max(1));
                writer.part(client, scan.clock(index), &block, (from, to));
                from = to;
            }
        }
    }
    // What is deleted of that which the other side has.
    let known = scan.deletes().iter().filter_map(|range| {
        let end = range.end.min(vector.get(range.client));
        (range.start < end).then_some(IdRange { end, ..*range })
    });
    let mut last = known.collect();
    writer.own_deletes(&deletes, &mut last);
    pieces.push(writer.finish(&last).into());
    Some(pieces)
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
            block.cut_at(known - scan.clock(first))
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
    starts: Vec<(usize, SplitPoint)>,
    /// For each run, its first block that was not admitted.
    next: Vec<usize>,
    /// For each run, the runs that wait for a clock of it, the nearest clock first.
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
        let (first, cut) = self.starts[run];
        if index == first {
            cut
        } else {
            SplitPoint::START
        }
    }

    /// The blocks of the runs in an order in which each comes after what it refers to. `None` if there
    /// is none.
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
                    // Of what is not in the update the other side has it, or asks for it.
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

/// Collects blocks of several clients, and writes an update of them.
#[derive(Default)]
struct Writer {
    runs: BTreeMap<ClientId, Written>,
    /// What it comes to, roughly.
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

    /// Adds what is deleted of its own units to `found`.
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

    /// The update, with what is deleted of its own units.
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

/// Ranges of one client may touch, and may stand in two places: first what the other side has.
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
