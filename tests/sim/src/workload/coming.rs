//! Coming and going: leaving for good, resting, reloading the page, and the same tab twice.

use super::Wish;
use crate::people::{App, Kind};
use crate::tab::Luggage;
use crate::world::{Action, World};

/// Says that it is done, and opens the document again later.
pub(super) struct Leave;

impl Wish for Leave {
    fn weight(&self) -> u64 {
        1
    }

    fn gives_up_waiting(&self) -> bool {
        true
    }

    fn go(&self, world: &mut World, person: usize) {
        world.note("leaves", person as u64, 0);
        world.with_tab(person, |machine, now| machine.close(now));
    }
}

/// Lets the connection go for a while and keeps the session, or ends such a rest.
pub(super) struct Rest;

impl Wish for Rest {
    fn weight(&self) -> u64 {
        4
    }

    fn gives_up_waiting(&self) -> bool {
        true
    }

    fn go(&self, world: &mut World, person: usize) {
        let rests = |world: &World| {
            world.people[person].tab().is_some_and(|tab| {
                tab.machine.phase() == baton_client::sans_io::ConnectionPhase::Idle
            })
        };
        if rests(world) {
            world.with_tab(person, |machine, now| machine.connect(now));
        } else if world.random.chance(15) {
            world.note("rests", person as u64, 0);
            world.with_tab(person, |machine, now| machine.disconnect(now));
        }
    }
}

/// The page is loaded again: the session goes on with its ticket; the copy is kept, or is not.
pub(super) struct Reload;

impl Wish for Reload {
    fn weight(&self) -> u64 {
        1
    }

    fn gives_up_waiting(&self) -> bool {
        true
    }

    fn go(&self, world: &mut World, person: usize) {
        if matches!(world.people[person].app, App::Page(_)) {
            world.hang_up(person);
            world.kill_tab(person);
            world.after(50, 2_000, Action::Return(person));
            return;
        }
        let keeps = world.random.chance(50);
        let Some(tab) = world.people[person].tab() else {
            return;
        };
        let copy = match tab.machine.document().snapshot() {
            Ok(copy) if keeps => copy.to_vec(),
            _ => Vec::new(),
        };
        let luggage = Luggage {
            ticket: tab.machine.ticket(),
            epoch: tab.machine.epoch().filter(|_| keeps),
            copy,
            role: tab.role,
            claim: tab.claim,
            divergence: tab.divergence,
        };
        world.note("reloads", person as u64, u64::from(keeps));
        world.hang_up(person);
        world.kill_tab(person);
        world.open_tab(person, luggage);
    }
}

/// A second tab starts with what the first one keeps for its session: the ticket, which works once.
pub(super) struct Duplicate;

impl Wish for Duplicate {
    fn weight(&self) -> u64 {
        1
    }

    fn gives_up_waiting(&self) -> bool {
        true
    }

    fn go(&self, world: &mut World, person: usize) {
        let Some(tab) = world.people[person].tab() else {
            return;
        };
        let Some(ticket) = tab.machine.ticket() else {
            return;
        };
        // A session is an observer or an editor from its beginning, whatever resumes it says.
        let (role, claim) = (tab.role, tab.claim);
        let other = world.random.below(world.people.len());
        if other == person || world.people[other].kind != Kind::Baton {
            return;
        }
        world.note("duplicates", person as u64, other as u64);
        world.hang_up(other);
        world.kill_tab(other);
        let luggage = Luggage {
            ticket: Some(ticket),
            role,
            claim,
            ..Luggage::default()
        };
        world.open_tab(other, luggage);
    }
}
