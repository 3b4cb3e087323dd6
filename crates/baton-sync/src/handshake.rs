//! The sync handshake of one connection: the answer to each Step2 and Update of its client, the
//! questions to it, and the count of its messages that are saved.
//!
//! Sends nothing, applies nothing and holds no document. It judges by the
//! [`ReplicaIndex`](crate::ReplicaIndex) in a [`Basis`], and the caller, which has the document,
//! carries its [`Verdict`] out.
//!
//! # Picture
//! ```text
//!          Step2, Update                      Admit, Known, Ask, Wait, Refuse
//!  client --------------> Handshake::incoming ------------------------------> caller
//!     ^                      |       ^                                          |
//!     |                  gap |       | complete now                             | position
//!     |                      v       |                                          v
//!     |   Step1          kept_updates --- Handshake::retry                 saved_ledger
//!     +---- questions        ^                                                  |
//!     |                      | units that other connections brought             |
//!     |                      Handshake::changed <--- caller                     |
//!     |  saved                                                                  |
//!     +--------------------------------------------------- Handshake::ledger ---+
//! ```
//!
//! | file | owns |
//! | --- | --- |
//! | `sync_handshake` | the steps, and the message that awaits its position in the log |
//! | `kept_again` | the steps for kept updates, when something changed for them |
//! | `basis` | what the document and a park say about an update |
//! | `questions` | the Step1 that is out; what the answers show that the client lacks |
//! | `kept_updates` | incomplete updates, and the units that each waits for |
//! | `saved_ledger` | the log position of each message, and everything told of it |
//! | `verdict`, `limits` | results and faults; bounds |
//!
//! # Gaps
//! A client that reconnects sends its newest edits before the answer to our Step1, so an update
//! that builds on unknown units is normal. It is kept aside, and our Step1 is sent **once**. Until
//! a Step2 comes, other updates that do not fit are kept aside, too. The answer brings the missing
//! units, and the kept updates are judged again ([`Handshake::changed`], [`Handshake::retry`]).
//!
//! If the answer itself has a gap, the client lacks units as well, and asking again would bring the
//! same answer. From then on the complete part of each update is admitted, and the whole update is
//! kept until any connection brings the missing units. An update that is too large to keep is not
//! taken: the client is asked for it again when it may fit.
//!
//! # Saved messages
//! A message is settled by its own blocks and deletions only: all of them were admitted under one
//! position of the log, or all are known. No other message covers it, whatever that brings. A
//! message that was not taken (too large to keep, or refused) is a hole for ever: no message from
//! it on is announced as saved to this connection, and its client connects again. A wire that
//! answers each message ([`Handshake::give_statuses`]) tells of this one that it failed, and goes
//! on.
//!
//! ```
//! use baton_sync::handshake::{Handshake, HandshakeLimits, SyncKind, Verdict};
//! use baton_sync::replica_index::ReplicaIndex;
//! use bytes::Bytes;
//!
//! let mut state = ReplicaIndex::new();
//! let mut connection = Handshake::new(HandshakeLimits::default());
//! connection.open(); // our Step1 is on its way
//!
//! // Client 1 writes "hi" into the text "t".
//! let edit = Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00");
//! let verdict = connection.incoming(edit, SyncKind::Update, &state);
//! let Verdict::Admit(edit) = verdict else { panic!() };
//! state.absorb(&baton_sync::scan::scan(&edit)?); // the room appends it to its log, at 7
//! connection.settled(7);
//! assert_eq!(connection.ledger().durable(6), None);
//! assert_eq!(connection.ledger().durable(7), Some(1)); // "your first message is saved"
//! # Ok::<(), baton_sync::scan::ScanError>(())
//! ```

mod basis;
mod kept_again;
mod kept_updates;
mod limits;
mod questions;
mod saved_ledger;
mod sync_handshake;
mod verdict;

pub use self::basis::Basis;
pub use self::limits::HandshakeLimits;
pub use self::saved_ledger::{Coverage, SavedLedger};
pub use self::sync_handshake::Handshake;
pub use self::verdict::{HandshakeError, Incomplete, SyncKind, Verdict};
