//! Backups: one file with all rows of a store, and a data folder made of one.

pub(crate) mod archive;
pub(crate) mod restore;
