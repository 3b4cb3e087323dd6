//! S1: conflicting locks never have two holders; and S8, its other half: a resume never changes the token.

use baton_presence::{Change, LockState};

use super::Oracle;
use crate::book::party;
use crate::seen::Seen;
use crate::world::World;

/// Follows the lock through the durable changes, and objects to a step that the one before does not allow.
#[derive(Debug, Default)]
pub(super) struct OneHolder {
    state: Option<LockState>,
}

impl Oracle for OneHolder {
    fn invariant(&self) -> &'static str {
        "S1"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        let Seen::Durable { records } = seen else {
            return Ok(());
        };
        for record in *records {
            for change in &record.changes {
                self.follow(change)
                    .map_err(|what| format!("{what}; record {}", record.position))?;
            }
        }
        Ok(())
    }
}

impl OneHolder {
    fn follow(&mut self, change: &Change) -> Result<(), String> {
        let before = self.state.unwrap_or(LockState::Free);
        let allowed = match *change {
            Change::Offered { to, fence } => {
                before == LockState::Free || before == LockState::Offered { to, fence }
            }
            Change::Granted { to, fence } => [
                LockState::Offered { to, fence },
                LockState::Held { by: to, fence },
            ]
            .contains(&before),
            Change::Resumed { by, fence }
            | Change::Suspected { by, fence }
            | Change::Recovering { by, fence }
            | Change::LockLost { by, fence, .. } => party(before) == Some((by, fence)),
            _ => true,
        };
        if !allowed {
            return Err(format!("{change:?} while {before:?}"));
        }
        self.state = match *change {
            Change::Offered { to, fence } => Some(LockState::Offered { to, fence }),
            Change::Granted { to: by, fence } | Change::Resumed { by, fence } => {
                Some(LockState::Held { by, fence })
            }
            Change::Suspected { by, fence } => Some(LockState::Suspect { by, fence }),
            Change::Recovering { by, fence } => Some(LockState::Recovering { by, fence }),
            Change::OfferEnded { .. }
            | Change::LockLost { .. }
            | Change::Released { .. }
            | Change::Freed => None,
            _ => self.state,
        };
        Ok(())
    }
}
