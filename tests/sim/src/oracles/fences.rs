//! S2: fencing tokens strictly increase, also over crashes.

use std::collections::BTreeMap;

use baton_presence::Change;

use baton_sync::control_channel::{FencingToken, ServerMessage};

use super::Oracle;
use crate::seen::{Kept, Seen};
use crate::world::World;

/// What clients were told: a fence is one session's for ever. And what the disk kept: a position is given once, and a
/// fence that is new is the position of its record, and larger than any before.
#[derive(Debug, Default)]
pub(super) struct Fences {
    told: BTreeMap<FencingToken, u64>,
    offered: Option<baton_presence::Fence>,
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
                    self.offered(record)?;
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

    fn offered(&mut self, record: &Kept) -> Result<(), String> {
        for change in &record.changes {
            let Change::Offered { fence, .. } = change else {
                continue;
            };
            // Told again.
            if self.offered.is_some_and(|newest| *fence <= newest)
                && fence.position < record.position
            {
                continue;
            }
            if fence.position != record.position
                || self.offered.is_some_and(|newest| *fence <= newest)
            {
                return Err(format!(
                    "{fence} is new in record {}, after {:?}",
                    record.position, self.offered
                ));
            }
            self.offered = Some(*fence);
        }
        Ok(())
    }
}
