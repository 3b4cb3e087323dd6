//! Events: the content of the records that the lock state applies.

use crate::{AutoPass, ClientKind, Fence, Mode, Rights, Scope, SessionId, SessionRole, UserKey};

/// Content of one record of the log about presence or a lock.
///
/// The failure detector proposes some events. Such an event changes nothing if another record
/// overtook it: its fence is no longer the current one, or its session is no longer in that state.
///
/// The order of the variants is part of the stored format: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// A new session joined with its first connection.
    Joined {
        /// The new session; its id must not be in use.
        session: SessionId,
        /// Capabilities of its client.
        client_kind: ClientKind,
        /// Role that the session joins with.
        role: SessionRole,
        /// Its rights, until a `Resumed` or a `RightsSet` changes them.
        rights: Rights,
        /// The user that the session belongs to, if the client named one.
        user: Option<UserKey>,
    },
    /// A known session has a new connection. The caller has checked its resume token.
    Resumed {
        /// The session.
        session: SessionId,
        /// The fences that the client believes to hold.
        ///
        /// An empty list means that the client knows of none; its session keeps all its locks.
        /// Otherwise the session loses each lock that the list does not name, and each named fence
        /// that the session does not hold is refused.
        fences: Vec<Fence>,
        /// All its rights, from now on, as in [`Event::RightsSet`].
        rights: Rights,
    },
    /// The session's connection is gone, without a farewell from its client.
    Disconnected {
        /// The session.
        session: SessionId,
    },
    /// The client ended its session: its locks are released at once, and it leaves the roster.
    Done {
        /// The session that ended.
        session: SessionId,
    },
    /// Failure detector: nothing came from the connection, or no answer to a beat from the client's
    /// program, for the offline time.
    Lost {
        /// The lost session.
        session: SessionId,
    },
    /// Failure detector: the session answers again after it was lost.
    Back {
        /// The session that answers.
        session: SessionId,
    },
    /// Failure detector: the session was without a connection for longer than a ticket lives.
    Forgotten {
        /// The forgotten session.
        session: SessionId,
    },
    /// The session asks for a lock of this scope, and queues for it.
    ///
    /// Idempotent. A ticket for another scope is replaced by one at the back. A session that holds
    /// another lock never queues: it is offered the scope now, or refused.
    Acquire {
        /// The asking session.
        session: SessionId,
        /// The scope asked for, all or nothing.
        scope: Scope,
    },
    /// The session asks for a lock of this scope if it is free now; it never queues.
    Try {
        /// The asking session.
        session: SessionId,
        /// The scope asked for, all or nothing.
        scope: Scope,
    },
    /// The session asks for no lock any more: it leaves the queue, and its open offers end.
    Cancel {
        /// The session.
        session: SessionId,
    },
    /// The holder gives a lock back.
    Release {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// The session accepts an offer.
    Claim {
        /// The session that was offered the lock.
        session: SessionId,
        /// Fence of the offer.
        fence: Fence,
    },
    /// The session declined an offer and kept its place. Only in logs from before version 2 of the
    /// queue.
    OldDecline {
        /// The session that was offered the lock.
        session: SessionId,
        /// Fence of the offer.
        fence: Fence,
    },
    /// The holder gives its lock to a named session: it drains, then that session is offered it.
    Transfer {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
        /// The receiver: live, a writer, and not waiting for another scope.
        to: SessionId,
    },
    /// The session asks for a lock of this scope, queues for it, and requests the locks in its way
    /// from their holders. They cannot keep them for ever: see [`Event::RequestOver`].
    Request {
        /// The requesting session.
        session: SessionId,
        /// The scope asked for, all or nothing.
        scope: Scope,
    },
    /// The session takes the locks in this scope from their holders. Needs [`Rights::TAKE_OVER`].
    TakeOver {
        /// The session that takes over.
        session: SessionId,
        /// The scope asked for, all or nothing.
        scope: Scope,
    },
    /// The session takes the locks in this scope from other sessions of the same user.
    MoveHere {
        /// The session that the locks move to.
        session: SessionId,
        /// The scope asked for, all or nothing.
        scope: Scope,
    },
    /// The holder of a draining lock has sent its last edits.
    Drained {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// Failure detector: the offer was not claimed in time, and the session kept its place. Only in
    /// logs from before version 2 of the queue.
    OldOfferExpired {
        /// The session that was offered the lock.
        session: SessionId,
        /// Fence of the offer.
        fence: Fence,
    },
    /// Failure detector: a holder without a connection did not return within its grace.
    GraceOver {
        /// The suspect holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// Failure detector: the holder from before the server's start did not resume in time.
    RecoveryOver {
        /// The recovering holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// Failure detector: the holder of a draining lock did not finish in time.
    DrainOver {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// Failure detector: the holder did not answer a request in time. The lock drains.
    RequestOver {
        /// The holder that was asked.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// Failure detector: the holder's user was idle for too long while another session waits. The
    /// lock drains.
    IdleYield {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
    },
    /// Makes the next offer, as every record does. The caller's answer to
    /// [`Change::Unsettled`](crate::Change::Unsettled).
    Settle,
    /// The server started again: no session has a connection. The parties of locks have a limited
    /// time to resume.
    Restarted,
    /// Sets auto-pass from now on.
    AutoPassSet(AutoPass),
    /// Sets the meaning of a lock for writing from now on. The caller has checked the right to do
    /// so.
    ModeSet(Mode),
    /// The session declines an offer.
    Decline {
        /// The session that was offered the lock.
        session: SessionId,
        /// Fence of the offer.
        fence: Fence,
        /// If true, the session goes on waiting behind the present waiters. If false, it leaves the
        /// queue.
        later: bool,
    },
    /// Failure detector: the offer was not claimed in time.
    ///
    /// A ticket goes behind the present waiters. It is offered the lock again after
    /// [`Event::PauseOver`], or before any waiter that comes later.
    OfferExpired {
        /// The session that was offered the lock.
        session: SessionId,
        /// Fence of the offer.
        fence: Fence,
    },
    /// Failure detector: the pause after a missed offer is over, so the session may be offered
    /// again the scope that it waits for.
    PauseOver {
        /// The waiter.
        session: SessionId,
        /// Fence of the newest offer that it missed.
        fence: Fence,
    },
    /// Failure detector: a session that requested locks has been gone for so long that its requests
    /// are void. Its ticket stays. Changes nothing if the session is live again.
    RequestsVoid {
        /// The requesting session.
        session: SessionId,
    },
    /// The rights of a session change while it is here. The caller has checked its token.
    ///
    /// A session that may no longer hold a lock leaves the queue and loses its offers. Its locks
    /// drain, or end at once if it cannot be reached.
    RightsSet {
        /// The session.
        session: SessionId,
        /// All its rights, from now on.
        rights: Rights,
    },
    /// The connections of these sessions are gone with the server that had them: as
    /// [`Event::Restarted`], for a part of the sessions. Changes nothing for one without a
    /// connection.
    ConnectionsLost {
        /// The sessions whose locks have a limited time to be resumed from here on.
        sessions: Vec<SessionId>,
        /// The sessions whose time was over before: each of their locks passes on as soon as
        /// another session can take it.
        overdue: Vec<SessionId>,
    },
}

impl Event {
    /// Returns the session that the event is about; `None` if it is about none or several.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Joined { session, .. }
            | Self::Resumed { session, .. }
            | Self::Disconnected { session }
            | Self::Done { session }
            | Self::Lost { session }
            | Self::Back { session }
            | Self::Forgotten { session }
            | Self::Acquire { session, .. }
            | Self::Try { session, .. }
            | Self::Cancel { session }
            | Self::Release { session, .. }
            | Self::Claim { session, .. }
            | Self::OldDecline { session, .. }
            | Self::Transfer { session, .. }
            | Self::Request { session, .. }
            | Self::TakeOver { session, .. }
            | Self::MoveHere { session, .. }
            | Self::Drained { session, .. }
            | Self::OldOfferExpired { session, .. }
            | Self::GraceOver { session, .. }
            | Self::RecoveryOver { session, .. }
            | Self::DrainOver { session, .. }
            | Self::RequestOver { session, .. }
            | Self::IdleYield { session, .. }
            | Self::Decline { session, .. }
            | Self::OfferExpired { session, .. }
            | Self::PauseOver { session, .. }
            | Self::RequestsVoid { session }
            | Self::RightsSet { session, .. } => Some(*session),
            Self::Settle
            | Self::Restarted
            | Self::AutoPassSet(_)
            | Self::ModeSet(_)
            | Self::ConnectionsLost { .. } => None,
        }
    }
}
