//! How far a server goes: more and more rooms, or more and more edits a second, until the edits come late or not at all.
//!
//! Owns the search: doubling from a start, then halving the distance. A step that failed by little is tried once more,
//! for a machine hiccups. Every step has documents of its own, and waits until the server has done with the one before.

use std::io;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::crowd::{Crowd, Seen};
use crate::process;
use crate::target::Target;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grows {
    /// The number of rooms.
    Rooms,
    /// The edits a second of each writer.
    Rate,
}

/// A search for the most that a server sustains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Climb {
    /// The load of a step, but for what grows.
    pub crowd: Crowd,
    /// What grows.
    pub grows: Grows,
    /// Where to begin.
    pub start: f64,
    /// By how much each step is larger than the one before, until one fails.
    pub factor: f64,
    /// How often the distance between the best step and the first that failed is halved.
    pub refine: u32,
    /// A step fails whose 99th percentile is over this.
    pub most_p99: Duration,
    /// No step begins later than that after the first.
    pub most_time: Duration,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The rooms, or the rate.
    pub at: f64,
    /// Whether all arrived, and in time.
    pub held: bool,
    /// What was seen.
    pub seen: Seen,
}

/// How far it went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Height {
    /// The best step, if any held.
    pub best: Option<Step>,
    /// All of them, in the order in which they were made.
    pub steps: Vec<Step>,
}

impl Climb {
    /// Searches.
    ///
    /// # Errors
    /// Somebody could not connect at the first step; later that is a step that failed.
    pub async fn run(&self, target: &Target) -> io::Result<Height> {
        let end = Instant::now() + self.most_time;
        let mut steps: Vec<Step> = Vec::new();
        let (mut best, mut worst): (Option<f64>, Option<f64>) = (None, None);
        let (mut at, mut halvings) = (self.start, 0);
        loop {
            let step = self.step(target, at, &mut steps).await?;
            if step {
                best = Some(at);
            } else {
                worst = Some(at);
            }
            at = match (best, worst) {
                (Some(best), None) => best * self.factor,
                (None, Some(worst)) if worst > 1.0 => worst / self.factor,
                (Some(best), Some(worst)) if halvings < self.refine => {
                    halvings += 1;
                    (best * worst).sqrt()
                }
                _ => break,
            };
            if self.grows == Grows::Rooms {
                at = at.round().max(1.0);
            }
            if Instant::now() > end || steps.iter().any(|step| step.at == at) {
                break;
            }
        }
        let held = steps.iter().filter(|step| step.held);
        let best = held.max_by(|a, b| a.at.total_cmp(&b.at)).cloned();
        Ok(Height { best, steps })
    }

    async fn step(&self, target: &Target, at: f64, steps: &mut Vec<Step>) -> io::Result<bool> {
        for attempt in 0..2 {
            let mut crowd = self.crowd.clone();
            crowd.name = format!("{}-{}", crowd.name, steps.len());
            match self.grows {
                Grows::Rooms => crowd.rooms = at as usize,
                Grows::Rate => crowd.rate = at,
            }
            let seen = match crowd.run(target).await {
                Ok(seen) => seen,
                Err(error) if steps.is_empty() => return Err(error),
                Err(_) => return Ok(false),
            };
            let p99 = Duration::from_secs_f64(seen.spread.p99 / 1000.0);
            let complete = seen.delivered >= seen.due;
            let held = complete && p99 <= self.most_p99;
            let close = complete && p99 <= 3 * self.most_p99;
            steps.push(Step { at, held, seen });
            match target.pid {
                Some(pid) => process::idle(pid, Duration::from_secs(5)).await?,
                None => sleep(Duration::from_millis(300)).await,
            }
            if held || !close || attempt == 1 {
                return Ok(held);
            }
        }
        Ok(false)
    }
}
