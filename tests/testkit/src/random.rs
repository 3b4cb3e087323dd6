//! Random numbers from a seed, so that a failed run can be repeated. Not for secrets.

use std::time::Duration;

use rand::distr::uniform::{SampleRange, SampleUniform};
use rand::rngs::ChaCha8Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt, SeedableRng};

/// Generates random numbers; the same seed gives the same numbers on every machine.
///
/// The generator is one that `rand` documents as portable. The workspace pins the release of `rand`,
/// because another one may draw differently from the same bits.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Returns a generator that starts from this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns the generator of one of many streams under a seed. Streams do not depend on how much
    /// is drawn from the others.
    #[must_use]
    pub fn from_seed_and_stream(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Returns a generator with the seed in the variable `BATON_SEED`, or with any seed if that is
    /// not set. Prints the seed, so that the run can be repeated.
    ///
    /// # Panics
    /// If `BATON_SEED` is not a whole number.
    #[must_use]
    pub fn announced(story: &str) -> Self {
        let seed = Self::seed("BATON_SEED");
        eprintln!("{story}: BATON_SEED={seed}");
        Self::from_seed(seed)
    }

    /// Returns the seed in this environment variable, or any seed if that is not set.
    ///
    /// # Panics
    /// If the variable is not a whole number.
    #[must_use]
    pub fn seed(variable: &str) -> u64 {
        match std::env::var(variable) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{variable} is a whole number, not {text}")),
            Err(_) => rand::random(),
        }
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number from zero to below `end`, or zero if `end` is not above zero.
    pub fn below<N: SampleUniform + PartialOrd + Default>(&mut self, end: N) -> N {
        if end > N::default() {
            self.0.random_range(N::default()..end)
        } else {
            N::default()
        }
    }

    /// Returns a number within this range.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn within<N: SampleUniform>(&mut self, range: impl SampleRange<N>) -> N {
        self.0.random_range(range)
    }

    /// Returns a number from 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        self.0.random()
    }

    /// Returns a duration from `least` to `most`, in whole microseconds; `least` if that is longer.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.0.random_range(0..=span))
    }

    /// Returns a duration from `least` to `most` milliseconds, in whole microseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        self.between(Duration::from_millis(least), Duration::from_millis(most))
    }

    /// Returns true this many times of a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// Returns true once in this many times; `times` must not be zero.
    pub fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// Returns one element.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.choose(&mut self.0).expect("something to pick from")
    }

    /// Puts the elements into a random order.
    pub fn shuffle<T>(&mut self, elements: &mut [T]) {
        elements.shuffle(&mut self.0);
    }

    /// Returns an array of random bytes.
    pub fn array<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Returns this many random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_that_it_always_gave() {
        // Fails if a release of `rand` draws differently: then every seed in the documents means
        // another run.
        let mut random = Random::from_seed(7);
        let drawn: Vec<u32> = (0..6).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, [140, 157, 182, 167, 270, 704]);
        let mut order = [1, 2, 3, 4, 5];
        random.shuffle(&mut order);
        assert_eq!(order, [4, 3, 1, 2, 5]);
    }

    #[test]
    fn streams_of_a_seed_differ_and_repeat() {
        let first = |seed, stream| Random::from_seed_and_stream(seed, stream).bits();
        assert_eq!(first(7, 3), first(7, 3));
        let all: std::collections::BTreeSet<u64> = (0..20)
            .flat_map(|seed| (0..20).map(move |stream| first(seed, stream)))
            .collect();
        assert_eq!(all.len(), 400);
    }

    #[test]
    fn draws_stay_within_their_limits_and_reach_them() {
        let mut random = Random::from_seed(1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.below(5_usize)] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(random.below(0), 0);
        let (least, most) = (Duration::from_micros(3), Duration::from_micros(5));
        for _ in 0..100 {
            assert!((least..=most).contains(&random.between(least, most)));
        }
        assert_eq!(random.between(most, least), most);
        let times = (0..10_000).filter(|_| random.chance(30)).count();
        assert!((2_700..3_300).contains(&times), "{times}");
    }
}
