//! Changes: consequences of a record, for the caller to announce.

use crate::{AutoPass, DrainReason, Fence, Mode, Scope, SessionId};

/// What followed from a record, in order. The caller turns it into messages.
///
/// Nothing of it may be announced before the record is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// Into the roster, with a connection.
    Joined {
        /// Who.
        session: SessionId,
    },
    /// Out of the roster, with its ticket.
    Gone {
        /// Who.
        session: SessionId,
    },
    /// Shown offline; its connection may still be there.
    Lost {
        /// Who.
        session: SessionId,
    },
    /// Shown online again.
    Back {
        /// Who.
        session: SessionId,
    },
    /// Has a connection again, or a newer one.
    Attached {
        /// Who.
        session: SessionId,
    },
    /// Has no connection any more.
    Detached {
        /// Who.
        session: SessionId,
    },
    /// Waits in the queue (told again when it already did). Its place: [`crate::Fold::place`].
    Queued {
        /// Who.
        session: SessionId,
    },
    /// Waits no longer, because it cancelled (told again when it already did not).
    Dequeued {
        /// Who.
        session: SessionId,
    },
    /// A lock is offered, and waits for the claim. Told again, with the same fence, when the one
    /// offered asks or comes with a new connection.
    Offered {
        /// To whom.
        to: SessionId,
        /// The fence of the grant to be; larger than any before.
        fence: Fence,
        /// What it covers.
        scope: Scope,
    },
    /// An offer came to nothing.
    OfferEnded {
        /// To whom it was made.
        to: SessionId,
        /// Its fence.
        fence: Fence,
        /// What it covered.
        scope: Scope,
        /// Why.
        why: OfferEnd,
    },
    /// Holds a lock (told again when it asks again).
    Granted {
        /// Who.
        to: SessionId,
        /// Its fence, the offer's.
        fence: Fence,
        /// What it covers.
        scope: Scope,
    },
    /// The holder is here again (from a silence, a lost connection, a server's start) and holds the
    /// lock as before.
    Resumed {
        /// Who.
        by: SessionId,
        /// Its fence, as it was.
        fence: Fence,
        /// What it covers.
        scope: Scope,
    },
    /// The holder's connection is gone; its grace runs.
    Suspected {
        /// Who.
        by: SessionId,
        /// Its fence.
        fence: Fence,
        /// What it covers.
        scope: Scope,
    },
    /// The server started again; the holder's time to resume runs.
    Recovering {
        /// Who.
        by: SessionId,
        /// Its fence.
        fence: Fence,
        /// What it covers.
        scope: Scope,
    },
    /// The holder is to stop editing, send what it has, and say `Drained`. Told again when it comes
    /// with a new connection, or asks, or the lock is to go to somebody else than before.
    Draining {
        /// Who.
        by: SessionId,
        /// Its fence.
        fence: Fence,
        /// What it covers.
        scope: Scope,
        /// Who gets it; nobody in particular: by ticket.
        to: Option<SessionId>,
        /// Why.
        why: DrainReason,
    },
    /// Somebody asks the holder to give the lock back; the clock of the request runs.
    Requested {
        /// The holder.
        by: SessionId,
        /// Its fence.
        fence: Fence,
        /// Who asks.
        from: SessionId,
    },
    /// Who asked for it does not want it any longer; the clock of the request has stopped.
    RequestVoid {
        /// The holder.
        by: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The right to take over was used. What it means for those who had it follows.
    TakenOver {
        /// By whom.
        by: SessionId,
        /// What it wants.
        scope: Scope,
    },
    /// The holder gave the lock back, or has drained.
    Released {
        /// Who.
        by: SessionId,
        /// Its fence, over now.
        fence: Fence,
        /// What it covered.
        scope: Scope,
    },
    /// The holder lost the lock against its will; tell it if it can be reached.
    LockLost {
        /// Who.
        by: SessionId,
        /// Its fence, over now.
        fence: Fence,
        /// What it covered.
        scope: Scope,
        /// Why.
        why: Loss,
    },
    /// The grant of this fence is over, and this record offered nothing in its place to anybody.
    Freed {
        /// The fence that is over.
        fence: Fence,
    },
    /// More could be offered than the one offer that a record can make: the caller says
    /// [`Event::Settle`] at once. (Any other record does as well, so nothing is lost in a crash.)
    Unsettled,
    /// The asker's wish was not granted, and changed nothing but what the doc of the reason says.
    Refused {
        /// The asker.
        session: SessionId,
        /// Why.
        why: Refusal,
    },
    /// Whether locks pass on by themselves, from here on.
    AutoPass(AutoPass),
    /// What a lock means for writing, from here on.
    Mode(Mode),
    /// The server started again; everybody needs a new connection.
    Restarted,
    /// The record was ignored whole: its position is not above that of the record before. The
    /// caller's mistake, or a record that a snapshot already contains.
    OutOfOrder {
        /// The record's position.
        position: u64,
        /// The position of the last record that was applied.
        last: u64,
    },
}

/// Why an offer came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OfferEnd {
    /// Not claimed in time. A ticket stays, behind those who wait now.
    Expired,
    /// Turned down. The ticket is gone, unless the one offered said that it wants it later.
    Declined,
    /// The one offered cancelled; its ticket is gone.
    Cancelled,
    /// The one offered fell silent, lost its connection or left.
    Unreachable,
    /// Somebody with the right to it, or the same user elsewhere, took what was offered. Its ticket
    /// stays.
    TakenOver,
}

/// Why a holder lost the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Loss {
    /// It was silent for the offline time, and somebody could take the lock.
    Silent,
    /// It had no connection for its grace, and somebody could take the lock.
    GraceOver,
    /// It did not resume in time after a server's start, and somebody could take the lock.
    RecoveryOver,
    /// It resumed with another fence than the current one, so it does not know what it holds.
    OtherFence,
    /// It was asked to drain, and did not say in time that it is done.
    DrainOver,
    /// Somebody took it over, or the same user moved it, while it could not be reached.
    TakenOver,
}

/// Why a wish was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// No such session here: it never joined, or was forgotten. Join anew.
    UnknownSession,
    /// The session has joined already; it can only resume. The caller's mistake.
    AlreadyJoined,
    /// The session has no connection (resume first), or was declared lost and has not answered
    /// since.
    NotLive,
    /// A stock client cannot claim an offer, so it cannot ask for the lock.
    CannotClaim,
    /// An observer never holds a lock.
    Observer,
    /// Somebody else has it, is being offered it, or waits for it with the better right.
    Busy {
        /// Who.
        by: SessionId,
    },
    /// It holds something already, and what it wants cannot be had now: nobody waits while holding.
    /// Release it first, or acquire all at once.
    WouldWait {
        /// Who is in the way (perhaps itself).
        by: SessionId,
    },
    /// It has not the right to take over.
    NotAllowed,
    /// It would move a lock here, and has not said whose session it is: it has no other sessions.
    NoUser,
    /// What it would move here is another user's, or that of a session that has not said whose it
    /// is.
    OtherUser {
        /// The session that has it.
        by: SessionId,
    },
    /// Nobody to transfer to: not here, cannot hold a lock, waits for something else, or is itself.
    NoSuchTarget,
    /// Nothing is locked there; acquire it.
    NothingToTake,
    /// The fence named is not one that this session may act on. A claim that came too late for its
    /// own offer counts as a sign of life all the same: the session is no longer passed over.
    StaleFence {
        /// The fence that was named.
        named: Fence,
        /// The newest fence of the document; `None` when nothing was ever offered.
        now: Option<Fence>,
    },
}
