//! Time as a lease needs it: the monotonic clock and the wall clock side by side.
//!
//! The monotonic clock stops while some machines sleep, and the wall clock may be set back. The
//! larger of the two advances is the safe one to believe. Owns the arithmetic; reads no clock.

use std::time::Duration;

/// One moment on both clocks. The monotonic clock may stand still during sleep; the wall clock
/// may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Time since some fixed moment of this process.
    pub monotonic: Duration,
    /// Time since the Unix epoch.
    pub wall: Duration,
}

impl Moment {
    /// Returns the time since `earlier`, by the clock that advanced more.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let monotonic = self.monotonic.saturating_sub(earlier.monotonic);
        monotonic.max(self.wall.saturating_sub(earlier.wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic: u64, wall: u64) -> Moment {
        Moment {
            monotonic: Duration::from_secs(monotonic),
            wall: Duration::from_secs(wall),
        }
    }

    #[test]
    fn the_clock_that_advanced_more_is_believed() {
        let asleep = at(11, 300).since(&at(10, 100));
        let set_back = at(14, 90).since(&at(10, 100));
        assert_eq!(asleep, Duration::from_secs(200));
        assert_eq!(set_back, Duration::from_secs(4));
        assert_eq!(at(1, 1).since(&at(2, 2)), Duration::ZERO);
    }
}
