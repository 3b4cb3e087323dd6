//! One collaborative document as a deterministic machine over an ordered log of records.
//!
//! Here the two halves meet: documents ([`baton_sync`]) and presence with the edit lock ([`baton_presence`]). Everything
//! that must be agreed on about a document is a [`Record`] at a position of its log. A [`Room`] takes what clients say,
//! proposes records, and applies each when it has its position; who held the lock when an edit came is therefore a
//! question about positions, never about clocks. The same records make the same room: after a restart, on another
//! machine, in a simulation.
//!
//! A room has no clock, no task, no socket and no disk. Its caller feeds it messages and time, appends its proposals to
//! a log, tells it what became durable, and carries out its outputs:
//!
//! ```
//! use baton_presence::{Rights, Time};
//! use baton_room::{ConnectionId, Incoming, Kind, Outgoing, Output, RecordError, ResumeToken};
//! use baton_room::{Room, RoomOptions};
//! use bytes::Bytes;
//!
//! let now = Time::ZERO;
//! let mut room = Room::open(RoomOptions::default(), None, &[], now)?;
//! let (ada, bob) = (ConnectionId(1), ConnectionId(2));
//! room.connect(ada, Rights::ALL);
//! room.connect(bob, Rights::ALL);
//!
//! // Ada writes "hi" into the text "t".
//! let edit = Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00");
//! let token = ResumeToken::new([7; 16]); // 128 random bits in real life
//! room.receive(ada, Incoming::Sync(Kind::Update, edit.clone()), token, now);
//!
//! // Whatever it proposes gets a position: here simply the next number.
//! let mut log = Vec::new();
//! room.settle(now, |record, _| {
//!     log.push(record.encode()?);
//!     Ok::<_, RecordError>(log.len() as u64)
//! })?;
//!
//! // Bob is sent the very bytes that came.
//! let mut outputs = std::iter::from_fn(|| room.next_output());
//! assert!(outputs.any(|output| {
//!     output == Output::Broadcast { except: Some(ada), message: Outgoing::Update(edit.clone()) }
//! }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//! - `record`: the vocabulary of the log, and its encoding
//! - `state`: what the log makes true (replicated, deterministic); `admission`: who may write where
//! - `park`, `parks`, `park_limits`: edits set aside; `deciding`: what becomes of them; `viewing`: what people see of them
//! - `room`: one open document; `options`: what it is set up with; `connection`: what it remembers of each connection;
//!   `faults`: what can go wrong with it
//! - in: `receive` (what a client says), `operations` (locks, modes), `edits` (updates), `withheld` (updates too early to
//!   judge), `requesters` (who asked for a lock and is gone), `cursors` (awareness), `quota` (how much of all that), `erasure`
//!   (the end of a document)
//! - out: `announce` and `locks` (what people are told), `outcomes` (in which words), `telling` (at once, or when durable),
//!   `views` (only the newest), `lock_views` and `roster_news` (when), `catch_up` (for who reads too slowly), `keepalive` (for who is told nothing), `output` (by
//!   meaning, not by wire), `resting` (what a newcomer lacks of the document)
//! - `token`: resume tokens, and whose session it is

mod admission;
mod announce;
mod catch_up;
mod claims;
mod connection;
mod cursors;
mod deciding;
mod draft;
mod edits;
mod erasure;
mod faults;
mod first_sync;
mod keepalive;
mod lock_views;
mod locks;
mod operations;
mod options;
mod outcomes;
mod output;
mod park;
mod park_limits;
mod parks;
mod quota;
mod receive;
mod record;
mod requesters;
mod room;
mod roster_news;
mod state;
mod telling;
mod token;
mod viewing;
mod views;
mod withheld;

pub use baton_sync::handshake::Kind;
pub use baton_sync::replica::Former;
pub use catch_up::{CatchUp, Missed};
pub use draft::{Deleted, Draft, Snapshot};
pub use erasure::remnant;
pub use faults::{LoadError, SnapshotError};
pub use operations::LockLimits;
pub use options::RoomOptions;
pub use output::{ConnectionId, Ending, Incoming, Outgoing, Output, ViewOf};
pub use park::{Park, ParkReason, ParkState, RECOVERABLE};
pub use park_limits::{ParkFull, ParkLimits};
pub use quota::{Growth, Refused, StorageLimit};
pub use record::{Decision, OVERHEAD, Placing, Profile, Record, RecordError};
pub use room::{Awaited, Departure, Journal, Room};
pub use state::last_joined_ms;

pub use token::{ResumeToken, Source, TokenHash};
pub use viewing::Sketch;
