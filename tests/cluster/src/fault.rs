//! What goes wrong with engines and nodes, when, and for how long: all from a seed.
//!
//! Owns the random numbers. Does nothing itself.

use std::fmt;
use std::time::Duration;

use baton_testkit::{Direction, Random};

/// Draws of this kind have a stream of their own, apart from those of the lab on the same seed.
const STREAM: u64 = 0x_c105_7e12;

/// The processes that a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A nats-server.
    Engine,
    /// A node of Baton.
    Node,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One process is killed (`kill -9`), and started again afterwards.
    Kill(Side, usize),
    /// One process stands still (SIGSTOP).
    Freeze(Side, usize),
    /// A node is parted from all engines, an engine from all other engines.
    Part(Side, usize, Direction),
    /// All engines are killed, and started again afterwards.
    KillAllEngines,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Time from the start of the run.
    pub at: Duration,
    /// The fault.
    pub fault: Fault,
    /// Time until it is mended.
    pub lasts: Duration,
}

/// All that goes wrong in a run, in order. Faults may overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// The faults.
    pub plans: Vec<Plan>,
}

impl Schedule {
    /// Draws the faults of a run of this length. All is mended within it.
    #[must_use]
    pub fn draw(seed: u64, lasts: Duration, engines: usize, nodes: usize) -> Self {
        let mut random = Random::from_seed_and_stream(seed, STREAM);
        let mut plans = Vec::new();
        let mut deck = Vec::new();
        let mut at = Duration::from_secs(3);
        loop {
            // Each kind comes once before any comes again.
            if deck.is_empty() {
                deck = kinds(&mut random, engines, nodes);
            }
            let fault = deck.swap_remove(random.below(deck.len()));
            let length = length(&mut random, fault);
            if at + length > lasts {
                return Self { seed, plans };
            }
            plans.push(Plan {
                at,
                fault,
                lasts: length,
            });
            // Every fourth one begins while this one lasts.
            let pause = random.between(Duration::from_secs(2), Duration::from_secs(6));
            at += if random.below(4) == 0 {
                length / 2
            } else {
                length + pause
            };
        }
    }
}

/// One fault of each kind, of a process that is drawn.
fn kinds(random: &mut Random, engines: usize, nodes: usize) -> Vec<Fault> {
    let mut faults = vec![Fault::KillAllEngines];
    for (side, count) in [(Side::Engine, engines), (Side::Node, nodes)] {
        faults.push(Fault::Kill(side, random.below(count)));
        faults.push(Fault::Freeze(side, random.below(count)));
        for way in [Direction::ToServer, Direction::ToClient, Direction::Both] {
            faults.push(Fault::Part(side, random.below(count), way));
        }
    }
    faults
}

/// Draws for how long a fault lasts. A node's lease is 15 s: some are longer, most are shorter.
fn length(random: &mut Random, fault: Fault) -> Duration {
    let seconds = Duration::from_secs;
    let long = random.below(4) == 0;
    match fault {
        Fault::Kill(..) | Fault::KillAllEngines => random.between(seconds(1), seconds(5)),
        Fault::Freeze(..) | Fault::Part(..) if long => random.between(seconds(18), seconds(24)),
        Fault::Freeze(..) | Fault::Part(..) => random.between(seconds(3), seconds(11)),
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::Node => "node",
        })
    }
}

/// `kill -9 engine 2`, with numbers from 1.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(side, index) => write!(f, "kill -9 {side} {}", index + 1),
            Self::Freeze(side, index) => write!(f, "freeze {side} {}", index + 1),
            Self::Part(side, index, way) => {
                let what = match way {
                    Direction::ToServer => "nothing that it sends arrives",
                    Direction::ToClient => "nothing that is sent to it arrives",
                    Direction::Both => "both ways",
                };
                write!(f, "part {side} {} from the engines: {what}", index + 1)
            }
            Self::KillAllEngines => f.write_str("kill -9 all engines"),
        }
    }
}

/// A line for each fault.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults of seed {}:", self.seed)?;
        for plan in &self.plans {
            let (at, lasts) = (plan.at.as_secs_f64(), plan.lasts.as_secs_f64());
            write!(f, "\n  {at:6.1} s for {lasts:4.1} s: {}", plan.fault)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MINUTES: Duration = Duration::from_secs(30 * 60);

    #[test]
    fn a_seed_draws_the_same_faults_again_and_another_seed_others() {
        let drawn = |seed| Schedule::draw(seed, MINUTES, 3, 3);
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7).plans, drawn(8).plans);
    }

    #[test]
    fn every_kind_of_fault_comes_and_all_are_mended_in_time() {
        let schedule = Schedule::draw(7, MINUTES, 3, 3);
        let end = |plan: &Plan| plan.at + plan.lasts;
        assert!(schedule.plans.iter().all(|plan| end(plan) <= MINUTES));
        let kind = |plan: &Plan| match plan.fault {
            Fault::Kill(side, _) => format!("kill {side}"),
            Fault::Freeze(side, _) => format!("freeze {side}"),
            Fault::Part(side, _, way) => format!("part {side} {way:?}"),
            Fault::KillAllEngines => "kill all".to_owned(),
        };
        let kinds: BTreeSet<String> = schedule.plans.iter().map(kind).collect();
        assert_eq!(kinds.len(), 11, "{kinds:?}");
        let lease = Duration::from_secs(15);
        assert!(schedule.plans.iter().any(|plan| plan.lasts > lease));
        let overlap = |pair: &[Plan]| end(&pair[0]) > pair[1].at;
        assert!(schedule.plans.windows(2).any(overlap));
        assert!(!schedule.plans.windows(2).all(overlap));
    }
}
