//! S6: an orderly handoff parks nothing: what a client typed while it held the lock, and had it until it gave it back, is
//! never set aside.
//!
//! One case is let pass, and counted (`bystander`): a crash takes edits that were sent to others and not durable yet.
//! Whoever comes back with them before their author does is set aside under that author's lock.

use std::collections::BTreeSet;

use baton_client::{Event, Fence};
use baton_presence::Change;

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// Remembers the grants that were lost; everything else that ended was given back.
#[derive(Debug, Default)]
pub(super) struct Orderly {
    lost: BTreeSet<u64>,
}

impl Oracle for Orderly {
    fn invariant(&self) -> &'static str {
        "S6"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Committed { changes, .. } => {
                for change in *changes {
                    if let Change::LockLost { fence, .. } = change {
                        self.lost.insert(fence.position);
                    }
                }
                Ok(())
            }
            Seen::Told {
                person,
                event: Event::Parked { id, .. },
            } => {
                let Some(tab) = world.people[*person].tab() else {
                    return Ok(());
                };
                let late = tab.under.iter().any(|(_, grants)| {
                    let lost = |grant: &Fence| self.lost.contains(&grant.position);
                    grants.is_empty() || grants.iter().any(lost)
                });
                let bystander = tab.under.is_empty() && world.edits_lost > 0;
                if late || bystander {
                    return Ok(());
                }
                Err(format!(
                    "person {person} was parked ({id}) with nothing unsaved but what it typed under {:?}",
                    tab.under
                ))
            }
            _ => Ok(()),
        }
    }
}
