//! Who does what, and what goes wrong when: every decision of a run, from its seed.
//!
//! Owns the random numbers. Each client has a stream of its own, so that what it decides does not depend on when the others act.
//! Does nothing itself.

use std::time::Duration;

use baton_testkit::{Direction, Random};

use crate::content::Place;
use crate::part::Part;
use crate::scenario::{Chaos, Locks, Pace, Scenario};

/// Whether an edit asks the lock first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    Asks,
    Stubborn,
}

/// How somebody goes about getting a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// In the queue.
    Waits,
    /// In the queue, and asks whoever has it.
    Requests,
    TakesOver,
}

/// What somebody finds that a park should become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opinion {
    Merge,
    Discard,
}

/// What a client wants to do next. Whether it can depends on the run.
#[derive(Debug, Clone, PartialEq)]
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
    Acquire {
        part: Part,
        wish: Wish,
    },
    /// One of its locks, picked by this fraction; to whom, by the other, if it is to somebody.
    Release {
        pick: f64,
        to: Option<f64>,
    },
    Cancel,
    /// A park, picked by this fraction. A discarded one is recovered, whatever is thought of it.
    Decide {
        pick: f64,
        opinion: Opinion,
    },
    /// Goes if it is here, comes if it is not.
    LeaveOrReturn,
}

/// The decisions of one client.
#[derive(Debug)]
pub(crate) struct Acts {
    random: Random,
    pause: Duration,
    stubborn: f64,
    locks: Locks,
    acquire: f64,
    request: f64,
    take_over: f64,
    transfer: f64,
    leave: u32,
    decide: u32,
    polite: bool,
}

impl Acts {
    pub(crate) fn new(scenario: &Scenario, client: usize) -> Self {
        let people = scenario.clients.div_ceil(scenario.docs);
        let mut random = Random::from_seed_and_stream(scenario.seed, client as u64 + 1);
        let share = |per_cent: u32| f64::from(per_cent) / 100.0;
        Self {
            polite: random.fraction() < 0.5,
            random,
            pause: scenario.pause,
            stubborn: share(scenario.stubborn),
            locks: scenario.locks,
            // So that a document is locked somewhat more than half of the time, however many there are.
            acquire: share(scenario.acquire) / people as f64,
            request: share(scenario.request),
            take_over: share(scenario.take_over),
            transfer: share(scenario.transfer),
            leave: scenario.leave,
            decide: scenario.decide,
        }
    }

    /// Whether it gives a lock up as soon as somebody asks for it, or keeps it for as long as it may.
    pub(crate) const fn is_polite(&self) -> bool {
        self.polite
    }

    /// Until the next act.
    pub(crate) fn pause(&mut self) -> Duration {
        self.random.between(self.pause / 4, self.pause * 7 / 4)
    }

    /// The next act. Takes the same number of draws whatever it is.
    pub(crate) fn next(&mut self) -> Act {
        let [kind, place, at, manners, how] = std::array::from_fn(|_| self.random.fraction());
        let place = Place::ALL[(place * Place::ALL.len() as f64) as usize];
        if kind < self.acquire {
            return Act::Acquire {
                part: self.part(place, at, manners),
                wish: self.wish(how),
            };
        }
        // In per cent, one after the other.
        let kind = ((kind - self.acquire) * 100.0) as u32;
        let edit = 8 + self.leave + self.decide;
        match kind {
            0..7 => Act::Release {
                pick: manners,
                to: (how < self.transfer).then_some(at),
            },
            7 => Act::Cancel,
            _ if kind < 8 + self.leave => Act::LeaveOrReturn,
            _ if kind < edit => Act::Decide {
                pick: at,
                opinion: if how < 0.6 {
                    Opinion::Merge
                } else {
                    Opinion::Discard
                },
            },
            _ if kind < edit + 4 => Act::Touch,
            _ if kind < edit + 20 => Act::Delete { pick: at },
            _ => Act::Insert {
                place,
                at,
                manners: if manners < self.stubborn {
                    Manners::Stubborn
                } else {
                    Manners::Asks
                },
            },
        }
    }

    fn wish(&self, how: f64) -> Wish {
        if how < self.request {
            Wish::Requests
        } else if how < self.request + self.take_over {
            Wish::TakesOver
        } else {
            Wish::Waits
        }
    }

