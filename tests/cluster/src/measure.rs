//! Numbers of a cluster, each beside those of one node with the embedded store in the same run.
//!
//! Owns the order of the measurements, which servers they need, and their sizes. Judges no number;
//! only what was acknowledged must be there afterwards.
//!
//! | module | owns |
//! | --- | --- |
//! | `results` | what was measured, as a table and as JSON |
//! | `servers` | the servers of a measurement, as a load sees them |
//! | `loads` | latency, throughput, many readers |
//! | `memory` | documents at rest |
//! | `failover` | nodes and engines that are killed or frozen |
//! | `rivals` | two Hocuspocus servers over Redis |
//! | `losses` | edits that were acknowledged and are gone |

mod failover;
mod loads;
mod losses;
mod memory;
mod results;
mod rivals;
mod servers;

use std::io;
use std::time::Duration;

use baton_load::{Dialect, process};
use baton_tests::ServerProcess;
use clap::ValueEnum;

use self::results::Notes;
pub use self::results::Results;
use self::rivals::Rivals;
use self::servers::Servers;
use crate::engines::{Engines, Relayed};
use crate::injector::Cluster;
use crate::nodes::Nodes;

/// A group of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MeasuredRow {
    /// Echo and `saved`, at rest and at a moderate rate
    Latency,
    /// Saved edits a second, as many as there can be
    Throughput,
    /// One document with thousands of readers
    Readers,
    /// Documents that nobody has open
    Memory,
    /// Nodes and engines that are killed or frozen
    Failover,
    /// Two Hocuspocus servers over Redis, and what they lose; needs Node and redis-server
    Hocuspocus,
}

/// A run of measurements, with their sizes.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Rows that are measured.
    pub rows: Vec<MeasuredRow>,
    /// Documents of the loads, with one writer each.
    pub documents: usize,
    /// Edits a second of all writers together, at which latency is measured.
    pub rates: Vec<f64>,
    /// Length of a load.
    pub time: Duration,
    /// Edits of a document that wait for their answer, where the servers are saturated.
    pub in_flight: usize,
    /// Readers of one document.
    pub readers: usize,
    /// Documents at rest.
    pub resting: usize,
    /// Time after which they are at rest: snapshots are stored, and what they replace is purged.
    pub rest: Duration,
    /// Clients of a node that is killed.
    pub refugees: usize,
    /// Length of a load in which an engine fails.
    pub outage: Duration,
    /// Length of the load in which edits may be lost.
    pub ledger: Duration,
    /// Further arguments of each node.
    pub arguments: Vec<String>,
}

/// Settings of all nodes: no limits against a single client or address, for the loads are many
/// clients on one; and documents leave memory soon.
const SETTINGS: [&str; 16] = [
    "--max-messages-per-second",
    "1000000",
    "--max-connections-per-address",
    "1000000",
    "--max-connections-per-document",
    "1000000",
    "--new-connections-per-second",
    "1000000",
    "--new-connections-burst",
    "1000000",
    "--max-handshakes",
    "20000",
    "--max-handshakes-per-address",
    "20000",
    "--unload-after",
    "1s",
];

impl Measure {
    /// Returns the run for the record, without the rivals: about six minutes in a release build.
    #[must_use]
    pub fn full() -> Self {
        Self {
            rows: vec![
                MeasuredRow::Latency,
                MeasuredRow::Throughput,
                MeasuredRow::Readers,
                MeasuredRow::Memory,
                MeasuredRow::Failover,
            ],
            documents: 50,
            rates: vec![20.0, 200.0, 2000.0],
            time: Duration::from_secs(5),
            in_flight: 64,
            readers: 5000,
            resting: 5000,
            // A purge comes a minute after the snapshot.
            rest: Duration::from_secs(75),
            refugees: 20,
            outage: Duration::from_secs(14),
            ledger: Duration::from_secs(14),
            arguments: Vec::new(),
        }
    }

    /// Returns the same in small: it shows that everything works, and its numbers mean nothing.
    #[must_use]
    pub fn tiny() -> Self {
        let short = ["--lease-grace", "1s", "--profile", "fast"];
        Self {
            documents: 4,
            rates: vec![20.0],
            time: Duration::from_millis(800),
            in_flight: 8,
            readers: 30,
            resting: 40,
            rest: Duration::from_secs(3),
            refugees: 3,
            outage: Duration::from_secs(3),
            ledger: Duration::from_secs(12),
            arguments: short.map(str::to_owned).to_vec(),
            ..Self::full()
        }
    }

