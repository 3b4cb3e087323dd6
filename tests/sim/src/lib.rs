//! Whole servers and clients on virtual time over a simulated network: the real room, the real client core, a stock Yjs
//! client, and everything between them made up from a seed.
//!
//! ```
//! use std::time::Duration;
//!
//! use baton_sim::{Flaw, Options, run};
//!
//! let options = Options {
//!     people: 3,
//!     lasts: Duration::from_secs(20),
//!     ..Options::default()
//! };
//! let report = run(1, &options);
//! assert!(report.is_good(), "{report}");
//! assert_eq!(report.trace, run(1, &options).trace, "a run is its seed");
//! ```
//!
//! # What is real, and what is not
//! Real: [`baton_room::Room`] with all below it, the core of `baton-client`, the document and the wire of `baton-sync`.
//! Simulated: the shells around them (sockets, timers, tasks), the disk, the network, the clocks, the people. So a seed is
//! the whole performance: a failing one fails at the same event again, on every machine.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | `options`, `report` | what goes in, what comes out |
//! | `world` | virtual time and the one queue |
//! | `serve`, `lifetime`, `disk` | the server as `baton-server` hosts a document; its starts and ends; its log, with crashes and torn tails |
//! | `traffic`, `net` | connections: slow, held up, dead, reset |
//! | `people`, `tab`, `page` | machines with clocks that run fast or slow; Baton's client and a stock one on them |
//! | `workload` | what people want, an operation a file |
//! | `faults`, `revoke` | what goes wrong; the right to lock, which comes and goes |
//! | `seen`, `oracles` | what is observed; what must hold, an invariant a file |
//! | `book`, `ledger`, `content`, `region`, `became` | the harness's own account of locks and text |
//! | `flaw`, `plant` | bugs to plant |
//! | `shrink` | a smaller run that fails in the same way |
//! | `trace` | what happened |

mod became;
mod book;
mod content;
mod disk;
mod faults;
mod flaw;
mod ledger;
mod lifetime;
mod net;
mod options;
mod oracles;
mod page;
mod people;
mod plant;
mod region;
mod report;
mod revoke;
mod seen;
mod serve;
mod shrink;
mod tab;
mod trace;
mod traffic;
mod workload;
mod world;

pub use flaw::Flaw;
pub use options::Options;
pub use report::{Report, Violation};
pub use shrink::shrink;

/// Runs one seed to its end, or to the first thing that does not hold.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    world::World::new(seed, options).run()
}
