//! The short run, about a minute: histories of stock Yjs clients, hostile histories, and proofs
//! that the comparison itself can fail.
//!
//! `BATON_DIFFERENTIAL_SEED` repeats the drawn part of a run. Node is needed: under CI its absence
//! is a failure, elsewhere the tests that need it say that they were left out.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::{Duration, Instant};

use baton_differential::histories::{self, Totals};
use baton_differential::hostile::classes::{self, Class};
use baton_differential::hostile::shrink::report;
use baton_differential::hostile::world::World;
use baton_differential::hostile::{self, Difference, Outcome, generate, known_to_yjs, orders};
use baton_differential::knowledge::Knowledge;
use baton_differential::subject::{Subject, Taken};
use baton_differential::yjs::Yjs;
use baton_differential::yrs_replica::YrsReplica;
use baton_sync::{ClientId, DeleteSet, IdRange, Replica, StateVector, scan};

/// Histories of stock clients with seeds that never change.
const HISTORIES: u32 = 500;

/// Hostile histories with seeds that never change.
const HOSTILE: u64 = 60_000;

/// Those of them that Yjs is asked about.
const HOSTILE_FOR_YJS: u64 = 8_000;

/// The time for seeds that are drawn, in each test.
const DRAWN: Duration = Duration::from_secs(4);

fn yjs() -> Option<Yjs> {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    match Yjs::start() {
        Ok(yjs) => Some(yjs),
        Err(error) if is_ci => panic!("{error}"),
        Err(error) => {
            eprintln!("LEFT OUT: {error}");
            None
        }
    }
}

/// The first of the drawn seeds, printed so that the run can be repeated.
fn drawn_seed() -> u32 {
    let given = std::env::var("BATON_DIFFERENTIAL_SEED");
    let seed = given.map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("BATON_DIFFERENTIAL_SEED={seed}");
    seed
}

/// Seeds that never change, and then drawn ones until the time is over.
fn seeds(fixed: u64) -> impl Iterator<Item = u64> {
    let drawn = u64::from(drawn_seed());
    let mut start = None;
    let in_time = move |_: &u64| start.get_or_insert_with(Instant::now).elapsed() < DRAWN;
    (1..=fixed).chain((drawn..).take_while(in_time))
}

#[test]
fn histories_of_stock_clients_are_known_and_given_back_as_yjs_does() {
    let Some(mut yjs) = yjs() else { return };
    let mut totals = Totals::default();
    for seed in seeds(u64::from(HISTORIES)) {
        // The generator in Node takes 32 bits.
        let checked = histories::check::<Replica>(&mut yjs, seed as u32, &mut totals);
        checked.unwrap_or_else(|difference| panic!("{difference}"));
    }
    assert!(totals.deliveries > 10 * HISTORIES as usize, "{totals:?}");
    assert!(
        totals.yrs_panics < totals.histories.div_ceil(20),
        "{totals:?}"
    );
    eprintln!("{totals:?}");
}

#[test]
fn hostile_histories_are_known_as_yrs_and_the_closed_form_know_them() {
    let check = |world: &World, seed| hostile::check::<Replica>(world, seed);
    run_hostile(HOSTILE, check);
}

#[test]
fn hostile_histories_are_known_as_yjs_and_the_closed_form_know_them() {
    let Some(mut yjs) = yjs() else { return };
    let check = |world: &World, seed| hostile::check_with_yjs::<Replica>(&mut yjs, world, seed);
    run_hostile(HOSTILE_FOR_YJS, check);
}

fn run_hostile(fixed: u64, mut check: impl FnMut(&World, u64) -> Result<Outcome, Difference>) {
    let (mut all, mut compared) = (0_u64, 0_u64);
    for seed in seeds(fixed) {
        let world = generate::world(seed);
        all += 1;
        match check(&world, seed) {
            Ok(outcome) => compared += u64::from(outcome == Outcome::Same),
            Err(difference) => panic!("seed {seed}: {}", report(world, seed, difference, check)),
        }
    }
    eprintln!("{compared} of {all} compared");
    assert!(compared > all / 2, "{compared} of {all}");
}

