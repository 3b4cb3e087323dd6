//! The clients of a document, with a record for each.
//!
//! Owns the one table by client id that the block store and the index share. Most clients of a
//! large document wrote once, long ago. Their records are *packed*: see [`PackedClients`]. A record
//! that changes is copied into a map of its own, and the packed one is outdated from then on, until
//! all are packed again.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::blocks::Blocks;
use super::blocks_ref::{BlocksRef, Section};
use super::packed_clients::PackedClients;
use crate::state_vector::{ClientId, Clock};

/// The record of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    /// The places of its units, as a number of which only the type index knows the meaning.
    pub(super) places: u32,
    pub(super) blocks: Blocks,
}

/// A [`Client`], to be read.
#[derive(Clone, Copy)]
pub(super) struct ClientRef<'a> {
    pub(super) places: u32,
    pub(super) blocks: BlocksRef<'a>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientTable {
    /// Records that changed since the last packing, and those that cannot be packed.
    changed: BTreeMap<ClientId, Client>,
    packed: PackedClients,
    /// Number of packed records that have a newer one in `changed`.
    outdated: usize,
}

impl ClientTable {
    /// Makes a table of records with ascending ids, and packs as many as can be.
    pub(super) fn of(records: impl IntoIterator<Item = (ClientId, Client)>) -> Self {
        let mut packed = PackedClients::default();
        let mut others = Vec::new();
        for (client, record) in records {
            match record.blocks.section_if_plain() {
                Some(section) => packed.push(client, record.places, section),
                None => others.push((client, record)),
            }
        }
        packed.shrink();
        Self {
            // A map that is built from a sorted list has full nodes.
            changed: others.into_iter().collect(),
            packed,
            outdated: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.changed.len() + self.packed.len() - self.outdated
    }

    pub(super) fn get(&self, client: ClientId) -> Option<ClientRef<'_>> {
        if let Some(record) = self.changed.get(&client) {
            return Some(record.as_ref());
        }
        self.packed.get(client).map(ClientRef::of_packed)
    }

    /// The clock behind the last unit of a client; 0 for one that is not here.
    pub(super) fn clock(&self, client: ClientId) -> Clock {
        self.get(client).map_or(0, |record| record.blocks.end())
    }

    /// The record of a client to be changed; an empty one if it has none.
    pub(super) fn edit(&mut self, client: ClientId) -> &mut Client {
        let Self {
            changed,
            packed,
            outdated,
        } = self;
        changed.entry(client).or_insert_with(|| {
            let found = packed.get(client);
            *outdated += usize::from(found.is_some());
            found.map_or_else(Client::default, |(places, section)| Client {
                places,
                blocks: Blocks::of(section),
            })
        })
    }

    /// All records, by ascending id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientId, ClientRef<'_>)> {
        let mut changed = self.changed.iter().peekable();
        let mut packed = self.packed.iter().peekable();
        std::iter::from_fn(move || {
            let order = match (changed.peek(), packed.peek()) {
                (Some((one, _)), Some((other, _))) => (*one).cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            if order == Ordering::Greater {
                let (client, record) = packed.next()?;
                return Some((client, ClientRef::of_packed(record)));
            }
            if order == Ordering::Equal {
                packed.next();
            }
            let (client, record) = changed.next()?;
            Some((*client, record.as_ref()))
        })
    }

    /// Takes all records out, by ascending id.
    pub(super) fn take(&mut self) -> Vec<(ClientId, Client)> {
        let Self {
            changed, packed, ..
        } = std::mem::take(self);
        let mut all = Vec::with_capacity(changed.len() + packed.len());
        let mut packed = packed.iter().peekable();
        let unpack = |(client, (places, section))| {
            let blocks = Blocks::of(section);
            (client, Client { places, blocks })
        };
        for (client, record) in changed {
            while let Some(earlier) = packed.next_if(|(id, _)| *id < client) {
                all.push(unpack(earlier));
            }
            packed.next_if(|(id, _)| *id == client);
            all.push((client, record));
        }
        all.extend(packed.map(unpack));
        all
    }
}

impl Client {
    fn as_ref(&self) -> ClientRef<'_> {
        ClientRef {
            places: self.places,
            blocks: self.blocks.as_ref(),
        }
    }
}

impl ClientRef<'_> {
    const fn of_packed((places, section): (u32, Section)) -> Self {
        Self {
            places,
            blocks: BlocksRef::new(section, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Edit { client: u32, places: u32 },
        Pack,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..60_u32, 1..u32::MAX).prop_map(|(client, places)| Step::Edit { client, places }),
            1 => Just(Step::Pack),
        ]
    }

    proptest! {
        #[test]
        fn a_table_is_a_map_whether_its_records_are_packed_or_not(
            steps in proptest::collection::vec(step(), 0..120),
        ) {
            let mut table = ClientTable::default();
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Edit { client, places } => {
                        table.edit(client.into()).places = places;
                        model.insert(ClientId::from(client), places);
                    }
                    Step::Pack => {
                        table = ClientTable::of(table.take());
                        prop_assert!(table.changed.is_empty());
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                let all = table.iter().map(|(client, record)| (client, record.places));
                prop_assert!(all.eq(model.iter().map(|(client, places)| (*client, *places))));
                for client in 0..61_u32 {
                    let client = client.into();
                    let found = table.get(client).map(|record| record.places);
                    prop_assert_eq!(found, model.get(&client).copied());
                }
            }
        }
    }
}
