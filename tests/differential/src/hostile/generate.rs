//! Random hostile histories: blocks that refer to any unit there is, and deletions of anything.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::closed_form::{Place, place};
use super::world::{Block, Content, Id, Parent, Span, World};

const CLIENT_IDS: &[u64] = &[
    0,
    1,
    2,
    100,
    127,
    128,
    70_000,
    u32::MAX as u64,
    (1 << 32) + 1,
    (1 << 53) - 2,
];

const CONTENTS: &[Content] = &[
    Content::Text,
    Content::Any,
    Content::Deleted,
    Content::Map,
    Content::TextType,
    Content::Binary,
    Content::Format,
];

/// The share of values of keys that get one unit and one origin, as clients make them.
const PLAIN_KEYED: f64 = 0.9;

/// The history of this seed.
#[must_use]
pub fn world(seed: u64) -> World {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut clients: Vec<u64> = Vec::new();
    let many = random.random_range(1..=4);
    while clients.len() < many {
        if let Some(id) = CLIENT_IDS
            .choose(&mut random)
            .filter(|id| !clients.contains(id))
        {
            clients.push(*id);
        }
    }
    clients.sort_unstable();
    let mut maker = Maker {
        hostile: [0.0, 0.1, 0.5][random.random_range(0..3)],
        keyed: [0.2, 0.7, 1.0][random.random_range(0..3)],
        places: Vec::new(),
        world: World {
            clients,
            blocks: Vec::new(),
            deletes: Vec::new(),
        },
        random,
    };
    for _ in 0..maker.random.random_range(2..=14) {
        maker.block();
    }
    for _ in 0..maker.random.random_range(0..=3) {
        let id = maker.unit();
        let most = maker.world.clock(id.client) - id.clock;
        maker.world.deletes.push(Span {
            client: id.client,
            start: id.clock,
            end: id.clock + maker.random.random_range(1..=most.min(3)),
        });
    }
    maker.world
}

struct Maker {
    random: SmallRng,
    /// The share of references to any unit, and not to one that a client would name.
    hostile: f64,
    /// The share of blocks without origins that have a key.
    keyed: f64,
    places: Vec<Place>,
    world: World,
}

impl Maker {
    fn block(&mut self) {
        let client = self.random.random_range(0..self.world.clients.len());
        let id = Id {
            client,
            clock: self.world.clock(client),
        };
        let content = if self.random.random_bool(0.04) {
            None
        } else {
            CONTENTS.choose(&mut self.random).copied()
        };
        let several = matches!(
            content,
            None | Some(Content::Text | Content::Any | Content::Deleted)
        );
        let len = if several && self.random.random_bool(0.3) {
            self.random.random_range(2..=4)
        } else {
            1
        };
        let mut block = Block {
            id,
            len,
            origin: None,
            right: None,
            parent: Parent::Inherited,
            content,
        };
        if content.is_some() {
            self.refer(&mut block);
        }
        let mut made = place(&self.world, &block, |id| self.place_of(id));
        if made.is_keyed() && self.random.random_bool(PLAIN_KEYED) {
            // Else most histories would be refused, or of a class that is left out.
            if content != Some(Content::Deleted) {
                block.len = 1;
            }
            block.origin = block.origin.or(block.right);
            block.right = None;
            made = place(&self.world, &block, |id| self.place_of(id));
        }
        self.places.push(made);
        self.world.blocks.push(block);
    }

    fn refer(&mut self, block: &mut Block) {
        if self.world.blocks.is_empty() || self.random.random_bool(0.3) {
            block.parent = self.parent();
            return;
        }
        let one = self.unit();
        // The other is mostly in the same list, as it is for a client.
        let other = if self.random.random_bool(self.hostile) {
            self.unit()
        } else {
            let place = self.place_of(one);
            let same = |index: &usize| self.places[*index] == place;
            let same: Vec<usize> = (0..self.places.len()).filter(same).collect();
            let index = same.choose(&mut self.random).copied().unwrap_or(0);
            let block = self.world.blocks[index];
            block.unit(self.random.random_range(0..block.len))
        };
        match self.random.random_range(0..4) {
            0 => block.right = Some(one),
            1 => (block.origin, block.right) = (Some(one), Some(other)),
            _ => block.origin = Some(one),
        }
    }

    fn parent(&mut self) -> Parent {
        let keyed = self.random.random_bool(self.keyed);
        let key = keyed.then(|| self.random.random_range(0..2));
        let holders = self.world.blocks.iter();
        let holders: Vec<Id> = holders
            .filter(|block| block.is_type() || block.content == Some(Content::Deleted))
            .map(|block| block.id)
            .collect();
        match holders.choose(&mut self.random) {
            Some(holder) if self.random.random_bool(0.5) => Parent::Inside(*holder, key),
            _ => Parent::Root(self.random.random_range(0..2), key),
        }
    }

    fn unit(&mut self) -> Id {
        let index = self.random.random_range(0..self.world.blocks.len());
        let block = self.world.blocks[index];
        block.unit(self.random.random_range(0..block.len))
    }

    fn place_of(&self, id: Id) -> Place {
        let index = self.world.block_of(id);
        index.map_or(Place::Gone, |index| self.places[index])
    }
}
