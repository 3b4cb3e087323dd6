//! One lock as plain data, from its offer to its end.

use crate::{Fence, Scope, SessionId};

/// State of a lock between its offer and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum GrantState {
    /// Offered to its party, and not claimed yet. No session holds it.
    Offered,
    /// Held by a session with a connection (which may have fallen silent).
    Held,
    /// Held by a session whose connection is gone.
    Suspect,
    /// Held or offered before the server started, and not resumed yet.
    Recovering,
    /// Held by a session that has to send its last edits and stop. It may have no connection.
    Draining {
        /// The session that gets the lock next; `None` means the next waiter by ticket.
        to: Option<SessionId>,
        /// Reason of the handoff.
        why: DrainReason,
    },
}

/// Reason why a holder has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DrainReason {
    /// The holder transferred the lock to a named session.
    Transfer,
    /// A session with the right to take over took the lock.
    TakenOver,
    /// The same user moves the lock to another session.
    Moved,
    /// A waiter requested the lock, and the holder's time to answer is over.
    Requested,
    /// The holder's user was idle for too long while another session waited.
    Idle,
    /// The holder may no longer hold a lock.
    Revoked,
}

/// Tells if a holder may be replaced as soon as another session can take the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Lateness {
    /// The holder is within its time.
    #[default]
    InTime,
    /// The holder's time is over. It keeps the lock only while no session can take it (S11).
    Overdue,
}

/// Event that set a lock in motion, which decides who may be offered it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SuccessionKind {
    /// The lock was free or given back: only sessions with a ticket are offered it.
    #[default]
    ByTicket,
    /// The holder went offline: with auto-pass on, a live writer without a ticket is offered it
    /// too.
    HolderOffline,
}

/// Permission of one session to change some roots of the document now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum WriteRight {
    /// The session may write: no lock is in the way.
    Free,
    /// The session may write as a holder, under this fence (the newest, if it needs several).
    Holder(Fence),
    /// The session may not write. Another session holds or is offered a lock there, or the lock is
    /// its own and not resumed yet, or the mode asks for a lock and the session holds none.
    Refused {
        /// The fence in the way; `None` if the session only lacks a lock of its own.
        fence_now: Option<Fence>,
    },
    /// The session may write nowhere: it has no right to write.
    ReadOnly,
}

/// One lock on its way from an offer to its end. Plain data, and its own snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grant {
    /// The scope that the lock covers.
    pub scope: Scope,
    /// The holder, or the session that is offered the lock.
    pub party: SessionId,
    /// Fencing token, the same from the offer to the end.
    pub fence: Fence,
    /// State of the lock.
    pub state: GrantState,
    /// Tells if a `Suspect` or `Recovering` lock is out of time. `InTime` in every other state: the
    /// silence of a `Held` lock's party is in its peer's presence.
    pub lateness: Lateness,
    /// Sessions that may be offered the lock if the open offer fails.
    pub succession: SuccessionKind,
    /// The waiter that requested the lock from its holder, as long as it waits.
    pub requested_by: Option<SessionId>,
    /// The scope that the session named in `Draining` wants. It is offered once nothing is in its
    /// way.
    pub successor_wants: Option<Scope>,
}

impl Grant {
    /// Returns true if the lock is held, with or without a connection; false while it is offered.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        !matches!(self.state, GrantState::Offered)
    }

    /// Returns true if the holder may write under the lock: it is connected, as far as the records
    /// say, and has not given the lock up yet.
    #[must_use]
    pub const fn may_write(&self) -> bool {
        matches!(self.state, GrantState::Held | GrantState::Draining { .. })
    }

    pub(crate) const fn is_draining(&self) -> bool {
        matches!(self.state, GrantState::Draining { .. })
    }

    /// Enters `state`, with a new time limit and no named successor.
    pub(crate) fn enter(&mut self, state: GrantState) {
        self.state = state;
        self.lateness = Lateness::InTime;
        self.successor_wants = None;
    }

    /// Returns the session that gets the lock once it has drained, and the scope it wants.
    pub(crate) fn successor(&self) -> Option<(SessionId, &Scope)> {
        match self.state {
            GrantState::Draining { to: Some(to), .. } => {
                Some((to, self.successor_wants.as_ref().unwrap_or(&self.scope)))
            }
            _ => None,
        }
    }
}
