//! The ordered, durable log of each document, with snapshots: appends bytes, returns positions, and
//! reports a position as durable only when it is.
//!
//! Everything that must be agreed on about a document is a *record* at a [`Position`] of its log.
//! This crate keeps the records of all documents of a server in one store. It commits the records
//! of many documents together (*group commit*: one fsync for a few milliseconds of records),
//! reports to each document how far it is durable, and returns everything when the document is
//! opened again. It does not know the meaning of a record or a snapshot.
//!
//! ```
//! use baton_log::{Durability, Log, LogOptions, Urgency};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Log::in_memory(LogOptions::default())?;
//! let (mut notes, loaded) = log.open("notes")?;
//! assert!(loaded.snapshot.is_none() && loaded.tail.is_empty());
//!
//! // Room first (this may wait), then the append (which never does).
//! let room = notes.share().reserve(5).await?;
//! let position = notes.append(room, "hello".into(), Urgency::Soon)?;
//!
//! // Only now may the record be reported as saved.
//! let saved = |durable: &Durability| matches!(durable, Durability::UpTo(at) if *at >= position);
//! notes.watch().wait_for(saved).await?;
//!
//! // A snapshot replaces all records up to its position.
//! notes.append_overdrawn(" world".into(), Urgency::Now)?;
//! notes.snapshot(position, "a summary of hello".into())?;
//!
//! // Dropping the handle closes the document; opening it again returns all that was appended.
//! drop(notes);
//! let (notes, loaded) = log.open("notes")?;
//! assert_eq!(loaded.snapshot, Some((position, "a summary of hello".into())));
//! assert_eq!(loaded.tail, [(position.next(), " world".into())]);
//! assert_eq!(notes.last(), position.next());
//! log.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - **Order.** The positions of a document are 1, 2, 3, ... in the order of the calls to
//!   [`DocumentLog::append`]. A document has one [`DocumentLog`] at a time.
//! - **Durability.** A position is reported ([`DocumentLog::durable`], [`DocumentLog::watch`],
//!   [`Log::flush`]) only after a sync of the commit that holds its record and all records before
//!   it. From then on every load returns the record, or a snapshot that replaces it. Records that
//!   were appended and not reported may or may not survive a crash, but never a later one without
//!   an earlier one.
//! - **Positions never go back.** A position that was reported as durable is never used again: not
//!   after a restart, not after compaction, not after an [`erase`](DocumentLog::erase). A position
//!   that was assigned and *never* reported may be assigned again if a crash lost its record. So
//!   show a position to others, for instance as the fencing token of a lock, only once it is
//!   durable.
//! - **A snapshot replaces its records in one step.** After a crash there is the old state or the
//!   new one.
//! - **A failed load is an error, and so is damage.** Stored rows carry checksums. A document that
//!   cannot be read whole is a [`LogError`] that names it and the row, never an empty or a shorter
//!   document. Other documents are not affected, as far as it is known what the damaged row held.
//! - **The log recovers from failures.** After a failed write or sync it is not known what the disk
//!   holds. Every watch becomes [`Durability::Failed`], and everything that is not durable is given
//!   up. The log refuses everything until it has opened the store again, which it tries by itself
//!   ([`Log::health`]). Then everything that was reported as durable is there, or its document is
//!   damaged. Handles from before stay refused: drop them and open the documents again.
//! - **Bounds.** Everything that waits for the disk is counted ([`LogOptions::queue_bytes`]);
//!   [`QueueShare::reserve`] waits for room before the caller locks or applies anything. Large
//!   records do not take the room of small ones, and one document holds a part only. An append is
//!   never refused for its size: bytes that were not reserved are overdrawn, and later reservations
//!   wait for them.
//! - **One process.** A folder that is open cannot be opened again.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | `journals`, `embedded_journals` | what a server needs of a log; the embedded store as such |
//! | `cluster_node` | the other nodes of a cluster, as a server sees them |
//! | `log`, `open_document` | the handle of a log; opening a document |
//! | `document_log` | the handle of a document: append, snapshot, erase |
//! | `document_table`, `document_watch` | names and open handles; the durability of a document |
//! | `commit_queue` | records that wait for the disk |
//! | `queue_room`, `queue_share` | the bounds of what waits; one document's part of them |
//! | `running_log`, `commit_thread` | the thread; take, commit, report, recover |
//! | `commit_plan`, `store_index` | the changes of one commit; the stored content, in memory |
//! | `read_document`, `recovery` | reading one document; reading a store at the start |
//! | `log_state` | the state that these share, and the order of its locks |
//! | `format` | every row, byte by byte |
//! | `store` | four tables of rows: in memory, or in redb on a disk |
//! | `backup` | all rows in a file, and a data folder made of one |
//! | `metrics` | counters |
//! | `position`, `types`, `options`, `error` | the types of the public interface |
//!
//! A record goes `document_log -> commit_queue -> commit_thread -> commit_plan -> store`, and its
//! durability is reported through `document_watch`. The locks guard plain data: those of the queue
//! and the document table for microseconds and never while a store works, that of commits for a
//! whole commit. Appending never takes the latter.
//!
//! `docs/storage-format.md` describes the layout on the disk. Another store, or one that fails on
//! purpose, implements [`Store`] and [`StoreView`].

mod backup;
mod cluster_node;
mod commit_plan;
mod commit_queue;
mod commit_thread;
mod document_log;
mod document_table;
mod document_watch;
mod embedded_journals;
mod error;
mod format;
mod journals;
mod log;
mod log_state;
mod metrics;
mod open_document;
mod options;
mod position;
mod queue_room;
mod queue_share;
mod read_document;
mod recovery;
mod running_log;
mod store;
mod store_index;
mod types;

pub use backup::archive::BackupSummary;
pub use backup::restore::{RestoreSummary, check, open_backup, restore_backup, verify_backup};
pub use bytes;
pub use cluster_node::{ClusterNode, NodeLease, NodeNews};
pub use document_log::DocumentLog;
pub use error::{BackupError, LogError};
pub use journals::{Committed, DocumentJournal, Journals, LogFuture, OpenedJournal, Placement};
pub use log::Log;
pub use metrics::{COMMIT_BUCKETS_US, LogStats};
pub use options::LogOptions;
pub use position::Position;
pub use queue_room::{QueueRoom, Reservation};
pub use queue_share::QueueShare;
pub use redb;
pub use store::memory_store::MemoryStore;
pub use store::redb_store::RedbStore;
pub use store::traits::{Batch, Store, StoreError, StoreTable, StoreView};
pub use types::{DocumentInfo, Durability, LoadedDocument, LogHealth, MovedContent, Urgency};
