//! The clients of a node that died, on their way to the others.
//!
//! Owns the queues of the way back: the client's pause, the node that takes the connection and
//! opens the document, and the records that the engine has to store.

use baton_client::Backoff;
use baton_testkit::Random;

use super::costs;
use super::placement::{Balance, Load};

/// Seconds of a step.
const STEP: f64 = 0.01;

/// How the connections of one node come back.
#[derive(Debug)]
pub(super) struct Storm {
    pub(super) connections: usize,
    /// Seconds until half of them, 99 % of them and all are in their documents again: their
    /// records are stored.
    pub(super) half: f64,
    pub(super) most: f64,
    pub(super) all: f64,
    /// Records that waited for the engine at the worst moment.
    pub(super) waiting: usize,
}

impl Storm {
    /// Lets one of so many nodes die, on which the others have half of what the engine can take.
    pub(super) fn of(dead: Load, nodes: usize, balance: Balance, seed: u64) -> Self {
        let mut random = Random::from_seed_and_stream(seed, 3);
        let backoff = Backoff::default();
        // The first pause is drawn evenly up to twice the shortest.
        let mut due: Vec<f64> = (0..dead.connections)
            .map(|_| backoff.first.as_secs_f64() * (1.0 + random.fraction()))
            .collect();
        due.sort_by(f64::total_cmp);
        let others = (nodes - 1) as f64;
        // A document that is placed as a whole moves as a whole, to one other node. Where its
        // connections are spread, nearly each comes to a node that has not opened it yet.
        let opens = match balance {
            Balance::Document => dead.rooms as f64 / dead.connections as f64,
            Balance::Connection => 1.0 - 1.0 / nodes as f64,
        };
        let accepts = costs::ACCEPTS * others * STEP;
        let openings = costs::OPENINGS * others * STEP / opens;
        // Each says that it resumes; each opening is a record, too.
        let stores = costs::RECORDS_A_NODE_READS / 2.0 * STEP / (1.0 + opens);
        let (mut arrived, mut open, mut stored) = (0.0, 0.0, 0.0);
        let (mut time, mut next, mut waiting) = (0.0, 0, 0.0_f64);
        // Half a connection less, so that rounding cannot keep the last one away.
        let total = dead.connections as f64 - 0.5;
        let mut reached = [None; 3];
        while stored < total {
            time += STEP;
            while next < due.len() && due[next] <= time {
                next += 1;
            }
            arrived += (next as f64 - arrived).min(accepts);
            open += (arrived - open).min(openings);
            stored += (open - stored).min(stores);
            waiting = waiting.max((open - stored) * (1.0 + opens));
            for (share, at) in [0.5, 0.99, 1.0].into_iter().zip(&mut reached) {
                if stored >= total * share && at.is_none() {
                    *at = Some(time);
                }
            }
        }
        let [half, most, all] = reached.map(|at| at.unwrap_or(time));
        Self {
            connections: dead.connections,
            half,
            most,
            all,
            waiting: waiting as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_takes_as_long_as_the_engine_needs_for_its_records() {
        let dead = Load {
            rooms: 100,
            connections: 50_000,
        };
        let storm = Storm::of(dead, 100, Balance::Document, 7);
        // 50,100 records at 25,000 a second, after the first pause.
        assert!((2.0..2.5).contains(&storm.all), "{storm:?}");
        assert!(storm.half < storm.most && storm.most < storm.all);
        assert!(storm.waiting > 20_000, "{storm:?}");
    }
}
