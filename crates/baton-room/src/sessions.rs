//! Sessions: the connections, their rights, their Yjs client ids, and their liveness.
//!
//! Owns connections, resume tokens that are not proven yet, claims of client ids, awareness and the
//! failure detector. Reads the replicated state; proposes records and never applies one.

mod awareness;
mod client_id_claims;
mod connection;
mod entrance;
mod greeting_liveness;
mod hello;
mod session_table;

pub(crate) use awareness::AwarenessRelay;
pub(crate) use connection::{Attachment, Channel};
pub(crate) use entrance::Entry;
pub(crate) use session_table::Sessions;
