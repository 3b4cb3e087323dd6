//! The blocks of a document as their authors sent them.
//!
//! Owns the bytes of every block, by client and in the order of clocks, and the places in them that
//! are marked so that a unit is found without reading all of them. Everything that a server stores
//! or sends of a document is copied from here: no value is ever decoded, so none is changed.
//!
//! # Form
//! The blocks of one client stand one behind the other: first those of the encoding that the
//! document was loaded from, which is shared and never copied, then those that came since. A mark
//! stands at about each kilobyte of blocks, or of the content of a large block. So a unit is found
//! at the cost of a search among the marks and of a kilobyte.
//!
//! Everything is encoded anew, and the store goes on with the new encoding, for a newcomer or a
//! snapshot; and also if many clients have blocks behind it, which cost more than their bytes.
//!
//! # Joining
//! A block that goes on at the end of its client's last one is joined to it, as Yjs does
//! (`Item.mergeWith`): the same kind of content, its origin is the last unit, the same right
//! origin, no key. In a block the origin of each unit but the first is the unit before, so the
//! joined block means exactly what the two did. A text that is typed letter by letter costs its
//! letters.

mod blocks;
mod blocks_ref;
mod client_table;
mod marks;
mod packed_clients;
mod raw_block;

use std::ops::Range;

use bytes::Bytes;

use self::blocks::Blocks;
use self::client_table::{Client, ClientTable};
use crate::lib0::write_var_uint;
use crate::scan::{Id, Scan};
use crate::state_vector::{ClientId, Clock, StateVector};
use crate::unit_cursor::UnitCursor;

/// Estimate of what a client costs beside its bytes while it has a tail.
const TAIL_COST: usize = 160;

/// Cost of tails that is never worth an encoding of everything.
const TAILS_KEPT: usize = 8 * 1024;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct BlockStore {
    /// The encoding that the blocks before each tail are in.
    base: Bytes,
    clients: ClientTable,
    /// Bytes of all blocks.
    bytes: usize,
    /// Number of clients with a tail.
    tails: usize,
}

impl BlockStore {
    /// Creates a store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with the blocks of a whole state, which are not copied. `scan` is of these bytes,
    /// and has the clients and clocks of this store.
    pub(crate) fn load(&mut self, everything: &Bytes, scan: &Scan<'_>) {
        self.base = everything.clone();
        self.bytes = 0;
        let mut known = self.clients.take();
        known.reverse();
        let mut known = known.into_iter().peekable();
        let mut records = Vec::with_capacity(scan.runs().len());
        for run in scan.runs() {
            let blocks = Blocks::load(scan, run.client, run.blocks());
            self.bytes += blocks.as_ref().len();
            while known.next_if(|(client, _)| *client > run.client).is_some() {}
            let places = known.next_if(|(client, _)| *client == run.client);
            let places = places.map_or(0, |(_, record)| record.places);
            records.push((run.client, Client { places, blocks }));
        }
        self.clients = ClientTable::of(records.into_iter().rev());
        self.tails = 0;
    }

    /// Bytes of all blocks.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds consecutive new blocks of one client. `may_join` returns true for a block, by its
    /// number in the update, that is under no key.
    pub(crate) fn append(
        &mut self,
        scan: &Scan<'_>,
        client: ClientId,
        blocks: Range<usize>,
        may_join: impl Fn(usize) -> bool,
    ) {
        let stored = &mut self.clients.edit(client).blocks;
        let (before, had_tail) = (stored.as_ref().len(), stored.has_tail());
        for index in blocks {
            stored.append(&self.base, scan, client, index, may_join(index));
        }
        self.bytes += stored.as_ref().len() - before;
        self.tails += usize::from(!had_tail && stored.has_tail());
    }

    /// Adds the blocks of an update that are not here yet, such as those of a park's next edit.
    pub fn follow(&mut self, update: &Scan<'_>) {
        for run in update.runs() {
            let known = self.clients.clock(run.client);
            let blocks = run.blocks();
            let first = update.first_past(blocks.clone(), known);
            if first < blocks.end && update.clock(first) >= known {
                self.append(update, run.client, first..blocks.end, |_| false);
            }
        }
    }

    /// Raises the clock behind the last unit of a client of which no blocks are kept.
    pub(crate) fn raise(&mut self, client: ClientId, end: Clock) {
        self.clients.edit(client).blocks.raise(end);
    }

    /// The number that is kept for the index beside a client; 0 at first.
    pub(crate) fn places(&self, client: ClientId) -> u32 {
        self.clients.get(client).map_or(0, |record| record.places)
    }

    /// Sets [`BlockStore::places`].
    pub(crate) fn places_mut(&mut self, client: ClientId) -> &mut u32 {
        &mut self.clients.edit(client).places
    }

    /// Writes the blocks of an update: all that lie behind `since`, clients descending.
    pub(crate) fn write_since(&self, since: &StateVector, out: &mut Vec<u8>) {
        let behind = |(client, record): &(ClientId, client_table::ClientRef<'_>)| {
            record.blocks.end() > since.get(*client)
        };
        let clients: Vec<_> = self.clients.iter().filter(behind).collect();
        write_var_uint(out, clients.len() as u64);
        for (client, record) in clients.into_iter().rev() {
            let since = since.get(client);
            record.blocks.write_since(&self.base, client, since, out);
        }
    }

    /// Returns true if so many clients have tails that everything should be encoded anew.
    pub(crate) const fn is_scattered(&self) -> bool {
        self.tails * TAIL_COST > self.bytes / 8 + TAILS_KEPT
    }

    /// Writes everything, as [`BlockStore::write_since`], and goes on with the written bytes:
    /// `seal` completes and shares them.
    pub(crate) fn consolidate(&mut self, seal: impl FnOnce(Vec<u8>) -> Bytes) -> Bytes {
        let mut clients = self.clients.take();
        let mut out = Vec::with_capacity(self.bytes + 8 * clients.len() + 16);
        write_var_uint(&mut out, clients.len() as u64);
        for (client, record) in clients.iter_mut().rev() {
            let stored = record.blocks.as_ref();
            stored.write_since(&self.base, *client, 0, &mut out);
            let start = out.len() - stored.len();
            record.blocks.rebase(start);
        }
        self.base = seal(out);
        self.clients = ClientTable::of(clients);
        self.tails = 0;
        self.base.clone()
    }

    /// Finds the stored blocks from this unit on.
    pub(crate) fn find(&self, id: Id) -> Option<UnitCursor<'_>> {
        let blocks = self.clients.get(id.client)?.blocks;
        blocks.find(&self.base, id.client, id.clock)
    }

    /// The clock behind the last unit of a client; 0 for one that is not here.
    pub(crate) fn clock(&self, client: ClientId) -> Clock {
        self.clients.clock(client)
    }

    /// Number of clients.
    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The clock behind the last unit of each client, by ascending id.
    pub(crate) fn clocks(&self) -> impl Iterator<Item = (ClientId, Clock)> {
        let records = self.clients.iter();
        records.map(|(client, record)| (client, record.blocks.end()))
    }
}
