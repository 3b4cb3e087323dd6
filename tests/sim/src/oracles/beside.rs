//! L5: what a live waiter waits for does not lie free for long; it is offered again and again.

use std::collections::BTreeMap;

use baton_presence::{Peer, Presence, Scope, SessionId};

use super::{Oracle, SLACK, Since};
use crate::seen::Seen;
use crate::world::World;

/// Takes the time for which each live waiter stands beside what it waits for.
#[derive(Debug, Default)]
pub(super) struct Beside {
    free: BTreeMap<SessionId, Since>,
}

impl Oracle for Beside {
    fn invariant(&self) -> &'static str {
        "L5"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::Step) {
            return Ok(());
        }
        if world.room.is_none() || world.now < world.stalled + SLACK {
            self.free.clear();
            return Ok(());
        }
        let fold = &world.book.fold;
        // In the order of their tickets: who is behind somebody who cannot be served waits for more than the lock.
        let mut free: Vec<SessionId> = Vec::new();
        let mut stuck: Vec<&Scope> = Vec::new();
        for (session, wants) in fold.waiters() {
            let live = |peer: &Peer| peer.presence == Presence::Live;
            if !fold.peer(session).is_some_and(live) {
                continue;
            }
            let held = fold.grants().any(|grant| grant.scope.conflicts(wants));
            if held || stuck.iter().any(|older| older.conflicts(wants)) {
                stuck.push(wants);
            } else {
                free.push(session);
            }
        }
        self.free.retain(|session, _| free.contains(session));
        for session in free {
            let lasts = self.free.entry(session).or_default().track(true, world.now);
            if lasts > world.timings().offer_again_most + SLACK {
                return Err(format!("{session} has stood beside it for {lasts:?}"));
            }
        }
        Ok(())
    }
}
