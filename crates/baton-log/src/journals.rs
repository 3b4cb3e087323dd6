//! The log as rooms and servers see it: [`Journals`] opens documents, [`DocumentJournal`] takes the
//! records of one and gives them their positions.
//!
//! Two kinds of log implement the traits. The embedded store ([`Log`](crate::Log)) has one writer
//! of each document and places a record in the call that proposes it. A cluster has as many writers
//! as nodes: a record is proposed, and its position is known once the engine has delivered it, in
//! one order for all nodes. A program that handles [`Placement::Later`] runs on both.

use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::cluster_node::ClusterNode;
use crate::error::LogError;
use crate::metrics::LogStats;
use crate::position::Position;
use crate::queue_room::Reservation;
use crate::queue_share::QueueShare;
use crate::types::{DocumentInfo, Durability, LoadedDocument, LogHealth, MovedContent, Urgency};

/// The outcome of a call to a log that has to wait.
pub type LogFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send + 'a>>;

/// A document's journal, with all that was stored when it was opened.
pub type OpenedJournal = (Box<dyn DocumentJournal>, LoadedDocument);

/// The answer to a proposed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The record has this position. It is never delivered.
    At(Position),
    /// The record gets its position when [`DocumentJournal::next_committed`] delivers it, under the
    /// counter with which it was proposed.
    Later,
}

/// A record that got its position after it was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The position. It is higher than that of every record delivered before; numbers are left out.
    pub position: Position,
    /// The counter under which *this handle* proposed the record; `None` for a record of another
    /// node, or of an earlier handle.
    pub own: Option<u64>,
    /// The record.
    pub record: Bytes,
}

/// The log of one open document. Dropping it closes the document; the records that it proposed are
/// stored all the same. No method blocks, and none waits for a disk or a network.
///
/// A journal delivers each record that was placed later exactly once, own ones included, in the
/// order of the positions, which is the same on every node. Own records are delivered in the order
/// in which they were proposed. A journal that places at once delivers nothing.
pub trait DocumentJournal: Send + Sync + Debug {
    /// Returns the document's name.
    fn name(&self) -> &str;

    /// Returns the handle that reserves room for this document's records.
    fn share(&self) -> QueueShare;

