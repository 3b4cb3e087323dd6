//! What must always hold, checked on what everybody can see: the durable records in their order,
//! the clients' beliefs, and how long things take. It keeps its own idea of the lock, from the
//! changes alone, and trusts no state of the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use baton_presence::{
    AutoPass, Change, ClientKind, DrainReason, Event, Fence, LossReason, OfferEnd, Rights, Scope,
    SessionId, Time, UserKey,
};

use super::server::{Entry, Visitor};

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
#[derive(Debug, Clone)]
struct Seen {
    client_kind: ClientKind,
    here: bool,
    silent: bool,
    /// The position of its unserved wish, and what it is.
    waits: Option<(u64, Scope)>,
    /// The offers that it let pass, if it has not acted since.
    missed: Vec<(Fence, Scope)>,
}

impl Seen {
    fn is_live(&self) -> bool {
        self.here && !self.silent
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Offered,
    Held,
    Waiting,
    /// Told to stop, at that time, for that one.
    Draining(Time, Option<SessionId>),
}

#[derive(Debug, Clone)]
struct Lock {
    party: SessionId,
    scope: Scope,
    phase: Phase,
}

#[derive(Debug)]
pub(crate) struct Checker {
    locks: BTreeMap<Fence, Lock>,
    newest: Option<Fence>,
    sessions: BTreeMap<SessionId, Seen>,
    /// Who everybody really is, whatever the server was told.
    visitors: BTreeMap<SessionId, Visitor>,
    /// Fences that ended with their holder's word that it has sent all: drained or released.
    given_back: BTreeSet<Fence>,
    granted: Vec<(SessionId, Fence)>,
    auto_pass: AutoPass,
    drain: Duration,
    /// How often each kind of thing happened: a simulation in which nothing happens proves nothing.
    pub(crate) counts: BTreeMap<&'static str, usize>,
}

type Checked = Result<(), (&'static str, String)>;

/// What one record is, for the changes that follow from it.
struct Record<'a> {
    event: &'a Event,
    at: Time,
    /// Who was named to get what it ended.
    heirs: Vec<SessionId>,
}

impl Checker {
    pub(crate) fn new(auto_pass: AutoPass, drain: Duration) -> Self {
        Self {
            locks: BTreeMap::new(),
            newest: None,
            sessions: BTreeMap::new(),
            visitors: BTreeMap::new(),
            given_back: BTreeSet::new(),
            granted: Vec::new(),
            auto_pass,
            drain,
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn session_is(&mut self, session: SessionId, visitor: Visitor) {
        self.visitors.insert(session, visitor);
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Takes note of a record; returns what it granted that was only offered before.
    pub(crate) fn durable(
        &mut self,
        position: u64,
        entry: &Entry,
        now: Time,
    ) -> Result<Vec<(SessionId, Fence)>, Violation> {
        self.granted.clear();
        let checked = match entry {
            Entry::Edit(session, root, fence) => self.edit(*session, root, *fence),
            Entry::Parked(session, fence) => self.parked(*session, *fence),
            Entry::Presence(event, changes, at) => self.presence(position, event, changes, *at),
        };
        checked.map_err(|(rule, what)| Violation {
            rule,
            at: now,
            what: format!("{what}; record {position}: {entry:?}"),
        })?;
        Ok(self.granted.clone())
    }

    /// S9: the queue is made of the wishes that were not served, in their order. No wish is lost in
    /// silence, and no session waits that was told it does not.
    pub(crate) fn queue_is(
        &self,
        queue: &[(SessionId, Scope)],
        now: Time,
    ) -> Result<(), Violation> {
        let wish = |(session, seen): (&SessionId, &Seen)| {
            let (since, scope) = seen.waits.clone()?;
            Some((since, *session, scope))
        };
        let mut wishes: Vec<_> = self.sessions.iter().filter_map(wish).collect();
        wishes.sort_unstable_by_key(|(since, ..)| *since);
        let wishes: Vec<_> = wishes
            .into_iter()
            .map(|(_, session, scope)| (session, scope))
            .collect();
        if wishes == queue {
            return Ok(());
        }
        Err(Violation {
            rule: "S9",
            at: now,
            what: format!("{wishes:?} wait, and the queue is {queue:?}"),
        })
    }

    /// S3: every applied locked write carried its session's current token.
    fn edit(&mut self, session: SessionId, root: &str, carried: Option<Fence>) -> Checked {
        let there = || {
            self.locks
                .iter()
                .filter(|(_, lock)| lock.scope.reaches(root))
        };
        let own = |(fence, lock): (&Fence, &Lock)| {
            lock.party == session
                && Some(*fence) == carried
                && matches!(lock.phase, Phase::Held | Phase::Draining(..))
        };
        let free = there().next().is_none();
        if !free && !there().any(own) {
            let there: Vec<_> = there().collect();
            return Err(("S3", format!("applied while {there:?}")));
        }
        self.count(if free { "free edit" } else { "locked edit" });
        Ok(())
    }

    /// S6: an orderly handoff parks nothing.
    fn parked(&mut self, session: SessionId, carried: Option<Fence>) -> Checked {
        self.count("parked edit");
        if let Some(fence) = carried.filter(|fence| self.given_back.contains(fence)) {
            return Err(("S6", format!("{session} had given {fence} back")));
        }
        Ok(())
    }

    fn presence(&mut self, position: u64, event: &Event, changes: &[Change], at: Time) -> Checked {
        self.wishes(position, event, changes);
        let heirs = match event {
            Event::TakeOver { session, .. } | Event::MoveHere { session, .. } => vec![*session],
            _ => Vec::new(),
        };
        let mut record = Record { event, at, heirs };
        for (index, change) in changes.iter().enumerate() {
            self.roster(change);
            self.change(change, &changes[index + 1..], &mut record)?;
        }
        if *event == Event::Restarted {
            for lock in self.locks.values_mut() {
                lock.phase = Phase::Waiting;
            }
        }
        self.nobody_waits_while_holding()
    }

    /// S10: no session holds and waits, so no cycle of them can.
    fn nobody_waits_while_holding(&self) -> Checked {
        for lock in self.locks.values() {
            let seen = self.sessions.get(&lock.party);
            if lock.phase != Phase::Offered
                && let Some(waits) = seen.and_then(|seen| seen.waits.as_ref())
            {
                // Offered before a restart, it may still be its own offer that it waits for.
                if lock.phase != Phase::Waiting {
                    return Err(("S10", format!("{lock:?} waits for {waits:?}")));
                }
            }
        }
        Ok(())
    }

    fn wishes(&mut self, position: u64, event: &Event, changes: &[Change]) {
        match event {
            Event::Acquire { session, scope } | Event::Request { session, scope } => {
                let queued = changes.contains(&Change::Queued { session: *session });
                let offered = changes.iter().find_map(|change| match change {
                    Change::Offered { to, fence, .. } if to == session => Some(fence),
                    _ => None,
                });
                let has = self.locks.values().filter(|lock| lock.party == *session);
                let has: Vec<_> = has.map(|lock| lock.phase).collect();
                // An offer beside an open one is made once, without a place in the queue.
                let known = offered.is_some_and(|fence| self.locks.contains_key(fence));
                let told_again = known && has == [Phase::Offered];
                let waits = queued || told_again || offered.is_some() && has.is_empty();
                if let Some(seen) = self.sessions.get_mut(session)
                    && seen.here
                {
                    seen.missed.clear();
                    let same = seen.waits.as_ref().is_some_and(|(_, wish)| wish == scope);
                    let again = told_again && seen.waits.is_some();
                    if waits && !same && !again {
                        seen.waits = Some((position, scope.clone()));
                    }
                }
            }
            Event::Cancel { session } => {
                if let Some(seen) = self.sessions.get_mut(session) {
                    seen.waits = None;
                }
            }
            Event::OfferExpired { session, fence } => {
                self.goes_to_the_back(*session, *fence, position);
            }
            Event::Decline {
                session,
                fence,
                later: true,
            } => self.goes_to_the_back(*session, *fence, position),
            Event::PauseOver { session, fence } => {
                self.count("pause over");
                if let Some(seen) = self.sessions.get_mut(session) {
                    seen.missed.retain(|(missed, _)| missed > fence);
                }
            }
            // Late, for the offer that it missed: a sign of life.
            Event::Claim { session, fence } => {
                if let Some(seen) = self.sessions.get_mut(session) {
                    seen.missed.retain(|(missed, _)| missed != fence);
                }
            }
            Event::TakeOver { session, .. } | Event::MoveHere { session, .. } => {
                if let Some(seen) = self.sessions.get_mut(session) {
                    seen.missed.clear();
                }
            }
            _ => {}
        }
    }

    /// Who lets an offer pass waits from here on.
    fn goes_to_the_back(&mut self, session: SessionId, fence: Fence, position: u64) {
        let open = |lock: &&Lock| lock.party == session && lock.phase == Phase::Offered;
        let open = self.locks.get(&fence).filter(open).is_some();
        if let Some(seen) = self.sessions.get_mut(&session)
            && let Some((since, _)) = &mut seen.waits
            && open
        {
            *since = position;
        }
    }

    fn roster(&mut self, change: &Change) {
        match *change {
            Change::Joined { session } => {
                let client_kind = self
                    .visitors
                    .get(&session)
                    .map(|visitor| visitor.client_kind);
                let seen = Seen {
                    client_kind: client_kind.unwrap_or(ClientKind::Stock),
                    here: true,
                    silent: false,
                    waits: None,
                    missed: Vec::new(),
                };
                self.sessions.insert(session, seen);
            }
            Change::Gone { session } => {
                self.sessions.remove(&session);
            }
            Change::Dequeued { session } => {
                if let Some(seen) = self.sessions.get_mut(&session) {
                    seen.waits = None;
                }
            }
            Change::Attached { session } => {
                if let Some(seen) = self.sessions.get_mut(&session) {
                    (seen.here, seen.silent) = (true, false);
                    seen.missed.clear();
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
                    if !seen.silent {
                        seen.missed.clear();
                    }
                }
            }
            _ => {}
        }
    }

    /// That lock, with the party and scope that a change names.
    fn lock(
        &mut self,
        rule: &'static str,
        change: &Change,
        party: SessionId,
        fence: Fence,
        scope: &Scope,
    ) -> Result<&mut Lock, (&'static str, String)> {
        let what = format!("{change:?} while {:?}", self.locks);
        self.locks
            .get_mut(&fence)
            .filter(|lock| lock.party == party && lock.scope == *scope)
            .ok_or((rule, what))
    }

    fn change(&mut self, change: &Change, after: &[Change], record: &mut Record<'_>) -> Checked {
        match change {
            Change::Offered { to, fence, scope } => self.offered(*to, *fence, scope, record),
            Change::Granted { to, fence, scope } => {
                let lock = self.lock("S1", change, *to, *fence, scope)?;
                let was = std::mem::replace(&mut lock.phase, Phase::Held);
                if was == Phase::Offered {
                    self.count("granted");
                    self.granted.push((*to, *fence));
                }
                self.grant(*to, *fence, scope);
                Ok(())
            }
            Change::Resumed { by, fence, scope } => {
                self.lock("S8", change, *by, *fence, scope)?.phase = Phase::Held;
                self.count("resumed");
                self.grant(*by, *fence, scope);
                Ok(())
            }
            Change::Suspected { by, fence, scope } | Change::Recovering { by, fence, scope } => {
                self.lock("S1", change, *by, *fence, scope)?.phase = Phase::Waiting;
                Ok(())
            }
            Change::Draining {
                by,
                fence,
                scope,
                to,
                why,
            } => self.drains(change, (*by, *fence, scope), *to, *why, record.at),
            Change::TakenOver { by, .. } => self.taken_over(*by),
            Change::OfferEnded {
                to,
                fence,
                scope,
                why,
            } => {
                self.lock("S1", change, *to, *fence, scope)?;
                self.offer_ended(*to, *fence, scope, *why);
                Ok(())
            }
            Change::LockLost {
                by,
                fence,
                scope,
                why,
            } => {
                let phase = self.lock("S1", change, *by, *fence, scope)?.phase;
                self.lost(*by, scope, *why, phase, after, record)?;
                self.locks.remove(fence);
                Ok(())
            }
            Change::Released { by, fence, scope } => {
                let phase = self.lock("S1", change, *by, *fence, scope)?.phase;
                if let Phase::Draining(_, to) = phase {
                    self.count("drained");
                    record.heirs.extend(to);
                }
                if matches!(record.event, Event::Drained { .. } | Event::Release { .. }) {
                    self.given_back.insert(*fence);
                }
                self.locks.remove(fence);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn offered(
        &mut self,
        to: SessionId,
        fence: Fence,
        scope: &Scope,
        record: &Record<'_>,
    ) -> Checked {
        if let Some(lock) = self.locks.get(&fence) {
            let again = lock.party == to && lock.scope == *scope && lock.phase == Phase::Offered;
            return again
                .then_some(())
                .ok_or(("S1", format!("{fence} was offered before: {lock:?}")));
        }
        self.count("offer");
        if let Some(other) = self.locks.values().find(|lock| lock.scope.conflicts(scope)) {
            return Err(("S1", format!("offered to {to} while {other:?}")));
        }
        if self.newest.is_some_and(|newest| newest >= fence) {
            return Err(("S2", format!("{fence} after {:?}", self.newest)));
        }
        if !record.heirs.contains(&to) {
            self.nobody_waits_longer(to, scope)?;
        }
        self.newest = Some(fence);
        let (party, scope, phase) = (to, scope.clone(), Phase::Offered);
        self.locks.insert(
            fence,
            Lock {
                party,
                scope,
                phase,
            },
        );
        Ok(())
    }

    /// S9: nobody live who waits longer needs it, also not one who missed an offer before.
    fn nobody_waits_longer(&self, to: SessionId, scope: &Scope) -> Checked {
        let mine = self
            .sessions
            .get(&to)
            .and_then(|seen| seen.waits.as_ref())
            .filter(|(_, wish)| scope.covers(wish))
            .map(|(since, _)| *since);
        let earlier = self.sessions.iter().find(|(session, seen)| {
            **session != to
                && seen.is_live()
                && seen.waits.as_ref().is_some_and(|(since, wish)| {
                    wish.conflicts(scope) && mine.is_none_or(|mine| *since < mine)
                })
        });
        match earlier {
            Some((session, _)) => Err(("S9", format!("{session} waited before {to}"))),
            None => Ok(()),
        }
    }

    fn drains(
        &mut self,
        change: &Change,
        (by, fence, scope): (SessionId, Fence, &Scope),
        to: Option<SessionId>,
        why: DrainReason,
        at: Time,
    ) -> Checked {
        let user = |session| self.visitors.get(&session).and_then(|v| v.user);
        let moved_by: Option<UserKey> = to.and_then(user);
        if why == DrainReason::Moved && to.is_some() && (moved_by.is_none() || moved_by != user(by))
        {
            return Err(("S7", format!("{change:?}: not the same user")));
        }
        let lock = self.lock("S1", change, by, fence, scope)?;
        let since = match lock.phase {
            Phase::Draining(since, _) => since,
            _ => at,
        };
        let new = !matches!(lock.phase, Phase::Draining(..));
        lock.phase = Phase::Draining(since, to);
        if new {
            self.count(match why {
                DrainReason::Transfer => "transfer",
                DrainReason::TakenOver => "take-over",
                DrainReason::Moved => "move",
                DrainReason::Requested => "request over",
                DrainReason::Idle => "idle yield",
            });
        }
        Ok(())
    }

    /// S7: a take-over needs its permission.
    fn taken_over(&self, by: SessionId) -> Checked {
        let rights = self.visitors.get(&by).map(|visitor| visitor.rights);
        rights
            .is_some_and(|rights| rights.contains(Rights::TAKE_OVER))
            .then_some(())
            .ok_or(("S7", format!("{by} took over without the right")))
    }

    fn offer_ended(&mut self, to: SessionId, fence: Fence, scope: &Scope, why: OfferEnd) {
        self.count(match why {
            OfferEnd::Expired => "offer expired",
            OfferEnd::Declined => "offer declined",
            OfferEnd::Cancelled => "offer cancelled",
            OfferEnd::Unreachable => "offer unreachable",
            OfferEnd::TakenOver => "offer taken over",
        });
        if let Some(seen) = self.sessions.get_mut(&to)
            && !matches!(why, OfferEnd::Unreachable | OfferEnd::TakenOver)
        {
            seen.missed.push((fence, scope.clone()));
        }
        self.locks.remove(&fence);
    }

    fn lost(
        &mut self,
        by: SessionId,
        scope: &Scope,
        why: LossReason,
        phase: Phase,
        after: &[Change],
        record: &mut Record<'_>,
    ) -> Checked {
        let follows = |change: &Change| matches!(change, Change::Offered { scope: offered, .. } if offered.conflicts(scope));
        let passed = after.iter().any(follows);
        let overdue = matches!(
            why,
            LossReason::Silent | LossReason::GraceOver | LossReason::RecoveryOver
        );
        if overdue && !passed {
            let stock = |seen: &Seen| seen.client_kind == ClientKind::Stock && seen.is_live();
            if self.auto_pass == AutoPass::Off || !self.sessions.values().any(stock) {
                return Err(("S11", format!("{by} lost it to nobody ({why:?})")));
            }
            self.count("gave way to stock");
        }
        if let Phase::Draining(since, to) = phase {
            record.heirs.extend(to);
            if why == LossReason::DrainOver && record.at.since(since) < self.drain {
                let lasted = record.at.since(since);
                return Err(("S6", format!("{by} had {lasted:?} to drain")));
            }
        }
        self.count(match why {
            LossReason::Silent => "lost by silence",
            LossReason::GraceOver => "lost by grace",
            LossReason::RecoveryOver => "lost by recovery",
            LossReason::OtherFence => "lost by another fence",
            LossReason::DrainOver => "drain over",
            LossReason::TakenOver => "lost to a taker",
        });
        Ok(())
    }

    fn grant(&mut self, to: SessionId, fence: Fence, scope: &Scope) {
        // A round is over: what somebody missed before is forgiven.
        for seen in self.sessions.values_mut() {
            seen.missed
                .retain(|(missed, of)| *missed > fence || !of.conflicts(scope));
        }
        if let Some(seen) = self.sessions.get_mut(&to) {
            seen.waits = None;
            seen.missed.clear();
        }
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
