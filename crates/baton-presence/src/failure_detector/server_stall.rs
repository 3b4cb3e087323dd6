//! Stalls of the server itself: silences that it slept through are not held against the clients.

use std::time::Duration;

use crate::Time;

/// A call that comes later than this after its deadline shows that the server itself stalled.
const LATE: Duration = Duration::from_secs(1);

/// A deadline that passed this long before any call shows that the server did not run. Frames that
/// came meanwhile may lie unread in its sockets.
const PAUSE: Duration = Duration::from_millis(100);

/// After a pause no session is judged, and no lock's time ends, before this long. The server first
/// reads the heartbeats that lie in its sockets.
const READ_BACKLOG: Duration = Duration::from_millis(500);

/// Pauses in a row, each in the reading after the one before, that put judgements off. A server
/// that pauses again and again judges sessions in the end.
const MAX_READINGS: u32 = 5;

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
    /// Time of the last call.
    running_at: Time,
    /// Time until which the server reads what came while it did not run.
    reads_until: Time,
    /// Pauses since sessions were last judged.
    readings: u32,
}

impl ServerStall {
    /// Compares the clock with the deadline that a call should have met. Returns the extension of
    /// all limits, if the server stalled.
    pub(crate) fn notice(&mut self, deadline: Time, now: Time) -> Option<Duration> {
        self.notice_pause(deadline, now);
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

    /// Begins to read the backlog of a pause, or begins anew: a pause in the reading is no time in
    /// which the server read. The pause is longer than seen here by the time before the deadline.
    fn notice_pause(&mut self, deadline: Time, now: Time) {
        let expected = deadline.max(self.running_at);
        self.running_at = self.running_at.max(now);
        if now.since(expected) < PAUSE {
            return;
        }
        let goes_on = expected <= self.reads_until;
        self.readings = if goes_on { self.readings + 1 } else { 1 };
        if self.readings <= MAX_READINGS {
            self.reads_until = now + READ_BACKLOG;
        }
    }

    /// Returns the time until which the server reads what came while it did not run; a time in the
    /// past if it has read all that.
    pub(crate) const fn reads_backlog_until(&self) -> Time {
        self.reads_until
    }

    /// Returns the grace for a connection that ends at `now`.
    pub(crate) fn grace(&self, configured: Duration, now: Time) -> Duration {
        let gave_up = |noticed| now < noticed + READ_BACKLOG;
        if self.noticed.is_some_and(gave_up) {
            configured.max(RECONNECT_GRACE)
        } else {
            configured
        }
    }
}
