//! Delays between connection attempts. Owns the arithmetic; sets no timer.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;

/// Clients of a server that is going away return within this time, spread evenly.
const GOING_AWAY_SPREAD: Duration = Duration::from_secs(2);

/// The close code of a server that is going away.
const GOING_AWAY: u16 = 4503;

/// Delays between attempts: each is drawn evenly between `first` and a ceiling that doubles with
/// each failure, up to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest delay. Default 200 ms.
    pub first: Duration,
    /// The longest delay. Default 2.5 s.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            most: Duration::from_millis(2500),
        }
    }
}

impl Backoff {
    /// Draws the delay before the next attempt. `failures` counts the attempts that failed since
    /// the last healthy connection; `code` is the close code of the connection that ended.
    pub(crate) fn delay(&self, failures: u32, code: Option<u16>, rng: &mut SmallRng) -> Duration {
        if failures == 0 && code == Some(GOING_AWAY) {
            return GOING_AWAY_SPREAD.mul_f64(rng.random());
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_add(1).min(16));
        let ceiling = self.first.saturating_mul(doubled).min(self.most);
        let floor = self.first.min(ceiling);
        floor + (ceiling - floor).mul_f64(rng.random())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn delays_grow_to_the_greatest_and_are_spread() {
        let backoff = Backoff::default();
        let mut rng = SmallRng::seed_from_u64(7);
        for failures in 0..40 {
            let ceiling = Duration::from_millis(400 << failures.min(8)).min(backoff.most);
            let drawn: Vec<_> = (0..200)
                .map(|_| backoff.delay(failures, None, &mut rng))
                .collect();
            assert!(
                drawn
                    .iter()
                    .all(|delay| (backoff.first..=ceiling).contains(delay))
            );
            let middle = (backoff.first + ceiling) / 2;
            let low = drawn.iter().filter(|delay| **delay < middle).count();
            assert!((50..150).contains(&low), "{low} of 200 in the lower half");
        }
    }

    #[test]
    fn clients_return_to_a_server_that_goes_away_within_two_seconds() {
        let mut rng = SmallRng::seed_from_u64(1);
        let backoff = Backoff::default();
        let drawn: Vec<_> = (0..200)
            .map(|_| backoff.delay(0, Some(4503), &mut rng))
            .collect();
        assert!(drawn.iter().all(|delay| *delay < Duration::from_secs(2)));
        assert!(drawn.iter().any(|delay| *delay < backoff.first));
        assert!(drawn.iter().any(|delay| *delay > Duration::from_secs(1)));
    }
}
