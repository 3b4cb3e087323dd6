//! Who does what, and what goes wrong when: every decision of a run, from its seed.
//!
//! Owns the dice. Each client has a stream of its own, so that what it decides does not depend on when the others act.
//! Does nothing itself.

use std::time::Duration;

use crate::content::Place;
use crate::scenario::{Chaos, Pace, Scenario};

/// A small generator (SplitMix64): the same seed gives the same numbers everywhere. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of this number under this seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.bits();
        dice
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Even in [0, 1).
    fn roll(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() * end as f64) as usize
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.roll())
    }
}

/// Whether an edit asks the lock first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    Asks,
    Stubborn,
}

/// What a client wants to do next. Whether it can depends on the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    /// A new element, at this fraction of the way through.
    Insert {
        place: Place,
        at: f64,
        manners: Manners,
    },
    /// One of its own, picked by this fraction.
    Delete {
        pick: f64,
    },
    /// The one map key that everybody sets.
    Touch,
    Acquire,
    Release,
    Cancel,
    /// Goes if it is here, comes if it is not.
    LeaveOrReturn,
}

/// The decisions of one client.
#[derive(Debug)]
pub(crate) struct Acts {
    dice: Dice,
    pause: Duration,
    stubborn: f64,
    acquire: f64,
    leave: u32,
}

impl Acts {
    pub(crate) fn new(scenario: &Scenario, client: usize) -> Self {
        let people = scenario.clients.div_ceil(scenario.docs);
        Self {
            dice: Dice::new(scenario.seed, client as u64 + 1),
            pause: scenario.pause,
            stubborn: f64::from(scenario.stubborn) / 100.0,
            // So that a document is locked somewhat more than half of the time, however many there are.
            acquire: f64::from(scenario.acquire) / 100.0 / people as f64,
            leave: scenario.leave,
        }
    }

    /// Until the next act.
    pub(crate) fn pause(&mut self) -> Duration {
        self.dice.between(self.pause / 4, self.pause * 7 / 4)
    }

    /// The next act. Takes the same number of rolls whatever it is.
    pub(crate) fn next(&mut self) -> Act {
        let [kind, place, at, manners] = std::array::from_fn(|_| self.dice.roll());
        let place = Place::ALL[(place * Place::ALL.len() as f64) as usize];
        let manners = if manners < self.stubborn {
            Manners::Stubborn
        } else {
            Manners::Asks
        };
        if kind < self.acquire {
            return Act::Acquire;
        }
        // In per cent, one after the other.
        let kind = ((kind - self.acquire) * 100.0) as u32;
        match kind.checked_sub(8 + self.leave) {
            None if kind < 7 => Act::Release,
            None if kind == 7 => Act::Cancel,
            None => Act::LeaveOrReturn,
            Some(0..4) => Act::Touch,
            Some(4..20) => Act::Delete { pick: at },
            Some(_) => Act::Insert { place, at, manners },
        }
    }
}

/// Which way nothing gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
    Both,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    Drop,
    Delay { by: Duration },
    Partition { way: Way },
    Freeze,
    Kill,
    Blackout,
}

/// Something that goes wrong, when, for whom and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Disturbance {
    pub(crate) at: Duration,
    /// Nobody for a kill and a blackout.
    pub(crate) client: usize,
    pub(crate) trouble: Trouble,
    pub(crate) lasts: Duration,
}

/// All that goes wrong in this scenario, in order.
pub(crate) fn disturbances(scenario: &Scenario) -> Vec<Disturbance> {
    let mut dice = Dice::new(scenario.seed, 0);
    let kinds: Vec<Chaos> = scenario
        .chaos
        .iter()
        .copied()
        .filter(|kind| !kind.kills())
        .collect();
    let minutes = scenario.lasts.as_secs_f64() / 60.0;
    let count = if kinds.is_empty() {
        0
    } else {
        (scenario.disturbances * minutes * scenario.clients as f64).ceil() as usize
    };
    let mut all: Vec<Disturbance> = (0..count)
        .map(|_| of_a_client(&mut dice, scenario, &kinds))
        .collect();
    for (chaos, trouble) in [
        (Chaos::Kill, Trouble::Kill),
        (Chaos::Blackout, Trouble::Blackout),
    ] {
        if scenario.chaos.contains(&chaos) {
            all.extend(of_the_server(&mut dice, scenario, trouble));
        }
    }
    all.sort_by_key(|disturbance| disturbance.at);
    all
}

