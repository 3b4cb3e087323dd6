//! Skeleton.
mod announce;
mod output;
mod parks;
mod receive;
mod record;
mod room;
mod state;
mod token;
pub use baton_sync::handshake::Kind;
pub use output::{ConnectionId, Ending, Incoming, Outgoing, Output};
pub use parks::{Park, ParkFull, ParkLimits, ParkReason};
pub use record::{OVERHEAD, Profile, Record, RecordError};
pub use room::{Departure, Proposal, Room, RoomOptions};
pub use state::{Broken, LoadError, SnapshotError};
pub use token::{ResumeToken, TokenHash};
