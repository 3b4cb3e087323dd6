//! L3: every timed state leaves by its timer.

use baton_presence::{Due, LockState};

use super::{Oracle, SLACK};
use crate::seen::Seen;
use crate::world::World;

/// Takes the time of the state that the lock is in.
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
        let lock = world.book.fold.lock();
        let timings = world.timings();
        let limit = match lock.state() {
            LockState::Offered { .. } => timings.offer,
            LockState::Suspect { .. } if lock.due == Due::InTime => timings.grace,
            LockState::Recovering { .. } if lock.due == Due::InTime => timings.recovery,
            _ => return Ok(()),
        };
        // A server that stood still gives everybody their time again.
        let since = world.book.since.max(world.stalled);
        let lasts = world.now.since(since);
        if lasts > limit + SLACK {
            return Err(format!("{:?} lasts {lasts:?}", lock.state()));
        }
        Ok(())
    }
}
