//! The author of an edit, as far as parks are concerned.

use baton_presence::{ClientKind, LockState, SessionId, UserKey};

use super::park::{Park, ParkReason};
use super::record::Placing;

/// The author of an edit, as far as parks are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author {
    pub(crate) session: SessionId,
    /// The user of a session that named one.
    pub(crate) user: Option<UserKey>,
    /// True for a stock client, which names neither itself nor a user.
    pub(crate) is_stock: bool,
    /// The source of a stock client's connection, if it is known.
    pub(crate) source: Option<UserKey>,
    /// True if it has the right to write.
    pub(crate) writes: bool,
}

impl Author {
    /// Returns the author behind a session. `placing` is the rule of the record's version.
    pub(crate) fn of(locks: &LockState, session: SessionId, placing: Placing) -> Self {
        let peer = locks.peer(session);
        let key = peer.and_then(|peer| peer.user);
        let is_stock = peer.is_some_and(|peer| peer.client_kind == ClientKind::LockUnaware);
        let writes = locks.can_write(session);
        match placing {
            Placing::BySession => Self {
                session,
                user: None,
                is_stock: false,
                source: None,
                writes,
            },
            Placing::ByAuthor => Self {
                session,
                user: key.filter(|_| !is_stock),
                is_stock,
                source: key.filter(|_| is_stock),
                writes,
            },
        }
    }

    /// Returns the reason of the parks in which its edits may be.
    pub(super) const fn park_reason(&self) -> ParkReason {
        if self.writes {
            ParkReason::Locked
        } else {
            ParkReason::Suggestion
        }
    }

    /// Returns true if this session or its user wrote the park.
    pub(super) fn wrote(&self, park: &Park) -> bool {
        park.session == self.session || (self.user.is_some() && self.user == park.user)
    }
}
