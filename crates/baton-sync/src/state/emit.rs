//! Writing an update, or a part of one, again: from the blocks' own bytes, never from what they mean.

use std::collections::BTreeMap;
use std::ops::Range;

use super::settle::{CLIENTS_AT_ONCE, Settled};
use crate::lib0::write_var_uint;
use crate::scan::IdRange;
use crate::state_vector::ClientId;

impl Settled<'_, '_> {
    /// The admitted part as an update of its own, from the blocks' own bytes.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.scan.bytes().len());
        let runs = self.scan.runs().iter().zip(&self.progress);
        let runs = runs.map(|(run, progress)| (run.client, progress.first..progress.next));
        let runs: Vec<_> = runs.filter(|(_, blocks)| !blocks.is_empty()).collect();
        self.write_blocks(&mut out, &runs);
        self.write_deletes(&mut out);
        out
    }

    /// The admitted part of an update of many clients, as several updates of few clients each, to
    /// be applied in this order.
    pub(super) fn parts(&self) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut part: BTreeMap<ClientId, Range<usize>> = BTreeMap::new();
        let close = |part: &mut BTreeMap<ClientId, Range<usize>>| {
            let mut out = Vec::new();
            let runs: Vec<_> = std::mem::take(part).into_iter().rev().collect();
            self.write_blocks(&mut out, &runs);
            out
        };
        for (client, blocks) in &self.order {
            if blocks.is_empty() {
                continue;
            }
            if part.len() == CLIENTS_AT_ONCE || part.contains_key(client) {
                let mut out = close(&mut part);
                write_var_uint(&mut out, 0);
                parts.push(out);
            }
            part.insert(*client, blocks.clone());
        }
        let mut last = close(&mut part);
        self.write_deletes(&mut last);
        parts.push(last);
        parts
    }

    fn write_blocks(&self, out: &mut Vec<u8>, runs: &[(ClientId, Range<usize>)]) {
        write_var_uint(out, runs.len() as u64);
        for (client, blocks) in runs {
            write_var_uint(out, blocks.len() as u64);
            write_var_uint(out, client.get());
            write_var_uint(out, u64::from(self.scan.clock(blocks.start)));
            out.extend_from_slice(self.scan.block_bytes(blocks.clone()));
        }
    }

    fn write_deletes(&self, out: &mut Vec<u8>) {
        let deletes: Vec<IdRange> = self.deletes().collect();
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
}
