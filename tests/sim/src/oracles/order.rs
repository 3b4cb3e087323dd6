//! S9: live waiters are served in ticket order: nobody is offered something that somebody live, who has waited for longer,
//! needs, also not one who missed an offer before. Who does waits from there on.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{Change, Event, Fence, GrantState, Scope, SessionId};
use baton_room::Record;

use super::Oracle;
use crate::seen::{Kept, Seen};
use crate::world::World;

/// What the records say of one session.
#[derive(Debug, Default)]
struct Waiter {
    here: bool,
    silent: bool,
    /// Its oldest wish that was not served, and the position of that.
    wants: Option<(u64, Scope)>,
}

#[derive(Debug)]
struct Lock {
    party: SessionId,
    state: GrantState,
}

/// Keeps its own queue, from wishes and changes alone.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiters: BTreeMap<SessionId, Waiter>,
    locks: BTreeMap<Fence, Lock>,
}

impl Oracle for Order {
    fn invariant(&self) -> &'static str {
        "S9"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        let Seen::Durable { records } = seen else {
            return Ok(());
        };
        for kept in *records {
            self.wish(kept);
            // Who was named comes before who waits.
            let mut heirs = BTreeSet::new();
            if let Record::Presence(
                Event::TakeOver { session, .. } | Event::MoveHere { session, .. },
            ) = &kept.record
            {
                heirs.insert(*session);
            }
            for change in &kept.changes {
                self.roster(change);
                self.passes(change, &mut heirs)
                    .map_err(|what| format!("{what}; record {}", kept.position))?;
            }
        }
        let last = records.iter().rev().find_map(|kept| match kept.record {
            Record::Presence(_) => Some(kept.position),
            _ => None,
        });
        // Later records are not durable yet, and not known here.
        if last.is_some() && last == world.book.fold.position() {
            return self.is_queue(world.book.fold.waiters());
        }
        Ok(())
    }
}

impl Order {
    fn wish(&mut self, kept: &Kept) {
        let Record::Presence(event) = &kept.record else {
            return;
        };
        match event {
            Event::Acquire { session, scope } | Event::Request { session, scope } => {
                self.acquires(*session, scope, kept);
            }
            Event::Cancel { session } => self.of(*session, |waiter| waiter.wants = None),
            Event::OfferExpired { session, fence }
            | Event::Decline {
                session,
                fence,
                later: true,
            } => self.misses(*session, *fence, kept.position),
            _ => {}
        }
    }

    /// Its wish goes behind those of all who wait then.
    fn misses(&mut self, session: SessionId, fence: Fence, position: u64) {
        let open = |lock: &Lock| lock.party == session && lock.state == GrantState::Offered;
        if self.locks.get(&fence).is_some_and(open) {
            self.of(session, |waiter| {
                if let Some((since, _)) = &mut waiter.wants {
                    *since = position;
                }
            });
        }
    }

    fn acquires(&mut self, session: SessionId, scope: &Scope, kept: &Kept) {
        let queued = kept.changes.contains(&Change::Queued { session });
        let has: Vec<_> = self
            .locks
            .iter()
            .filter(|(_, lock)| lock.party == session)
            .collect();
        let only_offered = matches!(has[..], [(_, lock)] if lock.state == GrantState::Offered);
        let offer = kept.changes.iter().find_map(|change| match change {
            Change::Offered { to, fence, .. } if *to == session => Some(fence),
            _ => None,
        });
        let known = offer.is_some_and(|fence| self.locks.contains_key(fence));
        let told_again = known && only_offered;
        // Who has something already is offered more at once, or not at all: it does not wait.
        let waits = queued || told_again || (offer.is_some() && has.is_empty());
        self.of(session, |waiter| {
            if !waiter.here {
                return;
            }
            let same = waiter
                .wants
                .as_ref()
                .is_some_and(|(_, wants)| wants == scope);
            let again = told_again && waiter.wants.is_some();
            if waits && !same && !again {
                waiter.wants = Some((kept.position, scope.clone()));
            }
        });
    }

    fn of(&mut self, session: SessionId, tell: impl FnOnce(&mut Waiter)) {
        if let Some(waiter) = self.waiters.get_mut(&session) {
            tell(waiter);
        }
    }

