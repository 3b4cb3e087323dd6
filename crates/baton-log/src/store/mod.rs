//! Storage for the rows of a log: the interface, and two implementations.

pub(crate) mod data_folder;
mod disk_file;
pub(crate) mod file_permissions;
pub(crate) mod memory_store;
pub(crate) mod redb_store;
pub(crate) mod traits;
