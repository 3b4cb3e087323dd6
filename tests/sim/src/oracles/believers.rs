//! S5: with the strict profile no two clients believe that they may edit as holders, while clock rates differ by at most
//! 1.4.

use std::collections::BTreeMap;

use baton_client::EditRight;

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// Asks every client at every step. Two tabs that show one grant are one session: the older is being closed. And one whose
/// session went on in a second tab (a duplicated one) does not count: where its own connection was lost, nobody can tell
/// it, and if the second tab gives the lock back, it believes in it until its lease is over.
#[derive(Debug)]
pub(super) struct Believers;

impl Oracle for Believers {
    fn invariant(&self) -> &'static str {
        "S5"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::Step) || !world.is_strict() {
            return Ok(());
        }
        let mut believers = BTreeMap::new();
        for (number, person) in world.people.iter().enumerate() {
            let Some(tab) = person.tab() else { continue };
            if tab.machine.right(person.moment(world.now)) == EditRight::Holder
                && let Some(fence) = tab.machine.grant()
                && !went_on_elsewhere(world, tab.machine.session(), number)
            {
                believers.insert(fence, number);
            }
        }
        if believers.len() > 1 {
            return Err(format!(
                "{believers:?} by fence and person, while {:?}",
                world.book.lock()
            ));
        }
        Ok(())
    }
}

fn went_on_elsewhere(world: &World, session: Option<u64>, person: usize) -> bool {
    let newest = world.conns.iter().rfind(|conn| conn.session == session);
    newest.is_some_and(|conn| conn.person != person)
}
