//! What must always hold, checked on what everybody can see: the durable records in their order, the
//! clients' beliefs, and how long things take. It keeps its own idea of the lock, from the changes
//! alone, and trusts no state of the machine.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use baton_presence::{Change, Event, Fence, LockState, OfferEnd, SessionId, Time};

use super::server::Entry;

/// A rule that was broken, and how.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) at: Time,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}: {}", self.rule, self.at.0, self.what)
    }
}

/// What the records say of one session.
#[derive(Debug, Clone, Default)]
struct Seen {
    here: bool,
    silent: bool,
    /// The position of its oldest unserved wish.
    waits_since: Option<u64>,
    /// The offer that it let pass, if it has not acted since.
    missed: Option<Fence>,
}

#[derive(Debug, Default)]
pub(crate) struct Checker {
    state: Option<LockState>,
    newest: Option<Fence>,
    sessions: BTreeMap<SessionId, Seen>,
    /// How often each kind of thing happened: a simulation in which nothing happens proves nothing.
    pub(crate) counts: BTreeMap<&'static str, usize>,
}

type Checked = Result<(), (&'static str, String)>;

impl Checker {
    fn state(&self) -> LockState {
        self.state.unwrap_or(LockState::Free)
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn durable(
        &mut self,
        position: u64,
        entry: &Entry,
        now: Time,
    ) -> Result<(), Violation> {
        let checked = match entry {
            Entry::Edit(session, fence) => self.edit(*session, *fence),
            Entry::Presence(event, changes) => self.presence(position, event, changes),
        };
        checked.map_err(|(rule, what)| Violation {
            rule,
            at: now,
            what: format!("{what}; record {position}: {entry:?}"),
        })
    }

    /// S3: every applied locked write carried its session's current token.
    fn edit(&mut self, session: SessionId, carried: Option<Fence>) -> Checked {
        let state = self.state();
        let fine = match state {
            LockState::Free => true,
            LockState::Held { by, fence } => by == session && carried == Some(fence),
            _ => false,
        };
        self.count(if state == LockState::Free {
            "free edit"
        } else {
            "locked edit"
        });
        fine.then_some(())
            .ok_or(("S3", format!("applied while {state:?}")))
    }

    fn presence(&mut self, position: u64, event: &Event, changes: &[Change]) -> Checked {
        self.wishes(position, event);
        for (index, change) in changes.iter().enumerate() {
            self.roster(change);
            self.change(change, &changes[index + 1..])?;
        }
        Ok(())
    }

    fn wishes(&mut self, position: u64, event: &Event) {
        match event {
            Event::Acquire { session } => {
                let holds = matches!(self.state(), LockState::Held { by, .. } if by == *session);
                if let Some(seen) = self.sessions.get_mut(session)
                    && !holds
                    && seen.here
                {
                    seen.missed = None;
                    seen.waits_since.get_or_insert(position);
                }
            }
            Event::Cancel { session } => {
                if let Some(seen) = self.sessions.get_mut(session) {
                    seen.waits_since = None;
                }
            }
            // Late, for the offer that it missed: a sign of life.
            Event::Claim { session, fence } => {
                if let Some(seen) = self.sessions.get_mut(session) {
                    seen.missed = seen.missed.filter(|missed| missed != fence);
                }
            }
            _ => {}
        }
    }

    fn roster(&mut self, change: &Change) {
        match *change {
            Change::Joined { session } => {
                let here = true;
                self.sessions.insert(
                    session,
                    Seen {
                        here,
                        ..Seen::default()
                    },
                );
            }
            Change::Gone { session } => {
                self.sessions.remove(&session);
            }
            Change::Attached { session } => {
                if let Some(seen) = self.sessions.get_mut(&session) {
                    (seen.here, seen.silent, seen.missed) = (true, false, None);
                }
            }
            Change::Detached { session } => {
                if let Some(seen) = self.sessions.get_mut(&session) {
                    seen.here = false;
                }
            }
            Change::Lost { session } | Change::Back { session } => {
                if let Some(seen) = self.sessions.get_mut(&session) {
                    seen.silent = matches!(change, Change::Lost { .. });
                    seen.missed = seen.missed.filter(|_| seen.silent);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, change: &Change, after: &[Change]) -> Checked {
        let before = self.state();
        match *change {
            Change::Offered { to, fence } => {
                let again = before == LockState::Offered { to, fence };
                if !again {
                    self.count("offer");
                    self.offer_is_right(before, to, fence)?;
                }
                self.newest = Some(fence);
                self.state = Some(LockState::Offered { to, fence });
            }
            Change::Granted { to, fence } => {
                let mine = [
                    LockState::Offered { to, fence },
                    LockState::Held { by: to, fence },
                ];
                if !mine.contains(&before) {
                    return Err(("S1", format!("granted to {to} while {before:?}")));
                }
                self.grant(to, fence);
            }
            Change::Resumed { by, fence } => {
                let party = party(before);
                if party != Some((by, fence)) {
                    return Err(("S8", format!("{by} resumed {fence} while {before:?}")));
                }
                self.count("resumed");
                self.grant(by, fence);
            }
            Change::Suspected { by, fence } | Change::Recovering { by, fence } => {
                if party(before) != Some((by, fence)) {
                    return Err(("S1", format!("{change:?} while {before:?}")));
                }
                self.state = Some(LockState::Suspect { by, fence });
            }
            Change::OfferEnded { to, fence, why } => {
                self.count(match why {
                    OfferEnd::Expired => "offer expired",
                    OfferEnd::Declined => "offer declined",
                    OfferEnd::Cancelled => "offer cancelled",
                    OfferEnd::Unreachable => "offer unreachable",
                });
                if let Some(seen) = self.sessions.get_mut(&to) {
                    seen.missed = (why != OfferEnd::Unreachable).then_some(fence);
                }
                self.state = None;
            }
            Change::LockLost { by, fence, why } => {
                if party(before) != Some((by, fence)) {
                    return Err(("S1", format!("{change:?} while {before:?}")));
                }
                let passed = after.iter().any(|c| matches!(c, Change::Offered { .. }));
                if !passed && why != baton_presence::Loss::OtherFence {
                    return Err(("S11", format!("{by} lost it to nobody ({why:?})")));
                }
                self.count(match why {
                    baton_presence::Loss::Silent => "lost by silence",
                    baton_presence::Loss::GraceOver => "lost by grace",
                    baton_presence::Loss::RecoveryOver => "lost by recovery",
                    baton_presence::Loss::OtherFence => "lost by another fence",
                });
                self.state = None;
            }
            Change::Released { .. } | Change::Freed => self.state = None,
            _ => {}
        }
        Ok(())
    }

    fn grant(&mut self, to: SessionId, fence: Fence) {
        if self.state() != (LockState::Held { by: to, fence }) {
            self.count("granted");
        }
        self.state = Some(LockState::Held { by: to, fence });
        // A round is over: what somebody missed before is forgiven.
        for seen in self.sessions.values_mut() {
            seen.missed = None;
        }
        if let Some(seen) = self.sessions.get_mut(&to) {
            seen.waits_since = None;
        }
    }

    /// S1: it is nobody's. S2: the fence is new. S9: nobody who waits longer could take it.
    fn offer_is_right(&self, before: LockState, to: SessionId, fence: Fence) -> Checked {
        if before != LockState::Free {
            return Err(("S1", format!("offered to {to} while {before:?}")));
        }
        if self.newest.is_some_and(|newest| newest >= fence) {
            return Err(("S2", format!("{fence} after {:?}", self.newest)));
        }
        let mine = self.sessions.get(&to).and_then(|seen| seen.waits_since);
        let earlier = self.sessions.iter().find(|(session, seen)| {
            **session != to
                && seen.here
                && !seen.silent
                && seen.missed.is_none()
                && seen
                    .waits_since
                    .is_some_and(|since| mine.is_none_or(|mine| since < mine))
        });
        match earlier {
            Some((session, _)) => Err(("S9", format!("{session} waited before {to}"))),
            None => Ok(()),
        }
    }
}

fn party(state: LockState) -> Option<(SessionId, Fence)> {
    match state {
        LockState::Free => None,
        LockState::Offered { to, fence } => Some((to, fence)),
        LockState::Held { by, fence }
        | LockState::Suspect { by, fence }
        | LockState::Recovering { by, fence } => Some((by, fence)),
    }
}

/// A clock for what must not last: how long something has been so without a break.
#[derive(Debug, Default)]
pub(crate) struct Since(Option<Time>);

impl Since {
    pub(crate) fn track(&mut self, so: bool, now: Time) -> Duration {
        if !so {
            self.0 = None;
            return Duration::ZERO;
        }
        now.since(*self.0.get_or_insert(now))
    }
}
