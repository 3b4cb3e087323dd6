//! The conflict lab: many clients edit together over bad networks, with a server that dies, and at the end there is a
//! verdict: did all copies converge, and was anything lost, duplicated, or let past the lock?
//!
//! A [`Scenario`] says who, how long and how bad; [`run`] makes it happen against a server that it starts, or one that
//! is there already ([`Target::Url`]: your own application with Baton in it, or any y-websocket or Hocuspocus server); what comes back
//! is a [`Record`] of all that was observed, and the [`Verdict`] on it. In somebody's own `cargo test`:
//!
//! ```
//! use std::time::Duration;
//!
//! use baton_lab::{Chaos, Scenario, Target};
//! # use baton_log::{Log, LogOptions};
//! # use baton_server::{Server, Settings};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = Server::new(Settings::default(), Log::in_memory(LogOptions::default())?)?;
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("ws://{}/ws", listener.local_addr()?);
//! # let serving = server.clone();
//! # tokio::spawn(async move { serving.listen(listener).await });
//! let scenario = Scenario {
//!     clients: 4,
//!     docs: 1,
//!     lasts: Duration::from_secs(2),
//!     pause: Duration::from_millis(40),
//!     chaos: vec![Chaos::Drop, Chaos::Delay],
//!     disturbances: 30.0,
//!     ..Scenario::default()
//! };
//! let run = baton_lab::run(&scenario, &Target::Url(url), |_| ()).await?;
//! run.verdict.assert_good();
//! assert!(run.html().starts_with("<!doctype html>"));
//! # server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a seed is, and is not
//! Every *decision* comes from the scenario's seed: which client does what, in which order, after which pause; what goes
//! wrong, when, for whom and for how long. The sockets, the scheduler and the clock are real, so the same seed is the
//! same play and not the same performance: a failing seed fails again if it is run often enough, not always at once.
//! The [`Record`] of a failing run is kept for that reason: it can be judged again ([`judge`]) without running anything.
//!
//! # What is checked
//! Each edit puts in an element with an id of its own (`client:number`) somewhere into a text, a map, an array, XML or a
//! type within a type, or takes one of its own out. When chaos is over and all is quiet:
//!
//! - all copies are equal, and equal to what a newcomer gets and to what is on the server's disk;
//! - each element is in the document or in a park, once, or was taken out; or its author was told that the copy diverged
//!   and it was never acknowledged (a *draft*); or it was never acknowledged and its copy ended with the power. Whatever
//!   else is missing is *lost*;
//! - what was taken out, acknowledged, stays out; nobody's elements are torn;
//! - a park that was merged is in the document, one that was discarded is still there to be recovered;
//! - the locks, of the document and of its parts: fences grow, each is granted to one client, by an offer; the server never
//!   shows two that are in conflict; no two clients believe for longer than the server's clocks allow, and half a second,
//!   that they hold such; of two that were certainly held one after the other, the later has the greater fence; nothing that
//!   was made and acknowledged where somebody certainly held the lock got into the document from somebody else.
//!
//! What a client cannot know is not judged: news travels, so the order of two clients' observations is compared only
//! where it must hold whatever the network did. What the lab itself was too slow to see is told ([`Verdict::unjudged`]). A
//! plain y-websocket server has no lock and acknowledges nothing: there convergence, losses and duplicates are judged, and
//! edits are made regardless.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | `scenario` | what a run is to be, and its TOML |
//! | `plan` | every decision, from the seed |
//! | `content` | what is written into documents, and read back |
//! | `copy` | one copy of a document in a client's hands; nothing else calls `baton-client` |
//! | `line` | a copy's way to the server |
//! | `hocuspocus_bridge` | what stands in it where the server speaks Hocuspocus |
//! | `people` | the clients, each on a thread of its own |
//! | `ice` | what stops such a thread, and with it the client |
//! | `server` | the program as a child, and what it left on its disk |
//! | `run`, `chaos` | the order of it all; what goes wrong, when it is time for it |
//! | `fault_log` | what the program that starts several nodes does to them |
//! | `record` | what was observed, as data |
//! | `part` | what a lock covers, as data |
//! | `oracle` | the judgement on documents |
//! | `history`, `invariants` | who held what when, and what must hold of it |
//! | `verdict` | what comes of it |
//! | `report` | the page |
//!
//! The program `baton-lab` is this and a command line, with the seeds of `baton-sim`. The program `flawed-baton` is a
//! server with a bug of your choice, which the tests have the lab find.

mod chaos;
mod content;
mod copy;
mod error;
mod fault_log;
mod history;
mod hocuspocus_bridge;
mod ice;
mod invariants;
mod line;
mod oracle;
mod part;
mod people;
mod plan;
mod record;
mod report;
mod run;
mod scenario;
mod server;
mod verdict;

pub use content::{Contents, Place};
pub use error::LabError;
pub use fault_log::FaultLog;
pub use history::{Handoff, Hold, Left, LockVerdict};
pub use oracle::judge;
pub use part::Part;
pub use record::{Copy, Ending, Moment, Person, Progress, Record, Shown, Stored, What};
pub use run::{Nodes, Run, Target, run};
pub use scenario::{Chaos, ClientWire, Locks, Pace, Scenario, ScenarioError};
pub use verdict::{DocumentVerdict, Outcome, Verdict};
