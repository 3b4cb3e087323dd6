//! Changes: consequences of a record, for the caller to announce.

use crate::{AutoPass, DrainReason, Fence, Mode, Rights, Scope, SessionId};

/// One consequence of a record, in order. The caller turns it into messages.
///
/// No change may be announced before its record is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// The session joined the roster, with a connection.
    Joined {
        /// The session.
        session: SessionId,
    },
    /// The session left the roster, with its ticket.
    Gone {
        /// The session.
        session: SessionId,
    },
    /// The session is shown offline. It may still have a connection.
    Lost {
        /// The session.
        session: SessionId,
    },
    /// The session is shown online again.
    Back {
        /// The session.
        session: SessionId,
    },
    /// The session has a connection again, or a newer one.
    Attached {
        /// The session.
        session: SessionId,
    },
    /// The session has other rights from now on. The caller tells its client.
    Rights {
        /// The session.
        session: SessionId,
        /// All its rights.
        rights: Rights,
    },
    /// The session has no connection any more.
    Detached {
        /// The session.
        session: SessionId,
    },
    /// The session waits in the queue. Repeated if it waited before. Its place is
    /// [`LockState::queue_position`](crate::LockState::queue_position).
    Queued {
        /// The session.
        session: SessionId,
    },
    /// The session waits no longer, because it cancelled. Repeated if it did not wait before.
    Dequeued {
        /// The session.
        session: SessionId,
    },
    /// A lock is offered to the session, and waits for its claim.
    ///
    /// Repeated with the same fence if the session asks again, or has a new connection.
    Offered {
        /// The session that is offered the lock.
        to: SessionId,
        /// Fence of the offer; larger than any before.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
    },
    /// An offer ended without a claim.
    OfferEnded {
        /// The session that was offered the lock.
        to: SessionId,
        /// Fence of the offer.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
        /// Reason of the end.
        why: OfferEnd,
    },
    /// The session holds a lock. Repeated if it asks again.
    Granted {
        /// The holder.
        to: SessionId,
        /// Fence of the lock, the same as in the offer.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
    },
    /// The holder is back from a silence, a lost connection or a server's start, and holds the lock
    /// as before.
    Resumed {
        /// The holder.
        by: SessionId,
        /// Fence of the lock, unchanged.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
    },
    /// The holder's connection is gone, and its grace begins.
    Suspected {
        /// The holder.
        by: SessionId,
        /// Fence of the lock.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
    },
    /// The server started again, or the holder's own is lost. The holder's time to resume begins,
    /// unless it is over already.
    Recovering {
        /// The holder.
        by: SessionId,
        /// Fence of the lock.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
    },
    /// The holder has to stop editing, send its last edits, and say `Drained`.
    ///
    /// Repeated if the holder asks or has a new connection, or if the lock gets another successor.
    Draining {
        /// The holder.
        by: SessionId,
        /// Fence of the lock.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
        /// The session that gets the lock next; `None` means the next waiter by ticket.
        to: Option<SessionId>,
        /// Reason of the handoff.
        why: DrainReason,
    },
    /// A waiter requests the lock from its holder, whose time to answer begins.
    Requested {
        /// The holder.
        by: SessionId,
        /// Fence of the lock.
        fence: Fence,
        /// The requesting waiter.
        from: SessionId,
    },
    /// The request for this lock is void, and the holder's time to answer no longer runs.
    RequestVoid {
        /// The holder.
        by: SessionId,
        /// Fence of the lock.
        fence: Fence,
    },
    /// A session used its right to take over. The consequences for the holders follow.
    TakenOver {
        /// The session that takes over.
        by: SessionId,
        /// Scope that it takes.
        scope: Scope,
    },
    /// The holder gave the lock back, or has drained.
    Released {
        /// The holder.
        by: SessionId,
        /// Fence of the lock, which is over now.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
    },
    /// The holder lost the lock against its will. The caller tells it if it can be reached.
    LockLost {
        /// The holder.
        by: SessionId,
        /// Fence of the lock, which is over now.
        fence: Fence,
        /// Scope of the lock.
        scope: Scope,
        /// Reason of the loss.
        why: LossReason,
    },
    /// The grant of this fence is over, and this record offered its scope to no session.
    Freed {
        /// Fence that is over.
        fence: Fence,
    },
    /// More offers could be made than the one of this record. The caller appends
    /// [`Event::Settle`](crate::Event::Settle) at once. Any other record would do, so a crash loses
    /// nothing.
    Unsettled,
    /// An operation was refused. It changed nothing but what its reason says.
    Refused {
        /// The asking session.
        session: SessionId,
        /// Reason of the refusal.
        why: LockRefusal,
    },
    /// Auto-pass from now on.
    AutoPass(AutoPass),
    /// Meaning of a lock for writing from now on.
    Mode(Mode),
    /// The server started again; every session needs a new connection.
    Restarted,
    /// The record was ignored: its position is not above that of the record before.
    ///
    /// The caller made a mistake, or a snapshot contains the record already.
    OutOfOrder {
        /// Position of the record.
        position: u64,
        /// Position of the last record that was applied.
        last: u64,
    },
}

