//! Reads the two clocks of the system. The only place of this crate that does.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::dual_clock::Moment;

/// The monotonic clock of tokio and the wall clock of the system.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            monotonic: self.start.elapsed(),
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }
}
