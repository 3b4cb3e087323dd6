//! The server's one monotonic clock, in the form that the cores take, and its relation to Unix
//! time.

use std::time::{Duration, SystemTime};

use baton_presence::Time;
use tokio::time::Instant;

/// A clock that counts from its creation. It is tokio's clock, so that tests can pause it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerClock {
    origin: Instant,
}

impl ServerClock {
    /// Returns a clock that starts now.
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Returns the time since the start.
    pub(crate) fn now(self) -> Time {
        Time(self.origin.elapsed())
    }

    /// Returns the Unix time at [`Time::ZERO`], in milliseconds, by the system's present clock.
    pub(crate) fn unix_at_zero_ms(self) -> u64 {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let at_zero = since.saturating_sub(self.origin.elapsed());
        u64::try_from(at_zero.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the moment to sleep until. Tokio rounds it up to the next millisecond; waking up
    /// early would be harmless.
    pub(crate) fn at(self, time: Time) -> Instant {
        self.origin
            .checked_add(time.0)
            .unwrap_or_else(|| self.origin + Duration::from_secs(60 * 60 * 24 * 365))
    }
}
