//! Measured costs of one node on one core of the machine of `docs/benchmarks.md`.

/// Bytes of an idle connection (*Against a bare forwarder*).
const CONNECTION: f64 = 9_330.0;

/// Bytes of a small document in memory with one or two people (*The bars of the first release*).
const ROOM: f64 = 12_000.0;

/// Core seconds that the heartbeats of a connection take in a second (5.28 % for 9,900).
const HEARTBEATS: f64 = 0.0528 / 9_900.0;

/// Core seconds for one delivery of an edit to one connection (12.3 s for a million).
pub(super) const DELIVERY: f64 = 12.3e-6;

/// Records that one node reads in a second, of all streams.
pub(super) const RECORDS_A_NODE_READS: f64 = 50_000.0;

/// Core seconds for one record that a node reads.
pub(super) const READING_A_RECORD: f64 = 1.0 / RECORDS_A_NODE_READS;

/// Connections that a node takes in a second (1,000 in 0.08 s).
pub(super) const ACCEPTS: f64 = 12_500.0;

/// Documents that a node opens in a second: `max_loads` of 16 at once, a cold tail takes 1.6 ms.
pub(super) const OPENINGS: f64 = 16.0 / 1.6e-3;

/// Seconds without a leader that an election takes at most.
pub(super) const ELECTION: f64 = 11.0;

/// Edits a second of a person who types, as clients send them. An assumption.
pub(super) const EDITS_OF_A_TYPIST: f64 = 4.0;

/// Returns the bytes of a node with so many documents and connections.
pub(super) fn memory(rooms: usize, connections: usize) -> f64 {
    rooms as f64 * ROOM + connections as f64 * CONNECTION
}

/// Returns the cores that the heartbeats of so many connections take.
pub(super) fn heartbeats(connections: usize) -> f64 {
    connections as f64 * HEARTBEATS
}
