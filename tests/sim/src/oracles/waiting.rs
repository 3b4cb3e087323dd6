//! S10: no cycle of sessions that hold and wait. Nobody waits who holds something.

use baton_presence::GrantState;

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
        // One that was only offered something before a restart keeps its ticket while it recovers.
        let mut holds = fold
            .grants()
            .filter(|grant| !matches!(grant.state, GrantState::Offered | GrantState::Recovering));
        let both = holds.find(|grant| fold.waiters().any(|(waits, _)| waits == grant.party));
        match both {
            Some(grant) => Err(format!(
                "{} waits for {:?} while {grant:?}",
                grant.party,
                fold.peer(grant.party).and_then(|peer| peer.wants.as_ref())
            )),
            None => Ok(()),
        }
    }
}
