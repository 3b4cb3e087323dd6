//! What came of a run. Owns the verdict's form, for people and for machines; judges nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its name: `S5`, `convergence`.
    pub invariant: String,
    /// What was seen.
    pub what: String,
    /// The step at which it was seen; the same in every replay of the seed.
    pub step: u64,
    /// The virtual time of that step, in milliseconds.
    pub at_ms: u64,
    /// The last events before it, oldest first.
    pub events: Vec<String>,
}

/// One run: the same for the same seed and options, on every machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where every decision came from.
    pub seed: u64,
    /// People in the document.
    pub people: usize,
    /// Virtual time with edits and faults, in milliseconds.
    pub lasts_ms: u64,
    /// How many steps were taken.
    pub steps: u64,
    /// A hash over all events in their order: equal for equal runs.
    pub trace: u64,
    /// How often each kind of thing happened: a run in which nothing happens proves nothing.
    pub counts: BTreeMap<&'static str, u64>,
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
}

impl Report {
    /// Whether everything held.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.violation.is_none()
    }

    /// The command that runs exactly this again.
    #[must_use]
    pub fn replay(&self) -> String {
        format!(
            "BATON_SIM_SEED={} BATON_SIM_PEOPLE={} BATON_SIM_MILLIS={} cargo test -p baton-sim --test seeds one_seed -- --nocapture",
            self.seed, self.people, self.lasts_ms
        )
    }
}

/// For people: one line when all is well; else the invariant, the last events and the command that replays them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(violation) = &self.violation else {
            return write!(
                f,
                "seed {}: all is well after {} steps, trace {:016x}",
                self.seed, self.steps, self.trace
            );
        };
        for event in &violation.events {
            writeln!(f, "  {event}")?;
        }
        writeln!(
            f,
            "seed {}: {} does not hold at step {} ({} ms): {}",
            self.seed, violation.invariant, violation.step, violation.at_ms, violation.what
        )?;
        write!(f, "replay: {}", self.replay())
    }
}
