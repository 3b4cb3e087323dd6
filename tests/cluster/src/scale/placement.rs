//! Documents and connections on nodes.
//!
//! Owns the sizes of documents and where their connections go, both from a seed.

use std::fmt;

use baton_testkit::Random;

/// Most connections to one document.
const LARGEST: usize = 5_000;

/// Shape of the sizes of documents: few are large, most are small (a Pareto distribution).
const SHAPE: f64 = 1.3;

/// Most nodes that can be simulated.
const NODES: usize = 256;

/// What the load balancer looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balance {
    /// Each connection goes to the node with the fewest.
    Connection,
    /// All connections of a document go to the same node, by the hash of its name.
    Document,
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Document => "document",
        })
    }
}

/// Connections to each document.
#[derive(Debug)]
pub(super) struct Crowd(Vec<usize>);

impl Crowd {
    /// Draws so many documents with so many connections on average.
    pub(super) fn draw(seed: u64, documents: usize, mean: f64) -> Self {
        let mut random = Random::from_seed_and_stream(seed, 1);
        // The mean of the distribution is `least * SHAPE / (SHAPE - 1)`.
        let least = mean * (SHAPE - 1.0) / SHAPE;
        let mut size = || {
            let drawn = least * (1.0 - random.fraction()).powf(-1.0 / SHAPE);
            (drawn.round() as usize).clamp(1, LARGEST)
        };
        Self((0..documents).map(|_| size()).collect())
    }

    pub(super) fn documents(&self) -> usize {
        self.0.len()
    }

    pub(super) fn connections(&self) -> usize {
        self.0.iter().sum()
    }

    pub(super) fn largest(&self) -> usize {
        self.0.iter().copied().max().unwrap_or_default()
    }

    /// Returns how many others get an edit on average. Those who type are in any document,
    /// whatever its size: the large ones are read.
    pub(super) fn listeners(&self) -> f64 {
        self.connections() as f64 / self.documents() as f64 - 1.0
    }
}

/// What one node has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) rooms: usize,
    pub(super) connections: usize,
}

/// What each node has.
#[derive(Debug)]
pub(super) struct Placed(Vec<Load>);

impl Placed {
    /// Places them on so many nodes, at most 256.
    pub(super) fn of(crowd: &Crowd, nodes: usize, balance: Balance, seed: u64) -> Self {
        assert!(nodes <= NODES, "at most {NODES} nodes");
        let mut random = Random::from_seed_and_stream(seed, 2);
        let mut loads = vec![Load::default(); nodes];
        // The next connection goes to the next node: as many come as go, in an order that has
        // nothing to do with documents.
        let mut next = 0;
        for size in &crowd.0 {
            if balance == Balance::Document {
                let load = &mut loads[random.below(nodes)];
                load.rooms += 1;
                load.connections += size;
                continue;
            }
            let mut here = [false; NODES];
            for _ in 0..*size {
                // Among a few with about the fewest, so that documents are not dealt in order.
                let node = (next + random.below(nodes)) % nodes;
                next += 1;
                loads[node].connections += 1;
                if !here[node] {
                    here[node] = true;
                    loads[node].rooms += 1;
                }
            }
        }
        Self(loads)
    }

    /// Returns the documents in memory of all nodes.
    pub(super) fn rooms(&self) -> usize {
        self.0.iter().map(|load| load.rooms).sum()
    }

    pub(super) fn most_rooms(&self) -> usize {
        self.0
            .iter()
            .map(|load| load.rooms)
            .max()
            .unwrap_or_default()
    }

    pub(super) fn most_connections(&self) -> usize {
        let connections = self.0.iter().map(|load| load.connections);
        connections.max().unwrap_or_default()
    }

    /// Returns the node with the most connections.
    pub(super) fn busiest(&self) -> Load {
        let busiest = self.0.iter().max_by_key(|load| load.connections);
        busiest.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_placed_and_a_document_is_on_one_node_if_it_is_placed_as_a_whole() {
        let crowd = Crowd::draw(7, 10_000, 10.0);
        let mean = crowd.connections() as f64 / 10_000.0;
        assert!((7.0..12.0).contains(&mean), "{mean}");
        for balance in [Balance::Connection, Balance::Document] {
            let placed = Placed::of(&crowd, 20, balance, 7);
            let all: usize = placed.0.iter().map(|load| load.connections).sum();
            assert_eq!(all, crowd.connections());
            let spread = placed.rooms() > 10_000;
            assert_eq!(spread, balance == Balance::Connection);
        }
    }
}
