//! S6: an orderly handoff parks nothing: what a client typed while it held the lock, and had it until it gave it back, is
//! never set aside.
//!
//! A holder that is told to stop has its whole time to send what it has.
//!
//! One case is let pass, and counted (`bystander`): a crash takes edits, and deletions, that were sent to others and not
//! durable yet. Whoever comes back with them before their author does is set aside under that author's lock, with all
//! that they come with.

use std::collections::{BTreeMap, BTreeSet};

use baton_client::{ClientEvent, FencingToken};
use baton_presence::{Change, LossReason, Time};

use super::Oracle;
use crate::seen::Seen;
use crate::tab::Tab;
use crate::world::World;

/// Remembers the grants that were lost; everything else that ended was given back.
#[derive(Debug, Default)]
pub(super) struct Orderly {
    lost: BTreeSet<u64>,
    /// Who gave a grant back: perhaps a double of the session, in another tab.
    given_back: BTreeMap<u64, usize>,
    /// Since when a holder is to send what it has.
    drains: BTreeMap<u64, Time>,
}

impl Oracle for Orderly {
    fn invariant(&self) -> &'static str {
        "S6"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Committed { changes, .. } => {
                for change in *changes {
                    self.change(change, world)?;
                }
                Ok(())
            }
            Seen::Told {
                person,
                event: ClientEvent::Parked { id, .. },
            } => {
                let Some(tab) = world.people[*person].tab() else {
                    return Ok(());
                };
                let late = tab.under.iter().any(|under| {
                    let lost = |grant: &FencingToken| {
                        let by = self.given_back.get(&grant.position);
                        self.lost.contains(&grant.position) || by.is_some_and(|by| by != person)
                    };
                    under.grants.is_empty() || under.grants.iter().any(lost)
                });
                let bystander = world.edits_lost > 0 && brings_more(world, *id, tab);
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

/// Whether a park has what its tab did not type: something in another root type.
pub(crate) fn brings_more(world: &World, id: u64, tab: &Tab) -> bool {
    let mut parks = world.room.iter().flat_map(|room| room.state().parks());
    let typed = |root: &String| tab.under.iter().any(|under| under.root == root);
    let park = parks.find(|park| park.id == id);
    tab.under.is_empty() || park.is_none_or(|park| !park.roots.iter().all(typed))
}

impl Orderly {
    fn change(&mut self, change: &Change, world: &World) -> Result<(), String> {
        match change {
            Change::Draining { fence, .. } => {
                self.drains.entry(fence.position).or_insert(world.now);
            }
            Change::Released { by, fence, .. } => {
                self.drains.remove(&fence.position);
                let mut conns = world.conns.iter().rev();
                if let Some(conn) = conns.find(|conn| conn.session == Some(by.0)) {
                    self.given_back.insert(fence.position, conn.person);
                }
            }
            // A start forgets that it drained.
            Change::Recovering { fence, .. } => {
                self.drains.remove(&fence.position);
            }
            Change::LockLost { by, fence, why, .. } => {
                self.lost.insert(fence.position);
                if let Some(since) = self.drains.remove(&fence.position)
                    && *why == LossReason::DrainOver
                    && world.now.since(since) < world.timings().drain
                {
                    let had = world.now.since(since);
                    return Err(format!("{by} had {had:?} to send what it had"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
