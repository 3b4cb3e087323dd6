//! Limits that hold for more than one document: on connections, messages, loading and storage.

pub(crate) mod connection_limit;
pub(crate) mod inbound_memory_limit;
pub(crate) mod load_limit;
pub(crate) mod message_rate_limit;
pub(crate) mod pre_upgrade_limit;
#[cfg(feature = "tokens")]
pub(crate) mod return_pause;
pub(crate) mod storage_quota;
pub(crate) mod tenant_quota;
pub(crate) mod tenant_sums;
