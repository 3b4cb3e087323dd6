//! S4: every edit that was acknowledged as saved is in the document or in a park, exactly one of the two.
//!
//! One case is let pass: after a crash took edits that others had seen, a bystander's park may hold what their author
//! brings again into the document (see `orderly`). Merging such a park adds nothing twice.

use std::collections::BTreeSet;

use baton_room::Room;
use baton_sync::channel::ServerMessage;

use super::Oracle;
use crate::content::{Contents, Token};
use crate::ledger::Ledger;
use crate::seen::Seen;
use crate::world::World;

/// Looks after each opening and at the end; and at each count that a connection is told.
#[derive(Debug)]
pub(super) struct Saved;

impl Oracle for Saved {
    fn invariant(&self) -> &'static str {
        "S4"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Opened { room, .. } => kept(room, world),
            Seen::End => world.room.as_ref().map_or(Ok(()), |room| kept(room, world)),
            Seen::Said {
                conn,
                message: ServerMessage::Saved { updates },
            } => {
                let sent = world.conns[*conn].synced_up;
                if *updates > sent {
                    return Err(format!(
                        "{updates} messages of connection {conn} are called saved, which sent {sent}"
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn kept(room: &Room, world: &World) -> Result<(), String> {
    let (tokens, _) = Contents::of(room.document()).tokens();
    let there: BTreeSet<Token> = tokens.into_iter().collect();
    let parked = Ledger::parked(room.parks(), world.ledger.saved());
    for token in world.ledger.saved() {
        match (there.contains(&token), parked.contains(&token)) {
            (true, false) | (false, true) => {}
            (true, true) if world.edits_lost > 0 => {}
            (false, false) => return Err(format!("{token} was called saved and is gone")),
            (true, true) => {
                return Err(format!("{token} is in the document and in a park"));
            }
        }
    }
    Ok(())
}
