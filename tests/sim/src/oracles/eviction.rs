//! S11: a holder is never expired while no live peer could take the lock.

use baton_presence::{AutoPass, Change, ClientKind, LossReason, Mode, Presence, SessionRole};

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

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        let Seen::Committed {
            position, changes, ..
        } = seen
        else {
            return Ok(());
        };
        for (index, change) in changes.iter().enumerate() {
            let Change::LockLost { by, why, scope, .. } = change else {
                continue;
            };
            // What it did not know of, or was asked for, or was taken, does not pass because it was silent.
            if matches!(
                why,
                LossReason::OtherFence | LossReason::DrainOver | LossReason::TakenOver
            ) {
                continue;
            }
            let mut after = changes[index..].iter();
            let passed = after.any(
                |change| matches!(change, Change::Offered { scope: of, .. } if of.conflicts(scope)),
            );
            if !passed && !gives_way(world) {
                return Err(format!(
                    "{by} lost {scope} to nobody at {position} ({why:?})"
                ));
            }
        }
        Ok(())
    }
}

/// The exception: with auto-pass, where writing needs no lock, a live stock writer may write again.
fn gives_way(world: &World) -> bool {
    let fold = &world.book.fold;
    let kept_out = |peer: &baton_presence::Peer| {
        peer.client_kind == ClientKind::Stock
            && peer.role == SessionRole::Writer
            && peer.presence == Presence::Live
    };
    fold.auto_pass() == AutoPass::On
        && fold.mode() == Mode::ExclusiveWhenHeld
        && fold.peers().any(kept_out)
}
