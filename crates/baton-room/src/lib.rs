//! One collaborative document as a deterministic machine over an ordered log of records.
//!
//! Here the two halves meet: documents ([`baton_sync`]) and presence with the edit lock
//! ([`baton_presence`]). Everything that must be agreed on about a document is a [`Record`] at a
//! position of its log. A [`Room`] takes what clients say, proposes records, and applies each when
//! it has its position; who held the lock when an edit came is therefore a question about
//! positions, never about clocks. The same records make the same room: after a restart, on another
//! machine, in a simulation.
//!
//! A room has no clock, no task, no socket and no disk. Its caller feeds it messages and time,
//! appends its proposals to a log, tells it what became durable, and carries out its outputs:
//!
//! ```
//! use baton_presence::{Rights, Time};
//! use baton_room::{ConnectionId, Incoming, SyncKind, Outgoing, Output, Record, RecordError};
//! use baton_room::{ResumeToken, Room, RoomOptions};
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
//! room.receive(ada, Incoming::Sync(SyncKind::Update, edit.clone()), token, now);
//!
//! // Whatever it proposes gets a position: here simply the next number.
//! let mut log = Vec::new();
//! room.settle(now, |record: &Record, _| {
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
//!
//! | module | content |
//! | --- | --- |
//! | `room` | one open document: conducts the four owners; `room::settle`: the way of a proposal |
//! | `sessions` | connections, resume tokens, Yjs client ids, awareness, the failure detector |
//! | `intake` | updates and operations on their way in: answered, proposed or refused |
//! | `replica` | the state that the log makes: document, locks, parks; records and snapshots |
//! | `outbound` | notifications, messages that wait for the disk, coalesced views |
//! | `message`, `output` | vocabulary between clients and room, and between room and caller |
//! | `kept_message` | a message that is taken up later |
//! | `reaction`, `context` | vocabulary between the owners and the room |
//! | `options`, `error`, `token`, `channel_types`, `park_preview` | leaves |

mod channel_types;
mod context;
mod error;
mod intake;
mod kept_message;
mod message;
mod options;
mod outbound;
mod output;
mod park_preview;
mod reaction;
mod replica;
mod room;
mod sessions;
mod token;

pub use baton_presence;
pub use baton_sync;
pub use baton_sync::handshake::SyncKind;
pub use baton_sync::replica::RetiredReplica;
pub use bytes;
pub use error::{LoadError, MoveError, SnapshotError};
pub use intake::{Budget, BudgetRefusals, Growth, StorageLimit};
pub use message::{
    AccessNews, Arrival, ConnectionId, Departure, ERASED, Ending, Identity, Incoming, Outgoing,
    Receipts, ToClose, ViewOf, WriteScope,
};
pub use options::{LockLimits, ReadOnlyEdits, RoomOptions};
pub use outbound::{CatchUp, MissedUpdates};
pub use output::Output;
pub use park_preview::ParkPreview;
pub use postcard;
pub use reaction::protocol_fault;
pub use replica::{
    Decision, Erasure, HostId, MovedState, OVERHEAD, Park, ParkFull, ParkLimits, ParkReason,
    ParkState, Placing, Profile, RECOVERABLE, Record, RecordError, ReplicatedState, Snapshot,
    SnapshotDraft, Snapshots, StateDigests, last_joined_ms, remnant,
};
pub use room::{
    Awaited, ClusterEvent, Journal, RecordPlacement, Room, RoomLoad, erase, would_take,
};
pub use token::{ResumeToken, Source, TokenHash};
