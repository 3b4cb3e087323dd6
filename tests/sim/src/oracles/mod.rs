//! What must hold: an invariant a file, but for those of the locks' own records, which are in `account`. A new one is one
//! more file, named in [`all`].
//!
//! Each oracle keeps what it needs from what it is [shown](Seen), may look at the [`World`], and trusts no state of the
//! room. `docs` of the design name the invariants S1 to S11 and L1 to L6; L4 (a park stays
//! until a person decides) is a part of S4: what was called saved is in the document or in a park.

mod account;
mod announced;
mod awake;
mod believers;
mod beside;
mod confirmed;
mod convergence;
mod fences;
mod orderly;
mod quiet;
mod rebuilt;
mod resume;
mod rights;
mod saved;
mod service;
mod timers;
mod typed;
mod waiting;
mod writes;

use std::time::Duration;

use baton_presence::Time;

use crate::seen::Seen;
use crate::world::World;

pub(crate) use orderly::brings_more;
pub(crate) use service::person_of;

/// What the simulation itself adds to a bound: steps on the disk, messages under way.
pub(crate) const SLACK: Duration = Duration::from_millis(1_500);

/// Judges one invariant.
pub(crate) trait Oracle {
    /// Its name.
    fn invariant(&self) -> &'static str;
    /// Something happened. An error says what does not hold.
    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String>;
}

/// One of each.
pub(crate) fn all() -> Vec<Box<dyn Oracle>> {
    vec![
        Box::new(account::Account::default()),
        Box::new(fences::Fences::default()),
        Box::new(writes::Writes),
        Box::new(saved::Saved),
        Box::new(believers::Believers::default()),
        Box::new(orderly::Orderly::default()),
        Box::new(rights::Entitled::default()),
        Box::new(resume::Resume::default()),
        Box::new(waiting::Waiting),
        Box::new(awake::Awake::default()),
        Box::new(service::Service::default()),
        Box::new(timers::Timers),
        Box::new(beside::Beside::default()),
        Box::new(confirmed::Confirmed::default()),
        Box::new(announced::Announced),
        Box::new(rebuilt::Rebuilt),
        Box::new(quiet::Quiet),
        Box::new(convergence::Convergence),
        Box::new(typed::Typed),
    ]
}

/// A clock for what must not last: how long something has been so without a break.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Since(Option<Time>);

impl Since {
    pub(crate) fn track(&mut self, so: bool, now: Time) -> Duration {
        if !so {
            self.0 = None;
            return Duration::ZERO;
        }
        now.since(*self.0.get_or_insert(now))
    }

    /// How long it has been so.
    pub(crate) fn lasts(self, now: Time) -> Duration {
        self.0.map_or(Duration::ZERO, |since| now.since(since))
    }
}
