//! Liveness of one session's connection: anything received counts.

use std::time::Duration;

use super::health::SilenceLimits;
use super::server_stall::{MAX_FORGIVEN_STALLS, forgive};
use crate::{Time, Timings};

/// State of a session's connection to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// The session is connected.
    Connected,
    /// The session is connected, and the caller was asked to close the connection.
    Condemned,
    /// The session has had no connection here since this time.
    Away(Time),
}

/// Pings of one connection, and the time of the last frame from it.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLiveness {
    link: Link,
    next_ping: Time,
    last_heard: Time,
    /// Stalls of the server that shortened the present silence.
    forgiven: u32,
}

impl ConnectionLiveness {
    pub(crate) const fn away(now: Time) -> Self {
        Self {
            link: Link::Away(now),
            next_ping: now,
            last_heard: now,
            forgiven: 0,
        }
    }

    pub(crate) const fn connected(now: Time, first_ping: Time) -> Self {
        Self {
            link: Link::Connected,
            next_ping: first_ping,
            last_heard: now,
            forgiven: 0,
        }
    }

    pub(crate) const fn link(&self) -> Link {
        self.link
    }

    pub(crate) const fn next_ping(&self) -> Time {
        self.next_ping
    }

    /// Ends the connection.
    pub(crate) fn detach(&mut self, now: Time) {
        self.link = Link::Away(now);
    }

    pub(crate) fn heard(&mut self, now: Time) {
        self.last_heard = self.last_heard.max(now);
        self.forgiven = 0;
    }

    /// Returns true if a ping is due, and schedules the next one.
    pub(crate) fn take_ping(&mut self, now: Time, timings: &Timings) -> bool {
        if self.next_ping > now {
            return false;
        }
        // In step with the first ping, also when whole periods were missed: sessions of one round
        // stay together.
        let period = timings.ping_every.as_nanos().max(1);
        let missed = now.since(self.next_ping).as_nanos() % period;
        let wait = u64::try_from(period - missed).unwrap_or(u64::MAX);
        self.next_ping = now + Duration::from_nanos(wait);
        true
    }

    /// Returns the limits of the present silence. `patience` is the time after which it is offline.
    pub(crate) fn limits(&self, timings: &Timings, patience: Duration) -> SilenceLimits {
        SilenceLimits {
            shaky: self.last_heard + timings.shaky_after,
            offline: self.last_heard + patience,
        }
    }

    /// Returns true, once a connection, if it was silent for `patience`.
    pub(crate) fn take_dead(&mut self, now: Time, patience: Duration) -> bool {
        let dead = self.link == Link::Connected && self.last_heard + patience <= now;
        if dead {
            self.link = Link::Condemned;
        }
        dead
    }

    /// Shortens the present silence, or absence, by a stall of the server.
    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        if self.forgiven < MAX_FORGIVEN_STALLS {
            self.forgiven += 1;
            self.last_heard = forgive(self.last_heard, late, now);
            if let Link::Away(since) = self.link {
                self.link = Link::Away(forgive(since, late, now));
            }
        }
    }
}
