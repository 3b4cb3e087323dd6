//! Clusters that are too large for this machine, as arithmetic from measured costs.
//!
//! `docs/scale.md` quotes what [`table`] prints for seed 7. The measured costs are in `costs`,
//! each with its source; a simulation places documents and connections on nodes (`placement`) and
//! lets the clients of a node return after its death (`storm`). Nothing here is measured.

mod costs;
mod placement;
mod storm;

use std::fmt::Write as _;

use self::placement::{Balance, Crowd, Placed};
use self::storm::Storm;

/// Documents that are open at the same time.
const DOCUMENTS: usize = 1_000_000;

/// Connections on average to an open document.
const PEOPLE: f64 = 10.0;

/// Returns the tables of `docs/scale.md`.
#[must_use]
pub fn table(seed: u64) -> String {
    let mut out = String::new();
    let crowd = Crowd::draw(seed, DOCUMENTS, PEOPLE);
    let (documents, connections) = (crowd.documents(), crowd.connections());
    let _ = writeln!(
        out,
        "seed {seed}: {documents} documents, {connections} connections, \
         at most {} to one document\n",
        crowd.largest()
    );
    out.push_str("| nodes | balanced by | rooms a document | rooms a node, most | connections a node, mean / most | memory a node, most | cores for heartbeats |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for nodes in [50, 100, 200] {
        for balance in [Balance::Connection, Balance::Document] {
            let placed = Placed::of(&crowd, nodes, balance, seed);
            let most = placed.busiest();
            let mean = connections as f64 / nodes as f64;
            let _ = writeln!(
                out,
                "| {nodes} | {balance} | {:.1} | {} | {:.0} / {} | {:.1} GB | {:.2} |",
                placed.rooms() as f64 / documents as f64,
                placed.most_rooms(),
                mean,
                placed.most_connections(),
                costs::memory(most.rooms, most.connections) / 1e9,
                costs::heartbeats(most.connections),
            );
        }
    }
    out.push_str("\n| typing at once | records a second | a node reads, cores | deliveries a second, cores of all nodes | engines |\n");
    out.push_str("| --- | --- | --- | --- | --- |\n");
    for per_mille in [0.1, 0.5, 1.0, 5.0] {
        let records = connections as f64 * per_mille / 1000.0 * costs::EDITS_OF_A_TYPIST;
        let deliveries = records * crowd.listeners();
        let clusters = (records / costs::RECORDS_A_NODE_READS).ceil();
        let _ = writeln!(
            out,
            "| {per_mille} in 1,000 | {records:.0} | {:.2} | {deliveries:.0}, {:.1} | {clusters:.0} x 3 |",
            records * costs::READING_A_RECORD,
            deliveries * costs::DELIVERY,
        );
    }
    out.push_str("\n| a node of N dies | its connections | back: half / 99 % / all | records waiting, most |\n");
    out.push_str("| --- | --- | --- | --- |\n");
    for (nodes, balance) in [
        (50, Balance::Connection),
        (100, Balance::Connection),
        (100, Balance::Document),
        (200, Balance::Connection),
        (200, Balance::Document),
    ] {
        let placed = Placed::of(&crowd, nodes, balance, seed);
        let storm = Storm::of(placed.busiest(), nodes, balance, seed);
        let _ = writeln!(
            out,
            "| {nodes}, by {balance} | {} | {:.1} / {:.1} / {:.1} s | {} |",
            storm.connections, storm.half, storm.most, storm.all, storm.waiting,
        );
    }
    out.push_str("\n| an engine's leader is gone for 11 s, at so many records a second | records that wait | until they are stored |\n");
    out.push_str("| --- | --- | --- |\n");
    for rate in [5_000.0, 10_000.0, 25_000.0, 40_000.0] {
        let waiting = rate * costs::ELECTION;
        let _ = writeln!(
            out,
            "| {rate:.0} | {waiting:.0} | {:.1} s |",
            waiting / (costs::RECORDS_A_NODE_READS - rate)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_quotes_what_the_simulation_prints() {
        let page = include_str!("../../../docs/scale.md");
        for line in table(7).lines().filter(|line| line.starts_with('|')) {
            assert!(page.contains(line), "docs/scale.md lacks: {line}");
        }
    }
}
