//! A cluster on this machine: nats-servers, nodes of Baton over them, and faults of both.
//!
//! The tests play the conflict lab (`tests/lab`) on three nodes while engines and nodes are
//! killed, frozen and cut off on a seed, and tell some stories about the lock. The program
//! `cluster-lab` plays the same for longer, and brings a cluster up for a person to try.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | `engine` | one nats-server: its configuration, its process |
//! | `engines` | several of them, and the relays between each two |
//! | `machines` | machines with networks of their own, whose cables can be pulled |
//! | `monitor` | what an engine says about itself |
//! | `nodes` | nodes of Baton, and the relays between them and the engines |
//! | `balancer` | an HAProxy in front of the nodes |
//! | `fault` | what goes wrong when, from a seed |
//! | `injector` | the making and mending of what goes wrong |
//! | `proof` | the lab on the nodes, with faults |
//! | `measure` | what a cluster costs and how long its failures last |
//! | [`scale`] | clusters that are too large for this machine, as arithmetic |
//!
//! # Rules of the house
//! Nothing but loopback is used, and no rights are needed: a partition is made by a relay that
//! holds what it was given. Stories about lost packets have a network of their own instead, where
//! one can be made. Each process ends with its owner, by its own id.

mod balancer;
mod engine;
mod engines;
mod fault;
mod injector;
mod machines;
mod measure;
mod monitor;
mod nodes;
mod proof;
pub mod scale;

pub use balancer::Balancer;
pub use engine::engine_program;
pub use engines::{Engines, Relayed};
pub use fault::{Fault, Plan, Schedule, Side};
pub use injector::{Cluster, play};
pub use machines::{Machines, Network};
pub use measure::{Measure, MeasuredRow, Results};
pub use monitor::Meta;
pub use nodes::Nodes;
pub use proof::{Proof, prove};
