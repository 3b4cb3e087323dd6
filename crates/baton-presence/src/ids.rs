//! Ids and small vocabulary: sessions, fences, tickets, rights, modes.

use std::fmt;

/// Id of one tab or process that takes part in a document. A session survives its connections.
///
/// The caller chooses the number and never reuses it. In Baton it is the log position of the
/// session's `Joined` record, so a **smaller id joined earlier**. A lock that passes on without
/// waiters goes to the smallest eligible id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Fencing token: the position of the record that made the offer, in the document's epoch.
///
/// Tokens grow by construction, across crashes, restarts and compaction. A document restored from a
/// backup gets a new epoch. Tokens compare by epoch, then by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fence {
    /// Epoch of the document.
    pub epoch: u32,
    /// Log position of the record that made the offer.
    pub position: u64,
}

impl Fence {
    /// Lower bound of all fences.
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

/// Place in the queue: the log position of the record that took it. Smaller tickets are earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket(pub u64);

/// Key of the user that a session belongs to; sessions with equal keys have the same user.
///
/// The caller chooses how to derive it. It must not reveal a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UserKey(pub [u8; 16]);

/// Set of rights of a session. A session without any reads, and is in the roster.
///
/// In storage, the rights to write and to lock are stated by their absence. Records from before
/// these rights existed read so as having both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "u8", into = "u8"))]
pub struct Rights(u8);

impl Rights {
    /// No right: the session only reads.
    pub const NONE: Self = Self(0);
    /// Right to take a lock away from its holder.
    pub const TAKE_OVER: Self = Self(1);
    /// Right to change the mode and to decide about parked edits. The caller checks it; this crate
    /// does not.
    pub const MANAGE: Self = Self(2);
    /// Right to write to the document.
    pub const WRITE: Self = Self(4);
    /// Right to hold a lock and to wait for one. Without [`Rights::WRITE`] it permits nothing.
    pub const LOCK: Self = Self(8);
    /// The rights of a plain writer: to write and to lock.
    pub const EDIT: Self = Self(Self::WRITE.0 | Self::LOCK.0);
    /// All rights.
    pub const ALL: Self = Self(Self::EDIT.0 | Self::TAKE_OVER.0 | Self::MANAGE.0);

    /// Returns true if the set contains all of `wanted`.
    #[must_use]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn union(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Returns the rights that both sets contain.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the set as bits, to be stored. `Rights::from` reads them again.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0 ^ Self::EDIT.0
    }
}

/// Reads stored bits, and ignores unknown ones.
impl From<u8> for Rights {
    fn from(bits: u8) -> Self {
        Self((bits & Self::ALL.0) ^ Self::EDIT.0)
    }
}

impl From<Rights> for u8 {
    fn from(rights: Rights) -> Self {
        rights.bits()
    }
}

/// Meaning of a lock for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// Locks are advisory: every session may write everywhere.
    Open,
    /// Only the holder may write what is locked; every session may write the rest.
    #[default]
    ExclusiveWhenHeld,
    /// Only holders may write.
    Required,
}

/// Capabilities of a session's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ClientKind {
    /// A client without the lock protocol. It cannot claim, so it is never offered a lock. It
    /// answers no beats, so its connection alone is judged.
    ///
    /// A session for which the server claims and answers, as a [`Driver`](crate::Driver) does, is
    /// [`ClientKind::LockAware`].
    LockUnaware,
    /// A client with the lock protocol: it claims offers, and its program answers beats.
    LockAware,
}

/// Role of a session in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SessionRole {
    /// The session may hold a lock.
    Writer,
    /// The session is in the roster, and never holds a lock.
    Observer,
}

/// Setting: the lock of a holder that went offline passes on to a peer that never queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AutoPass {
    /// The oldest ticket gets the lock; without tickets, the live writer that joined first.
    #[default]
    On,
    /// Only a session with a ticket gets the lock.
    Off,
}