    fn roster(&mut self, change: &Change) {
        match *change {
            Change::Joined { session } => {
                let here = Waiter {
                    here: true,
                    ..Waiter::default()
                };
                self.waiters.insert(session, here);
            }
            Change::Gone { session } => {
                self.waiters.remove(&session);
            }
            Change::Dequeued { session } => self.of(session, |waiter| waiter.wants = None),
            Change::Attached { session } => self.of(session, |waiter| {
                (waiter.here, waiter.silent) = (true, false);
            }),
            Change::Detached { session } => self.of(session, |waiter| waiter.here = false),
            Change::Restarted => {
                for waiter in self.waiters.values_mut() {
                    waiter.here = false;
                }
            }
            Change::Lost { session } => self.of(session, |waiter| waiter.silent = true),
            Change::Back { session } => self.of(session, |waiter| waiter.silent = false),
            _ => {}
        }
    }

    fn passes(&mut self, change: &Change, heirs: &mut BTreeSet<SessionId>) -> Result<(), String> {
        match change {
            Change::Offered { to, fence, scope } => {
                let lock = Lock {
                    party: *to,
                    state: GrantState::Offered,
                };
                let again = self.locks.insert(*fence, lock).is_some();
                if !again && !heirs.contains(to) {
                    return self.in_order(*to, scope);
                }
            }
            Change::Granted { to: by, fence, .. } | Change::Resumed { by, fence, .. } => {
                self.stands(*fence, GrantState::Held);
                self.of(*by, |waiter| waiter.wants = None);
            }
            Change::Draining { fence, to, why, .. } => {
                let (to, why) = (*to, *why);
                self.stands(*fence, GrantState::Draining { to, why });
            }
            Change::Recovering { fence, .. } => self.stands(*fence, GrantState::Recovering),
            Change::OfferEnded { fence, .. } => {
                self.locks.remove(fence);
            }
            Change::LockLost { fence, .. } | Change::Released { fence, .. } => {
                let lock = self.locks.remove(fence);
                if let Some(GrantState::Draining { to, .. }) = lock.map(|lock| lock.state) {
                    heirs.extend(to);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn stands(&mut self, fence: Fence, state: GrantState) {
        if let Some(lock) = self.locks.get_mut(&fence) {
            lock.state = state;
        }
    }

    /// The queue is made of the wishes that were not served, in their order: none is lost without a
    /// word, and no session waits that was told that it does not.
    fn is_queue<'a>(
        &self,
        queue: impl Iterator<Item = (SessionId, &'a Scope)>,
    ) -> Result<(), String> {
        let mut wishes: Vec<_> = self
            .waiters
            .iter()
            .filter_map(|(session, waiter)| {
                let (since, wants) = waiter.wants.as_ref()?;
                Some((*since, *session, wants))
            })
            .collect();
        wishes.sort_unstable_by_key(|(since, ..)| *since);
        let wishes: Vec<_> = wishes
            .into_iter()
            .map(|(_, session, wants)| (session, wants))
            .collect();
        let queue: Vec<_> = queue.collect();
        if wishes == queue {
            Ok(())
        } else {
            Err(format!("{wishes:?} wait, and the queue is {queue:?}"))
        }
    }

    fn in_order(&self, to: SessionId, scope: &Scope) -> Result<(), String> {
        let mine = self
            .waiters
            .get(&to)
            .and_then(|waiter| waiter.wants.as_ref());
        let mine = mine.filter(|(_, wants)| scope.covers(wants));
        let mine = mine.map(|(since, _)| *since);
        let earlier = self.waiters.iter().find(|(session, waiter)| {
            let Some((since, wants)) = &waiter.wants else {
                return false;
            };
            **session != to
                && waiter.here
                && !waiter.silent
                && wants.conflicts(scope)
                && mine.is_none_or(|mine| *since < mine)
        });
        match earlier {
            Some((session, waiter)) => Err(format!(
                "{session} waited before {to}, who is offered {scope}: {waiter:?}"
            )),
            None => Ok(()),
        }
    }
}
