//! The index of a document: its clocks, its deletions and the place of each unit; and the rules by
//! which an update may be applied to it.
//!
//! Owns the *state rules*: all that can be judged about an update only against a document. yrs
//! integrates past holes, keeps blocks pending that do not fit yet, and is unsound on some of them.
//! So an update is applied only when all of it can be applied now. [`ReplicaIndex`] looks into no
//! content and never asks yrs.
//!
//! An update [fits](Judgement::Fits) when
//! - each client's blocks go on exactly where the document ends, or are known as a whole: no gap,
//!   no Skip, no block that is known in part;
//! - every origin, right origin, parent and deleted range is known or in the update itself, and the
//!   blocks can be put in an order in which each comes after what it refers to;
//! - a parent is a shared type (or is gone), and types nest at most [`TYPE_DEPTH`] deep: yrs and
//!   Yjs delete a type by recursion;
//! - origin and right origin are in the same place: Yjs and yrs disagree which one counts;
//! - a value of a key is one unit (or several that are deleted) and has no right origin: which of
//!   several counts depends in Yjs on the order of deliveries otherwise.

mod applicability;
mod delta;
mod encode;
mod judgement;
mod map_keys;
mod overlay;
mod place;
mod placement;
mod touched;
mod type_children;
mod type_index;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use self::applicability::Applicability;
pub(crate) use self::delta::IndexDelta;
pub(crate) use self::encode::{CLIENTS_AT_ONCE, admitted_part};
pub use self::judgement::{Gain, Judgement, Refusal};
use self::map_keys::{MapKeys, Run, Value};
use self::overlay::Overlay;
pub(crate) use self::place::Place;
use self::type_children::{Inserted, TypeChildren};
use self::type_index::{ChainKey, Container, TypeIndex};
use crate::block_store::BlockStore;
use crate::delete_set::DeleteSet;
use crate::scan::{Block, Id, IdRange, Scan};
use crate::state_vector::{ClientId, Clock, StateVector};

/// Largest number of shared types that are inside one another, the root type not counted.
pub const TYPE_DEPTH: u16 = 256;

/// The index of a document; see the module.
#[derive(Clone, Debug, Default)]
pub struct ReplicaIndex {
    /// The clients with their clocks and places; and the bytes of their blocks, for a replica.
    store: BlockStore,
    deletes: DeleteSet,
    types: TypeIndex,
    keys: MapKeys,
    children: TypeChildren,
    /// Some content cannot be read by yrs.
    beyond_yrs: bool,
}

impl ReplicaIndex {
    /// Creates the index of an empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the clock behind the last unit that is known of a client; 0 for one that is not
    /// known.
    #[must_use]
    pub fn clock(&self, client: ClientId) -> Clock {
        self.store.clock(client)
    }

    /// The clocks of all clients, by ascending id.
    pub fn clocks(&self) -> impl Iterator<Item = (ClientId, Clock)> {
        self.store.clocks()
    }

    /// Returns the state vector, which is made for the caller: [`ReplicaIndex::clock`] costs less.
    #[must_use]
    pub fn vector(&self) -> StateVector {
        self.clocks().collect()
    }

    /// Returns true if a client with this vector has everything that is inserted.
    #[must_use]
    pub fn is_within(&self, vector: &StateVector) -> bool {
        self.clocks()
            .all(|(client, clock)| clock <= vector.get(client))
    }

