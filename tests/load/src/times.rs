//! How long things took: a histogram in microseconds, and what is said of it, in milliseconds.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Many times, to one part in a hundred, up to two minutes.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

/// What is said of many times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Times {
    fn default() -> Self {
        let exact = Histogram::new_with_bounds(1, 120_000_000, 2);
        Self(
            exact.unwrap_or_else(|_| unreachable!("the bounds are in order, 2 digits are allowed")),
        )
    }
}

impl Times {
    /// One more; what takes over two minutes counts as that.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    /// All of another's as well.
    pub fn add(&mut self, other: &Self) {
        let _same_bounds = self.0.add(&other.0);
    }

    /// What is to be said.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let at = |share| self.0.value_at_quantile(share) as f64 / 1000.0;
        Spread {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}
