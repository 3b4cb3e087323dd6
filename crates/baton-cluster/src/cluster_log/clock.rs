//! The clock of the machines: the time since the node was started.

use baton_presence::Time;
use tokio::time::Instant;

/// A monotonic clock. All machines of a node share one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    pub(super) fn now(self) -> Time {
        Time(self.start.elapsed())
    }

    pub(super) fn instant(self, at: Time) -> Instant {
        self.start + at.0
    }
}
