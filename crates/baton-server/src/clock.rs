//! The server's one monotonic clock, in the form that the cores take, and its relation to Unix
//! time.

use std::time::{Duration, SystemTime};

use baton_presence::Time;
use tokio::time::Instant;

/// Returns the system's present time, in Unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}

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
        let elapsed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        unix_ms().saturating_sub(elapsed)
    }

    /// Returns the moment to sleep until. Tokio rounds it up to the next millisecond; waking up
    /// early would be harmless.
    pub(crate) fn at(self, time: Time) -> Instant {
        self.origin
            .checked_add(time.0)
            .unwrap_or_else(|| self.origin + Duration::from_secs(60 * 60 * 24 * 365))
    }
}
