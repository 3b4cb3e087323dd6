//! The ordered, durable log of each document, with snapshots: bytes in, positions out, and the word
//! "durable" said only when it is true.
//!
//! Everything that must be agreed on about a document is a *record* at a [`Position`] of its log. This
//! crate keeps the records of all documents of a server in one store, commits those of many
//! documents together (*group commit*: one fsync for whatever has come in during some
//! milliseconds), tells each document how far it is durable, and gives everything back when the document
//! is opened again. It does not know what a record or a snapshot means.
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
//! // Only now may anybody be told that it is saved.
//! let saved = |told: &Durability| matches!(told, Durability::UpTo(at) if *at >= position);
//! notes.watch().wait_for(saved).await?;
//!
//! // A snapshot stands for all records up to its position.
//! notes.append_overdrawn(" world".into(), Urgency::Now)?;
//! notes.snapshot(position, "a summary of hello".into())?;
//!
//! // Dropping the handle gives the document back; opening it gives all that was appended.
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
//! # What is promised
//! - **Order.** The positions of a document are 1, 2, 3, ... in the order of the calls to
//!   [`DocumentLog::append`]. There is one [`DocumentLog`] for a document at a time.
//! - **Durable means durable.** A position is reported ([`DocumentLog::durable`],
//!   [`DocumentLog::watch`], [`Log::flush`]) only after the commit that holds its record, and every record of
//!   the document before it, has been synced. From then on every later load has the record, or a snapshot
//!   that stands for it. What was appended and not reported may or may not survive a crash, but
//!   always as a beginning: never a later record without an earlier one.
//! - **Positions never go back.** What has been reported durable keeps its position for ever, and the next
//!   record comes after it: after restarts, after compaction, after
//!   [`erase`](DocumentLog::erase). A position that was assigned and *never* reported may, if a crash
//!   lost its record, be assigned again. So a position may be shown to others, as the fencing token of a
//!   lock for instance, only once it is durable.
//! - **A snapshot replaces its records in one step.** After a crash there is the old state or the new one.
//! - **A failed load is an error, and so is damage.** What is stored carries checksums; a document that
//!   cannot be read whole is a [`LogError`] that names it and the row, never an empty or a shorter
//!   document. Other documents are not affected, as far as it can be known what the damaged place held.
//! - **A failure is not the end.** After a failed write or sync nobody can know what the disk holds. Every
//!   watch becomes [`Durability::Failed`], everything that is not durable is given up, and everything is refused
//!   until the log has opened the store again, which it tries by itself ([`Log::health`] tells). Then what was reported
//!   durable is there, or its document is damaged; handles of before stay refused, so drop them and open again.
//! - **Bounded and shared.** Everything that waits for the disk is counted ([`LogOptions::queue_bytes`]);
//!   [`Share::reserve`] waits for room before anything is locked or applied. Large records leave the room of small ones
//!   alone, and one document holds a part only. An append is never refused for its size: what was not reserved is
//!   overdrawn, and later reservations wait for it.
//! - **One process.** A folder that is open cannot be opened again.
//!
//! # The map
//! ```text
//! log        Log: start, open, reserve, flush, shutdown            load       reading one document
//! document   DocumentLog: append, snapshot, watch                  recovery   reading a store at the start
//! queue      what waits for the disk, and when it is due           names      who has which document open
//! committer  the thread: take, commit, announce, come back         engine     store + index, shared state
//! plan       what one commit changes, tidying included             index      what the store holds, in memory
//! format     every row, byte by byte                               store      four tables: memory, redb over disk
//! shares     room in the queue, by size and by document
//! counts     what was done, for metrics                            backup     all rows in a file, and back
//! ```
//! A record goes `document -> queue -> committer -> plan -> store`, and the news of it comes back by the
//! watch. Locks, each over plain data: the queue's (microseconds, never while a store works), the
//! names' (the same), the engine's (a whole commit; appending never takes it).
//!
//! The layout on the disk is in `docs/storage-format.md`. Another store, or one that fails on purpose, is
//! an implementation of [`Store`] and [`View`].

mod backup;
mod commit_plan;
mod commit_queue;
mod commit_thread;
mod document_log;
mod document_table;
mod document_watch;
mod error;
mod format;
mod log;
mod log_state;
mod metrics;
mod open_document;
mod options;
mod position;
mod queue_room;
mod read_document;
mod recovery;
mod running_log;
mod store;
mod store_index;
mod types;

pub use backup::archive::BackupSummary;
pub use backup::restore::{Restored, check, restore_backup, verify_backup};
pub use document_log::{DocumentLog, Share};
pub use error::{BackupError, LogError};
pub use log::Log;
pub use metrics::{COMMIT_BUCKETS_US, LogStats};
pub use options::LogOptions;
pub use position::Position;
pub use queue_room::Reservation;
pub use store::memory_store::MemoryStore;
pub use store::redb_store::RedbStore;
pub use store::traits::{Batch, Store, StoreError, Table, View};
pub use types::{DocumentInfo, Durability, Health, Loaded, Urgency};
