//! The rounds in which sessions are asked for signs of life.
//!
//! A caller that wakes for each ping of each session pays more for waking than for the pings. So
//! sessions with neighbouring slots are asked in the same moment, but only a few of them: pings of
//! a crowd must not keep a caller for long. Rounds are spread over the period, and those of
//! different detectors over one another, because a server that starts again has all its documents
//! opened in one moment.

use std::time::Duration;

use crate::Time;

/// Sessions that are asked in one moment.
const SESSIONS_OF_A_ROUND: u32 = 16;

/// 2^64 divided by the golden ratio: the multiples of it are spread evenly modulo 2^64, however
/// many there are (D. E. Knuth, The Art of Computer Programming, volume 3, section 6.4).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeartbeatRounds {
    /// Place of this detector's first round in a period, as a part of 2^64.
    offset: Option<u64>,
}

impl HeartbeatRounds {
    /// Returns the first time after `now`, at most `period` later, at which the session in this
    /// slot is to be asked. It is to be asked each `period` from then on.
    pub(crate) fn first(&mut self, slot: u32, now: Time, period: Duration) -> Time {
        let offset = *self
            .offset
            .get_or_insert_with(|| now.micros().wrapping_mul(GOLDEN));
        let round = u64::from(slot / SESSIONS_OF_A_ROUND);
        let place = round.wrapping_mul(GOLDEN).wrapping_add(offset);
        let period = period.as_nanos().max(1);
        // Less than the period: a part of it, rounded down.
        let at = (period * u128::from(place >> 32)) >> 32;
        let wait = (at + period - now.0.as_nanos() % period) % period;
        let wait = if wait == 0 { period } else { wait };
        now + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    /// Returns the moments of a period at which sessions that connect 70 ms apart are asked, and
    /// how many in each.
    fn rounds(sessions: u32) -> BTreeMap<Duration, u32> {
        let mut rounds = HeartbeatRounds::default();
        let mut moments = BTreeMap::new();
        for slot in 0..sessions {
            let now = Time::from_millis(1_234 + u64::from(slot) * 70);
            let first = rounds.first(slot, now, PERIOD);
            assert!(first > now && first <= now + PERIOD);
            let moment = Duration::from_nanos((first.0.as_nanos() % PERIOD.as_nanos()) as u64);
            *moments.entry(moment).or_default() += 1;
        }
        moments
    }

    #[test]
    fn a_small_group_is_asked_in_one_moment() {
        assert_eq!(rounds(16).into_values().collect::<Vec<_>>(), [16]);
    }

    #[test]
    fn a_crowd_is_asked_in_many_rounds_spread_over_the_period() {
        let moments = rounds(1_600);
        assert_eq!(moments.len(), 100);
        assert!(moments.values().all(|sessions| *sessions == 16));
        let times: Vec<_> = moments.into_keys().collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() < Some(PERIOD / 30), "{times:?}");
    }

    #[test]
    fn detectors_that_begin_a_millisecond_apart_ask_at_different_moments() {
        let mut moments: Vec<_> = (0..100)
            .map(|start| HeartbeatRounds::default().first(0, Time::from_millis(start), PERIOD))
            .map(|first| first.0.as_millis() % PERIOD.as_millis())
            .collect();
        moments.sort_unstable();
        let busiest = moments
            .iter()
            .map(|moment| {
                moments
                    .iter()
                    .filter(|m| moment.abs_diff(**m) < 100)
                    .count()
            })
            .max();
        assert!(busiest < Some(12), "{moments:?}");
    }

    #[test]
    fn a_period_of_zero_is_no_trouble() {
        let now = Time::from_millis(1);
        let first = HeartbeatRounds::default().first(3, now, Duration::ZERO);
        assert!(first > now);
    }
}
