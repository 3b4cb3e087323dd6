//! S4: every edit that was acknowledged as saved is in the document or in a park, exactly one of the two.
//!
//! In both it may be only while its park holds something else that the document lacks: a park is of a session, and closes
//! when the document has all of it. Merging such a park adds nothing twice. Nor does it matter in how many parks an edit
//! is: a copy that goes on in another session, or a reader who has what a crash took, brings it once more.

use std::collections::BTreeSet;

use baton_room::{Park, Room};
use baton_sync::control_channel::ServerMessage;
use baton_sync::replica_index::Judgement;
use baton_sync::scan::scan;
use bytes::Bytes;

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
                let sent = world.conns[*conn].synced_up.len() as u64;
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
    let (tokens, _) = Contents::stored(room.state().document()).tokens();
    let there: BTreeSet<Token> = tokens.into_iter().collect();
    let parked = Ledger::parked(room.state().parks(), world.ledger.saved());
    for token in world.ledger.saved() {
        match (there.contains(&token), parked.contains(&token)) {
            (true, false) | (false, true) => {}
            (false, false) => return Err(format!("{token} was called saved and is gone")),
            (true, true) => {
                let name = token.to_string();
                let merged = room
                    .state()
                    .parks()
                    .find(|park| holds(park, &name) && is_in(park, room));
                if let Some(park) = merged {
                    return Err(format!(
                        "{token} is in the document and in park {}, all of which is in the document",
                        park.id
                    ));
                }
            }
        }
    }
    Ok(())
}

fn holds(park: &Park, name: &str) -> bool {
    let has = |update: &Bytes| {
        let mut windows = update.windows(name.len());
        windows.any(|bytes| bytes == name.as_bytes())
    };
    park.updates.iter().any(has)
}

/// Whether the document has all of a park.
fn is_in(park: &Park, room: &Room) -> bool {
    let state = room.state().document().state();
    let known = |update: &Bytes| {
        scan(update).is_ok_and(|scanned| state.judge(&scanned) == Judgement::Known)
    };
    park.updates.iter().all(known)
}
