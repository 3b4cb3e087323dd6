//! The network of the simulation: ordered connections whose two directions are slow or lost apart
//! from each other. Whoever closes one need not be seen doing so.

use std::collections::VecDeque;
use std::time::Duration;

use baton_presence::{Fence, Scope, SessionId, Time};

use crate::harness::Dice;

/// From a client to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Up {
    Hello {
        resume: Option<SessionId>,
        fences: Vec<Fence>,
    },
    Pong,
    /// With how long its user has done nothing.
    Answer(u64, Duration),
    Acquire(Scope),
    Request(Scope),
    TakeOver(Scope),
    MoveHere(Scope),
    Transfer(Fence, SessionId),
    Drained(Fence),
    Cancel,
    Claim(Fence),
    /// For now, or for good.
    Decline(Fence, bool),
    Release(Fence),
    Done,
    /// An edit of one root, under the fence that its author believed to hold.
    Edit(&'static str, Option<Fence>),
}

/// From the server to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Down {
    Welcome(SessionId),
    Ping,
    /// With the answer that it confirms.
    Beat(u64, u64),
    Offered(Fence),
    OfferEnded,
    /// Holds it: newly, still, or again.
    Yours(Fence, Scope),
    Drain(Fence),
    Lost(Fence),
    /// Does not hold what it named at its hello.
    ResumeRefused(Fence),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Good,
    Slow,
    /// For good: what is lost in a stream stops all that comes after.
    Lost,
}

impl Path {
    fn delay(self, dice: &mut Dice) -> Option<Duration> {
        match self {
            Self::Good => Some(Duration::from_millis(1 + dice.below(40))),
            Self::Slow => Some(Duration::from_millis(100 + dice.below(3_500))),
            Self::Lost => None,
        }
    }
}

/// Messages under way in one direction, in the order of their sending.
///
/// Each arrival takes the oldest message. A receiver that looks late thus reads in order.
#[derive(Debug, Clone)]
pub(crate) struct Lane<M> {
    pub(crate) path: Path,
    under_way: VecDeque<M>,
    last_arrival: Time,
}

impl<M> Lane<M> {
    fn new(dice: &mut Dice) -> Self {
        let path = match dice.below(20) {
            0 => Path::Lost,
            1 | 2 => Path::Slow,
            _ => Path::Good,
        };
        Self {
            path,
            under_way: VecDeque::new(),
            last_arrival: Time::ZERO,
        }
    }

    /// Sends a message. Returns the time of its arrival, if it arrives; never before one that was
    /// sent earlier.
    pub(crate) fn send(&mut self, message: M, now: Time, dice: &mut Dice) -> Option<Time> {
        let at = (now + self.path.delay(dice)?).max(self.last_arrival);
        self.last_arrival = at;
        self.under_way.push_back(message);
        Some(at)
    }

    /// Takes the next message; to be called once for each arrival.
    pub(crate) fn receive(&mut self) -> Option<M> {
        self.under_way.pop_front()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Conn {
    pub(crate) client: usize,
    pub(crate) up: Lane<Up>,
    pub(crate) down: Lane<Down>,
    pub(crate) client_open: bool,
    pub(crate) server_open: bool,
}

impl Conn {
    pub(crate) fn new(client: usize, dice: &mut Dice) -> Self {
        Self {
            client,
            up: Lane::new(dice),
            down: Lane::new(dice),
            client_open: true,
            server_open: true,
        }
    }
}
