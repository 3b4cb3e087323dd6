//! Owns the vocabulary between the fold and its caller: what a record says ([`Event`]) and what
//! follows from it ([`Change`]).
//!
//! Plain data. Nothing here knows a time, a connection or an encoding.

use crate::{AutoPass, Fence, Mode, Rights, Scope, SessionId, Standing, UserKey, Voice};

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
        /// The fences that the client believes to hold. None: it knows of none, and goes on with
        /// all that it has. Otherwise what it has and did not name is lost, and what it named and
        /// has not is refused, each for itself.
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
    /// Only in logs from before version 2 of the queue: the offer was not claimed in time, and the
    /// one offered kept its place.
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
    /// What a lock means for writing, from here on. That its asker may say so the caller has
    /// checked.
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
    /// The watch: the offer was not claimed in time. A ticket goes behind those who wait now, and
    /// is offered the lock again after [`Event::PauseOver`], or before anybody who comes later.
    OfferExpired {
        /// To whom it was made.
        session: SessionId,
        /// The fence of the offer.
        fence: Fence,
    },
    /// The watch: the pause after a missed offer is over, so that the session may be offered again
    /// what it waits for.
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
