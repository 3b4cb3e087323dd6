//! S2: fencing tokens strictly increase, also over crashes.

use std::collections::BTreeMap;

use baton_sync::control_channel::{FencingToken, ServerMessage};

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// What clients were told: a fence is one session's for ever. And what the disk kept: a position is given once.
#[derive(Debug, Default)]
pub(super) struct Fences {
    told: BTreeMap<FencingToken, u64>,
    position: u64,
}

impl Oracle for Fences {
    fn invariant(&self) -> &'static str {
        "S2"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Said {
                conn,
                message: ServerMessage::Offer { fence, .. } | ServerMessage::Granted { fence, .. },
            } => {
                let session = world.conns[*conn].session.unwrap_or(0);
                self.told(*fence, session)
            }
            Seen::Durable { records } => {
                for record in *records {
                    if record.position <= self.position {
                        return Err(format!(
                            "position {} is given again after {} was durable",
                            record.position, self.position
                        ));
                    }
                    self.position = record.position;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Fences {
    fn told(&mut self, fence: FencingToken, session: u64) -> Result<(), String> {
        let owner = *self.told.entry(fence).or_insert(session);
        if owner == session {
            Ok(())
        } else {
            Err(format!("{fence:?} was {owner}'s and is {session}'s"))
        }
    }
}
