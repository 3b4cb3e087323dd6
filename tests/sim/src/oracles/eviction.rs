//! S11: a holder is never expired while no live peer could take the lock.

use baton_presence::{Change, Loss};

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// Whoever loses the lock against their will loses it to somebody, in the same record.
#[derive(Debug)]
pub(super) struct Eviction;

impl Oracle for Eviction {
    fn invariant(&self) -> &'static str {
        "S11"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        let Seen::Committed {
            position, changes, ..
        } = seen
        else {
            return Ok(());
        };
        for (index, change) in changes.iter().enumerate() {
            let Change::LockLost { by, why, .. } = change else {
                continue;
            };
            let mut after = changes[index..].iter();
            let passed = after.any(|change| matches!(change, Change::Offered { .. }));
            if !passed && *why != Loss::OtherFence {
                return Err(format!("{by} lost it to nobody at {position} ({why:?})"));
            }
        }
        Ok(())
    }
}
