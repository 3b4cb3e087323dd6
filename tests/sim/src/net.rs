//! The simulated network: connections of two ordered lanes, each fast, slow, held up, or dead.
//!
//! Owns what is under way. A lane keeps its order, for it is TCP: what is lost in it stops all that comes after. Whoever
//! closes a connection need not be seen doing so.

use std::collections::VecDeque;
use std::time::Duration;

use baton_presence::Time;
use bytes::Bytes;

use crate::content::Token;
use baton_testkit::Random;

/// Names a connection; used once.
pub(crate) type ConnNo = usize;

/// What travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A binary message.
    Frame(Bytes),
    /// Of the transport.
    Ping,
    /// Of the transport, answered below the page.
    Pong,
    /// A ping with a payload.
    Probe(u64),
    /// Its pong.
    Probed(u64),
    /// The end: with a code if it was said in good order.
    Close(Option<u16>),
}

impl Packet {
    const fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            _ => 0,
        }
    }
}

/// How fast a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// 1 to 40 ms.
    Good,
    /// 100 ms to 3.5 s.
    Slow,
    /// Nothing arrives any more.
    Dead,
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) pace: Pace,
    /// Nothing arrives before this.
    pub(crate) held: Time,
    packets: VecDeque<Packet>,
    bytes: usize,
    last: Time,
}

impl Lane {
    fn new(random: &mut Random) -> Self {
        let pace = match random.below(25) {
            0 => Pace::Slow,
            _ => Pace::Good,
        };
        Self {
            pace,
            held: Time::ZERO,
            packets: VecDeque::new(),
            bytes: 0,
            last: Time::ZERO,
        }
    }

    /// Sends; returns when it arrives, if it does. Never before what was sent earlier.
    pub(crate) fn send(&mut self, packet: Packet, now: Time, random: &mut Random) -> Option<Time> {
        let delay = match self.pace {
            Pace::Good => random.millis(1, 40),
            Pace::Slow => random.millis(100, 3500),
            Pace::Dead => return None,
        };
        self.bytes += packet.len();
        self.packets.push_back(packet);
        self.last = (now + delay).max(self.last);
        Some(self.last)
    }

    /// Planted: what was sent last goes before what was sent before it.
    pub(crate) fn overtake(&mut self) {
        let len = self.packets.len();
        let frames = |packet: &Packet| matches!(packet, Packet::Frame(_));
        if len >= 2 && self.packets.range(len - 2..).all(frames) {
            self.packets.swap(len - 2, len - 1);
        }
    }

    /// What arrives now, or when to look again.
    pub(crate) fn arrive(&mut self, now: Time) -> Result<Option<Packet>, Time> {
        if self.pace == Pace::Dead {
            return Ok(None);
        }
        if now < self.held {
            return Err(self.held);
        }
        let packet = self.packets.pop_front();
        self.bytes -= packet.as_ref().map_or(0, Packet::len);
        Ok(packet)
    }

    /// What is under way, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_good(&self, now: Time) -> bool {
        self.pace == Pace::Good && now >= self.held
    }

    pub(crate) fn hold(&mut self, now: Time, lasts: Duration) {
        self.held = self.held.max(now + lasts);
    }

    pub(crate) fn heal(&mut self, now: Time) {
        self.held = self.held.min(now);
        if self.pace == Pace::Slow {
            self.pace = Pace::Good;
        }
    }
}

/// Whether one side still has the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Closed,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) person: usize,
    pub(crate) up: Lane,
    pub(crate) down: Lane,
    pub(crate) client: End,
    pub(crate) server: End,
    /// The server answered its first Step1: from here on it is sent edits.
    pub(crate) answered: bool,
    /// The session that the server told it.
    pub(crate) session: Option<u64>,
    /// When that was.
    pub(crate) welcomed: Time,
    /// What stood in each sync message (step 2 or update) that the client has sent.
    pub(crate) synced_up: Vec<Vec<Token>>,
    /// How many of them the server called saved.
    pub(crate) called_saved: usize,
}

impl Conn {
    pub(crate) fn new(person: usize, random: &mut Random) -> Self {
        Self {
            person,
            up: Lane::new(random),
            down: Lane::new(random),
            client: End::Open,
            server: End::Open,
            answered: false,
            session: None,
            welcomed: Time::ZERO,
            synced_up: Vec::new(),
            called_saved: 0,
        }
    }

    /// Whether both sides have it, and it works both ways.
    pub(crate) fn works(&self, now: Time) -> bool {
        self.client == End::Open
            && self.server == End::Open
            && self.up.is_good(now)
            && self.down.is_good(now)
    }
}
