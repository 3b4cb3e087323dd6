//! An async client.

mod address;
mod backoff;
mod client;
mod core;
mod error;
mod events;
mod lease;
mod lock;
mod options;
mod saves;
mod shared;
mod task;
mod time;

pub use backoff::Backoff;
pub use baton_sync::channel::{
    ErrorCode, Fence, LockState, LockView, Outcome, Peer, PeerState, TimingsMs, User,
};
pub use baton_sync::{self, yrs};
pub use client::{Client, ConnectError};
pub use error::{AddressError, EditError, Ended, Unanswered};
pub use events::{Comeback, EditRight, Event, Standing, Status};
pub use options::{Claim, ClientOptions, Role, Ticket};
