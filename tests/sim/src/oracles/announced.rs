//! Everything that is announced about sessions and the lock was durable before.

use baton_sync::control_channel::ServerMessage;

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// Compares every position that a client is told with what the disk truly has.
#[derive(Debug)]
pub(super) struct Announced;

impl Oracle for Announced {
    fn invariant(&self) -> &'static str {
        "announced is durable"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        let Seen::Said { message, .. } = seen else {
            return Ok(());
        };
        let position = match message {
            ServerMessage::Welcome { session, .. } => *session,
            ServerMessage::Lock { lock } => lock.version,
            ServerMessage::Offer { fence, .. }
            | ServerMessage::Granted { fence, .. }
            | ServerMessage::Lost { fence, .. } => fence.position,
            ServerMessage::Parked { id, .. } => *id,
            _ => return Ok(()),
        };
        let durable = world.disk.durable();
        if position > durable {
            return Err(format!("{message:?}, and the disk has all up to {durable}"));
        }
        Ok(())
    }
}
