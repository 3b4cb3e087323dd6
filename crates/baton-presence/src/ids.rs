//! Owns the names of things: sessions, fencing tokens, tickets, and what a session may do.
//!
//! Plain values only; nothing here decides anything.

use std::fmt;

/// One tab or process that edits a document; it survives its sockets.
///
/// The caller chooses the number and never reuses it. In Baton it is the log position of the
/// session's `Joined` record, so that a **smaller id has been in the document longer**: when the lock
/// passes on by itself, the smallest eligible id gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// A fencing token: the position of the record that made the offer, in the document's epoch.
///
/// It grows by construction, across crashes, restarts and compaction; a document restored from a
/// backup gets a new epoch. Compared by epoch, then by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fence {
    /// Which life of the document.
    pub epoch: u32,
    /// The log position of the record that made the offer.
    pub position: u64,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

/// A place in the queue: the log position of the `Acquire` that took it. The smaller, the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket(pub u64);

/// What a session's client can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Voice {
    /// An unmodified Yjs client: it cannot claim, so it is never offered a lock; it answers no beats,
    /// so it is judged by its connection alone.
    Stock,
    /// A client that speaks the lock protocol and answers beats from its editor.
    Lock,
}

/// Whether a session means to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Standing {
    /// May hold a lock.
    Writer,
    /// Is in the roster, and never holds a lock.
    Observer,
}

/// Whether the lock of a holder that went offline passes on to a peer that never queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AutoPass {
    /// The oldest ticket first; without a ticket, the live writer that has been here longest.
    #[default]
    On,
    /// By ticket only.
    Off,
}