    /// What is wanted: all of it, a root type, two of them, or something below one, alone or with another.
    fn part(&self, place: Place, at: f64, whole: f64) -> Part {
        let wholes = match self.locks {
            Locks::Document => 1.0,
            Locks::Parts => 0.0,
            Locks::Mixed => 0.4,
        };
        if whole < wholes {
            return Part::WHOLE;
        }
        let (root, next) = (place.root(), place.next().root());
        let below = format!(
            "nested/{}",
            if whole * 2.0 < 1.0 + wholes {
                "left"
            } else {
                "right"
            }
        );
        match at {
            ..0.5 => Part::of(&[root]),
            ..0.75 => Part::of(&[root, next]),
            ..0.9 => Part::of(&[&below]),
            _ => Part::of(&[&below, Place::Text.root()]),
        }
    }
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    Drop,
    Delay { by: Duration },
    Partition { way: Direction },
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
    let mut random = Random::from_seed_and_stream(scenario.seed, 0);
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
        .map(|_| of_a_client(&mut random, scenario, &kinds))
        .collect();
    for (chaos, trouble) in [
        (Chaos::Kill, Trouble::Kill),
        (Chaos::Blackout, Trouble::Blackout),
    ] {
        if scenario.chaos.contains(&chaos) {
            all.extend(of_the_server(&mut random, scenario, trouble));
        }
    }
    all.sort_by_key(|disturbance| disturbance.at);
    all
}

/// One in each of so many equal stretches, somewhere in its middle.
fn of_the_server(random: &mut Random, scenario: &Scenario, trouble: Trouble) -> Vec<Disturbance> {
    let minutes = scenario.lasts.as_secs_f64() / 60.0;
    let times = ((minutes * scenario.kills).ceil() as u32).max(1);
    let stretch = scenario.lasts / times;
    let mut one = |number| Disturbance {
        at: stretch * number + random.between(stretch / 4, stretch * 3 / 4),
        client: 0,
        trouble,
        lasts: random.between(Duration::from_millis(50), Duration::from_millis(800)),
    };
    (0..times).map(&mut one).collect()
}

fn of_a_client(random: &mut Random, scenario: &Scenario, kinds: &[Chaos]) -> Disturbance {
    // Long enough, sometimes, for a holder to be given up (10 s, or 2 s).
    let second = match scenario.pace {
        Pace::Product => Duration::from_secs(1),
        Pace::Brisk => Duration::from_millis(200),
    };
    let at = random.between(scenario.lasts / 20, scenario.lasts * 19 / 20);
    let client = random.below(scenario.clients);
    let kind = kinds[random.below(kinds.len())];
    let long = random.between(second, second * 14);
    let by = random.between(Duration::from_millis(20), Duration::from_millis(400));
    let way = [Direction::ToServer, Direction::ToClient, Direction::Both][random.below(3)];
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
    fn all_kinds_of_wishes_for_all_kinds_of_parts_come_up() {
        let wishes = |locks| {
            let settings = Scenario {
                locks,
                clients: 1,
                docs: 1,
                acquire: 50,
                ..scenario(7)
            };
            let mut acts = Acts::new(&settings, 0);
            let all = (0..2000).filter_map(|_| match acts.next() {
                Act::Acquire { part, wish } => Some((part, wish)),
                _ => None,
            });
            all.collect::<Vec<_>>()
        };
        let whole = |all: &[(Part, Wish)]| all.iter().filter(|(part, _)| part.is_whole()).count();
        let (document, parts, mixed) = (
            wishes(Locks::Document),
            wishes(Locks::Parts),
            wishes(Locks::Mixed),
        );
        assert_eq!((whole(&document), whole(&parts)), (document.len(), 0));
        assert!((mixed.len() / 3..mixed.len() / 2).contains(&whole(&mixed)));
        for wish in [Wish::Waits, Wish::Requests, Wish::TakesOver] {
            assert!(mixed.iter().any(|(_, one)| *one == wish), "{wish:?}");
        }
        for paths in [
            &["xml"][..],
            &["nested", "text"],
            &["nested/left"],
            &["nested/right", "text"],
        ] {
            let part = Part::from(&Part::of(paths).scope());
            let found = parts.iter().any(|(one, _)| one.scope() == part.scope());
            assert!(found, "{part}");
        }
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
