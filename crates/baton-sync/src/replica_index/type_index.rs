//! The place of each inserted unit: its root type, its depth, its parent, and its use as a parent.
//!
//! Owns the [`TypeIndex`], run-length coded: a text typed by one person is one run however long it
//! is, a nested type costs a few. It holds no content and no order. The block store keeps one
//! number for each client, which stands for the places of all its units.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::place::{Holds, Place};
use crate::scan::Id;
use crate::state_vector::{ClientId, Clock};

/// The names, clients and lists of stretches behind the numbers by which places are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeIndex {
    /// Names of root types, and keys.
    names: Vec<Arc<str>>,
    indices: BTreeMap<Arc<str>, u32>,
    /// Clients that inserted types that others are in.
    writers: Vec<ClientId>,
    writer_indices: BTreeMap<ClientId, u32>,
    /// For each client whose units have several places, or another than that of a plain text.
    stretches: Vec<Vec<Stretch>>,
}

/// The places of all units of one client, as the block store keeps them for it: one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientPlaces {
    /// It has no units yet.
    None,
    /// All of them, from clock 0 on, are values in the sequence of the root type of this name.
    InRoot(u32),
    /// A list of stretches.
    Stretches(u32),
}

impl ClientPlaces {
    const fn of(number: u32) -> Self {
        match number {
            0 => Self::None,
            odd if odd % 2 == 1 => Self::InRoot(odd / 2),
            even => Self::Stretches(even / 2 - 1),
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::InRoot(name) => 2 * name + 1,
            Self::Stretches(list) => 2 * list + 2,
        }
    }
}

/// From `start` to the next stretch (or to the end of what the client inserted) all is in `place`.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: Clock,
    place: Packed,
}

/// A [`Place`] in 20 bytes: a document of many small types has millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Gone,
    At {
        root: u32,
        /// The client, by number, that inserted the type that it is in, or [`IN_ROOT`].
        writer: u32,
        clock: Clock,
        /// The key, by number, or [`NO_KEY`].
        key: u32,
        depth: u16,
        holds: Holds,
    },
}

impl Packed {
    /// A value in the sequence of a root type.
    const fn in_root(root: u32) -> Self {
        Self::At {
            root,
            writer: IN_ROOT,
            clock: 0,
            key: NO_KEY,
            depth: 0,
            holds: Holds::Value,
        }
    }
}

/// In no type but the root.
const IN_ROOT: u32 = u32::MAX;

/// In a sequence.
const NO_KEY: u32 = u32::MAX;

/// The type that units are in, by numbers: a root type, or the unit that is the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    /// The client, by number, that inserted the type, or [`IN_ROOT`].
    writer: u32,
    /// The unit's clock, or the number of the root type's name.
    at: u32,
}

impl Container {
    pub(super) const fn of_unit(writer: u32, clock: Clock) -> Self {
        Self { writer, at: clock }
    }
}

/// One of the chains of values that were given to one key of one type.
pub(super) type ChainKey = (Container, u32);

impl TypeIndex {
    /// The place of a unit of a client with these places; `None` before the first stretch. The
    /// caller knows that the unit is known at all.
    pub(crate) fn place(&self, places: u32, clock: Clock) -> Option<Place<&str>> {
        Some(self.named(self.packed(places, clock)?))
    }

    fn packed(&self, places: u32, clock: Clock) -> Option<Packed> {
        match ClientPlaces::of(places) {
            ClientPlaces::None => None,
            ClientPlaces::InRoot(root) => Some(Packed::in_root(root)),
            ClientPlaces::Stretches(list) => {
                let stretches = self.stretches.get(list as usize)?;
                let at = stretches.partition_point(|stretch| stretch.start <= clock);
                Some(stretches[at.checked_sub(1)?].place)
            }
        }
    }

    /// The places of the units from `start` to before `end`, one for each stretch.
    pub(crate) fn places(
        &self,
        places: u32,
        start: Clock,
        end: Clock,
    ) -> impl Iterator<Item = Place<&str>> {
        let (one, list) = match ClientPlaces::of(places) {
            ClientPlaces::None => (None, None),
            ClientPlaces::InRoot(root) => (Some(Packed::in_root(root)), None),
            ClientPlaces::Stretches(list) => (None, self.stretches.get(list as usize)),
        };
        let stretches = list.map_or(&[][..], Vec::as_slice);
        let from = stretches
            .partition_point(|stretch| stretch.start <= start)
            .saturating_sub(1);
        let listed = stretches[from..]
            .iter()
            .take_while(move |stretch| stretch.start < end)
            .map(|stretch| stretch.place);
        one.into_iter().chain(listed).map(|place| self.named(place))
    }

