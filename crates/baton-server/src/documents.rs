//! Documents in memory and in the store: finding, loading, running, compacting and erasing them,
//! and the pool for their long work.

pub(crate) mod compaction;
pub(crate) mod compression_savings;
pub(crate) mod document_task;
pub(crate) mod gate;
pub(crate) mod open_document;
pub(crate) mod open_documents;
pub(crate) mod questions;
pub(crate) mod registry;
pub(crate) mod resting_snapshots;
pub(crate) mod room_options;
pub(crate) mod stored_documents;
pub(crate) mod tenant_storage;
pub(crate) mod work_cost;
pub(crate) mod work_pool;
