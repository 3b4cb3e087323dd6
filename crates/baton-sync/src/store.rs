//! The blocks of a document as their authors sent them.
//!
//! Owns the bytes of every block, by client and in the order of clocks, and the places in them that
//! are marked so that a unit is found without reading all of them. Everything that a server stores
//! or sends of a document is copied from here: no value is ever decoded, so none is changed.
//!
//! # Form
//! The blocks of one client stand one behind the other: first those of the encoding that the document
//! was loaded from, which is shared and never copied, then those that came since. A mark stands at
//! about each kilobyte of blocks, or of the content of a large block. So a unit is found at the cost of
//! a search among the marks and of a kilobyte.
//!
//! # Joining
//! A block that goes on where the last one of its client ends is joined to it, as Yjs does
//! (`Item.mergeWith`): the same kind of content, its origin is the last unit, the same right origin,
//! no key. A block says of all its units but the first that the origin is the unit before, so the
//! joined block means exactly what the two did. A text that is typed letter by letter costs its
//! letters.

mod blocks;
mod raw_block;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use self::blocks::Blocks;
use crate::lib0::write_var_uint;
use crate::originals::Side;
use crate::scan::{Id, Scan};
use crate::state_vector::{ClientId, Clock, StateVector};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct BlockStore {
    /// The encoding that the blocks before each tail are in.
    base: Bytes,
    clients: BTreeMap<ClientId, Blocks>,
    /// Bytes of all blocks.
    bytes: usize,
}

impl BlockStore {
    /// Holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The blocks of a whole state, which are not copied. `scan` is of these bytes.
    pub(crate) fn load(everything: &Bytes, scan: &Scan<'_>) -> Self {
        let mut store = Self {
            base: everything.clone(),
            ..Self::default()
        };
        for run in scan.runs() {
            let blocks = Blocks::load(scan, run.client, run.blocks());
            store.bytes += blocks.len();
            store.clients.insert(run.client, blocks);
        }
        store
    }

    /// Bytes of all blocks.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds consecutive new blocks of one client. `may_join` says of a block, by its number in the
    /// update, that it is under no key.
    pub(crate) fn append(
        &mut self,
        scan: &Scan<'_>,
        client: ClientId,
        blocks: Range<usize>,
        may_join: impl Fn(usize) -> bool,
    ) {
        let stored = self.clients.entry(client).or_default();
        let before = stored.len();
        for index in blocks {
            stored.append(&self.base, scan, client, index, may_join(index));
        }
        self.bytes += stored.len() - before;
    }

    /// Adds what an update has beyond what is here, such as the next edit of a park.
    pub fn follow(&mut self, update: &Scan<'_>) {
        for run in update.runs() {
            let known = self.clients.get(&run.client).map_or(0, Blocks::end);
            let blocks = run.blocks();
            let first = update.first_past(blocks.clone(), known);
            if first < blocks.end && update.clock(first) >= known {
                self.append(update, run.client, first..blocks.end, |_| false);
            }
        }
    }

    /// Writes what an update says of blocks: all that lie behind `since`, clients descending.
    pub(crate) fn write_since(&self, since: &StateVector, out: &mut Vec<u8>) {
        let behind = |(client, blocks): &(&ClientId, &Blocks)| blocks.end() > since.get(**client);
        let clients = self.clients.iter().rev().filter(behind);
        write_var_uint(out, clients.clone().count() as u64);
        for (client, blocks) in clients {
            blocks.write_since(&self.base, *client, since.get(*client), out);
        }
    }

    /// Writes everything, as [`BlockStore::write_since`], and goes on with what was written: `seal`
    /// completes it and shares it.
    pub(crate) fn consolidate(&mut self, seal: impl FnOnce(Vec<u8>) -> Bytes) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes + 16 * self.clients.len() + 16);
        write_var_uint(&mut out, self.clients.len() as u64);
        let mut starts = Vec::with_capacity(self.clients.len());
        for (client, blocks) in self.clients.iter().rev() {
            blocks.write_since(&self.base, *client, 0, &mut out);
            starts.push(out.len() - blocks.len());
        }
        self.base = seal(out);
        for (blocks, start) in self.clients.values_mut().rev().zip(starts) {
            blocks.rebase(start);
        }
        self.base.clone()
    }

    /// Finds what is stored from this unit on.
    pub(crate) fn find(&self, id: Id) -> Option<Side<'_>> {
        let blocks = self.clients.get(&id.client)?;
        blocks.find(&self.base, id.client, id.clock)
    }

    /// The clock behind the last stored block of a client.
    #[must_use]
    pub fn end(&self, client: ClientId) -> Clock {
        self.clients.get(&client).map_or(0, Blocks::end)
    }
}
