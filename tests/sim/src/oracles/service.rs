//! L1: with a dead holder, or none, a live waiter holds the lock within 10 s, 5 s more for a stale answer (or the grace),
//! and 2 s for each dead one ahead.

use std::collections::BTreeMap;

use baton_presence::{LockState, Presence, SessionId};

use super::{Oracle, SLACK, Since};
use crate::net::Pace;
use crate::people::{Body, Person};
use crate::seen::Seen;
use crate::world::World;

/// Takes the time of each waiter who is well, while no holder is.
#[derive(Debug, Default)]
pub(super) struct Service {
    headless: Since,
    /// Most that waited at once since then: each may be dead, and cost an offer.
    queue: u32,
    waiters: BTreeMap<usize, Since>,
}

impl Oracle for Service {
    fn invariant(&self) -> &'static str {
        "L1"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::Step) {
            return Ok(());
        }
        if world.room.is_none() || world.now < world.stalled + SLACK {
            *self = Self::default();
            return Ok(());
        }
        let holder = match world.book.lock() {
            LockState::Held { by, .. } => person_of(world, by),
            _ => None,
        };
        let headless = holder.is_none_or(|person| !reaches(world, &world.people[person]));
        let without = self.headless.track(headless, world.now);
        let timings = world.timings();
        if without.is_zero() {
            self.queue = 0;
        }
        let queue = u32::try_from(world.book.fold.waiting()).unwrap_or(u32::MAX);
        self.queue = self.queue.max(queue);
        let bound = timings.offline_after
            + timings.answer_within.max(timings.grace)
            + timings.offer * self.queue
            + SLACK;
        for (number, person) in world.people.iter().enumerate() {
            let waits = headless && waits_well(world, person);
            let since = self.waiters.entry(number).or_default();
            let waited = since.track(waits, world.now).min(without);
            if waited > bound {
                return Err(format!(
                    "person {number} has waited {waited:?} with nobody well before it, {:?}",
                    world.book.lock()
                ));
            }
        }
        Ok(())
    }
}

pub(crate) fn person_of(world: &World, session: SessionId) -> Option<usize> {
    world.people.iter().position(|person| {
        person
            .tab()
            .is_some_and(|tab| tab.machine.session() == Some(session.0))
    })
}

/// Whether anything that it says can reach the server, now or after a reconnect.
fn reaches(world: &World, person: &Person) -> bool {
    let up = |conn: usize| {
        let lane = &world.conns[conn].up;
        lane.pace != Pace::Dead && world.now >= lane.held
    };
    person.body == Body::Well && world.now >= person.cut.0 && person.conn.is_none_or(up)
}

fn waits_well(world: &World, person: &Person) -> bool {
    let session = person.tab().and_then(|tab| tab.machine.session());
    let works = person
        .conn
        .is_some_and(|conn| world.conns[conn].works(world.now));
    let peer = session.and_then(|session| world.book.fold.peer(SessionId(session)));
    let claims = person
        .tab()
        .is_some_and(|tab| tab.claim == baton_client::Claim::Auto);
    person.body == Body::Well
        && claims
        && works
        && world.now >= person.cut.0.max(person.cut.1)
        && peer.is_some_and(|peer| {
            peer.presence == Presence::Live && peer.ticket.is_some() && peer.passed_over.is_none()
        })
}
