//! Documents that many people edit at once, on the Yjs CRDT, and what it takes to exchange them
//! with strangers: a scanner that reads every update before yrs does, the rules by which an update
//! may be applied, awareness, and the published wires as codecs and state machines.
//!
//! There is no IO here, no task and no clock: bytes come in, values go out, time is an argument.
//! A server, a test on virtual time and a program that embeds a document all use it in the same way.
//!
//! # A document
//! A [`Document`] takes updates from anybody. Two of them converge by asking each other for what
//! they lack:
//!
//! ```
//! use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
//! use baton_sync::{ClientId, Document, DocumentOptions};
//!
//! let mut ann = Document::new(&DocumentOptions { client: ClientId::from(1) });
//! let mut ben = Document::new(&DocumentOptions { client: ClientId::from(2) });
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
//! # Strangers
//! yrs panics, aborts or worse on some bytes, and applies what Yjs holds back. So every update goes
//! through three steps, each of which can stop it:
//!
//! 1. [`scan()`] reads the bytes once and knows no document. What it refuses is nobody's update.
//! 2. [`ReplicaIndex::judge`] compares the scan with what a document knows: [`Judgement::Known`] adds
//!    nothing, [`Judgement::Fits`] may be applied, on [`Judgement::Gap`] the sender is asked. It
//!    needs no document: a room can decide with the state alone.
//! 3. [`Document::apply`] gives it to yrs, under `catch_unwind`. Should yrs fail all the same, the
//!    document says [`Broken`] from then on, and is made again from its log.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | [`lib0`] | integers, buffers and strings on the wire |
//! | [`state_vector`], [`delete_set`] | client ids and clocks; what is inserted, what is deleted |
//! | [`scan`](mod@scan) | the byte rules: what is in an update |
//! | [`replica_index`] | the state rules: whether it may be applied, and what of it |
//! | [`compact`](mod@compact) | joining neighbours and dropping what was deleted |
//! | [`known_blocks`] | comparison of stored blocks with those that come again |
//! | [`document`] | yrs, and nothing else does; a document at rest does without |
//! | [`difference`] | what an update would change, for people to read |
//! | [`awareness`] | who is here, with cursors and names |
//! | [`y_websocket`] | the frames of the y-websocket wire |
//! | [`handshake`] | the sync handshake of one connection |
//! | [`channel`] | Baton's own payloads: presence, the lock, saved |

pub mod awareness;
pub mod block_store;
pub mod channel;
pub mod compact;
pub mod delete_set;
pub mod difference;
pub mod document;
pub mod handshake;
pub mod known_blocks;
pub mod lib0;
pub mod replica;
pub mod replica_index;
pub mod scan;
pub mod state_vector;
mod unit_cursor;
pub mod y_websocket;

pub use compact::{CompactError, Compacted, History, compact};
pub use delete_set::DeleteSet;
pub use difference::Difference;
pub use document::yrs;
pub use document::{ApplyError, Broken, DifferenceError, Document, DocumentOptions};
pub use replica::{ApplyOutcome, Outdated, Rejected, Replica};
pub use replica_index::{Gain, Judgement, ReplicaIndex};
pub use scan::{Id, IdRange, Scan, ScanError, ScanLimits, scan, scan_within};
pub use state_vector::{ClientId, Clock, StateVector};
