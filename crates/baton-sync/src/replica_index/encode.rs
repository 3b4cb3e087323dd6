//! Writes the admitted part of an update: from the blocks' own bytes, never from what they mean.

use std::collections::BTreeMap;
use std::ops::Range;

use super::applicability::Applicability;
use crate::lib0::write_var_uint;
use crate::scan::{IdRange, Scan};
use crate::state_vector::ClientId;

/// Largest number of clients whose blocks are given to yrs in one update. It recurses once for each
/// client that it finds used up, and looks through all that wait: 10,000 clients, each of which
/// refers to the next, overflow its stack (without optimization) or take it seconds.
pub(crate) const CLIENTS_AT_ONCE: usize = 256;

/// Returns the admitted part as an update of its own.
pub(crate) fn admitted_part(walk: &Applicability<'_, '_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(walk.scan().bytes().len());
    let runs = walk.admitted().filter(|(_, blocks)| !blocks.is_empty());
    write_blocks(walk.scan(), &mut out, &runs.collect::<Vec<_>>());
    write_deletes(walk, &mut out);
    out
}

/// Returns the admitted part of an update of many clients, as several updates of few clients each,
/// to be applied in this order.
pub(super) fn parts(walk: &Applicability<'_, '_>) -> Vec<Vec<u8>> {
    let scan = walk.scan();
    let mut parts = Vec::new();
    let mut part: BTreeMap<ClientId, Range<usize>> = BTreeMap::new();
    let close = |part: &mut BTreeMap<ClientId, Range<usize>>| {
        let mut out = Vec::new();
        let runs: Vec<_> = std::mem::take(part).into_iter().rev().collect();
        write_blocks(scan, &mut out, &runs);
        out
    };
    for (run, blocks) in walk.order() {
        let client = scan.runs()[run].client;
        if part.len() == CLIENTS_AT_ONCE || part.contains_key(&client) {
            let mut out = close(&mut part);
            write_var_uint(&mut out, 0);
            parts.push(out);
        }
        part.insert(client, blocks);
    }
    let mut last = close(&mut part);
    write_deletes(walk, &mut last);
    parts.push(last);
    parts
}

fn write_blocks(scan: &Scan<'_>, out: &mut Vec<u8>, runs: &[(ClientId, Range<usize>)]) {
    write_var_uint(out, runs.len() as u64);
    for (client, blocks) in runs {
        write_var_uint(out, blocks.len() as u64);
        write_var_uint(out, client.get());
        write_var_uint(out, u64::from(scan.clock(blocks.start)));
        out.extend_from_slice(scan.block_bytes(blocks.clone()));
    }
}

fn write_deletes(walk: &Applicability<'_, '_>, out: &mut Vec<u8>) {
    let deletes: Vec<IdRange> = walk.deletes().collect();
    let clients = || deletes.chunk_by(|a, b| a.client == b.client);
    write_var_uint(out, clients().count() as u64);
    for ranges in clients() {
        write_var_uint(out, ranges[0].client.get());
        write_var_uint(out, ranges.len() as u64);
        for range in ranges {
            write_var_uint(out, u64::from(range.start));
            write_var_uint(out, u64::from(range.end - range.start));
        }
    }
}