/// Leaving a class out needs a reason: two orders of one history after which Yjs knows two things.
#[test]
fn replicas_of_yjs_differ_on_each_class_that_is_left_out_for_it() {
    let Some(mut yjs) = yjs() else { return };
    let left_out = [
        Class::KeyedSpan,
        Class::TornByKey,
        Class::Backwards,
        Class::CrossesOrigin,
    ];
    for class in left_out {
        let differs = (0..200_000).find(|seed| {
            let world = generate::world(*seed);
            if classes::class(&world) != Some(class) {
                return false;
            }
            let [one, other] = orders(&world, *seed)
                .map(|updates| known_to_yjs(&mut yjs, &world, &updates).unwrap());
            one != other
        });
        let seed = differs.unwrap_or_else(|| panic!("Yjs agrees with itself on {class:?}"));
        eprintln!("{class:?}: {:?}", generate::world(seed));
    }
}

/// Forgets one unit that is deleted and that no update names as deleted.
const FORGETS: u8 = 1;

/// Changes values as yrs does: it gives back what yrs encodes.
const CHANGES: u8 = 2;

/// A replica with one of these faults.
struct Faulty<const FAULT: u8> {
    replica: Replica,
    named: DeleteSet,
}

impl<const FAULT: u8> Subject for Faulty<FAULT> {
    const SPARED: &[&str] = &[];

    fn empty() -> Self {
        Self {
            replica: Replica::empty(),
            named: DeleteSet::new(),
        }
    }

    fn apply(&mut self, update: &[u8]) -> Result<Taken, String> {
        for IdRange { client, start, end } in scan(update).unwrap().deletes() {
            self.named.insert(*client, *start, end - start);
        }
        Subject::apply(&mut self.replica, update)
    }

    fn knowledge(&self) -> Knowledge {
        let mut knowledge = self.replica.knowledge();
        let implied = knowledge.deletes.iter().position(|(client, start, _)| {
            let client = ClientId::new(*client).unwrap();
            !self.named.contains(client, *start, 1)
        });
        if FAULT == FORGETS
            && let Some(index) = implied
        {
            let (client, start, end) = knowledge.deletes.remove(index);
            if start + 1 < end {
                knowledge.deletes.insert(index, (client, start + 1, end));
            }
        }
        knowledge
    }

    fn everything(&mut self) -> Result<Vec<u8>, String> {
        let everything = Subject::everything(&mut self.replica)?;
        if FAULT != CHANGES {
            return Ok(everything);
        }
        let mut yrs = YrsReplica::new();
        yrs.apply(&everything)?;
        Ok(yrs.everything())
    }

    fn difference(&self, since: &StateVector) -> Result<Vec<u8>, String> {
        Subject::difference(&self.replica, since)
    }

    fn compacted(everything: &[u8]) -> Result<Vec<u8>, String> {
        Replica::compacted(everything)
    }
}

#[test]
fn a_replica_that_forgets_an_implied_deletion_is_caught() {
    let caught = (1..1_000).find_map(|seed| {
        let world = generate::world(seed);
        hostile::check::<Faulty<FORGETS>>(&world, seed).err()
    });
    assert!(matches!(caught, Some(Difference::Replica(_))), "{caught:?}");
    let Some(mut yjs) = yjs() else { return };
    caught_in_histories::<FORGETS>(&mut yjs, "deleted");
}

#[test]
fn a_replica_that_changes_values_is_caught() {
    let Some(mut yjs) = yjs() else { return };
    caught_in_histories::<CHANGES>(&mut yjs, "it shows");
}

fn caught_in_histories<const FAULT: u8>(yjs: &mut Yjs, expected: &str) {
    let mut totals = Totals::default();
    let mut check = |seed| histories::check::<Faulty<FAULT>>(yjs, seed, &mut totals).err();
    let caught = (1..50).find_map(&mut check).unwrap();
    assert!(caught.contains(expected), "{caught}");
    eprintln!("{caught}");
}
