//! Makes faults of engines and nodes at their time, and mends them.
//!
//! Owns the order of these; decides nothing.

use std::io;

use baton_lab::FaultLog;
use tokio::time::{Instant, sleep_until};

use crate::engines::Engines;
use crate::fault::{Fault, Plan, Schedule, Side};
use crate::nodes::Nodes;

/// Engines and the nodes over them.
#[derive(Debug)]
pub struct Cluster {
    /// The nats-servers.
    pub engines: Engines,
    /// The nodes of Baton.
    pub nodes: Nodes,
}

/// A step of a run.
#[derive(Debug, Clone, Copy)]
enum Step {
    Make,
    Mend,
}

/// Plays all faults of a schedule from now on, and mends each. `told` gets a line for each.
///
/// # Errors
/// An engine cannot be killed or started again.
///
/// # Panics
/// When a node ends by itself, or does not start again.
pub async fn play(
    cluster: &mut Cluster,
    schedule: &Schedule,
    log: &FaultLog,
    mut told: impl FnMut(&str),
) -> io::Result<()> {
    let start = Instant::now();
    let steps = schedule.plans.iter().flat_map(|plan| {
        let end = plan.at + plan.lasts;
        [(plan.at, Step::Make, plan), (end, Step::Mend, plan)]
    });
    let mut steps: Vec<_> = steps.collect();
    // What ends when another one begins is mended first.
    steps.sort_by_key(|(at, step, _)| (*at, matches!(step, Step::Make)));
    let mut struck = Struck::default();
    for (at, step, plan) in steps {
        sleep_until(start + at).await;
        match step {
            Step::Make => {
                if struck.makes(cluster, plan, log).await? {
                    told(&format!("{:.1} s: {}", at.as_secs_f64(), plan.fault));
                }
            }
            Step::Mend => {
                if struck.mends(cluster, plan).await? {
                    told(&format!("{:.1} s: over: {}", at.as_secs_f64(), plan.fault));
                }
            }
        }
    }
    cluster.engines.are_ready().await
}

/// The faults that last at this moment.
#[derive(Debug, Default)]
struct Struck(Vec<Fault>);

impl Struck {
    /// Returns false if another fault is in the way: a process that is down cannot be killed.
    async fn makes(
        &mut self,
        cluster: &mut Cluster,
        plan: &Plan,
        log: &FaultLog,
    ) -> io::Result<bool> {
        let fault = plan.fault;
        if self.0.iter().any(|other| in_the_way(*other, fault)) {
            return Ok(false);
        }
        self.0.push(fault);
        let Cluster { engines, nodes } = cluster;
        match fault {
            Fault::Kill(..) | Fault::KillAllEngines => log.killed(fault.to_string(), plan.lasts),
            Fault::Freeze(..) | Fault::Part(..) => log.disturbed(fault.to_string(), plan.lasts),
        }
        match fault {
            Fault::Kill(Side::Engine, index) => engines.kill(index).await?,
            Fault::Kill(Side::Node, index) => nodes.kill(index).await,
            Fault::Freeze(Side::Engine, index) => engines.freeze(index)?,
            Fault::Freeze(Side::Node, index) => nodes.freeze(index),
            Fault::Part(Side::Engine, index, way) => engines.part(index, way),
            Fault::Part(Side::Node, index, way) => nodes.part(index, way),
            Fault::KillAllEngines => {
                for index in 0..engines.count() {
                    engines.kill(index).await?;
                }
            }
        }
        Ok(true)
    }

    /// Returns false if it was not made.
    async fn mends(&mut self, cluster: &mut Cluster, plan: &Plan) -> io::Result<bool> {
        let Some(place) = self.0.iter().position(|fault| *fault == plan.fault) else {
            return Ok(false);
        };
        self.0.swap_remove(place);
        let Cluster { engines, nodes } = cluster;
        match plan.fault {
            Fault::Kill(Side::Engine, index) => engines.start_again(index)?,
            Fault::Kill(Side::Node, index) => nodes.start_again(index).await,
            Fault::Freeze(Side::Engine, index) => engines.thaw(index)?,
            Fault::Freeze(Side::Node, index) => nodes.thaw(index),
            Fault::Part(Side::Engine, ..) => engines.join(),
            Fault::Part(Side::Node, index, _) => nodes.join(index),
            Fault::KillAllEngines => {
                for index in 0..engines.count() {
                    engines.start_again(index)?;
                }
            }
        }
        Ok(true)
    }
}

/// Returns true if the second fault cannot be made, or would mend the first, while that lasts.
fn in_the_way(first: Fault, second: Fault) -> bool {
    let process = |fault| match fault {
        Fault::Kill(side, index) | Fault::Freeze(side, index) => Some((side, index)),
        Fault::Part(..) | Fault::KillAllEngines => None,
    };
    let strikes_engines = |fault: Fault| {
        fault == Fault::KillAllEngines
            || process(fault).is_some_and(|(side, _)| side == Side::Engine)
    };
    match (first, second) {
        // A node that starts waits for the engines, and would not say in time that it listens.
        (Fault::KillAllEngines, Fault::Kill(Side::Node, _))
        | (Fault::Kill(Side::Node, _), Fault::KillAllEngines) => true,
        (Fault::KillAllEngines, other) | (other, Fault::KillAllEngines) => strikes_engines(other),
        // All engines are joined at once.
        (Fault::Part(Side::Engine, ..), Fault::Part(Side::Engine, ..)) => true,
        (Fault::Part(Side::Node, one, _), Fault::Part(Side::Node, other, _)) => one == other,
        // A node that starts while it is parted from the engines waits for them, and would not
        // say that it listens.
        (Fault::Part(Side::Node, one, _), Fault::Kill(Side::Node, other))
        | (Fault::Kill(Side::Node, other), Fault::Part(Side::Node, one, _)) => one == other,
        _ => process(first).is_some() && process(first) == process(second),
    }
}
