//! Owns the vocabulary between the fold and its caller: what a record says ([`Event`]) and what
//! follows from it ([`Change`]).
//!
//! Plain data. Nothing here knows a time, a connection or an encoding.

use crate::{AutoPass, Fence, SessionId, Standing, Voice};

/// What one record of the log says about presence or the lock.
///
/// A proposal of the watch that was overtaken by another record (its fence is no longer the current
/// one, its session is not in that state any more) changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// A new session came with its first connection.
    Joined {
        /// Who; must not be known yet.
        session: SessionId,
        /// What its client can say.
        voice: Voice,
        /// Whether it may hold a lock.
        standing: Standing,
    },
    /// A new connection of a known session, whose resume token the caller has checked.
    Resumed {
        /// Who.
        session: SessionId,
        /// The fence that the client believes to hold. `None`: it knows of none, and is told what it
        /// has. Another fence than the current one is a refused resume: it does not get the lock back
        /// by this record.
        fence: Option<Fence>,
    },
    /// The session's connection is gone, without a word from the session.
    Disconnected {
        /// Who.
        session: SessionId,
    },
    /// The session said that it is done: released at once, and out of the roster.
    Done {
        /// Who.
        session: SessionId,
    },
    /// The watch: nothing from its connection, or no answer from its editor, for the offline time.
    Lost {
        /// Who.
        session: SessionId,
    },
    /// The watch: it answers again after having been lost.
    Back {
        /// Who.
        session: SessionId,
    },
    /// The watch: it has been without a connection for longer than a ticket lives.
    Forgotten {
        /// Who.
        session: SessionId,
    },
    /// Wants the lock, and queues for it. Idempotent.
    Acquire {
        /// Who.
        session: SessionId,
    },
    /// Wants the lock if it can be had now; never queues.
    Try {
        /// Who.
        session: SessionId,
    },
    /// Wants the lock no longer: out of the queue, and an open offer is turned down.
    Cancel {
        /// Who.
        session: SessionId,
    },
    /// Gives the lock back.
    Release {
        /// Who.
        session: SessionId,
        /// The fence of its grant.
        fence: Fence,
    },
    /// Takes an offer.
    Claim {
        /// Who.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
    },
    /// Turns an offer down, and keeps its ticket.
    Decline {
        /// Who.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
    },
    /// The watch: the offer was not claimed in time.
    OfferExpired {
        /// To whom it was made.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
    },
    /// The watch: a holder without a connection did not come back within its grace.
    GraceOver {
        /// The suspect holder.
        session: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The watch: the holder of before a server's start did not resume in time.
    RecoveryOver {
        /// The holder of before.
        session: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The server started again: nobody has a connection, and whoever held the lock or was offered it
    /// has some time to resume.
    Restarted,
    /// Whether the lock passes on by itself, from here on.
    AutoPassSet(AutoPass),
}

/// What followed from a record, in order. The caller turns it into messages.
///
/// Nothing of it may be announced before the record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The lock is offered, and waits for the claim. Told again, with the same fence, when the one
    /// offered asks or comes with a new connection.
    Offered {
        /// To whom.
        to: SessionId,
        /// The fence of the grant to be; larger than any before.
        fence: Fence,
    },
    /// An offer came to nothing.
    OfferEnded {
        /// To whom it was made.
        to: SessionId,
        /// Its fence.
        fence: Fence,
        /// Why.
        why: OfferEnd,
    },
    /// Holds the lock (told again when it asks again).
    Granted {
        /// Who.
        to: SessionId,
        /// Its fence, the offer's.
        fence: Fence,
    },
    /// The holder is here again (from a silence, a lost connection, a server's start) and holds the
    /// lock with the same fence.
    Resumed {
        /// Who.
        by: SessionId,
        /// Its fence, as it was.
        fence: Fence,
    },
    /// The holder's connection is gone; its grace runs.
    Suspected {
        /// Who.
        by: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The server started again; the holder's time to resume runs.
    Recovering {
        /// Who.
        by: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The holder gave the lock back.
    Released {
        /// Who.
        by: SessionId,
        /// Its fence, over now.
        fence: Fence,
    },
    /// The holder lost the lock against its will; tell it if it can be reached.
    LockLost {
        /// Who.
        by: SessionId,
        /// Its fence, over now.
        fence: Fence,
        /// Why.
        why: Loss,
    },
    /// Nobody holds the lock, and it is offered to nobody.
    Freed,
    /// The asker's wish was not granted, and changed nothing but what the doc of the reason says.
    Refused {
        /// The asker.
        session: SessionId,
        /// Why.
        why: Refusal,
    },
    /// Whether the lock passes on by itself, from here on.
    AutoPass(AutoPass),
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
    /// Not claimed in time. Its ticket stays; it is passed over for this round.
    Expired,
    /// Turned down. Its ticket stays; it is passed over for this round.
    Declined,
    /// The one offered cancelled; its ticket is gone.
    Cancelled,
    /// The one offered fell silent, lost its connection or left.
    Unreachable,
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
}

/// Why a wish was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// No such session here: it never joined, or was forgotten. Join anew.
    UnknownSession,
    /// The session has joined already; it can only resume. The caller's mistake.
    AlreadyJoined,
    /// The session has no connection (resume first), or was declared lost and has not answered since.
    NotLive,
    /// A stock client cannot claim an offer, so it cannot ask for the lock.
    CannotClaim,
    /// An observer never holds a lock.
    Observer,
    /// Somebody else has the lock or is being offered it; only said to `Try`.
    Busy {
        /// Who has it.
        by: SessionId,
    },
    /// The fence named is not one that this session may act on. A claim that came too late for its
    /// own offer counts as a sign of life all the same: the session is no longer passed over.
    StaleFence {
        /// The newest fence of this lock; `None` when it was never offered.
        now: Option<Fence>,
    },
}
