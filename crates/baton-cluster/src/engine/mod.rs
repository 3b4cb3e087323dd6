//! NATS JetStream as the engine of a cluster: what a node asks of it, in Baton's words.
//!
//! Nothing here knows rooms, records or nodes. An [`Engine`] is one connection to several servers
//! and hands out handles: [`LogStream`]s that order and keep records, [`SnapshotStore`],
//! [`SharedTable`]s that are written by compare-and-set, and [`Relay`] for what is not stored.
//!
//! - **Durable.** What is called stored is on the disks of a majority: [`Engine::start`] refuses
//!   servers that acknowledge earlier.
//! - **Known or unknown.** An answer is stored, not stored, or [`EngineError::Unanswered`]. A lost
//!   answer is never taken for a failure: a connection that breaks may send late what waited in it.
//! - **Reads of one subject may be old.** They are answered by any server. What a [`Consumer`]
//!   delivers is what counts.
//!
//! | module | content |
//! | --- | --- |
//! | `options`, `connection` | settings and credentials; the connection |
//! | `start_checks`, `server_state`, `stream_setup` | what is checked and created at the start |
//! | `log_stream`, `append` | the streams of records; atomic batches |
//! | `consumer`, `delivery` | reading a stream in order: one consumer; one after the other |
//! | `stored_messages`, `message_parts` | direct reads, purges; long messages in parts |
//! | `snapshots`, `snapshot_key` | snapshots, wherever they are; their names |
//! | `engine_snapshots`, `bucket` | snapshots in a stream; in a bucket of an S3-like store |
//! | `shared_table`, `relay` | compare-and-set; unstored messages |
//! | `subjects`, `error` | names of everything; errors |

mod append;
mod bucket;
mod connect;
mod connection;
mod consumer;
mod delivery;
mod engine_snapshots;
mod error;
mod log_stream;
mod message_parts;
mod options;
mod relay;
mod server_state;
mod shared_table;
mod snapshot_key;
mod snapshots;
mod start_checks;
mod stored_messages;
mod stream_setup;
mod subjects;

pub use append::{AppendAnswer, MOST_IN_BATCH, NewMessage};
pub use bucket::BucketOptions;
pub use consumer::{Consumer, Heard, StoredMessage};
pub use delivery::Delivery;
pub use error::EngineError;
pub use log_stream::LogStream;
pub use options::{EngineOptions, Login, ServerUrls, SnapshotPlace};
pub use relay::{Relay, RelaySubscription};
pub use shared_table::{SharedTable, SharedValue, Written};
pub use snapshot_key::{Put, SnapshotKey};
pub use snapshots::SnapshotStore;
pub use stored_messages::StreamState;

use crate::core::BootId;
use bucket::BucketSnapshots;
use connection::Connection;
use engine_snapshots::EngineSnapshots;

/// A node's connection to the engine, whose servers and streams were found fit. Clones share it.
#[derive(Clone, Debug)]
pub struct Engine {
    connection: Connection,
    snapshots: SnapshotStore,
}

impl Engine {
    /// Connects, checks the servers and their streams, and creates the streams that are missing.
    ///
    /// # Errors
    /// [`EngineError::Configuration`], [`EngineError::Unreachable`],
    /// [`EngineError::Unauthorized`]; [`EngineError::Unfit`] with the command that mends it. All of
    /// these leave an existing cluster as it was. [`EngineError::Unanswered`] or
    /// [`EngineError::StoreUnanswered`] if the engine or the store of the snapshots could not
    /// answer for [`EngineOptions::start_timeout`]; [`EngineError::StoreRefused`].
    pub async fn start(options: EngineOptions) -> Result<Engine, EngineError> {
        let bucket = match &options.snapshots {
            SnapshotPlace::Engine => None,
            SnapshotPlace::Bucket(bucket) => {
                let timeout = options.answer_timeout;
                Some(BucketSnapshots::new(bucket.clone(), timeout)?)
            }
        };
        let connection = Connection::open(options).await?;
        start_checks::run(&connection, bucket.as_ref()).await?;
        let snapshots = match bucket {
            None => SnapshotStore::in_engine(EngineSnapshots::new(connection.clone())),
            Some(bucket) => SnapshotStore::in_bucket(bucket),
        };
        Ok(Engine {
            connection,
            snapshots,
        })
    }

    /// Returns the number of log streams.
    #[must_use]
    pub fn stream_count(&self) -> u16 {
        self.connection.options().streams
    }

    /// Returns a log stream, from 0 to less than [`stream_count`](Self::stream_count).
    #[must_use]
    pub fn stream(&self, index: u16) -> LogStream {
        LogStream::new(self.connection.clone(), index)
    }

    /// Returns the snapshots.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotStore {
        self.snapshots.clone()
    }

    /// Returns the table of the nodes' leases. An entry that was not written for a day is dropped.
    #[must_use]
    pub fn leases(&self) -> SharedTable {
        SharedTable::new(self.connection.clone(), shared_table::LEASES)
    }

    /// Returns the sender and receiver of unstored messages, with the boot id of this node.
    #[must_use]
    pub fn relay(&self, own: BootId) -> Relay {
        Relay::new(self.connection.clone(), own)
    }

    /// Sends what waits in the connection and closes it.
    pub async fn close(&self) {
        // A connection that cannot be drained is closed by dropping it.
        let _ = self.connection.client().drain().await;
    }
}