/// Reason why an offer ended without a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OfferEnd {
    /// The session did not claim it in time. A ticket stays, behind the present waiters.
    Expired,
    /// The session declined it. Its ticket is gone, unless it declined with `later`.
    Declined,
    /// The session cancelled; its ticket is gone.
    Cancelled,
    /// The session fell silent, lost its connection or left.
    Unreachable,
    /// A session with the right to take over, or another one of the same user, took the scope. A
    /// ticket stays.
    TakenOver,
    /// The session may no longer hold a lock.
    Revoked,
}

/// Reason why a holder lost its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LossReason {
    /// The holder was silent for the offline time, and another session could take the lock.
    Silent,
    /// The holder had no connection for its grace, and another session could take the lock.
    GraceOver,
    /// The holder did not resume in time after a server's start, and another session could take the
    /// lock.
    RecoveryOver,
    /// The holder resumed with another fence than the current one, so it does not know its locks.
    OtherFence,
    /// The holder was told to drain, and did not finish in time.
    DrainOver,
    /// Another session took the lock over, or the same user moved it, while the holder could not be
    /// reached.
    TakenOver,
    /// The holder may no longer hold a lock, and could not be told to drain.
    Revoked,
}

/// Reason why an operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LockRefusal {
    /// The session never joined, or was forgotten. The client has to join anew.
    UnknownSession,
    /// The session has joined already and can only resume. The caller is at fault.
    AlreadyJoined,
    /// The session has no connection and has to resume first, or it was declared lost and has not
    /// answered since.
    NotLive,
    /// A client without the lock protocol cannot claim an offer, so it cannot ask for a lock.
    CannotClaim,
    /// An observer never holds a lock.
    Observer,
    /// The session has no right to write, or none to lock.
    NoLockRight,
    /// Another session holds the lock, is offered it, or waits for it with the better claim.
    Busy {
        /// The session in the way.
        by: SessionId,
    },
    /// The session holds another lock, and the scope is not free now. A holder never waits: it has
    /// to release its lock first, or acquire all scopes at once.
    WouldWait {
        /// The session in the way; it may be the asking session itself.
        by: SessionId,
    },
    /// The session has no right to take over.
    NotAllowed,
    /// The session asks to move a lock here, but named no user, so it has no other sessions.
    NoUser,
    /// The lock to move here belongs to another user's session, or to one that named no user.
    OtherUser {
        /// The party of the lock.
        by: SessionId,
    },
    /// The receiver of a transfer is not present, cannot hold a lock, waits for another scope, or
    /// is the holder itself.
    NoSuchTarget,
    /// There is no lock to take in the scope; the session can acquire it.
    NothingToTake,
    /// The session may not act on the fence that it named.
    ///
    /// A late claim of the session's own offer still counts as a sign of life: the missed offer is
    /// forgiven.
    StaleFence {
        /// The fence that was named.
        named: Fence,
        /// The newest fence of the document; `None` if no lock was ever offered.
        now: Option<Fence>,
    },
}
