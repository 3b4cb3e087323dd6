//! The replicated half of a room: everything that the log makes true of a document.
//!
//! Records in order go in, effects come out. The same records give the same state on every machine
//! and after every restart. Nothing here knows a connection, a time or a disk, and nothing here
//! imports sessions, intake or outbound.

mod author;
mod checked_update;
mod effect;
mod entrance;
mod erasure;
mod hosts;
mod indexed_park;
mod membership;
mod moved;
mod park;
mod park_decisions;
mod park_fit;
mod park_limits;
mod park_views;
mod parks;
mod people;
mod record;
mod record_format;
mod snapshot;
mod snapshots;
mod state;
mod stored;
mod write_check;

pub use erasure::{Erasure, remnant};
pub use hosts::HostId;
pub use moved::{MovedState, StateDigests};
pub use park::{Park, ParkReason, ParkState, RECOVERABLE};
pub use park_limits::{ParkFull, ParkLimits};
pub use record::{Decision, OVERHEAD, Placing, Profile, Record};
pub use record_format::RecordError;
pub use snapshot::{Snapshot, SnapshotDraft};
pub use snapshots::Snapshots;
pub use state::ReplicatedState;
pub use stored::last_joined_ms;

pub(crate) use author::Author;
pub(crate) use checked_update::CheckedUpdate;
pub(crate) use effect::Effect;
pub(crate) use park_decisions::DecisionRefused;
pub(crate) use write_check::{Destination, Obstacle};
