//! The ways in which a history is cut into updates and delivered.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use baton_sync::{ClientId, StateVector};

use super::world::{Id, Span, World};

/// One update: at most one span of each client, and deletions.
#[derive(Clone, Debug)]
pub struct Update {
    spans: Vec<Span>,
    deletes: Vec<Span>,
    bytes: Vec<u8>,
}

impl Update {
    fn new(world: &World, spans: Vec<Span>, deletes: Vec<Span>) -> Self {
        let bytes = world.encode(&spans, &deletes);
        Self {
            spans,
            deletes,
            bytes,
        }
    }

    /// The part of it that a replica with this vector lacks.
    #[must_use]
    pub fn cut(&self, world: &World, vector: &StateVector) -> Self {
        let spans = self.spans.iter().filter_map(|span| {
            let client = ClientId::new(world.clients[span.client])?;
            let start = span.start.max(vector.get(client));
            (start < span.end).then_some(Span { start, ..*span })
        });
        Self::new(world, spans.collect(), self.deletes.clone())
    }
}

impl AsRef<[u8]> for Update {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The whole history as one update.
#[must_use]
pub fn whole(world: &World) -> Update {
    let clients = 0..world.clients.len();
    let spans = clients.map(|client| Span {
        client,
        start: 0,
        end: world.clock(client),
    });
    let spans = spans.filter(|span| span.end > 0).collect();
    Update::new(world, spans, world.deletes.clone())
}

/// Makes of updates in any order the updates that lack nothing, one for each part of a block: what
/// a replica integrates, in the order in which it can.
///
/// yrs is given these: it integrates past a gap what Yjs holds back (y-crdt#632).
pub struct Closed<'w> {
    world: &'w World,
    clocks: Vec<u32>,
    spans: Vec<Span>,
    deletes: Vec<Span>,
}

impl<'w> Closed<'w> {
    /// Starts with nothing.
    #[must_use]
    pub fn new(world: &'w World) -> Self {
        Self {
            world,
            clocks: vec![0; world.clients.len()],
            spans: Vec::new(),
            deletes: Vec::new(),
        }
    }

    /// Takes an update and passes on, encoded, all that lacks nothing any more.
    pub fn take(&mut self, update: &Update, mut pass: impl FnMut(&[u8])) {
        self.spans.extend(&update.spans);
        self.deletes.extend(&update.deletes);
        while let Some(span) = self.next() {
            self.clocks[span.client] = span.end;
            pass(&self.world.encode(&[span], &[]));
        }
        let known = |span: &Span| span.end <= self.clocks[span.client];
        let (ready, later): (Vec<Span>, Vec<Span>) =
            self.deletes.iter().partition(|span| known(span));
        self.deletes = later;
        if !ready.is_empty() {
            pass(&self.world.encode(&[], &ready));
        }
    }

    /// The next part of a block that lacks nothing.
    fn next(&mut self) -> Option<Span> {
        self.spans
            .retain(|span| span.end > self.clocks[span.client]);
        let known = |id: Id| id.clock < self.clocks[id.client];
        self.spans.iter().find_map(|span| {
            let clock = self.clocks[span.client];
            let id = Id {
                client: span.client,
                clock,
            };
            let block = self.world.blocks[self.world.block_of(id)?];
            let ready = span.start <= clock && block.references().all(known);
            let end = span.end.min(block.id.clock + block.len);
            ready.then_some(Span {
                start: clock,
                end,
                ..*span
            })
        })
    }
}

/// The whole history in some updates, in the order in which they are delivered. With seed 0 they
/// come block by block in the order of the history.
#[must_use]
pub fn deliveries(world: &World, seed: u64) -> Vec<Update> {
    if seed == 0 {
        let blocks = world.blocks.iter().map(|block| Span {
            client: block.id.client,
            start: block.id.clock,
            end: block.id.clock + block.len,
        });
        let blocks = blocks.map(|span| Update::new(world, vec![span], Vec::new()));
        let deletes = Update::new(world, Vec::new(), world.deletes.clone());
        return blocks.chain([deletes]).collect();
    }
    let mut random = SmallRng::seed_from_u64(seed);
    let mut parts: Vec<(Option<Span>, Option<Span>)> = Vec::new();
    let (between, within) = (random.random_range(0.0..1.0), random.random_range(0.0..0.6));
    for client in 0..world.clients.len() {
        let mut start = 0;
        let last = world.clock(client);
        for block in world
            .blocks
            .iter()
            .filter(|block| block.id.client == client)
        {
            for end in block.id.clock + 1..=block.id.clock + block.len {
                let at_end = end == block.id.clock + block.len;
                let cut = random.random_bool(if at_end { between } else { within });
                if end == last || cut {
                    parts.push((Some(Span { client, start, end }), None));
                    start = end;
                }
            }
        }
        // A client sends some units again, cut elsewhere.
        if last > 0 && random.random_bool(0.2) {
            let start = random.random_range(0..last);
            let end = random.random_range(start + 1..=last);
            parts.push((Some(Span { client, start, end }), None));
        }
    }
    parts.extend(world.deletes.iter().map(|span| (None, Some(*span))));
    if random.random_bool(0.8) {
        parts.shuffle(&mut random);
    }
    let mut updates = Vec::new();
    let (mut spans, mut deletes): (Vec<Span>, Vec<Span>) = (Vec::new(), Vec::new());
    for (span, delete) in parts {
        let again = |span: &Span| spans.iter().any(|other| other.client == span.client);
        if span.as_ref().is_some_and(again) || random.random_bool(0.5) {
            let full = (std::mem::take(&mut spans), std::mem::take(&mut deletes));
            updates.push(Update::new(world, full.0, full.1));
        }
        spans.extend(span);
        deletes.extend(delete);
    }
    updates.push(Update::new(world, spans, deletes));
    updates
}