/// One in each of so many equal stretches, somewhere in its middle.
fn of_the_server(dice: &mut Dice, scenario: &Scenario, trouble: Trouble) -> Vec<Disturbance> {
    let minutes = scenario.lasts.as_secs_f64() / 60.0;
    let times = ((minutes * scenario.kills).ceil() as u32).max(1);
    let stretch = scenario.lasts / times;
    let mut one = |number| Disturbance {
        at: stretch * number + dice.between(stretch / 4, stretch * 3 / 4),
        client: 0,
        trouble,
        lasts: dice.between(Duration::from_millis(50), Duration::from_millis(800)),
    };
    (0..times).map(&mut one).collect()
}

fn of_a_client(dice: &mut Dice, scenario: &Scenario, kinds: &[Chaos]) -> Disturbance {
    // Long enough, sometimes, for a holder to be given up (10 s, or 2 s).
    let second = match scenario.pace {
        Pace::Product => Duration::from_secs(1),
        Pace::Brisk => Duration::from_millis(200),
    };
    let at = dice.between(scenario.lasts / 20, scenario.lasts * 19 / 20);
    let client = dice.below(scenario.clients);
    let kind = kinds[dice.below(kinds.len())];
    let long = dice.between(second, second * 14);
    let by = dice.between(Duration::from_millis(20), Duration::from_millis(400));
    let way = [Way::Up, Way::Down, Way::Both][dice.below(3)];
    let (trouble, lasts) = match kind {
        Chaos::Drop | Chaos::Kill | Chaos::Blackout => (Trouble::Drop, Duration::ZERO),
        Chaos::Delay => (Trouble::Delay { by }, long),
        Chaos::Partition => (Trouble::Partition { way }, long),
        Chaos::Freeze => (Trouble::Freeze, long),
    };
    Disturbance {
        at,
        client,
        trouble,
        lasts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(seed: u64) -> Scenario {
        let chaos = vec![
            Chaos::Drop,
            Chaos::Delay,
            Chaos::Partition,
            Chaos::Freeze,
            Chaos::Kill,
            Chaos::Blackout,
        ];
        Scenario {
            seed,
            chaos,
            ..Scenario::default()
        }
    }

    #[test]
    fn the_same_seed_decides_the_same_and_another_does_not() {
        let acts = |seed, client| {
            let mut acts = Acts::new(&scenario(seed), client);
            let next = |_| (acts.pause(), acts.next());
            (0..50).map(next).collect::<Vec<_>>()
        };
        assert_eq!(acts(7, 3), acts(7, 3));
        assert_ne!(acts(7, 3), acts(8, 3));
        assert_ne!(acts(7, 3), acts(7, 4));
        assert_eq!(disturbances(&scenario(7)), disturbances(&scenario(7)));
        assert_ne!(disturbances(&scenario(7)), disturbances(&scenario(8)));
    }

    #[test]
    fn somebody_who_is_to_stay_does_not_leave() {
        let leaves = |leave| {
            let mut acts = Acts::new(
                &Scenario {
                    leave,
                    ..scenario(7)
                },
                0,
            );
            let all: Vec<Act> = (0..1000).map(|_| acts.next()).collect();
            let count = |of: Act| all.iter().filter(|act| **act == of).count();
            (count(Act::LeaveOrReturn), count(Act::Cancel) > 0)
        };
        assert_eq!(leaves(0), (0, true));
        assert!((120..280).contains(&leaves(20).0), "{:?}", leaves(20));
    }

    #[test]
    fn all_that_was_asked_for_happens_within_the_run() {
        let all = disturbances(&scenario(7));
        assert!(all.iter().all(|one| one.at < scenario(7).lasts));
        let kills = all.iter().filter(|one| one.trouble == Trouble::Kill);
        assert_eq!(kills.count(), 3);
        let blackouts = all.iter().filter(|one| one.trouble == Trouble::Blackout);
        assert_eq!(blackouts.count(), 3);
        assert_eq!(all.len(), 46);
        assert!(disturbances(&Scenario::default()).is_empty());
    }
}
