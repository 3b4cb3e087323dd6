//! The errors of a log. Each says whose fault it is, what changed, and what to do.
//!
//! Errors carry names, ids and numbers, never the content of a record.

use std::path::PathBuf;
use std::sync::Arc;

use crate::position::Position;
use crate::store::traits::StoreError;

/// The reason why the log refused. Cheap to clone, so that each watcher gets the same failure.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The options contradict each other.
    #[error("invalid log options: {what}; nothing was opened; correct the configuration")]
    InvalidOptions {
        /// The rule that is broken.
        what: &'static str,
    },
    /// Another process, or another log in this one, has the folder open.
    #[error(
        "the data folder {} is in use by another process; nothing was changed; stop that process \
         or choose another folder",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The store could not be opened or scanned.
    #[error(
        "the store could not be opened ({source}); nothing was changed; check the disk and the \
         folder's permissions, then start again"
    )]
    Start {
        /// The error of the store.
        source: Arc<StoreError>,
    },
    /// The store was written by a newer program.
    #[error(
        "the store has format {found}, this program knows up to {known}; nothing was changed; use \
         the newer program"
    )]
    NewerFormat {
        /// The format version found.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A row that all others depend on does not verify.
    #[error(
        "the store is damaged: {what}; nothing was changed; check the disk and restore the folder \
         from a backup"
    )]
    DamagedStore {
        /// The part that does not verify.
        what: String,
    },
    /// A stored row of this document does not verify. Other documents are not affected.
    #[error(
        "document {document:?} is damaged on the disk: {what}; nothing was changed and other \
         documents are not affected; check the disk and restore the document from a backup"
    )]
    Damaged {
        /// The document.
        document: Arc<str>,
        /// The row that does not verify, and its fault.
        what: Arc<str>,
    },
    /// The document could not be read at the moment.
    #[error(
        "document {document:?} could not be read ({source}); nothing was changed; try again, and \
         check the disk if it stays"
    )]
    Load {
        /// The document.
        document: Arc<str>,
        /// The error of the store.
        source: Arc<StoreError>,
    },
    /// A [`DocumentLog`](crate::DocumentLog) of this document is alive.
    #[error(
        "document {document:?} is already open in this process; nothing was changed; drop the \
         other handle first"
    )]
    AlreadyOpen {
        /// The document.
        document: Arc<str>,
    },
    /// A document's name is empty or too long.
    #[error("a document name has 1 to {limit} bytes, not {len}; nothing was changed")]
    InvalidName {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The record is larger than any may be.
    #[error(
        "a record of {len} bytes is over the limit of {limit}; nothing was appended; split it or \
         raise the limit"
    )]
    RecordTooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The reservation was made at another log.
    #[error(
        "the reservation belongs to another log; nothing was appended; this is the caller's \
         mistake"
    )]
    ForeignReservation,
    /// The snapshot is for a position that the log has not reached, or that an earlier snapshot
    /// covers.
    #[error(
        "a snapshot at {at} is outside {from}..={to}; nothing was stored; this is the caller's \
         mistake"
    )]
    SnapshotOutOfRange {
        /// The position given.
        at: Position,
        /// The position of the newest snapshot.
        from: Position,
        /// The last position.
        to: Position,
    },
    /// The positions of a document that comes from another log are too high for this one.
    #[error(
        "position {at} leaves no room below 2^53 for later ones; nothing was stored; export the \
         document's content, and import it under another name"
    )]
    PositionTooHigh {
        /// The position in the other log.
        at: Position,
    },
    /// A write failed. Records reported durable are safe; later ones are uncertain.
    #[error(
        "nothing can be stored since a commit failed ({reason}); records reported durable are \
         safe, later ones are uncertain, and nothing is accepted until the log has opened its \
         store again, which it tries by itself; check the disk, then open the document again"
    )]
    Failed {
        /// The failure, and the last error in opening the store again.
        reason: Arc<str>,
    },
    /// The log was shut down.
    #[error("the log is shut down; nothing was changed; start it again")]
    Closed,
}

/// The reason why a backup could not be taken or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The store could not be read.
    #[error(
        "the store could not be used ({0}); the backup is not finished; check the disk and try \
         again"
    )]
    Store(#[from] StoreError),
    /// The restored store does not start.
    #[error("the restored store does not open ({0}); nothing was changed; take another backup")]
    Log(#[from] Arc<LogError>),
    /// The documents are not in a store of this machine.
    #[error(
        "the documents are in a cluster's engine, which keeps several copies; nothing was changed; \
         back up the engine with its own tools"
    )]
    NotEmbedded,
    /// The store cannot be backed up.
    #[error("{what}; nothing was changed; check the disk")]
    Source {
        /// The fault.
        what: &'static str,
    },
    /// A file could not be written.
    #[error("writing failed ({0}); the partial result was removed; check the disk and try again")]
    Write(#[source] std::io::Error),
    /// The backup could not be read.
    #[error("the backup could not be read ({0}); nothing was changed")]
    Read(#[source] std::io::Error),
    /// The file is not a backup.
    #[error("this is no backup of Baton; nothing was changed")]
    NotABackup,
    /// The backup was made by a newer program.
    #[error(
        "the backup has format {found}, this program knows up to {known}; nothing was changed; \
         use the newer program"
    )]
    NewerBackup {
        /// The format version found.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The backup is damaged or cut short.
    #[error("the backup is damaged at byte {at}: {what}; nothing was changed; take another one")]
    DamagedBackup {
        /// Number of bytes read so far.
        at: u64,
        /// The part that does not verify.
        what: &'static str,
    },
    /// The folder is not empty.
    #[error(
        "the folder {} is not empty; nothing was changed; choose another one, or empty it",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

impl BackupError {
    pub(crate) fn write(error: std::io::Error) -> BackupError {
        BackupError::Write(error)
    }

    pub(crate) fn read(error: std::io::Error) -> BackupError {
        BackupError::Read(error)
    }
}
