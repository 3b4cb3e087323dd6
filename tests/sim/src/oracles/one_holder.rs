//! S1: conflicting locks never have two holders; and S8, its other half: a resume never changes the token.

use std::collections::BTreeMap;

use baton_presence::{Change, Fence, Scope, SessionId};

use super::Oracle;
use crate::seen::Seen;
use crate::world::World;

/// What the changes say of one lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Offered,
    Held,
    Draining,
    /// Its holder is gone, or was before the server's start.
    Waiting,
}

#[derive(Debug)]
struct Lock {
    party: SessionId,
    scope: Scope,
    stage: Stage,
}

/// Follows each lock through the durable changes, and objects to a step that the one before does not allow.
#[derive(Debug, Default)]
pub(super) struct OneHolder {
    locks: BTreeMap<Fence, Lock>,
}

impl Oracle for OneHolder {
    fn invariant(&self) -> &'static str {
        "S1"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        let Seen::Durable { records } = seen else {
            return Ok(());
        };
        for record in *records {
            for change in &record.changes {
                self.follow(change)
                    .map_err(|what| format!("{what}; record {}", record.position))?;
            }
        }
        Ok(())
    }
}

impl OneHolder {
    fn follow(&mut self, change: &Change) -> Result<(), String> {
        use Stage::{Draining, Held, Offered, Waiting};
        let all = [Held, Draining, Waiting];
        match change {
            Change::Offered { to, fence, scope } => self.offered(*to, *fence, scope),
            Change::Granted { to, fence, scope } => {
                self.goes(change, (*to, *fence, scope), &[Offered, Held], Some(Held))
            }
            Change::Resumed { by, fence, scope } => {
                // One that was only offered before a restart is held by whoever resumes with it.
                self.goes(change, (*by, *fence, scope), &[Held, Waiting], Some(Held))
            }
            Change::Draining {
                by, fence, scope, ..
            } => self.goes(
                change,
                (*by, *fence, scope),
                &[Held, Draining],
                Some(Draining),
            ),
            Change::Suspected { by, fence, scope } => {
                self.goes(change, (*by, *fence, scope), &[Held], Some(Waiting))
            }
            Change::Recovering { by, fence, scope } => {
                let from = [Offered, Held, Draining, Waiting];
                self.goes(change, (*by, *fence, scope), &from, Some(Waiting))
            }
            Change::LockLost {
                by, fence, scope, ..
            }
            | Change::Released { by, fence, scope } => {
                self.goes(change, (*by, *fence, scope), &all, None)
            }
            Change::OfferEnded {
                to, fence, scope, ..
            } => self.goes(change, (*to, *fence, scope), &[Offered], None),
            _ => Ok(()),
        }
    }

    fn offered(&mut self, to: SessionId, fence: Fence, scope: &Scope) -> Result<(), String> {
        if let Some(lock) = self.locks.get(&fence) {
            let again = lock.party == to && lock.scope == *scope && lock.stage == Stage::Offered;
            return again
                .then_some(())
                .ok_or_else(|| format!("{fence} is offered to {to} while {lock:?}"));
        }
        if let Some(other) = self.locks.values().find(|lock| lock.scope.conflicts(scope)) {
            return Err(format!("{scope} is offered to {to} while {other:?}"));
        }
        let lock = Lock {
            party: to,
            scope: scope.clone(),
            stage: Stage::Offered,
        };
        self.locks.insert(fence, lock);
        Ok(())
    }

    fn goes(
        &mut self,
        change: &Change,
        (party, fence, scope): (SessionId, Fence, &Scope),
        from: &[Stage],
        into: Option<Stage>,
    ) -> Result<(), String> {
        let lock = self.locks.get_mut(&fence).filter(|lock| {
            lock.party == party && lock.scope == *scope && from.contains(&lock.stage)
        });
        match (lock, into) {
            (Some(lock), Some(stage)) => lock.stage = stage,
            (Some(_), None) => {
                self.locks.remove(&fence);
            }
            (None, _) => return Err(format!("{change:?} while {:?}", self.locks)),
        }
        Ok(())
    }
}
