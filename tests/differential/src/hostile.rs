//! Hostile histories: sound bytes that no client would send, delivered in random orders and cuts.

pub mod classes;
pub mod closed_form;
pub mod delivery;
pub mod generate;
pub mod shrink;
pub mod world;

use crate::intake::Intake;
use crate::knowledge::Knowledge;
use crate::subject::{Subject, Taken};
use crate::yjs::Yjs;
use crate::yrs_replica::YrsReplica;
use classes::Class;
use delivery::{Closed, Update};
use world::World;

/// Of so many histories one is also taken out of the replica again.
const GIVEN_BACK_ONE_IN: u64 = 4;

/// The end of a check that found no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All agree.
    Same,
    /// The history is of a class that is left out.
    LeftOut(Class),
    /// The replica refuses the history, in both orders.
    Refused,
}

/// A difference between the replica, yrs or Yjs, and the closed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The reference differs from itself in another order, and no class has the history.
    Unnamed(String),
    /// The reference agrees with itself, and not with the closed form.
    ClosedForm(String),
    /// The replica differs from the reference.
    Replica(String),
    /// The replica refuses the history in one order and takes it in the other.
    Refusal(String),
    /// The encodings that the replica gives lead to something else than it knows.
    GivenBack(String),
    /// The reference failed on what the replica took.
    Reference(String),
}

/// Checks a replica and yrs on a history, in the two orders that follow from the seed.
///
/// # Errors
/// The difference, if there is one.
pub fn check<S: Subject>(world: &World, seed: u64) -> Result<Outcome, Difference> {
    if let Some(class) = classes::class(world) {
        return Ok(Outcome::LeftOut(class));
    }
    let known = |updates: &[Update]| known_to_yrs(world, updates);
    compare::<S>(world, seed, known)
}

/// Checks a replica and Yjs on a history, in the two orders that follow from the seed.
///
/// # Errors
/// The difference, if there is one.
pub fn check_with_yjs<S: Subject>(
    yjs: &mut Yjs,
    world: &World,
    seed: u64,
) -> Result<Outcome, Difference> {
    match classes::class(world) {
        Some(Class::GoneNeighbour) => return without_replica(yjs, world, seed),
        Some(class) => return Ok(Outcome::LeftOut(class)),
        None => {}
    }
    let known = |updates: &[Update]| known_to_yjs(yjs, world, updates);
    compare::<S>(world, seed, known)
}

/// Checks the closed form and Yjs on a history on which yrs differs.
fn without_replica(yjs: &mut Yjs, world: &World, seed: u64) -> Result<Outcome, Difference> {
    let expected = closed_form::knowledge(world);
    for updates in orders(world, seed) {
        let found = known_to_yjs(yjs, world, &updates).map_err(Difference::Reference)?;
        if found != expected {
            let difference = format!("closed form {expected:?}\nreference {found:?}");
            return Err(Difference::ClosedForm(difference));
        }
    }
    Ok(Outcome::LeftOut(Class::GoneNeighbour))
}

/// The two orders of a history that follow from a seed.
#[must_use]
pub fn orders(world: &World, seed: u64) -> [Vec<Update>; 2] {
    let first = seed.wrapping_mul(2);
    [first, first | 1].map(|seed| delivery::deliveries(world, seed))
}

