//! Documents that many people edit at once, on the Yjs CRDT, and their exchange with untrusted
//! clients: a scanner of updates, the rules by which an update may be applied, the store of their
//! blocks, awareness, and the published wires as codecs and state machines.
//!
//! There is no IO here, no task and no clock: bytes come in, values go out, time is an argument. A
//! server, a test on virtual time and a program that embeds a document all use it in the same way.
//!
//! # A document
//! A [`Document`] takes updates from any source. Two documents converge when each gets the updates
//! that it lacks:
//!
//! ```
//! use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
//! use baton_sync::{ClientId, Document, DocumentOptions};
//!
//! let mut ann = Document::new(&DocumentOptions::new(ClientId::from(1)));
//! let mut ben = Document::new(&DocumentOptions::new(ClientId::from(2)));
//! ann.transact(|txn| txn.get_or_insert_text("letter").insert(txn, 0, "Dear "))?;
//! ben.transact(|txn| txn.get_or_insert_text("letter").insert(txn, 0, "Ann"))?;
//!
//! let for_ben = ann.diff(&ben.state().vector())?;
//! let for_ann = ben.diff(&ann.state().vector())?;
//! ann.apply(&for_ann)?;
//! ben.apply(&for_ben)?;
//!
//! let read = |document: &Document| {
//!     document.read(|txn| txn.get_text("letter").map(|text| text.get_string(txn)))
//! };
//! assert_eq!(read(&ann)?, read(&ben)?);
//! assert_eq!(ann.state().vector(), ben.state().vector());
//! # Ok::<(), baton_sync::ApplyError>(())
//! ```
//!
//! The example `two_peers` does the same through the encoded messages.
//!
//! # Untrusted updates
//! yrs panics or aborts on some bytes, and applies updates that Yjs holds back. So every update
//! goes through three steps, each of which can stop it:
//!
//! 1. [`scan()`] reads the bytes once and knows no document. It refuses bytes that no client of Yjs
//!    writes.
//! 2. [`ReplicaIndex::judge`] compares the scan with the index of a document:
//!    [`Judgement::Known`] adds nothing, [`Judgement::Fits`] may be applied, on
//!    [`Judgement::Gap`] the sender is asked. It needs no content: a room decides with the index
//!    alone.
//! 3. [`Replica::apply`] stores the blocks as their author sent them, which is all that a server
//!    needs. [`Document::apply`] also gives them to yrs, under `catch_unwind`. If yrs fails, the
//!    document returns [`Broken`] from then on, and is made again from its log.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | [`lib0`] | integers, buffers and strings on the wire |
//! | [`state_vector`], [`delete_set`] | client ids and clocks; inserted and deleted units |
//! | [`scan`](mod@scan) | the byte rules: reading an update and refusing unsound bytes |
//! | [`replica_index`] | the index of a document; which part of an update may be applied |
//! | [`block_store`] | the blocks of a document, as their authors sent them |
//! | [`replica`] | a document as a server has it: index and blocks |
//! | [`compressed_update`] | the compressed form of an update, for clients that ask for it |
//! | [`known_blocks`] | comparison of a block that comes again with the stored one |
//! | [`compact`](mod@compact) | joining neighbouring blocks and dropping deleted content |
//! | `unit_cursor` | a cursor over the units of stored blocks, and the comparison of two |
//! | [`document`] | all use of yrs: a document that can be read and edited |
//! | [`text_diff`] | changes that updates would make, for people to read |
//! | [`awareness`] | present people, with cursors and names |
//! | [`y_websocket`] | frames of the y-websocket wire, and y-sweet's addition to it |
//! | [`hocuspocus`] | frames of the Hocuspocus wire |
//! | [`sync_peer`] | a document and its lines to other peers, for a program that is a peer itself |
//! | [`handshake`] | the sync handshake of one connection |
//! | [`control_channel`] | Baton's own payloads: sessions, locks, parks, saved |
//! | `json` | checks of JSON texts that are passed on |

pub mod awareness;
pub mod block_store;
pub mod compact;
pub mod compressed_update;
pub mod control_channel;
pub mod delete_set;
pub mod document;
pub mod handshake;
pub mod hocuspocus;
mod json;
pub mod known_blocks;
pub mod lib0;
pub mod replica;
pub mod replica_index;
pub mod scan;
pub mod state_vector;
pub mod sync_peer;
pub mod text_diff;
mod unit_cursor;
pub mod y_websocket;

pub use bytes;
pub use compact::{CompactError, Compacted, History, compact};
pub use delete_set::DeleteSet;
pub use document::yrs;
pub use document::{ApplyError, Broken, Document, DocumentOptions};
pub use replica::{ApplyOutcome, Outdated, Rejected, Replica};
pub use replica_index::{Gain, Judgement, ReplicaIndex};
pub use scan::{Id, IdRange, Scan, ScanError, ScanLimits, scan, scan_within};
pub use serde_json;
pub use state_vector::{ClientId, Clock, StateVector};
pub use sync_peer::{LineId, SyncPeer, SyncPeerError, SyncPeerOutput};
pub use text_diff::{TextDiff, TextDiffError};
