//! How fast a server of Yjs documents is, and what it costs: the load generator of Baton's benchmarks.
//!
//! It speaks the y-websocket wire, so that every server that does can be measured the same way, one after another in
//! the same run: a bare forwarder ([`forwarder`]: the practical limit of a machine), Baton, and its peers. It is made
//! to cost little itself, because it shares the machine with what it measures.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use baton_load::forwarder::{self, Writes};
//! use baton_load::{Crowd, Dialect, Target};
//! use std::time::Duration;
//!
//! let address = forwarder::start("127.0.0.1:0", Writes::Each).await.unwrap();
//! let crowd = Crowd { rooms: 2, clients: 3, writers: 1, rate: 50.0, time: Duration::from_millis(200), ..Crowd::default() };
//! let seen = crowd.run(&Target::new(address, Dialect::Forward)).await.unwrap();
//! assert_eq!(seen.delivered, seen.due, "everybody got everything");
//! # });
//! ```
//!
//! | file | what it owns |
//! | --- | --- |
//! | `crowd` | rooms full of writers and readers, and the time from due to delivered |
//! | `saves` | documents with one writer each, and the time from due to saved |
//! | `climb` | more and more rooms, or edits, until they come late |
//! | `idle` | connections on which nobody types |
//! | `cold` | a hundred open a long document at once |
//! | `storm` | everybody connects at once |
//! | `churn` | new documents, opened, edited, left |
//! | `stalled` | some stop reading |
//! | `innocents` | what people in one document notice while another one is attacked |
//! | `edits`, `paper` | prepared Yjs updates: keystrokes, and a long document |
//! | `target`, `dialect` | where the server is, how it is spoken to, the first sync |
//! | `served` | a server that the load starts and stops itself |
//! | `process`, `times` | processor time and memory of the server's process; histograms |
//! | `forwarder` | the baseline |
//!
//! It never judges: a ratio becomes a claim in docs/benchmarks.md, by a person.

pub mod churn;
pub mod climb;
pub mod cold;
pub mod crowd;
pub mod dialect;
pub mod edits;
pub mod forwarder;
pub mod idle;
pub mod innocents;
pub mod paper;
pub mod process;
pub mod saves;
pub mod served;
pub mod stalled;
pub mod storm;
pub mod target;
pub mod times;

pub use crate::churn::Churn;
pub use crate::climb::{Climb, Grows};
pub use crate::cold::Cold;
pub use crate::crowd::{Crowd, Seen};
pub use crate::dialect::Dialect;
pub use crate::idle::Idle;
pub use crate::innocents::Innocents;
pub use crate::paper::Paper;
pub use crate::saves::{Pace, Saves, SavesSeen};
pub use crate::served::Served;
pub use crate::stalled::Stalled;
pub use crate::storm::Storm;
pub use crate::target::Target;
