//! What is said over the network of the model.
//!
//! Values only. The network is a set: unordered, lossy, and without multiplicity (all that is said is idempotent).

use baton_presence::{Fence, SessionId};

/// One thing under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A client's first word on a new connection.
    Hello {
        /// Which client; it may have no session yet.
        client: usize,
        /// The session that it was in.
        resume: Option<SessionId>,
        /// The fence that it believes to hold.
        fence: Option<Fence>,
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
    /// It wants the lock.
    Acquire,
    /// It takes the offer.
    Claim(Fence),
    /// It gives the lock back.
    Release(Fence),
    /// An edit, with the fence that it was typed under.
    Edit(Option<Fence>),
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
    Yours(Fence),
    /// You do not hold it any more.
    Lost(Fence),
    /// You named a fence that is not the current one.
    ResumeRefused,
    /// Your answer counts. `left`: what is left of the lease that began when it was *sent*.
    Confirmed {
        /// Ticks.
        left: u8,
    },
}

impl Message {
    /// The fence that it names.
    pub(crate) const fn fence_mut(&mut self) -> Option<&mut Fence> {
        match self {
            Self::Hello { fence, .. } | Self::Up(_, Up::Edit(fence)) => fence.as_mut(),
            Self::Up(_, Up::Claim(fence) | Up::Release(fence))
            | Self::Down(_, Down::Offered(fence) | Down::Yours(fence) | Down::Lost(fence)) => {
                Some(fence)
            }
            _ => None,
        }
    }

    /// The time that is left of the lease that it may become.
    pub(crate) const fn left_mut(&mut self) -> Option<&mut u8> {
        match self {
            Self::Up(_, Up::Answer { left }) | Self::Down(_, Down::Confirmed { left }) => {
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
