//! S5: where the end of leases is waited for, no two clients believe that they may edit as holders, while clock rates differ by at most
//! 1.5. Of what two scopes have in common, that is.

use std::collections::{BTreeMap, BTreeSet};

use baton_client::{EditPermission, FencingToken, LockScope};
use baton_presence::{Change, LossReason};

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// Asks every client at every step. Two tabs that show one grant are one session: the older is being closed. And one whose
/// session went on in a second tab (a duplicated one) does not count: where its own connection was lost, nobody can tell
/// it, and if the second tab gives the lock back, it believes in it until its lease is over.
///
/// The one exception: who takes over from a holder whose connection is gone does not wait for that one's lease.
#[derive(Debug, Default)]
pub(super) struct Believers {
    taken: BTreeSet<u64>,
    /// By whom, if it was perhaps a double.
    given_back: BTreeMap<u64, usize>,
}

impl Oracle for Believers {
    fn invariant(&self) -> &'static str {
        "S5"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Committed { changes, .. } => {
                for change in *changes {
                    match change {
                        Change::LockLost { fence, why, .. } if *why == LossReason::TakenOver => {
                            self.taken.insert(fence.position);
                        }
                        Change::Released { by, fence, .. } => {
                            let by = newest(world, Some(by.0));
                            self.given_back.extend(by.map(|by| (fence.position, by)));
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Seen::Step if world.waits_out_leases() => self.ask(world),
            _ => Ok(()),
        }
    }
}

impl Believers {
    fn ask(&self, world: &World) -> Result<(), String> {
        let mut believed: Vec<(FencingToken, &LockScope, usize)> = Vec::new();
        for (number, person) in world.people.iter().enumerate() {
            let Some(tab) = person.tab() else { continue };
            let moment = person.moment(world.now);
            for (fence, scope) in tab.machine.grants() {
                let back = self.given_back.get(&fence.position);
                if tab.machine.permission(scope, moment) != EditPermission::Holder
                    || back.is_some_and(|by| *by != number)
                    || self.taken.contains(&fence.position)
                    || went_on_elsewhere(world, tab.machine.session(), number)
                {
                    continue;
                }
                let other = believed
                    .iter()
                    .find(|(other, of, _)| *other != fence && of.conflicts(scope));
                if let Some(other) = other {
                    return Err(format!(
                        "{other:?} and {:?}, while {:?}",
                        (fence, scope, number),
                        world.book.locks()
                    ));
                }
                believed.push((fence, scope, number));
            }
        }
        Ok(())
    }
}

fn went_on_elsewhere(world: &World, session: Option<u64>, person: usize) -> bool {
    newest(world, session).is_some_and(|newest| newest != person)
}

/// Whose connection was the last that was welcomed as this session's.
fn newest(world: &World, session: Option<u64>) -> Option<usize> {
    let conns = world.conns.iter().filter(|conn| conn.session == session);
    let newest = conns.max_by_key(|conn| conn.welcomed);
    newest.map(|conn| conn.person)
}
