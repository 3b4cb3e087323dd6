//! The ordered durable log of each document, with snapshots, of bytes that it does not read.

mod committer;
mod document;
mod engine;
mod error;
mod format;
mod index;
mod load;
mod log;
mod names;
mod options;
mod plan;
mod queue;
mod recovery;
mod store;
mod types;

pub use document::{DocumentLog, Reservation};
pub use error::LogError;
pub use log::Log;
pub use options::LogOptions;
pub use store::{Batch, MemoryStore, RedbStore, Store, StoreError, Table, View};
pub use types::{DocumentInfo, Durability, Health, Loaded, Position, Urgency};
