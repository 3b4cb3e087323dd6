//! The ordered durable log of each document, with snapshots, of bytes that it does not read.

mod document;
mod error;
mod log;
mod options;
mod store;
mod types;

pub use document::{DocumentLog, Reservation};
pub use error::LogError;
pub use log::Log;
pub use options::LogOptions;
pub use store::{Batch, MemoryStore, RedbStore, Store, StoreError, Table, View};
pub use types::{DocumentInfo, Durability, Health, Loaded, Position, Urgency};
