//! After the quiet end everybody is back in step, and the lock is free, for all gave it back.

use baton_client::ClientRole;

use baton_presence::Mode;

use super::Oracle;
use crate::people::{App, Person};
use crate::seen::Seen;
use crate::world::World;

/// Looks at the end.
#[derive(Debug)]
pub(super) struct Quiet;

impl Oracle for Quiet {
    fn invariant(&self) -> &'static str {
        "quiet end"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::End) {
            return Ok(());
        }
        if world.room.is_none() {
            return Err("the server is not there".to_owned());
        }
        for (number, person) in world.people.iter().enumerate() {
            let back = match &person.app {
                App::Tab(tab) => tab.machine.is_ready(),
                // Where writing needs a lock, a stock client that has typed is turned away for ever.
                App::Page(page) => page.is_open() || world.book.fold.mode() == Mode::Required,
                App::Away => false,
            };
            if !back {
                return Err(format!("person {number} is not back"));
            }
        }
        // Where only observers and stock clients are left, nobody can take a lock whose holder is gone (S11).
        let takers = world.people.iter().filter_map(Person::tab);
        let taker = takers.into_iter().any(|tab| tab.role == ClientRole::Editor);
        match world.book.fold.grants().next() {
            Some(grant) if taker => Err(format!("there is still {grant:?}")),
            _ => Ok(()),
        }
    }
}