    /// Returns true if another index has the same units and the same deletions.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.store.clients() == other.store.clients()
            && self.clocks().eq(other.clocks())
            && self.deletes == other.deletes
    }

    /// The deleted units.
    #[must_use]
    pub const fn deletes(&self) -> &DeleteSet {
        &self.deletes
    }

    /// Returns true if everything that `other` has is here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        Overlay::of(self).covers(other)
    }

    /// Returns true if everything that `other` has is here or in `over`, such as a copy of it.
    #[must_use]
    pub fn covers_over(&self, over: &Self, other: &Self) -> bool {
        Overlay::of(self).with(over).covers(other)
    }

    /// Judges an update.
    #[must_use]
    pub fn judge(&self, scan: &Scan<'_>) -> Judgement {
        self.applicability(scan).judgement()
    }

    /// Judges an update by this index with another laid over it, such as a park's. A unit is known
    /// if either knows it.
    #[must_use]
    pub fn judge_over(&self, over: &Self, scan: &Scan<'_>) -> Judgement {
        self.applicability_over(over, scan).judgement()
    }

    /// Learns as much of the update as can be applied: all of one that fits, nothing of one that is
    /// known, the closed part of any other.
    ///
    /// That includes *implied deletions*, which no update states: all values of a key but the last
    /// one, and everything inside a deleted type, also units that are inserted there later.
    pub fn absorb(&mut self, scan: &Scan<'_>) {
        let (_, delta) = self.study(scan);
        self.learn_without_blocks(delta, scan);
    }

    /// [`ReplicaIndex::absorb`] for an index that is laid over `base`; `base` learns nothing.
    /// Without implied deletions, and of a block that the base has in part only the rest: so it
    /// does not matter how much of the base came before.
    pub fn absorb_over(&mut self, base: &Self, scan: &Scan<'_>) {
        let walk = Applicability::with_rests(Overlay::of(base).with(self), scan);
        let delta = IndexDelta::of(&walk, self);
        self.insert(&delta);
        self.raise_clocks(&delta);
        self.deletes.extend(delta.into_deletions(scan));
    }

    /// The largest part of an update that can be applied now, as an update of its own: each
    /// client's blocks up to the first that cannot come yet, or that refers to one that cannot; and
    /// the deleted ranges as far as they are known. The blocks are copied verbatim.
    ///
    /// `None` if it would add nothing.
    #[must_use]
    pub fn closed_part(&self, scan: &Scan<'_>) -> Option<Vec<u8>> {
        let settled = self.applicability(scan);
        (!settled.adds_nothing()).then(|| admitted_part(&settled))
    }

    /// The names of the root types in which the update inserts or deletes something new.
    ///
    /// Complete if the update [fits](Judgement::Fits); of any other only the part that can be
    /// applied is looked at.
    #[must_use]
    pub fn touched_roots(&self, scan: &Scan<'_>) -> BTreeSet<String> {
        touched::root_names(&self.applicability(scan))
    }

    /// [`ReplicaIndex::judge`] and, of an update that [fits](Judgement::Fits),
    /// [`ReplicaIndex::touched_roots`]: in one walk.
    #[must_use]
    pub fn judge_roots(&self, scan: &Scan<'_>) -> (Judgement, BTreeSet<String>) {
        let settled = self.applicability(scan);
        let judgement = settled.judgement();
        let roots = match judgement {
            Judgement::Fits => touched::root_names(&settled),
            _ => BTreeSet::new(),
        };
        (judgement, roots)
    }

    /// [`ReplicaIndex::touched_roots`] for this index with another laid over it, such as a park's.
    #[must_use]
    pub fn touched_roots_over(&self, over: &Self, scan: &Scan<'_>) -> BTreeSet<String> {
        touched::root_names(&self.applicability_over(over, scan))
    }

    /// Returns how much the update adds to this index with another laid over it, such as a park's.
    /// It reads the scan alone, and no content.
    #[must_use]
    pub fn gain_over(&self, over: &Self, scan: &Scan<'_>) -> Gain {
        touched::gain(&self.applicability_over(over, scan))
    }

    /// Judges an update, and returns the change that it makes.
    pub(crate) fn study(&self, scan: &Scan<'_>) -> (Judgement, IndexDelta) {
        let walk = self.applicability(scan);
        (walk.judgement(), IndexDelta::of(&walk, self))
    }

    /// An update that fits, cut into as many as yrs can take well; `None` if it can take it as it
    /// is.
    pub(crate) fn parts(&self, scan: &Scan<'_>) -> Option<Vec<Vec<u8>>> {
        (scan.runs().len() > CLIENTS_AT_ONCE).then(|| encode::parts(&self.applicability(scan)))
    }

    /// Makes the change of an update, and all that follows from it. Of the blocks only the clocks
    /// are kept.
    pub(crate) fn learn_without_blocks(&mut self, delta: IndexDelta, scan: &Scan<'_>) {
        self.raise_clocks(&delta);
        self.learn(delta, scan);
    }

    /// Makes the change of an update, and all that follows from it; but for the clocks, which rise
    /// with the blocks: see [`ReplicaIndex::store_blocks`].
    pub(crate) fn learn(&mut self, delta: IndexDelta, scan: &Scan<'_>) {
        self.beyond_yrs |= scan.is_beyond_yrs();
        self.insert(&delta);
        let mut lost = Vec::new();
        for (run, index) in &delta.keyed {
            let client = scan.runs()[*run as usize].client;
            lost.extend(self.value_added(&scan.block(client, *index as usize)));
        }
        for range in lost {
            self.delete(range);
        }
        for range in delta.into_deletions(scan) {
            self.delete(range);
        }
    }

    /// Returns true if some content cannot be read by yrs; see [`Scan::is_beyond_yrs`].
    pub(crate) const fn is_beyond_yrs(&self) -> bool {
        self.beyond_yrs
    }

    /// Stores the new blocks of this update. The bytes are copied.
    pub(crate) fn store_blocks(&mut self, blocks: Vec<(ClientId, Range<usize>)>, scan: &Scan<'_>) {
        let types = &self.types;
        for (client, blocks) in blocks {
            let places = self.store.places(client);
            let may_join = |index| types.chain(places, scan.clock(index)).is_none();
            self.store.append(scan, client, blocks, may_join);
        }
    }

    fn insert(&mut self, delta: &IndexDelta) {
        for insert in &delta.inserts {
            let IdRange { client, start, end } = insert.range;
            let places = self.store.places_mut(client);
            *places = self.types.push(*places, start, &insert.place);
            let Some(parent) = insert.place.inside() else {
                continue;
            };
            if !self.deletes.contains(parent.client, parent.clock, 1) {
                let to = Container::of_unit(self.types.writer(parent.client), parent.clock);
                let writer = self.types.writer(client);
                self.children.add(to, Inserted { writer, start, end });
            }
        }
    }

    fn raise_clocks(&mut self, delta: &IndexDelta) {
        for insert in &delta.inserts {
            self.store.raise(insert.range.client, insert.range.end);
        }
    }

    /// The number of a name, or the name if it has none yet.
    fn name(&self, name: &str) -> Result<u32, Arc<str>> {
        self.types.lookup(name)
    }

    fn place(&self, id: Id) -> Option<Place<&str>> {
        self.types.place(self.store.places(id.client), id.clock)
    }

    /// The places of a client's units, one for each stretch.
    fn places_in(
        &self,
        client: ClientId,
        clocks: Range<Clock>,
    ) -> impl Iterator<Item = Place<&str>> {
        let places = self.store.places(client);
        self.types.places(places, clocks.start, clocks.end)
    }

    fn chain(&self, client: ClientId, clock: Clock) -> Option<ChainKey> {
        self.types.chain(self.store.places(client), clock)
    }

    /// Gives a value to a key. Returns the units that are deleted by that.
    fn value_added(&mut self, block: &Block<'_>) -> Option<IdRange> {
        let Block { client, clock, .. } = *block;
        let key = self.chain(client, clock)?;
        // Inside a deleted type no value is shown.
        if let Some(parent) = self.place(Id { client, clock })?.inside()
            && self.deletes.contains(parent.client, parent.clock, 1)
        {
            return None;
        }
        let units = Run {
            writer: self.types.writer(client),
            start: clock,
            end: block.end(),
        };
        let origin = block.origin.map(|id| {
            let writer = self.types.known_writer(id.client);
            (writer.unwrap_or(u32::MAX), id.clock)
        });
        let value = Value { units, origin };
        let types = &self.types;
        let lost = self
            .keys
            .add(key, value, |writer| types.writer_id(writer))?;
        Some(IdRange {
            client: self.types.writer_id(lost.writer)?,
            start: lost.start,
            end: lost.end,
        })
    }

    /// Deletes units, and everything inside the types among them. Every type is looked into once,
    /// so that all deletions together cost as much as all insertions.
    fn delete(&mut self, range: IdRange) {
        let mut due = vec![range];
        while let Some(IdRange { client, start, end }) = due.pop() {
            self.deletes.insert(client, start, end - start);
            let Some(writer) = self.types.known_writer(client) else {
                continue;
            };
            let (keys, types) = (&mut self.keys, &self.types);
            self.children.take(
                writer,
                start,
                end,
                |container| keys.forget(container),
                |units| {
                    due.extend(types.writer_id(units.writer).map(|client| IdRange {
                        client,
                        start: units.start,
                        end: units.end,
                    }));
                },
            );
        }
    }

    /// The blocks of a replica.
    pub(crate) const fn store(&self) -> &BlockStore {
        &self.store
    }

    /// The blocks of a replica, to be loaded or encoded.
    pub(crate) const fn store_mut(&mut self) -> &mut BlockStore {
        &mut self.store
    }

    /// Encodes everything, and goes on with these bytes.
    pub(crate) fn consolidate(&mut self) -> Bytes {
        self.shrink();
        let Self { store, deletes, .. } = self;
        store.consolidate(|mut encoded| {
            deletes.encode(&mut encoded);
            encoded.shrink_to_fit();
            encoded.into()
        })
    }

    /// Gives back the memory that was reserved for more to come.
    pub(crate) fn shrink(&mut self) {
        self.types.shrink();
        self.deletes.shrink();
        self.children.shrink();
    }

    pub(crate) fn applicability<'u, 's>(&'s self, scan: &'s Scan<'u>) -> Applicability<'u, 's> {
        Applicability::new(Overlay::of(self), scan)
    }

    pub(crate) fn applicability_over<'u, 's>(
        &'s self,
        over: &'s Self,
        scan: &'s Scan<'u>,
    ) -> Applicability<'u, 's> {
        Applicability::new(Overlay::of(self).with(over), scan)
    }
}
