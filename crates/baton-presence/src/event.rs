//! Owns the vocabulary between the fold and its caller: what a record says ([`Event`]) and what
//! follows from it ([`Change`]).
//!
//! Plain data. Nothing here knows a time, a connection or an encoding.

use crate::{
    AutoPass, DrainReason, Fence, Mode, Rights, Scope, SessionId, Standing, UserKey, Voice,
};

/// What one record of the log says about presence or the lock.
///
/// A proposal of the watch that was overtaken by another record (its fence is no longer the current
/// one, its session is not in that state any more) changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        /// What it may do beyond editing, as long as no `Resumed` says otherwise.
        rights: Rights,
        /// Whose it is, if it said so.
        user: Option<UserKey>,
    },
    /// A new connection of a known session, whose resume token the caller has checked.
    Resumed {
        /// Who.
        session: SessionId,
        /// The fences that the client believes to hold. None: it knows of none, and goes on with all
        /// that it has. Otherwise what it has and did not name is lost, and what it named and has not
        /// is refused, each for itself.
        fences: Vec<Fence>,
        /// What it may do beyond editing, from here on.
        rights: Rights,
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
    /// Wants a lock of this scope, and queues for it. Idempotent. A ticket for another scope is
    /// replaced, at the back. Who holds something else already is offered it now, or refused.
    Acquire {
        /// Who.
        session: SessionId,
        /// What it wants, all or nothing.
        scope: Scope,
    },
    /// Wants a lock of this scope if it can be had now; never queues.
    Try {
        /// Who.
        session: SessionId,
        /// What it wants, all or nothing.
        scope: Scope,
    },
    /// Wants no lock any longer: out of the queue, and open offers are turned down.
    Cancel {
        /// Who.
        session: SessionId,
    },
    /// Gives a lock back.
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
    /// Only in logs from before version 2 of the queue: turned an offer down, and kept its place.
    OldDecline {
        /// Who.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
    },
    /// Gives its lock to somebody else: it drains, then that one is offered it.
    Transfer {
        /// Who.
        session: SessionId,
        /// The fence of its grant.
        fence: Fence,
        /// To whom; live, a writer, and not waiting for something else.
        to: SessionId,
    },
    /// Wants a lock of this scope, queues for it, and asks those who are in its way to give theirs
    /// back. They cannot keep it for ever: see [`Event::RequestOver`].
    Request {
        /// Who.
        session: SessionId,
        /// What it wants, all or nothing.
        scope: Scope,
    },
    /// Takes what is locked in this scope from those who have it. Needs [`Rights::TAKE_OVER`].
    TakeOver {
        /// Who.
        session: SessionId,
        /// What it wants, all or nothing.
        scope: Scope,
    },
    /// Takes what is locked in this scope from other sessions of the same user.
    MoveHere {
        /// Who.
        session: SessionId,
        /// What it wants, all or nothing.
        scope: Scope,
    },
    /// The holder of a draining lock has sent all that it had.
    Drained {
        /// Who.
        session: SessionId,
        /// The fence of its grant.
        fence: Fence,
    },
    /// Only in logs from before version 2 of the queue: the offer was not claimed in time, and the one
    /// offered kept its place.
    OldOfferExpired {
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
    /// The watch: the holder of a draining lock did not say in time that it is done.
    DrainOver {
        /// The holder.
        session: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The watch: a request was not answered in time, so it is granted: the lock drains.
    RequestOver {
        /// The holder who was asked.
        session: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// The watch: there was no input of the holder for long, and somebody waits: the lock drains.
    IdleYield {
        /// The holder.
        session: SessionId,
        /// Its fence.
        fence: Fence,
    },
    /// Nothing but what every record does as well: the next offer that can be made is made. The
    /// answer to [`Change::Unsettled`].
    Settle,
    /// The server started again: nobody has a connection, and whoever held a lock or was offered it
    /// has some time to resume.
    Restarted,
    /// Whether locks pass on by themselves, from here on.
    AutoPassSet(AutoPass),
    /// What a lock means for writing, from here on. That its asker may say so the caller has checked.
    ModeSet(Mode),
    /// Turns an offer down.
    Decline {
        /// Who.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
        /// Whether it goes on waiting, behind those who wait now; else it leaves the queue.
        later: bool,
    },
    /// The watch: the offer was not claimed in time. A ticket goes behind those who wait now, and is
    /// offered the lock again after [`Event::PauseOver`], or before anybody who comes later.
    OfferExpired {
        /// To whom it was made.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
    },
    /// The watch: the pause after a missed offer is over, so that the session may be offered again what
    /// it waits for.
    PauseOver {
        /// Who.
        session: SessionId,
        /// The newest offer that it missed.
        fence: Fence,
    },
    /// The caller's clock: a session that requested something has been gone for so long that its
    /// requests are void. Its ticket stays. Changes nothing if the session is live again.
    RequestsVoid {
        /// Who requested.
        session: SessionId,
    },
}

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
    /// The session has no connection (resume first), or was declared lost and has not answered since.
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
    /// What it would move here is another user's, or that of a session that has not said whose it is.
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