    /// The root type's number, or its name if it has none yet.
    pub(crate) fn lookup(&self, name: &str) -> Result<u32, Arc<str>> {
        self.indices
            .get(name)
            .copied()
            .ok_or_else(|| Arc::from(name))
    }

    /// Adds the place of what a client inserted from `start` on, behind all that it has inserted.
    /// Returns the places that the client has now.
    pub(crate) fn push(
        &mut self,
        places: u32,
        start: Clock,
        place: &Place<Result<u32, Arc<str>>>,
    ) -> u32 {
        let place = self.pack(place);
        let added = Stretch { start, place };
        let now = match ClientPlaces::of(places) {
            ClientPlaces::None => match place {
                Packed::At { root, .. } if start == 0 && place == Packed::in_root(root) => {
                    ClientPlaces::InRoot(root)
                }
                _ => self.list(vec![added]),
            },
            ClientPlaces::InRoot(root) if place == Packed::in_root(root) => return places,
            ClientPlaces::InRoot(root) => {
                let place = Packed::in_root(root);
                self.list(vec![Stretch { start: 0, place }, added])
            }
            ClientPlaces::Stretches(list) => {
                if let Some(stretches) = self.stretches.get_mut(list as usize)
                    && stretches.last().is_none_or(|last| last.place != place)
                {
                    if stretches.len() == stretches.capacity() {
                        stretches.reserve_exact(1 + stretches.len() / 4);
                    }
                    stretches.push(added);
                }
                return places;
            }
        };
        now.number()
    }

    fn list(&mut self, stretches: Vec<Stretch>) -> ClientPlaces {
        self.stretches.push(stretches);
        ClientPlaces::Stretches(self.stretches.len() as u32 - 1)
    }

    fn pack(&mut self, place: &Place<Result<u32, Arc<str>>>) -> Packed {
        let Place::At {
            root,
            depth,
            inside,
            key,
            holds,
        } = place
        else {
            return Packed::Gone;
        };
        let (inside, depth, holds) = (*inside, *depth, *holds);
        let root = self.number(root);
        let key = key.as_ref().map_or(NO_KEY, |key| self.number(key));
        let writer = inside.map_or(IN_ROOT, |id| self.writer(id.client));
        let clock = inside.map_or(0, |id| id.clock);
        Packed::At {
            root,
            writer,
            clock,
            key,
            depth,
            holds,
        }
    }

    /// The chain that a known unit is in, if it has a key.
    pub(super) fn chain(&self, places: u32, clock: Clock) -> Option<ChainKey> {
        match self.packed(places, clock)? {
            Packed::At { key: NO_KEY, .. } | Packed::Gone => None,
            Packed::At {
                root,
                writer,
                key,
                clock,
                ..
            } => {
                let at = if writer == IN_ROOT { root } else { clock };
                Some((Container { writer, at }, key))
            }
        }
    }

    /// The number of a client that has inserted a type, or a value under a key.
    pub(super) fn writer(&mut self, client: ClientId) -> u32 {
        let next = self.writers.len() as u32;
        let index = *self.writer_indices.entry(client).or_insert(next);
        if index == next {
            self.writers.push(client);
        }
        index
    }

    /// The number of a client, if it has one.
    pub(super) fn known_writer(&self, client: ClientId) -> Option<u32> {
        self.writer_indices.get(&client).copied()
    }

    /// The client of this number.
    pub(super) fn writer_id(&self, writer: u32) -> Option<ClientId> {
        self.writers.get(writer as usize).copied()
    }

    pub(crate) fn shrink(&mut self) {
        self.stretches.iter_mut().for_each(Vec::shrink_to_fit);
        self.stretches.shrink_to_fit();
    }

    fn number(&mut self, name: &Result<u32, Arc<str>>) -> u32 {
        match name {
            Ok(number) => *number,
            Err(name) => self.intern(Arc::clone(name)),
        }
    }

    fn intern(&mut self, name: Arc<str>) -> u32 {
        let next = self.names.len() as u32;
        let index = *self.indices.entry(Arc::clone(&name)).or_insert(next);
        if index == next {
            self.names.push(name);
        }
        index
    }

    fn named(&self, place: Packed) -> Place<&str> {
        match place {
            Packed::Gone => Place::Gone,
            Packed::At {
                root,
                writer,
                clock,
                key,
                depth,
                holds,
            } => Place::At {
                root: &*self.names[root as usize],
                depth,
                inside: self
                    .writers
                    .get(writer as usize)
                    .map(|&client| Id { client, clock }),
                key: self.names.get(key as usize).map(|name| &**name),
                holds,
            },
        }
    }
}
