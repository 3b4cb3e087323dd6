//! L3: every timed state leaves by its timer.

use std::time::Duration;

use baton_presence::{GrantState, Lateness};

use super::{Oracle, SLACK};
use crate::seen::Seen;
use crate::world::World;

/// What the watch gives whoever gave up a server that stood still, whatever the grace.
const COME_BACK: Duration = Duration::from_secs(3);

/// Takes the time of the state that each lock is in.
#[derive(Debug)]
pub(super) struct Timers;

impl Oracle for Timers {
    fn invariant(&self) -> &'static str {
        "L3"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::Step) || world.room.is_none() || world.now < world.stalled {
            return Ok(());
        }
        let timings = world.timings();
        for grant in world.book.fold.grants() {
            let limit = match grant.state {
                GrantState::Offered => timings.offer,
                GrantState::Suspect if grant.lateness == Lateness::InTime => {
                    timings.grace.max(world.lease())
                }
                GrantState::Recovering if grant.lateness == Lateness::InTime => timings.recovery,
                GrantState::Draining { .. } => timings.drain.max(world.lease()),
                _ => continue,
            };
            // Who gave up a server that stood still is waited for until it has tried again.
            let woke = world.book.since(grant.fence) <= world.stalled + SLACK;
            let limit = match grant.state {
                GrantState::Suspect if woke => limit.max(COME_BACK),
                _ => limit,
            };
            // A server that stood still gives everybody their time again.
            let since = world.book.since(grant.fence).max(world.stalled);
            let lasts = world.now.since(since);
            if lasts > limit + SLACK {
                return Err(format!("{grant:?} lasts {lasts:?}"));
            }
        }
        Ok(())
    }
}
