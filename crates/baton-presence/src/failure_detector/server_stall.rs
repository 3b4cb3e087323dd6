//! Stalls of the server itself: silences that it slept through are not held against the clients.

use std::time::Duration;

use crate::Time;

/// A call that comes later than this after its deadline shows that the server itself stalled.
const LATE: Duration = Duration::from_secs(1);

/// After a stall no session is judged, and no lock's time ends, before this long. The server first
/// reads the heartbeats that lie in its sockets.
const READ_BACKLOG: Duration = Duration::from_millis(500);

/// Grace for connections that end while the server reads its backlog, even if the configured grace
/// is shorter. Their clients gave up because of the stall, and connect again after 2.5 s at the
/// latest.
const RECONNECT_GRACE: Duration = Duration::from_secs(3);

/// Stalls that may extend one silence, or the time of one lock's state. A server that stalls again
/// and again must not keep dead sessions for ever.
pub(crate) const MAX_FORGIVEN_STALLS: u32 = 3;

/// Moves a time that a silence is counted from past a stall, but not beyond `now`.
pub(crate) fn forgive(time: Time, late: Duration, now: Time) -> Time {
    (time + late).min(now).max(time)
}

/// Detects stalls from calls that come late.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerStall {
    /// Time at which the last stall was noticed.
    noticed: Option<Time>,
}

impl ServerStall {
    /// Compares the clock with the deadline that a call should have met. Returns the extension of
    /// all limits, if the server stalled.
    pub(crate) fn notice(&mut self, deadline: Time, now: Time) -> Option<Duration> {
        // One stall extends the limits once.
        let expected = self
            .noticed
            .map_or(deadline, |noticed| noticed.max(deadline));
        let late = now.since(expected);
        if late <= LATE {
            return None;
        }
        self.noticed = Some(now);
        Some(late + READ_BACKLOG)
    }

    /// Returns the time until which the server reads the backlog of its last stall; [`Time::ZERO`]
    /// without one.
    pub(crate) fn reads_backlog_until(&self) -> Time {
        self.noticed
            .map_or(Time::ZERO, |noticed| noticed + READ_BACKLOG)
    }

    /// Returns the grace for a connection that ends at `now`.
    pub(crate) fn grace(&self, configured: Duration, now: Time) -> Duration {
        if now < self.reads_backlog_until() {
            configured.max(RECONNECT_GRACE)
        } else {
            configured
        }
    }
}
