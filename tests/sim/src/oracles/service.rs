//! L1: with dead holders, or none, a live waiter holds its lock within 10 s, 5 s more for a stale answer (or the grace), and
//! 2 s for each dead one ahead. A drain that is under way takes its time, and where many fell silent at once the server
//! doubts itself before it doubts them.

use std::collections::BTreeMap;

use baton_presence::{GrantState, Presence, SessionId};

use super::{Oracle, SLACK, Since};
use crate::net::Pace;
use crate::people::{Body, Person};
use crate::seen::Seen;
use crate::world::World;

/// So many silent ones at once may be the server's own fault: deadlines stretch, three times at most.
const SUSPICIOUS: usize = 3;

/// Takes the time of each waiter who is well, while no holder in its way is.
#[derive(Debug, Default)]
pub(super) struct Service {
    waiters: BTreeMap<usize, Waiter>,
}

#[derive(Debug, Default)]
struct Waiter {
    since: Since,
    /// Most that were in its way since then, by ticket or by grant: each may be dead, and cost an offer.
    ahead: u32,
    /// Most people out of reach since then.
    silent: usize,
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
        let out = |person: &&Person| !reaches(world, person);
        let silent = world.people.iter().filter(out).count();
        for (number, person) in world.people.iter().enumerate() {
            let session = waits_well(world, person);
            let ahead = session.and_then(|session| ahead(world, session));
            let waiter = self.waiters.entry(number).or_default();
            let waited = waiter.since.track(ahead.is_some(), world.now);
            let Some(ahead) = ahead else {
                *waiter = Waiter::default();
                continue;
            };
            waiter.ahead = waiter.ahead.max(ahead);
            waiter.silent = waiter.silent.max(silent);
            let timings = world.timings();
            let stretched = if waiter.silent >= SUSPICIOUS { 4 } else { 1 };
            let bound = timings.offline_after * stretched
                + timings.answer_within.max(timings.grace).max(world.lease())
                + timings.drain.max(world.lease())
                + timings.offer * waiter.ahead
                + SLACK;
            if waited > bound {
                return Err(format!(
                    "person {number} has waited {waited:?} with nobody well before it, {:?}",
                    world.book.locks()
                ));
            }
        }
        Ok(())
    }
}

/// How many are in the way of this waiter, directly or before somebody who is; `None` when one of them holds something
/// and is well.
fn ahead(world: &World, session: SessionId) -> Option<u32> {
    let fold = &world.book.fold;
    let queue: Vec<_> = fold.waiters().collect();
    let place = queue.iter().position(|(waits, _)| *waits == session)?;
    let mut wanted = vec![queue[place].1];
    for (_, scope) in queue[..place].iter().rev() {
        if wanted.iter().any(|later| later.conflicts(scope)) {
            wanted.push(scope);
        }
    }
    let in_the_way =
        |grant: &&baton_presence::Grant| wanted.iter().any(|scope| scope.conflicts(&grant.scope));
    let grants: Vec<_> = fold.grants().filter(in_the_way).collect();
    let well = |grant: &&baton_presence::Grant| {
        let holds = !matches!(grant.state, GrantState::Offered);
        let person = person_of(world, grant.party);
        holds && person.is_some_and(|person| reaches(world, &world.people[person]))
    };
    if grants.iter().any(well) {
        return None;
    }
    u32::try_from(wanted.len() + grants.len()).ok()
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

/// The session of this person, if it waits and nothing is wrong with it.
fn waits_well(world: &World, person: &Person) -> Option<SessionId> {
    let tab = person.tab()?;
    let session = SessionId(tab.machine.session()?);
    let works = person
        .conn
        .is_some_and(|conn| world.conns[conn].works(world.now));
    let peer = world.book.fold.peer(session)?;
    let well = person.body == Body::Well
        && tab.claim == baton_client::ClaimPolicy::Auto
        && works
        && world.now >= person.cut.0.max(person.cut.1)
        && peer.presence == Presence::Live
        && peer.ticket.is_some()
        && peer.missed_offers.is_empty();
    well.then_some(session)
}
