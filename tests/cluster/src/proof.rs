//! The conflict lab on the nodes of a cluster, while engines and nodes are struck.
//!
//! Owns what a run is: its length, its clients, its seed. Every judgement is the lab's.

use std::error::Error;
use std::time::Duration;

use baton_lab::{Chaos, FaultLog, Run, Scenario, Target};

use crate::engines::{Engines, Relayed};
use crate::fault::Schedule;
use crate::injector::{Cluster, play};
use crate::nodes::Nodes;

/// A run.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The seed of all decisions: of clients, and of faults.
    pub seed: u64,
    /// Time in which there are edits and faults.
    pub lasts: Duration,
    /// Number of engines.
    pub engines: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of clients; they are dealt to documents and nodes in turn.
    pub clients: usize,
    /// Number of documents.
    pub documents: usize,
    /// Further arguments of `baton serve`.
    pub arguments: Vec<String>,
}

impl Proof {
    /// Nine clients in three documents on three nodes, over three engines.
    #[must_use]
    pub fn new(seed: u64, lasts: Duration) -> Self {
        Self {
            seed,
            lasts,
            engines: 3,
            nodes: 3,
            clients: 9,
            documents: 3,
            arguments: Vec::new(),
        }
    }

    /// Returns the scenario of the lab.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        Scenario {
            name: "cluster".to_owned(),
            clients: self.clients,
            docs: self.documents,
            seed: self.seed,
            lasts: self.lasts,
            // After the last fault an election may come, and a lease may have to run out.
            settle: Duration::from_secs(90),
            pause: Duration::from_millis(250),
            // Their own lines are bad as well, as of any clients.
            chaos: vec![Chaos::Drop, Chaos::Delay, Chaos::Freeze],
            disturbances: 2.0,
            ..Scenario::default()
        }
    }

    /// Returns the faults of engines and nodes.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule::draw(self.seed, self.lasts, self.engines, self.nodes)
    }
}

/// Starts a cluster, plays the lab on it with all faults, and ends it. `told` gets a line for
/// each fault. Of a run in which something is wrong the engines' data and the nodes' logs are kept.
///
/// # Errors
/// There was no run: something could not be started or mended.
///
/// # Panics
/// When a node ends by itself, or does not start.
pub async fn prove(proof: &Proof, mut told: impl FnMut(&str)) -> Result<Run, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let engines = Engines::start(proof.engines, folder.path(), Relayed::Yes).await?;
    let arguments: Vec<&str> = proof.arguments.iter().map(String::as_str).collect();
    let nodes = Nodes::start(proof.nodes, &engines, &arguments).await?;
    let faults = FaultLog::default();
    let target = Target::Nodes(baton_lab::Nodes {
        addresses: nodes.addresses_from(0),
        faults: faults.clone(),
    });
    let mut cluster = Cluster { engines, nodes };
    let (scenario, schedule) = (proof.scenario(), proof.schedule());
    let run = async {
        let run = baton_lab::run(&scenario, &target, |_| ()).await;
        run.map_err(Box::<dyn Error>::from)
    };
    let disturb = async {
        let played = play(&mut cluster, &schedule, &faults, &mut told).await;
        played.map_err(Box::<dyn Error>::from)
    };
    let (run, ()) = tokio::try_join!(run, disturb)?;
    let is_wrong = run.verdict.problems().next().is_some();
    let logs: Vec<_> = (0..proof.nodes)
        .map(|node| cluster.nodes.said(node))
        .collect();
    cluster.nodes.stop().await;
    cluster.engines.stop().await?;
    if is_wrong {
        let kept = folder.keep();
        for (node, log) in logs.into_iter().enumerate() {
            std::fs::write(kept.join(format!("node-{}.log", node + 1)), log)?;
        }
        told(&format!("kept: {}", kept.display()));
    }
    Ok(run)
}