fn compare<S: Subject>(
    world: &World,
    seed: u64,
    mut known: impl FnMut(&[Update]) -> Result<Knowledge, String>,
) -> Result<Outcome, Difference> {
    let orders = orders(world, seed);
    let [one, other] = orders.each_ref().map(|updates| fed::<S>(world, updates));
    let mut replicas = match (one, other) {
        (Ok(one), Ok(other)) => [one, other],
        (Err(_), Err(_)) => return Ok(Outcome::Refused),
        (Err(reason), _) | (_, Err(reason)) => return Err(Difference::Refusal(reason)),
    };
    // Only now: what the replica refuses may be unsound in yrs.
    let mut references = Vec::with_capacity(2);
    for updates in &orders {
        references.push(known(updates).map_err(Difference::Reference)?);
    }
    if references[0] != references[1] {
        let [one, other] = &references[..] else {
            return Err(Difference::Reference("two orders".to_owned()));
        };
        return Err(Difference::Unnamed(format!("{one:?}\n{other:?}")));
    }
    for replica in &replicas {
        equal("replica", &replica.knowledge(), &references[0]).map_err(Difference::Replica)?;
    }
    let expected = closed_form::knowledge(world);
    equal("closed form", &expected, &references[0]).map_err(Difference::ClosedForm)?;
    if seed.is_multiple_of(GIVEN_BACK_ONE_IN) {
        let [replica, _] = &mut replicas;
        let [_, updates] = &orders;
        given_back(world, replica, updates, &expected).map_err(Difference::GivenBack)?;
    }
    Ok(Outcome::Same)
}

/// Checks that all of the replica, its compacted form, and the difference to a replica that took
/// only the first half of these updates lead to the same knowledge.
fn given_back<S: Subject>(
    world: &World,
    replica: &mut S,
    updates: &[Update],
    expected: &Knowledge,
) -> Result<(), String> {
    let everything = replica.everything()?;
    let compacted = S::compacted(&everything)?;
    for (name, encoded) in [("everything", everything), ("compacted", compacted)] {
        let mut other = S::empty();
        if other.apply(&encoded)? != Taken::All {
            return Err(format!("{name}: it lacks something"));
        }
        equal(name, &other.knowledge(), expected)?;
        let mut reference = YrsReplica::new();
        reference.apply(&encoded)?;
        equal(name, &reference.knowledge()?, expected)?;
    }
    let mut behind = intake::<S>(world, &updates[..updates.len() / 2])?.into_replica();
    let difference = replica.difference(&behind.knowledge().state_vector())?;
    if behind.apply(&difference)? != Taken::All {
        return Err("a difference lacks something".to_owned());
    }
    equal("difference", &behind.knowledge(), expected)
}

fn equal(name: &str, found: &Knowledge, expected: &Knowledge) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{name} {found:?}\nexpected {expected:?}"))
}

/// A replica after all of these updates.
fn fed<S: Subject>(world: &World, updates: &[Update]) -> Result<S, String> {
    let intake = intake::<S>(world, updates)?;
    if intake.is_waiting() {
        return Err("deliveries wait after the last".to_owned());
    }
    Ok(intake.into_replica())
}

fn intake<S: Subject>(world: &World, updates: &[Update]) -> Result<Intake<S, Update>, String> {
    let mut intake = Intake::<S, Update>::new();
    for update in updates {
        let cut = |update: &Update, vector: &_| Ok(update.cut(world, vector));
        intake.deliver(update.clone(), cut, |_| ())?;
    }
    Ok(intake)
}

/// The knowledge of yrs after these updates.
///
/// # Errors
/// The error or the panic of yrs.
pub fn known_to_yrs(world: &World, updates: &[Update]) -> Result<Knowledge, String> {
    let mut reference = YrsReplica::new();
    let mut closed = Closed::new(world);
    let mut outcome = Ok(());
    for update in updates {
        closed.take(update, |part| {
            if outcome.is_ok() {
                outcome = reference.apply(part);
            }
        });
    }
    outcome?;
    reference.knowledge()
}

/// The knowledge of Yjs after these updates.
///
/// # Errors
/// The error that Yjs threw, or it still waits for something.
pub fn known_to_yjs(yjs: &mut Yjs, world: &World, updates: &[Update]) -> Result<Knowledge, String> {
    // Yjs may keep two updates waiting that need a part of each other, until one more comes.
    let all = delivery::whole(world);
    let updates: Vec<&[u8]> = updates.iter().chain([&all]).map(AsRef::as_ref).collect();
    let loaded = yjs.load(&updates, false)?;
    if loaded.waiting {
        return Err("Yjs waits after the last delivery".to_owned());
    }
    Ok(loaded.knowledge)
}
