//! S3: every applied locked write was its holder's, at its position; and whoever may write is never set aside (S6).

use baton_presence::LockState;
use baton_room::Record;

use super::Oracle;
use crate::seen::{Seen, UpdateFate};
use crate::world::World;

/// Compares what became of each update with who held the lock when it came.
#[derive(Debug)]
pub(super) struct Writes;

impl Oracle for Writes {
    fn invariant(&self) -> &'static str {
        "S3"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        let Seen::Committed {
            position,
            record: Record::Update { session, .. },
            before,
            fate: Some(fate),
            ..
        } = seen
        else {
            return Ok(());
        };
        let may = match before {
            LockState::Free => true,
            LockState::Held { by, .. } => by == session,
            _ => false,
        };
        match (fate, may) {
            (UpdateFate::Applied, false) => Err(format!(
                "{session} wrote at {position} and it was applied, while {before:?}"
            )),
            (UpdateFate::Parked, true) => Err(format!(
                "{session} wrote at {position} and it was set aside, while {before:?}"
            )),
            _ => Ok(()),
        }
    }
}
