//! The server's one monotonic clock, in the form that the cores take, and what it is in Unix time.

use std::time::{Duration, SystemTime};

use baton_presence::Time;
use tokio::time::Instant;

/// Counts from its own making. Tokio's clock, so that tests can pause it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerClock {
    origin: Instant,
}

impl ServerClock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Time {
        Time(self.origin.elapsed())
    }

    /// Unix time at [`Time::ZERO`], in milliseconds, as the system's clock says now.
    pub(crate) fn unix_at_zero_ms(self) -> u64 {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let at_zero = since.saturating_sub(self.origin.elapsed());
        u64::try_from(at_zero.as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment to sleep until. Tokio rounds up to the next millisecond, and early calls are
    /// harmless anyway.
    pub(crate) fn at(self, time: Time) -> Instant {
        self.origin
            .checked_add(time.0)
            .unwrap_or_else(|| self.origin + Duration::from_secs(60 * 60 * 24 * 365))
    }
}
