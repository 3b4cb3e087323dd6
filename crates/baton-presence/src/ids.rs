//! Owns the names of things: sessions, fencing tokens, tickets, and what a session may do.
//!
//! Plain values only; nothing here decides anything.

use std::fmt;

/// One tab or process that edits a document; it survives its sockets.
///
/// The caller chooses the number and never reuses it. In Baton it is the log position of the
/// session's `Joined` record, so that a **smaller id has been in the document longer**: when the
/// lock passes on by itself, the smallest eligible id gets it.
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

impl Fence {
    /// Not larger than any.
    pub(crate) const FIRST: Self = Self {
        epoch: 0,
        position: 0,
    };
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

/// Which person a session belongs to, as far as sessions say so: equal keys, same user. What it is
/// made from is the caller's business; it must not tell a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UserKey(pub [u8; 16]);

/// What a session may do beyond editing: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "u8", into = "u8"))]
pub struct Rights(u8);

impl Rights {
    /// Nothing more.
    pub const NONE: Self = Self(0);
    /// May take a lock away from its holder.
    pub const TAKE_OVER: Self = Self(1);
    /// May change the mode and decide what was parked. The caller checks it; nothing here does.
    pub const MANAGE: Self = Self(2);
    /// All of them.
    pub const ALL: Self = Self(3);

    /// Whether it has all of these.
    #[must_use]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// As bits, to be stored.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// From stored bits; unknown ones mean nothing.
impl From<u8> for Rights {
    fn from(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl From<Rights> for u8 {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

/// What a lock means for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// Locks are advisory: everybody writes everywhere.
    Open,
    /// What is locked only its holder writes; what is not, everybody.
    #[default]
    ExclusiveWhenHeld,
    /// Only a holder writes.
    Required,
}

/// What a session's client can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Voice {
    /// An unmodified Yjs client: it cannot claim, so it is never offered a lock; it answers no
    /// beats, so it is judged by its connection alone.
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
