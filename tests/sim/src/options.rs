//! What a run is to be. Owns the settings and their defaults; every decision within them comes from the seed.

use std::time::Duration;

use crate::flaw::Flaw;

/// The size of a run; see [`Options::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// People in the document, 1 to 64: most with Baton's client, some with a stock Yjs client.
    pub people: usize,
    /// How long there are edits and faults, in virtual time. A quiet end of a minute follows.
    pub lasts: Duration,
    /// What is wrong on purpose.
    pub flaw: Flaw,
    /// How many of the last events a failure shows.
    pub shown: usize,
}

impl Default for Options {
    /// Five people, two minutes, nothing wrong, 60 events.
    fn default() -> Self {
        Self {
            people: 5,
            lasts: Duration::from_secs(120),
            flaw: Flaw::None,
            shown: 60,
        }
    }
}
