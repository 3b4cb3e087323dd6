//! The servers of a measurement, as a load sees them: addresses, wires, and processes that cost.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use baton_load::{Dialect, Target, process};
use baton_tests::ServerProcess;

use super::results::BASELINE;
use super::rivals::Rivals;
use crate::injector::Cluster;

/// Servers with the same documents.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    /// In the results.
    pub(super) label: String,
    /// Distinguishes the documents of loads on the same store.
    stage: String,
    nodes: Vec<(SocketAddr, u32)>,
    engines: Vec<u32>,
    hocuspocus_path: &'static str,
}

/// Processor time of servers so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) nodes: Duration,
    pub(super) engines: Duration,
}

impl Servers {
    pub(super) fn embedded(process: &ServerProcess) -> Self {
        Self {
            label: BASELINE.to_owned(),
            stage: "embedded".to_owned(),
            nodes: vec![(process.address(), process.pid())],
            engines: Vec::new(),
            hocuspocus_path: "/hocuspocus",
        }
    }

    pub(super) fn cluster(cluster: &Cluster) -> Self {
        let Cluster { engines, nodes } = cluster;
        let count = nodes.count();
        let plural = if count == 1 { "node" } else { "nodes" };
        let all = (0..count).map(|node| (nodes.address(node), nodes.pid(node)));
        Self {
            label: format!("{count} {plural}, {} engines", engines.count()),
            stage: format!("cluster{count}"),
            nodes: all.collect(),
            engines: engines.pids(),
            hocuspocus_path: "/hocuspocus",
        }
    }

    pub(super) fn rivals(rivals: &Rivals) -> io::Result<Self> {
        Ok(Self {
            label: "2 Hocuspocus servers, Redis".to_owned(),
            stage: "rivals".to_owned(),
            nodes: rivals.servers()?,
            engines: rivals.redis_pid().into_iter().collect(),
            hocuspocus_path: "/",
        })
    }

    /// Returns true if an engine, or Redis, is behind them.
    pub(super) fn has_engines(&self) -> bool {
        !self.engines.is_empty()
    }

    /// Returns the servers as targets of loads that speak this wire.
    pub(super) fn targets(&self, dialect: Dialect) -> Vec<Target> {
        let base = match dialect {
            Dialect::Hocuspocus => self.hocuspocus_path,
            Dialect::Forward | Dialect::YWebsocket | Dialect::Baton => "/ws",
        };
        let targets = self.nodes.iter().map(|(address, pid)| Target {
            base: base.to_owned(),
            pid: Some(*pid),
            ..Target::new(*address, dialect)
        });
        targets.collect()
    }

    /// Returns the prefix of the documents of a load.
    pub(super) fn documents(&self, load: &str, dialect: Dialect) -> String {
        let wire = match dialect {
            Dialect::Hocuspocus => "-hocuspocus",
            Dialect::Forward | Dialect::YWebsocket | Dialect::Baton => "",
        };
        format!("{load}-{}{wire}", self.stage)
    }

    /// Returns the process ids of the nodes.
    pub(super) fn node_pids(&self) -> Vec<u32> {
        self.nodes.iter().map(|(_, pid)| *pid).collect()
    }

    /// Returns the process ids of the engines.
    pub(super) fn engine_pids(&self) -> &[u32] {
        &self.engines
    }

    /// Returns the processor time of all so far.
    pub(super) fn cost(&self) -> io::Result<Cost> {
        Ok(Cost {
            nodes: process::processor_times(&self.node_pids())?,
            engines: process::processor_times(&self.engines)?,
        })
    }
}

impl Cost {
    /// Returns what was added since, in seconds for a million of something: of nodes and engines.
    pub(super) fn per_million(self, since: Self, count: u64) -> (f64, f64) {
        let share = |now: Duration, before: Duration| {
            now.saturating_sub(before).as_secs_f64() * 1e6 / count.max(1) as f64
        };
        (
            share(self.nodes, since.nodes),
            share(self.engines, since.engines),
        )
    }
}

/// Returns what a program says of its version.
pub(super) fn version(program: impl AsRef<Path>) -> String {
    let output = Command::new(program.as_ref()).arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    said.map_or_else(|error| error.to_string(), |said| said.trim().to_owned())
}