    /// Measures. `told` gets a line for each number. Servers that cannot be started or do not
    /// answer are problems of the results, and so are edits of Baton that were acknowledged and
    /// are gone.
    ///
    /// # Panics
    /// When a server of Baton does not start, or ends by itself.
    pub async fn run(&self, told: impl FnMut(&str)) -> Results {
        let mut notes = Notes::new(told);
        notes.version("nats-server", servers::version(crate::engine_program()));
        if let Err(error) = process::many_files() {
            notes.problem(format!("the limit of open files stays as it is: {error}"));
        }
        if let Err(error) = self.embedded(&mut notes).await {
            notes.problem(format!("one node: {error}"));
        }
        if let Err(error) = self.cluster(&mut notes).await {
            notes.problem(format!("several nodes: {error}"));
        }
        if self.has(MeasuredRow::Hocuspocus)
            && let Err(error) = self.rivals(&mut notes).await
        {
            notes.problem(format!("Hocuspocus over Redis: {error}"));
        }
        notes.measured()
    }

    fn has(&self, row: MeasuredRow) -> bool {
        self.rows.contains(&row)
    }

    fn node_arguments(&self) -> Vec<&str> {
        let own = self.arguments.iter().map(String::as_str);
        SETTINGS.into_iter().chain(own).collect()
    }

    /// One node with the embedded store.
    async fn embedded(&self, notes: &mut Notes<'_>) -> io::Result<()> {
        let mut process = ServerProcess::start(&self.node_arguments()).await;
        let servers = Servers::embedded(&process);
        if self.has(MeasuredRow::Memory) {
            memory::at_rest(self, &servers, None, notes).await?;
        }
        if self.has(MeasuredRow::Latency) {
            loads::latency(self, &servers, Dialect::Baton, notes).await?;
        }
        if self.has(MeasuredRow::Throughput) {
            loads::throughput(self, &servers, Dialect::Baton, notes).await?;
        }
        if self.has(MeasuredRow::Readers) {
            loads::readers(self, &servers, None, notes).await?;
        }
        if self.has(MeasuredRow::Hocuspocus) {
            loads::latency(self, &servers, Dialect::Hocuspocus, notes).await?;
            loads::throughput(self, &servers, Dialect::Hocuspocus, notes).await?;
        }
        if self.has(MeasuredRow::Failover) {
            failover::restart(self, &mut process, notes).await?;
        }
        process.terminate();
        process.ends().await;
        Ok(())
    }

    /// One node, two, three over three engines.
    async fn cluster(&self, notes: &mut Notes<'_>) -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let engines = Engines::start(3, folder.path(), Relayed::No).await?;
        let nodes = Nodes::start_direct(&engines, &self.node_arguments()).await?;
        let mut cluster = Cluster { engines, nodes };
        for count in 1..=3 {
            if count > 1 {
                let Cluster { engines, nodes } = &mut cluster;
                nodes.add_direct(engines, &self.node_arguments()).await?;
            }
            self.nodes(count, &mut cluster, notes).await?;
        }
        if self.has(MeasuredRow::Failover) {
            failover::node_killed(self, &mut cluster, notes).await?;
            failover::engine_killed(self, &mut cluster, notes).await?;
            failover::engine_frozen(self, &cluster, notes).await?;
        }
        cluster.nodes.stop().await;
        cluster.engines.stop().await
    }

    /// What is measured with so many nodes.
    async fn nodes(
        &self,
        count: usize,
        cluster: &mut Cluster,
        notes: &mut Notes<'_>,
    ) -> io::Result<()> {
        let servers = Servers::cluster(cluster);
        let engines = Some(&cluster.engines);
        if count == 1 && self.has(MeasuredRow::Memory) {
            memory::at_rest(self, &servers, engines, notes).await?;
        }
        if count != 2 && self.has(MeasuredRow::Latency) {
            loads::latency(self, &servers, Dialect::Baton, notes).await?;
        }
        if self.has(MeasuredRow::Throughput) {
            loads::throughput(self, &servers, Dialect::Baton, notes).await?;
        }
        if count == 3 && self.has(MeasuredRow::Readers) {
            loads::readers(self, &servers, engines, notes).await?;
        }
        if count == 2 && self.has(MeasuredRow::Hocuspocus) {
            loads::latency(self, &servers, Dialect::Hocuspocus, notes).await?;
            loads::throughput(self, &servers, Dialect::Hocuspocus, notes).await?;
            losses::of_cluster(self, cluster, notes).await?;
        }
        Ok(())
    }

    /// Two Hocuspocus servers over Redis.
    async fn rivals(&self, notes: &mut Notes<'_>) -> io::Result<()> {
        let mut rivals = Rivals::start().await?;
        for (program, version) in rivals.versions() {
            notes.version(program, version);
        }
        let servers = Servers::rivals(&rivals)?;
        loads::latency(self, &servers, Dialect::Hocuspocus, notes).await?;
        loads::throughput(self, &servers, Dialect::Hocuspocus, notes).await?;
        losses::of_rivals(self, &mut rivals, notes).await?;
        rivals.stop().await
    }
}
