//! What is said over the network of the model.
//!
//! Values only. The network is a set: unordered, lossy, and without multiplicity (all that is said is idempotent).

use baton_presence::{Fence, SessionId};

use crate::places::{Place, Root};

/// As many fences as one client may have.
pub type Fences = [Option<Fence>; 2];

/// One thing under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A client's first word on a new connection.
    Hello {
        /// Which client; it may have no session yet.
        client: usize,
        /// The session that it was in.
        resume: Option<SessionId>,
        /// The fences that it believes to hold.
        fences: Fences,
    },
    /// From a session to the server.
    Up(SessionId, Up),
    /// The answer to the hello of a client.
    Welcome {
        /// Which client.
        client: usize,
        /// The session that it is in now.
        session: SessionId,
    },
    /// From the server to a session.
    Down(SessionId, Down),
}

/// What a session says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Up {
    /// It wants this locked.
    Acquire(Place),
    /// It wants this locked, and asks who has it.
    Request(Place),
    /// It takes this.
    TakeOver(Place),
    /// It gives its lock to somebody.
    Transfer(Fence, SessionId),
    /// It takes the offer.
    Claim(Fence),
    /// It gives the lock back.
    Release(Fence),
    /// It has stopped, and sent what it had.
    Drained(Fence),
    /// An edit, with the fence that it was typed under.
    Edit(Root, Option<Fence>),
    /// The answer to a beat. `left`: for how many more ticks of the client's own clock it would be a lease.
    Answer {
        /// Ticks.
        left: u8,
    },
}

/// What the server says to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Down {
    /// Claim it, and it is yours.
    Offered(Fence),
    /// You hold it.
    Yours(Fence, Place),
    /// Stop, send what you have, and say so.
    Drain(Fence),
    /// You do not hold it any more, or never did.
    Lost(Fence),
    /// Your answer counts, for these. (On the wire no fence is named: there the word of every loss before it
    /// comes first, on the same connection, or the connection is broken. Here words overtake each other.)
    Confirmed {
        /// What is left of the lease that began when the answer was *sent*.
        left: u8,
        /// What the session held then.
        fences: Fences,
    },
}

impl Message {
    /// The fences that it names.
    pub(crate) fn fences_mut(&mut self) -> impl Iterator<Item = &mut Fence> {
        let (one, several): (Option<&mut Fence>, &mut [Option<Fence>]) = match self {
            Self::Hello { fences, .. } | Self::Down(_, Down::Confirmed { fences, .. }) => {
                (None, fences)
            }
            Self::Up(_, Up::Edit(_, fence)) => (fence.as_mut(), &mut []),
            Self::Up(
                _,
                Up::Claim(fence) | Up::Release(fence) | Up::Drained(fence) | Up::Transfer(fence, _),
            )
            | Self::Down(
                _,
                Down::Offered(fence)
                | Down::Yours(fence, _)
                | Down::Drain(fence)
                | Down::Lost(fence),
            ) => (Some(fence), &mut []),
            _ => (None, &mut []),
        };
        one.into_iter().chain(several.iter_mut().flatten())
    }

    /// The time that is left of the lease that it may become.
    pub(crate) const fn left_mut(&mut self) -> Option<&mut u8> {
        match self {
            Self::Up(_, Up::Answer { left }) | Self::Down(_, Down::Confirmed { left, .. }) => {
                Some(left)
            }
            _ => None,
        }
    }

    /// Which session it is from or for.
    pub(crate) const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Up(session, _) | Self::Down(session, _) => Some(*session),
            Self::Hello { .. } | Self::Welcome { .. } => None,
        }
    }
}
