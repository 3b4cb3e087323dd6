//! S10: no cycle of sessions that hold and wait. With one lock: nobody who holds it waits for it.

use baton_presence::LockState;

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// Looks at the queue after every record.
#[derive(Debug)]
pub(super) struct Waiting;

impl Oracle for Waiting {
    fn invariant(&self) -> &'static str {
        "S10"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::Committed { .. }) {
            return Ok(());
        }
        let fold = &world.book.fold;
        // One that was only offered it before a restart keeps its ticket while it recovers.
        let holder = match fold.lock().state() {
            LockState::Held { by, .. } | LockState::Suspect { by, .. } => Some(by),
            _ => None,
        };
        match holder.filter(|holder| fold.queue().any(|waits| waits == *holder)) {
            Some(both) => Err(format!("{both} holds the lock and waits for it")),
            None => Ok(()),
        }
    }
}
