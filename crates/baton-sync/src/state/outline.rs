//! Where each inserted unit is: under which root type, how deep, in which type, and whether others
//! can be inside.
//!
//! Owns the [`Outline`], run-length coded: a text typed by one person is one run however long it
//! is, a nested type costs a few. It holds no content and no order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::scan::Id;
use crate::state_vector::{ClientId, Clock};

/// Where a unit is; `R` names the root type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<R> {
    /// Nowhere: a GC block, or an item whose neighbours or parent are gone, which becomes one.
    Gone,
    /// In a type.
    At {
        /// The root type that this type is, or is in.
        root: R,
        /// How many types are between them; 0 directly in the root type.
        depth: u16,
        /// The type that it is in; `None` directly in the root type.
        inside: Option<Id>,
        /// The key under which a map or an element has it, if it is not in a sequence.
        key: Option<R>,
        /// What the unit is to others.
        holds: Holds,
    },
}

/// Whether a unit can be a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// No: it is a value, a character, a format.
    Value,
    /// Yes: it is a shared type.
    Type,
    /// It may have been one, and was deleted; what says that it is inside becomes nothing.
    Deleted,
}

impl<R> Place<R> {
    /// The type that it is in.
    pub(crate) fn inside(&self) -> Option<Id> {
        match self {
            Self::At { inside, .. } => *inside,
            Self::Gone => None,
        }
    }

    /// Is in the same sequence as another place, or under the same key.
    pub(crate) fn is_beside(&self, other: &Self) -> bool
    where
        R: PartialEq,
    {
        let (
            Self::At {
                root, inside, key, ..
            },
            Self::At {
                root: other_root,
                inside: other_inside,
                key: other_key,
                ..
            },
        ) = (self, other)
        else {
            return false;
        };
        (root, inside, key) == (other_root, other_inside, other_key)
    }

    /// Is in no sequence, but under a key.
    pub(crate) fn is_keyed(&self) -> bool {
        matches!(self, Self::At { key: Some(_), .. })
    }

    pub(crate) fn map_names<S>(self, mut name: impl FnMut(R) -> S) -> Place<S> {
        match self {
            Self::Gone => Place::Gone,
            Self::At {
                root,
                depth,
                inside,
                key,
                holds,
            } => Place::At {
                root: name(root),
                depth,
                inside,
                key: key.map(name),
                holds,
            },
        }
    }
}

/// The places of everything inserted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    /// Names of root types, and keys.
    names: Vec<Arc<str>>,
    indices: BTreeMap<Arc<str>, u32>,
    /// Who inserted types that others are in.
    writers: Vec<ClientId>,
    writer_indices: BTreeMap<ClientId, u32>,
    clients: BTreeMap<ClientId, Vec<Stretch>>,
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
        /// Who inserted the type that it is in, by number, or [`IN_ROOT`].
        writer: u32,
        clock: Clock,
        /// The key, by number, or [`NO_KEY`].
        key: u32,
        depth: u16,
        holds: Holds,
    },
}

/// In no type but the root.
const IN_ROOT: u32 = u32::MAX;

/// In a sequence.
const NO_KEY: u32 = u32::MAX;

/// The type that units are in, by numbers: a root type, or the unit that is the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    /// Who inserted the type, by number, or [`IN_ROOT`].
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

impl Outline {
    /// The place of a unit; `None` before the first stretch of its client. The caller knows that
    /// the unit is known at all.
    pub(crate) fn place(&self, client: ClientId, clock: Clock) -> Option<Place<&str>> {
        let stretches = self.clients.get(&client)?;
        let at = stretches
            .partition_point(|stretch| stretch.start <= clock)
            .checked_sub(1)?;
        Some(self.named(stretches[at].place))
    }

    /// The places of the units from `start` to before `end`, one for each stretch.
    pub(crate) fn places(
        &self,
        client: ClientId,
        start: Clock,
        end: Clock,
    ) -> impl Iterator<Item = Place<&str>> {
        let stretches = self.clients.get(&client).map_or(&[][..], Vec::as_slice);
        let from = stretches
            .partition_point(|stretch| stretch.start <= start)
            .saturating_sub(1);
        stretches[from..]
            .iter()
            .take_while(move |stretch| stretch.start < end)
            .map(|stretch| self.named(stretch.place))
    }

    /// The root type's number, or its name if it has none yet.
    pub(crate) fn lookup(&self, name: &str) -> Result<u32, Arc<str>> {
        self.indices
            .get(name)
            .copied()
            .ok_or_else(|| Arc::from(name))
    }

    /// Adds the place of what `client` inserted from `start` on, behind all that it has inserted.
    pub(crate) fn push(
        &mut self,
        client: ClientId,
        start: Clock,
        place: &Place<Result<u32, Arc<str>>>,
    ) {
        let place = self.pack(place);
        // Most clients of a large document never have a second one.
        let one = || Vec::with_capacity(1);
        let stretches = self.clients.entry(client).or_insert_with(one);
        if stretches.last().is_none_or(|last| last.place != place) {
            stretches.push(Stretch { start, place });
        }
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
    pub(super) fn chain(&self, client: ClientId, clock: Clock) -> Option<ChainKey> {
        let stretches = self.clients.get(&client)?;
        let at = stretches.partition_point(|stretch| stretch.start <= clock);
        match stretches[at.checked_sub(1)?].place {
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
        self.clients.values_mut().for_each(Vec::shrink_to_fit);
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
