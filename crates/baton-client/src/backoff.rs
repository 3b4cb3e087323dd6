//! How long to wait before coming again. Owns the arithmetic and its dice; sets no timer.

use std::time::Duration;

/// The server goes away for all at once: everybody comes back within this time, spread evenly.
const GOING_AWAY_SPREAD: Duration = Duration::from_secs(2);

/// The close code of a server that is going away.
const GOING_AWAY: u16 = 4503;

/// Delays between attempts: each is drawn evenly between `first` and a ceiling that doubles up to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The least delay; 200 ms unless told otherwise.
    pub first: Duration,
    /// The greatest delay; 2.5 s unless told otherwise.
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
    /// The delay after `failures` attempts that failed since all was well, and an end with this close code.
    pub(crate) fn delay(&self, failures: u32, code: Option<u16>, dice: &mut Dice) -> Duration {
        if failures == 0 && code == Some(GOING_AWAY) {
            return GOING_AWAY_SPREAD.mul_f64(dice.roll());
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_add(1).min(16));
        let ceiling = self.first.saturating_mul(doubled).min(self.most);
        let floor = self.first.min(ceiling);
        floor + (ceiling - floor).mul_f64(dice.roll())
    }
}

/// A small generator for jitter (splitmix64): even enough to spread clients, of no use for secrets.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Even in [0, 1).
    fn roll(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Any number of 32 bits.
    pub(crate) fn draw(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_greatest_and_are_spread() {
        let backoff = Backoff::default();
        let mut dice = Dice::new(7);
        for failures in 0..40 {
            let ceiling = Duration::from_millis(400 << failures.min(8)).min(backoff.most);
            let drawn: Vec<_> = (0..200)
                .map(|_| backoff.delay(failures, None, &mut dice))
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
    fn a_server_that_goes_away_is_come_back_to_within_two_seconds() {
        let mut dice = Dice::new(1);
        let backoff = Backoff::default();
        let drawn: Vec<_> = (0..200)
            .map(|_| backoff.delay(0, Some(4503), &mut dice))
            .collect();
        assert!(drawn.iter().all(|delay| *delay < Duration::from_secs(2)));
        assert!(drawn.iter().any(|delay| *delay < backoff.first));
        assert!(drawn.iter().any(|delay| *delay > Duration::from_secs(1)));
    }
}
