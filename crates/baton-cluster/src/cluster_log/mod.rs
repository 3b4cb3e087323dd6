//! A node of a cluster: the machines of [`core`](crate::core), driven over the
//! [`engine`](crate::engine), behind the traits of `baton-log`.
//!
//! [`ClusterLog::open`] gives the log and the [`ClusterNews`]. Each stream has one task
//! (`stream_task`), which owns the machines of its writer, reader, open documents and snapshots.
//! Tasks of their own ask the engine for it (`questions`); the answers come back as inputs
//! (`stream_input`), so no task waits for the engine. A journal sends proposals to the task and
//! takes what the task has put into `delivered_records`; neither waits for the other.
//!
//! | module | content |
//! | --- | --- |
//! | `cluster_log`, `cluster_news`, `options`, `error` | the handle of a node; news; settings |
//! | `stream_task`, `stream_task/effects` | a stream's task; the effects of its machines |
//! | `stream_input`, `questions` | inputs of the task; its questions to the engine |
//! | `documents`, `snapshot_plans` | open documents; snapshots in the making |
//! | `cluster_journal`, `delivered_records` | a document's journal, and what waits for it |
//! | `lease_task`, `relay_task` | leases of the nodes; unstored messages |
//! | `stored_document`, `snapshot_content` | documents that are not open; the form of a snapshot |
//! | `moved_positions` | positions of documents that came from another log |
//! | `document_errors` | what the caller of a document is told |
//! | `node`, `clock` | what all tasks of a node share |

mod clock;
mod cluster_journal;
#[expect(clippy::module_inception, reason = "the type that the folder is about")]
mod cluster_log;
mod cluster_news;
mod delivered_records;
mod document_errors;
mod documents;
mod error;
mod lease_task;
mod moved_positions;
mod node;
mod options;
mod questions;
mod relay_task;
mod snapshot_content;
mod snapshot_plans;
mod stored_document;
mod stream_input;
mod stream_task;

pub use cluster_log::ClusterLog;
pub use cluster_news::ClusterNews;
pub use error::ClusterError;
pub use options::ClusterOptions;
