//! The events of a hosted document.

use baton_sync::control_channel::{LockView, PeerView};

/// Something that happened in a hosted document. Events come in order; a receiver that reads too
/// slowly misses the oldest, and asks the document for the present state.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HostedEvent {
    /// Others changed the document.
    Changed,
    /// A session came, changed or left.
    Peer(PeerView),
    /// The locks or the queue for them changed: a lock was offered, taken, given back or passed on.
    Locks(LockView),
    /// The session is over, and nothing more comes.
    Ended {
        /// The close code that a client would have been sent.
        code: u16,
        /// The reason, for people.
        reason: String,
    },
}
