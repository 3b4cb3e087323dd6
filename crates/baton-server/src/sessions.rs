//! The access of open sessions: its expiry, its revocation, and its changes.

pub(crate) mod enforcement;
pub(crate) mod open_sessions;
pub(crate) mod recheck;
pub(crate) mod revocations;
pub(crate) mod revoke;
pub(crate) mod session_end;
pub(crate) mod session_table;
pub(crate) mod session_view;
