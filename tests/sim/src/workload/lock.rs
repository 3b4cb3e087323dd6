//! Asking for locks, waiting for them, giving them back, and answering an offer that is not claimed by itself.

use baton_client::sans_io::Operation;

use super::Wish;
use crate::people::Patience;
use crate::region::Region;
use crate::world::World;

/// Wants a lock, and waits.
pub(super) struct Acquire;

impl Wish for Acquire {
    fn weight(&self) -> u64 {
        6
    }

    fn go(&self, world: &mut World, person: usize) {
        let scope = world.region().scope();
        world.ask_for_lock(person, "acquires", Operation::Acquire(scope));
    }
}

/// Wants a lock if it is free.
pub(super) struct Try;

impl Wish for Try {
    fn weight(&self) -> u64 {
        3
    }

    fn go(&self, world: &mut World, person: usize) {
        let scope = world.region().scope();
        world.ask_for_lock(person, "tries", Operation::Try(scope));
    }
}

/// Wants it no more.
pub(super) struct Cancel;

impl Wish for Cancel {
    fn weight(&self) -> u64 {
        2
    }

    fn go(&self, world: &mut World, person: usize) {
        if world.people[person].patience == Patience::Fickle {
            world.cancel(person);
        }
    }
}

/// Gives one back.
pub(super) struct Release;

impl Wish for Release {
    fn weight(&self) -> u64 {
        6
    }

    fn go(&self, world: &mut World, person: usize) {
        if let Some((_, scope)) = world.held(person) {
            world.ask(person, "releases", Operation::Release(scope));
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
        let declines = world.random.chance(40);
        let tab = world.people[person].tab();
        let Some(fence) = tab.and_then(|tab| tab.machine.offers().next()) else {
            return;
        };
        if declines {
            world.note("declines", person as u64, fence.position);
            let for_now = world.random.chance(50);
            world.with_tab(person, |machine, _| {
                if for_now {
                    machine.decline_for_now(fence);
                } else {
                    machine.decline(fence);
                }
            });
        } else {
            world.with_tab(person, |machine, now| machine.claim(now, fence));
        }
    }
}

impl World {
    /// Something to lock; rather often the whole document.
    pub(crate) fn region(&mut self) -> Region {
        if self.random.chance(40) {
            return Region::Whole;
        }
        Region::ALL[self.random.below(Region::ALL.len())]
    }
}
