//! The log of many nodes: any node serves any document, and all see its records in one order.
//!
//! A node proposes records; the engine (NATS JetStream) orders them; every node delivers them in
//! that order, its own included. Rooms stay deterministic machines over an ordered log.
//!
//! | module | content |
//! | --- | --- |
//! | [`core`] | the protocol as machines without IO: what to send, what an answer means |
//! | [`engine`] | what a node asks of NATS JetStream, in Baton's words |
//! | `cluster_log` | the tasks that drive the machines over the engine: a node's [`ClusterLog`] |
//!
//! The protocol is written down in `docs/cluster-protocol.md`.

mod cluster_log;
pub mod core;
pub mod engine;

pub use baton_log;
pub use bytes;
pub use cluster_log::{ClusterError, ClusterLog, ClusterNews, ClusterOptions};
