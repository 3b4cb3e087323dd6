//! Asking for the lock, waiting for it, giving it back, and answering an offer that is not claimed by itself.

use baton_client::Standing;
use baton_client::machine::Ask;

use super::Wish;
use crate::world::World;

/// Wants the lock, and waits.
pub(super) struct Acquire;

impl Wish for Acquire {
    fn weight(&self) -> u64 {
        5
    }

    fn go(&self, world: &mut World, person: usize) {
        world.ask(person, Ask::Acquire);
    }
}

/// Wants the lock if it is free.
pub(super) struct Try;

impl Wish for Try {
    fn weight(&self) -> u64 {
        2
    }

    fn go(&self, world: &mut World, person: usize) {
        world.ask(person, Ask::Try);
    }
}

/// Wants it no more.
pub(super) struct Cancel;

impl Wish for Cancel {
    fn weight(&self) -> u64 {
        2
    }

    fn go(&self, world: &mut World, person: usize) {
        if !world.people[person].patient {
            world.ask(person, Ask::Cancel);
        }
    }
}

/// Gives it back.
pub(super) struct Release;

impl Wish for Release {
    fn weight(&self) -> u64 {
        6
    }

    fn go(&self, world: &mut World, person: usize) {
        let tab = world.people[person].tab();
        if tab.is_some_and(|tab| tab.machine.standing() == Standing::Mine) {
            world.ask(person, Ask::Release);
        }
    }
}

/// Claims or declines an offer, where that is left to the person.
pub(super) struct AnswerOffer;

impl Wish for AnswerOffer {
    fn weight(&self) -> u64 {
        12
    }

    fn go(&self, world: &mut World, person: usize) {
        let declines = world.dice.chance(40);
        let tab = world.people[person].tab();
        let Some(fence) = tab.and_then(|tab| tab.machine.offer()) else {
            return;
        };
        if declines {
            world.note("declines", person as u64, fence.position);
            world.with_tab(person, |machine, _| machine.decline(fence));
        } else {
            world.with_tab(person, |machine, now| machine.claim(now, fence));
        }
    }
}
