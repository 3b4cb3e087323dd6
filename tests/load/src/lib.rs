//! How fast a server of Yjs documents is, and what it costs: the load generator of Baton's benchmarks.
//!
//! It speaks the y-websocket wire, so that every server that does can be measured the same way, one after another in
//! the same run: a bare forwarder ([`forwarder`]: the practical limit of a machine), Baton, and its peers. It is made
//! to cost little itself, because it shares the machine with what it measures.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use baton_load::{Crowd, forwarder};
//! use std::time::Duration;
//!
//! let address = forwarder::start("127.0.0.1:0").await.unwrap();
//! let crowd = Crowd { rooms: 2, clients: 3, writers: 1, rate: 50.0, time: Duration::from_millis(200), ..Crowd::default() };
//! let seen = crowd.run(address, "/ws").await.unwrap();
//! assert_eq!(seen.delivered, seen.due, "everybody got everything");
//! # });
//! ```
//!
//! | file | what it owns |
//! | --- | --- |
//! | `edits` | prepared Yjs updates, and which edit an arriving one is |
//! | `wire` | a WebSocket client that does nothing but its job |
//! | `crowd` | rooms full of writers and readers, and the time from due to delivered |
//! | `process` | processor time and memory of the server's process |
//! | `forwarder` | the baseline |
//!
//! It never judges: a ratio becomes a claim in docs/benchmarks.md, by a person.

pub mod crowd;
pub mod edits;
pub mod forwarder;
pub mod process;
pub mod wire;

pub use crate::crowd::{Crowd, Seen};
