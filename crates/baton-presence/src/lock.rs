//! Owns the state of one lock: who has it, under which fence, and whether its time is over.
//!
//! It knows no time and no roster; the fold decides every step, this file only keeps it consistent.

use crate::{Fence, SessionId};

/// Where the lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LockState {
    /// Nobody's.
    Free,
    /// Offered, and not claimed yet. Nobody holds it.
    Offered {
        /// To whom.
        to: SessionId,
        /// The fence of the grant to be.
        fence: Fence,
    },
    /// Held, by a session with a connection (which may have fallen silent).
    Held {
        /// By whom.
        by: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// Held, by a session whose connection is gone.
    Suspect {
        /// By whom.
        by: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// Held or offered before the server's start, and not resumed yet.
    Recovering {
        /// By whom.
        by: SessionId,
        /// Its fence.
        fence: Fence,
    },
}

/// Whether a holder may be replaced as soon as somebody can take the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Due {
    /// It is within its time.
    #[default]
    InTime,
    /// Its time is over; it stays only because nobody could take the lock (S11).
    Overdue,
}

/// What set the lock in motion, and so who may be offered it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Passing {
    /// It was free or given back: to those with a ticket only.
    #[default]
    ByTicket,
    /// Its holder went offline: also to a live writer without a ticket, if auto-pass is on.
    Offline,
}

/// What one session may do with the document now, in the mode `exclusive-when-held`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum WriteRight {
    /// The lock is nobody's.
    Free,
    /// It holds the lock, under this fence.
    Holder(Fence),
    /// Somebody else has the lock, or is being offered it; or it is this session's, but it has not
    /// resumed yet.
    Refused {
        /// The fence that stands in the way.
        fence_now: Fence,
    },
}

/// One lock, of the whole document. Plain data, and its own snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lock {
    /// Where it is.
    pub state: LockState,
    /// Whether a `Suspect` or `Recovering` one is out of time. `InTime` in every other state: a
    /// silent `Held` one is told by its peer's presence.
    pub due: Due,
    /// Who may be offered it when the open offer comes to nothing.
    pub passing: Passing,
    /// The newest fence that was ever offered; every later one is larger.
    pub last_fence: Option<Fence>,
    /// The newest fence that was ever claimed; an offer missed before it is forgiven.
    pub last_granted: Option<Fence>,
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self {
            state: LockState::Free,
            due: Due::InTime,
            passing: Passing::ByTicket,
            last_fence: None,
            last_granted: None,
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> LockState {
        self.state
    }

    /// Who holds it, with or without a connection. Nobody while it is free or offered.
    #[must_use]
    pub const fn holder(&self) -> Option<(SessionId, Fence)> {
        match self.state {
            LockState::Held { by, fence }
            | LockState::Suspect { by, fence }
            | LockState::Recovering { by, fence } => Some((by, fence)),
            LockState::Free | LockState::Offered { .. } => None,
        }
    }

    /// To whom it is offered.
    #[must_use]
    pub const fn offered(&self) -> Option<(SessionId, Fence)> {
        match self.state {
            LockState::Offered { to, fence } => Some((to, fence)),
            _ => None,
        }
    }

    /// Whom it concerns now: its holder, or the one offered.
    #[must_use]
    pub const fn party(&self) -> Option<(SessionId, Fence)> {
        match self.state {
            LockState::Offered { to, fence } => Some((to, fence)),
            _ => self.holder(),
        }
    }

    /// Moves to `state` with its time not over.
    pub(crate) const fn enter(&mut self, state: LockState) {
        self.state = state;
        self.due = Due::InTime;
    }

    pub(crate) const fn offer(&mut self, to: SessionId, fence: Fence, passing: Passing) {
        self.enter(LockState::Offered { to, fence });
        self.passing = passing;
        self.last_fence = Some(fence);
    }

    /// From an offer, or from a state that waited for the holder to come back.
    pub(crate) const fn hold(&mut self, by: SessionId, fence: Fence) {
        self.enter(LockState::Held { by, fence });
        self.last_granted = Some(fence);
    }

    /// Only the holder itself writes while the lock is held. While it is offered nobody does: the one
    /// who lost it may still be typing, and the one who gets it must find what it saw.
    pub(crate) fn may_write(&self, session: SessionId) -> WriteRight {
        match self.state {
            LockState::Free => WriteRight::Free,
            LockState::Held { by, fence } if by == session => WriteRight::Holder(fence),
            LockState::Offered { fence, .. }
            | LockState::Held { fence, .. }
            | LockState::Suspect { fence, .. }
            | LockState::Recovering { fence, .. } => WriteRight::Refused { fence_now: fence },
        }
    }
}
