//! Outbound: everything that clients are told, at once or when it is durable.
//!
//! Owns the output queue, the messages that wait for the disk, and the views of which only the
//! newest counts. Takes the effects of records and the answers of the intake; decides nothing about
//! them.

mod access_news;
mod catch_up;
mod durability_gate;
mod first_sync;
mod keepalive;
mod latest_only;
mod lock_messages;
mod lock_view_throttle;
mod notifications;
mod op_results;
mod outlet;
mod peers;
mod roster_throttle;
mod withheld;

pub use catch_up::{CatchUp, MissedUpdates};

pub(crate) use catch_up::caught_up;
pub(crate) use durability_gate::Released;
pub(crate) use outlet::Outbound;
