//! S9: live waiters are served in ticket order.

use std::collections::BTreeMap;

use baton_presence::{Change, Event, Fence, LockState, OfferEnd, Refusal, SessionId};
use baton_room::Record;

use super::Oracle;
use crate::seen::{Kept, Seen};
use crate::world::World;

/// What the records say of one session.
#[derive(Debug, Default)]
struct Waiter {
    here: bool,
    silent: bool,
    /// Position of its oldest wish that was not served.
    since: Option<u64>,
    /// The offer that it let pass, if it has not acted since.
    missed: Option<Fence>,
}

/// Keeps its own queue, from wishes and changes alone.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiters: BTreeMap<SessionId, Waiter>,
    lock: Option<LockState>,
}

impl Oracle for Order {
    fn invariant(&self) -> &'static str {
        "S9"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        let Seen::Durable { records } = seen else {
            return Ok(());
        };
        for kept in *records {
            self.wish(kept);
            for change in &kept.changes {
                self.roster(change);
                self.passes(change)
                    .map_err(|what| format!("{what}; record {}", kept.position))?;
            }
        }
        Ok(())
    }
}

/// An observer's wish, say.
fn is_refused(changes: &[Change]) -> bool {
    changes
        .iter()
        .any(|change| matches!(change, Change::Refused { why, .. } if *why != Refusal::NotLive))
}

impl Order {
    fn wish(&mut self, kept: &Kept) {
        let Record::Presence(event) = &kept.record else {
            return;
        };
        match event {
            Event::Acquire { session } if !is_refused(&kept.changes) => {
                let holds = matches!(self.lock, Some(LockState::Held { by, .. }) if by == *session);
                if let Some(waiter) = self.waiters.get_mut(session)
                    && waiter.here
                    && !holds
                {
                    waiter.missed = None;
                    waiter.since.get_or_insert(kept.position);
                }
            }
            Event::Cancel { session } => {
                if let Some(waiter) = self.waiters.get_mut(session) {
                    waiter.since = None;
                }
            }
            // Late, for the offer that it missed: a sign of life.
            Event::Claim { session, fence } => {
                if let Some(waiter) = self.waiters.get_mut(session) {
                    waiter.missed.take_if(|missed| *missed == *fence);
                }
            }
            _ => {}
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
            Change::Attached { session } => {
                if let Some(waiter) = self.waiters.get_mut(&session) {
                    (waiter.here, waiter.silent, waiter.missed) = (true, false, None);
                }
            }
            Change::Detached { session } => {
                if let Some(waiter) = self.waiters.get_mut(&session) {
                    waiter.here = false;
                }
            }
            Change::Restarted => {
                for waiter in self.waiters.values_mut() {
                    waiter.here = false;
                }
            }
            Change::Lost { session } | Change::Back { session } => {
                if let Some(waiter) = self.waiters.get_mut(&session) {
                    waiter.silent = matches!(change, Change::Lost { .. });
                    if !waiter.silent {
                        waiter.missed = None;
                    }
                }
            }
            _ => {}
        }
    }

    fn passes(&mut self, change: &Change) -> Result<(), String> {
        match *change {
            Change::Offered { to, fence } => {
                let again = self.lock == Some(LockState::Offered { to, fence });
                self.lock = Some(LockState::Offered { to, fence });
                if !again {
                    return self.in_order(to);
                }
            }
            Change::Granted { to, fence } | Change::Resumed { by: to, fence } => {
                self.lock = Some(LockState::Held { by: to, fence });
                // A round is over: what somebody missed before is forgiven.
                for waiter in self.waiters.values_mut() {
                    waiter.missed = None;
                }
                if let Some(waiter) = self.waiters.get_mut(&to) {
                    waiter.since = None;
                }
            }
            Change::OfferEnded { to, fence, why } => {
                if let Some(waiter) = self.waiters.get_mut(&to) {
                    waiter.missed = (why != OfferEnd::Unreachable).then_some(fence);
                }
                self.lock = None;
            }
            Change::LockLost { .. } | Change::Released { .. } | Change::Freed => self.lock = None,
            _ => {}
        }
        Ok(())
    }

    fn in_order(&self, to: SessionId) -> Result<(), String> {
        let mine = self.waiters.get(&to).and_then(|waiter| waiter.since);
        let earlier = self.waiters.iter().find(|(session, waiter)| {
            **session != to
                && waiter.here
                && !waiter.silent
                && waiter.missed.is_none()
                && waiter
                    .since
                    .is_some_and(|since| mine.is_none_or(|mine| since < mine))
        });
        match earlier {
            Some((session, _)) => Err(format!("{session} waited before {to}, who is offered it")),
            None => Ok(()),
        }
    }
}
