//! Settings of a node's place in a cluster.

use std::sync::Arc;

use baton_log::LogOptions;

use crate::core::{
    LeaseOptions, OpeningOptions, ReaderOptions, SnapshotOptions, TrimOptions, WriterOptions,
};
use crate::engine::EngineOptions;

/// Bytes of a stored message beside its content: subject, message id, batch.
const MESSAGE_HEADERS: usize = 4 << 10;

/// Settings of a [`ClusterLog`](super::ClusterLog).
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Connection to the engine, and its streams.
    pub engine: EngineOptions,
    /// Name of this node in logs and for operators.
    pub node_name: Arc<str>,
    /// Room for records that wait for the engine; the limits of a record.
    pub log: LogOptions,
    /// Times of the nodes' leases. All nodes must have the same.
    pub leases: LeaseOptions,
    /// Times of a snapshot.
    pub snapshots: SnapshotOptions,
    /// Times of opening a document.
    pub opening: OpeningOptions,
    /// Limits of the writer of a stream.
    pub writer: WriterOptions,
    /// Limits of the reader of a stream.
    pub reader: ReaderOptions,
    /// Limits from which the oldest messages of a stream are to be moved.
    pub trim: TrimOptions,
    /// Most relayed messages of other nodes that wait for the server; more are dropped. Default
    /// 10,000.
    pub relayed_waiting: usize,
}

impl ClusterOptions {
    /// Returns the settings for this engine, with the defaults for all else.
    #[must_use]
    pub fn new(engine: EngineOptions) -> ClusterOptions {
        let log = LogOptions::default();
        let writer = WriterOptions {
            max_message_bytes: engine.part_bytes - MESSAGE_HEADERS,
            // The room that callers reserve bounds what waits.
            capacity_bytes: usize::MAX / 2,
            dedupe_window: engine.dedupe_window,
            answer_timeout: engine.answer_timeout,
            ..WriterOptions::default()
        };
        let reader = ReaderOptions {
            silence: engine.delivery_heartbeat * 3,
            ..ReaderOptions::default()
        };
        ClusterOptions {
            engine,
            node_name: "node".into(),
            log,
            leases: LeaseOptions::default(),
            snapshots: SnapshotOptions::default(),
            opening: OpeningOptions::default(),
            writer,
            reader,
            trim: TrimOptions::default(),
            relayed_waiting: 10_000,
        }
    }
}
