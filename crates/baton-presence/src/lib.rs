//! Heartbeats, a roster, and an edit lock that passes to the next live peer.

mod asks;
mod comings;
mod deadlines;
mod event;
mod fold;
mod ids;
mod lock;
mod passing;
mod queue;
mod roster;
mod seat;
mod seats;
mod snapshot;
mod time;
mod visits;
mod watch;

pub use event::{Change, Event, Loss, OfferEnd, Refusal};
pub use fold::{Fold, FoldSettings};
pub use ids::{AutoPass, Fence, SessionId, Standing, Ticket, Voice};
pub use lock::{Due, Lock, LockState, Passing, WriteRight};
pub use roster::{Peer, Presence};
pub use seat::{Answer, Health};
pub use snapshot::{FoldSnapshot, SnapshotError};
pub use time::{Time, Timings, TimingsError};
pub use watch::{Proposal, Watch, WatchLoad};
