//! L6: a holder who is well, over a connection that is, may edit: beats confirm its answers, whatever it held and lost
//! before.

use std::collections::BTreeMap;

use baton_client::EditPermission;
use baton_presence::GrantState;

use super::{Oracle, SLACK, Since};
use crate::people::Body;
use crate::seen::Seen;
use crate::world::World;

/// Asks every client at every step, and takes the time for which one that holds something is not confirmed.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    idle: BTreeMap<usize, Since>,
}

impl Oracle for Confirmed {
    fn invariant(&self) -> &'static str {
        "L6"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::Step) {
            return Ok(());
        }
        if world.room.is_none() || world.quiet || world.now < world.stalled + SLACK {
            self.idle.clear();
            return Ok(());
        }
        // Two beats, the second of which confirms the answer to the first.
        let bound = world.timings().beat_every * 2 + SLACK;
        for person in 0..world.people.len() {
            let so = is_idle(world, person);
            let since = self.idle.entry(person).or_default();
            let lasts = since.track(so, world.now);
            if lasts > bound {
                return Err(format!(
                    "person {person} holds and is not confirmed for {lasts:?}, while {:?}",
                    world.book.locks()
                ));
            }
        }
        Ok(())
    }
}

/// Whether it holds something, by the log and by its own belief, and its client has stopped there for want of news.
fn is_idle(world: &World, number: usize) -> bool {
    let person = &world.people[number];
    let (Some(tab), Some(conn)) = (person.tab(), person.conn) else {
        return false;
    };
    let session = tab.machine.session();
    let well = person.body == Body::Well
        && world.conns[conn].works(world.now)
        && world.conns[conn].session == session
        && world.now >= person.cut.0.max(person.cut.1);
    let moment = person.moment(world.now);
    well && tab.machine.grants().any(|(fence, scope)| {
        let held = |grant: &baton_presence::Grant| {
            grant.fence.position == fence.position
                && Some(grant.party.0) == session
                && grant.state == GrantState::Held
        };
        tab.machine.permission(scope, moment) == EditPermission::Unconfirmed
            && world.book.fold.grants().any(held)
    })
}