    /// Appends a record. `counter` is higher than in every earlier call on this handle. A record is
    /// never refused for its size: bytes that the reservation does not cover are overdrawn.
    ///
    /// # Errors
    /// [`LogError::ForeignReservation`], [`LogError::Failed`], [`LogError::Closed`]. Nothing was
    /// proposed, and the reservation is given back.
    fn propose(
        &mut self,
        reservation: Reservation,
        counter: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<Placement, LogError>;

    /// Takes the next delivered record; `None` until [`watch`](Self::watch) moves.
    fn next_committed(&mut self) -> Option<Committed>;

    /// Stores a snapshot that replaces every record up to and including `at`. It is written in the
    /// background, and what it replaces is removed only once it is stored.
    ///
    /// # Errors
    /// [`LogError::SnapshotOutOfRange`] unless `at` is between the last snapshot and
    /// [`last`](Self::last); [`LogError::Failed`], [`LogError::Closed`]. Nothing was stored.
    fn snapshot(&mut self, at: Position, bytes: Bytes) -> Result<(), LogError>;

    /// Drops everything stored up to [`last`](Self::last). The name and the position stay.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]. Nothing was dropped.
    fn erase(&mut self) -> Result<(), LogError>;

    /// Drops everything stored up to [`last`](Self::last), and stores a snapshot of what must
    /// remain, in one step. The document counts as erased until something is appended.
    ///
    /// # Errors
    /// Those of [`erase`](Self::erase).
    fn erase_leaving(&mut self, remains: Bytes) -> Result<(), LogError>;

    /// Puts the content that another log has of this document in the place of everything stored. It
    /// gets a position that is not below `above`, and each later record one above that: `above` is
    /// the last position in the other log, so that no fence and no id of a session comes again.
    ///
    /// The caller sees to it that no other node has the document open, proposes nothing before or
    /// after it on this handle, and drops the handle. The content is durable after
    /// [`Journals::flush`].
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`], [`LogError::PositionTooHigh`]. Nothing was
    /// changed.
    fn replace(&mut self, above: Position, content: MovedContent) -> Result<(), LogError>;

    /// Returns the highest position that this handle has seen: of the last record that was placed
    /// at once, taken, or loaded.
    fn last(&self) -> Position;

    /// Returns the position up to which everything is durable. Every record up to it was placed at
    /// once or can be taken. It no longer moves once the log has failed.
    fn durable(&self) -> Position;

    /// Returns true if every proposed record is placed and durable, and every delivered one taken.
    fn is_settled(&self) -> bool;

    /// Reports each advance of [`durable`](Self::durable), so also that something can be taken, and
    /// the failure of the log. A slow receiver misses steps in between, never the latest.
    fn watch(&self) -> watch::Receiver<Durability>;

    /// Returns the failure because of which this handle accepts nothing more. Drop the handle, and
    /// open the document again once the log is [`LogHealth::Good`].
    fn failure(&self) -> Option<Arc<LogError>>;

    /// Returns the bytes of the records since the last snapshot, as far as they have a position.
    fn tail_bytes(&self) -> u64;

    /// Returns the bytes of the last snapshot and of the records since.
    fn stored_bytes(&self) -> u64;

    /// Returns the number of the records since the last snapshot.
    fn tail_records(&self) -> u64;
}

/// The logs of all documents. One value for a server; every method may be called by several threads
/// at once.
///
/// The methods that take a name or read documents block for a disk or a network, unless they say
/// otherwise: call them where blocking is allowed (`spawn_blocking`). The other methods never
/// block.
pub trait Journals: Send + Sync + Debug {
    /// Opens a document, which need not exist yet, and reads all that is stored of it. Blocks.
    /// A name under which nothing is ever proposed leaves no document.
    ///
    /// # Errors
    /// [`LogError::AlreadyOpen`] while another handle of it lives in this process,
    /// [`LogError::Load`] (try again), [`LogError::Damaged`], [`LogError::InvalidName`],
    /// [`LogError::Failed`], [`LogError::Closed`]. The document then stays closed.
    fn open(&self, document: &str) -> Result<OpenedJournal, LogError>;

    /// Opens a document of which nothing is stored, if that is known without waiting; else returns
    /// `None`, and the caller has to [`open`](Self::open) it. Never blocks.
    ///
    /// # Errors
    /// [`LogError::InvalidName`], [`LogError::Failed`], [`LogError::Closed`]. The document then
    /// stays closed.
    fn open_new(&self, document: &str) -> Result<Option<Box<dyn DocumentJournal>>, LogError>;

    /// Opens a stored document without reading it, to erase it. A damaged document can be opened in
    /// no other way. Blocks.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) except damage of this document.
    fn open_unread(&self, document: &str) -> Result<Box<dyn DocumentJournal>, LogError>;

    /// Returns true if something is stored under this name that was not erased. What a handle that
    /// is open here has appended may not count yet. Blocks.
    ///
    /// # Errors
    /// The log cannot be read at the moment.
    fn holds(&self, document: &str) -> Result<bool, LogError>;

    /// Reads every stored document, one after the other. Reads the whole store, and blocks.
    ///
    /// # Errors
    /// The log cannot be read. An error of one document goes to `each`.
    fn read_all(
        &self,
        each: &mut dyn FnMut(DocumentInfo, Result<LoadedDocument, LogError>),
    ) -> Result<(), LogError>;

    /// Returns the number of documents that are stored and not erased. Never blocks: a cluster
    /// answers with the number that it knew last.
    fn documents_held(&self) -> usize;

    /// Returns the number of stored documents, erased ones included; see
    /// [`documents_held`](Self::documents_held).
    fn document_count(&self) -> usize;

    /// Returns the number of documents that are known to be damaged.
    fn damaged_count(&self) -> usize;

    /// Returns this node's place in the cluster that shares this log; `None` for a log of one
    /// process, which places every record at once.
    fn node(&self) -> Option<&dyn ClusterNode> {
        None
    }

    /// Returns the epoch of the store: a restore from a backup, and a cluster that lost its tail,
    /// raise it.
    fn epoch(&self) -> u32;

    /// Returns when everything that was proposed or snapshotted before the call is durable.
    fn flush(&self) -> LogFuture<'_, ()>;

    /// Makes everything durable, and ends the log. Documents that are still open get
    /// [`LogError::Closed`] from then on.
    fn shutdown(&self) -> LogFuture<'_, ()>;

    /// Returns the health of the log: [`LogHealth::Good`] while it takes records.
    fn health(&self) -> LogHealth;

    /// Reports each change of [`health`](Self::health). A slow receiver may see only the newest.
    fn watch_health(&self) -> watch::Receiver<LogHealth>;

    /// Returns true if the store takes more space than it may, and nothing was freed since.
    fn is_full(&self) -> bool;

    /// Returns what the log has done so far.
    fn stats(&self) -> LogStats;

    /// Returns the bytes that the store takes of this machine's disk, if it is on one. May ask the
    /// disk.
    fn bytes_stored(&self) -> Option<u64>;

    /// Returns the folder of this machine in which the store is, if it is in one and knows it.
    fn folder(&self) -> Option<&Path> {
        None
    }
}
