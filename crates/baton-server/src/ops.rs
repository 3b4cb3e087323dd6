//! Tools for the operator: metrics, readiness, the admin socket, and counters of rejections.

pub(crate) mod admin_socket;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod open_files;
pub(crate) mod readiness;
pub(crate) mod rejection_counters;
pub(crate) mod store_failure;
