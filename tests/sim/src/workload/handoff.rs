//! Passing locks on: handing one to somebody, asking for one, taking one, moving one to the same user's other tab.

use baton_client::sans_io::Operation;
use baton_client::{FencingToken, LockScope};

use super::Wish;
use crate::region;
use crate::world::World;

/// Hands one of its locks to somebody else.
pub(super) struct Transfer;

impl Wish for Transfer {
    fn weight(&self) -> u64 {
        3
    }

    fn go(&self, world: &mut World, person: usize) {
        let to = world.random.below(world.people.len());
        let session = |number: usize| world.people[number].tab()?.machine.session();
        let Some(to) = session(to) else { return };
        if let Some((_, scope)) = world.held(person) {
            world.ask(person, "transfers", Operation::Transfer(scope, to));
        }
    }
}

/// Asks for what somebody else holds, in words.
pub(super) struct Request;

impl Wish for Request {
    fn weight(&self) -> u64 {
        3
    }

    fn go(&self, world: &mut World, person: usize) {
        let scope = match world.theirs(person) {
            Some((_, scope)) => scope,
            None => world.region().scope(),
        };
        let note = "may I?".to_owned();
        world.ask_for_lock(person, "requests", Operation::Request(scope, note));
    }
}

/// Takes what somebody else holds, whether it may or not.
pub(super) struct TakeOver;

impl Wish for TakeOver {
    fn weight(&self) -> u64 {
        2
    }

    fn go(&self, world: &mut World, person: usize) {
        let Some((_, mut scope)) = world.theirs(person) else {
            return;
        };
        if world.random.chance(30) {
            scope = world.region().scope();
        }
        world.ask_for_lock(person, "takes over", Operation::TakeOver(scope));
    }
}

/// Goes on here with what the same user holds elsewhere.
pub(super) struct MoveHere;

impl Wish for MoveHere {
    fn weight(&self) -> u64 {
        3
    }

    fn go(&self, world: &mut World, person: usize) {
        if world.people[person].user.is_none() {
            return;
        }
        if let Some((_, scope)) = world.theirs(person) {
            world.ask_for_lock(person, "moves", Operation::MoveHere(scope));
        }
    }
}

impl World {
    /// A lock that another session has, as this person sees it.
    fn theirs(&mut self, person: usize) -> Option<(FencingToken, LockScope)> {
        let machine = &self.people[person].tab()?.machine;
        let grants = machine.locks().map(|view| &view.grants);
        let mut theirs: Vec<_> = grants?
            .iter()
            .filter(|grant| Some(grant.session) != machine.session())
            .map(|grant| (grant.fence, region::told(&grant.paths)))
            .collect();
        if theirs.is_empty() {
            return None;
        }
        Some(theirs.swap_remove(self.random.below(theirs.len())))
    }
}
