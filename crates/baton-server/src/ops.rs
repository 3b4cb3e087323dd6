//! The operator's side: metrics, readiness, the admin socket, and failures that are counted or
//! logged.

pub(crate) mod admin_socket;
pub(crate) mod metrics;
pub(crate) mod open_files;
pub(crate) mod readiness;
pub(crate) mod rejection_counters;
pub(crate) mod store_failure;
