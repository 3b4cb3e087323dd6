//! An account of a document's locks, kept beside the lock state of `baton-presence`.
//!
//! It follows events and changes only: it asks no lock state who holds, waits or is here. The model
//! checker keeps one in every state, the simulation one for each run.

use baton_presence::{Change, Event, Fence, LossReason, Scope, SessionId};

/// Describes what a lock covers, by its own idea of conflicts or by that of `baton-presence`.
pub trait Area: Clone + PartialEq {
    /// Returns the area of a scope.
    fn of(scope: &Scope) -> Self;
    /// Returns true if one session at most may hold the two.
    fn conflicts(&self, other: &Self) -> bool;
    /// Returns true if whoever holds this area holds the other.
    fn covers(&self, other: &Self) -> bool;
}

impl Area for Scope {
    fn of(scope: &Scope) -> Self {
        scope.clone()
    }

    fn conflicts(&self, other: &Self) -> bool {
        Self::conflicts(self, other)
    }

    fn covers(&self, other: &Self) -> bool {
        Self::covers(self, other)
    }
}

/// An invariant that a record broke; the names are the design's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokenRule {
    /// S1: locks in conflict never have two parties, and each goes from state to state as it may.
    OneParty,
    /// S2: the fence of a new offer is the position of its record, and larger than any before.
    FencesGrow,
    /// S6: only a holder that drains loses its lock because the time to drain is over.
    OnlyDrainsRunOut,
    /// S8: a resume changes no fence.
    ResumeKeepsFence,
    /// S9: live waiters are served in the order in which they began to wait.
    OldestFirst,
    /// S11: a silent holder loses its lock to a session, never to none.
    NeverToNone,
}

impl BrokenRule {
    /// Returns the name of the rule in the design.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneParty => "S1",
            Self::FencesGrow => "S2",
            Self::OnlyDrainsRunOut => "S6",
            Self::ResumeKeepsFence => "S8",
            Self::OldestFirst => "S9",
            Self::NeverToNone => "S11",
        }
    }
}

/// State of a lock, as far as the changes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Offered, and not claimed yet.
    Offered,
    /// Held by a session that may write.
    Held,
    /// Its holder is away.
    Waiting,
    /// Its holder was told to stop, for this session or for whichever waits.
    Draining(Option<SessionId>),
}

/// One lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lock<A> {
    /// Fence of its offer.
    pub fence: Fence,
    /// The holder, or the session that it is offered to.
    pub party: SessionId,
    /// What it covers.
    pub area: A,
    /// Its state.
    pub phase: Phase,
}

/// Attendance of a session, as far as the changes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Attendance {
    Live,
    Silent,
    Away,
}

/// A record, with what its judges know of it beside its changes.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Position of the record.
    pub position: u64,
    /// Content of the record.
    pub event: &'a Event,
    /// Consequences of the record, in order.
    pub changes: &'a [Change],
    /// The newest fence that a client was told of, if that is not in the changes so far.
    pub announced: Option<Fence>,
    /// True if a silent holder may lose its lock to none, so that writers without locks can go on.
    pub gives_way: bool,
}

/// See the module. The order of its lists is part of its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockAccount<A> {
    /// Ascending by fence.
    locks: Vec<Lock<A>>,
    /// Sessions that wait, in the order in which they began to.
    waits: Vec<(SessionId, A)>,
    /// Ascending by session.
    roster: Vec<(SessionId, Attendance)>,
    /// The newest fence of an offer.
    newest: Option<Fence>,
}

impl<A> Default for LockAccount<A> {
    fn default() -> Self {
        Self {
            locks: Vec::new(),
            waits: Vec::new(),
            roster: Vec::new(),
            newest: None,
        }
    }
}

impl<A: Area> LockAccount<A> {
    /// Follows a record. Shows each change to `judge` before following it, with the lock that it is
    /// about as it was.
    ///
    /// # Errors
    /// The first rule that is broken, by `judge` or by this account.
    pub fn follow<E: From<BrokenRule>>(
        &mut self,
        step: &Step<'_>,
        mut judge: impl FnMut(&Change, Option<&Lock<A>>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.follow_wish(step);
        // A session that is named gets the lock before those who wait.
        let mut heirs = Vec::new();
        if let Event::TakeOver { session, .. } | Event::MoveHere { session, .. } = step.event {
            heirs.push(*session);
        }
        for (index, change) in step.changes.iter().enumerate() {
            let lock = fence_of(change).and_then(|fence| self.lock(fence));
            judge(change, lock)?;
            self.follow_roster(change);
            self.follow_change(change, &step.changes[index + 1..], &mut heirs, step)?;
        }
        Ok(())
    }

    /// Returns the locks, ascending by fence.
    #[must_use]
    pub fn locks(&self) -> &[Lock<A>] {
        &self.locks
    }

    /// Returns the sessions that wait, in the order in which they began to.
    #[must_use]
    pub fn waits(&self) -> &[(SessionId, A)] {
        &self.waits
    }

    /// Returns the newest fence of an offer.
    #[must_use]
    pub const fn newest(&self) -> Option<Fence> {
        self.newest
    }

    /// Forgets fences that are newer than every lock, for judges that never see the end of one.
    pub fn forget_ended(&mut self) {
        self.newest = self.locks.last().map(|lock| lock.fence);
    }

    /// Shows every position in the account to `visit`, which may rename it without changing their
    /// order.
    pub fn visit_positions(&mut self, visit: &mut dyn FnMut(&mut u64)) {
        for lock in &mut self.locks {
            visit(&mut lock.fence.position);
        }
        if let Some(fence) = &mut self.newest {
            visit(&mut fence.position);
        }
    }

    fn lock(&self, fence: Fence) -> Option<&Lock<A>> {
        self.locks.iter().find(|lock| lock.fence == fence)
    }

    fn attendance(&self, session: SessionId) -> Option<Attendance> {
        let found = self.roster.binary_search_by_key(&session, |(id, _)| *id);
        found.ok().map(|index| self.roster[index].1)
    }

    fn attends(&mut self, session: SessionId, attendance: Attendance) {
        match self.roster.binary_search_by_key(&session, |(id, _)| *id) {
            Ok(index) => self.roster[index].1 = attendance,
            Err(index) => self.roster.insert(index, (session, attendance)),
        }
    }

    fn follow_wish(&mut self, step: &Step<'_>) {
        match step.event {
            Event::Acquire { session, scope } | Event::Request { session, scope } => {
                self.follow_acquire(*session, A::of(scope), step.changes);
            }
            Event::Cancel { session } => self.waits_no_more(*session),
            // Its wish goes behind those of all who wait then.
            Event::OfferExpired { session, fence }
            | Event::Decline {
                session,
                fence,
                later: true,
            } => {
                let open = self
                    .lock(*fence)
                    .is_some_and(|lock| lock.party == *session && lock.phase == Phase::Offered);
                let place = self.waits.iter().position(|(waits, _)| waits == session);
                if let (true, Some(place)) = (open, place) {
                    let wait = self.waits.remove(place);
                    self.waits.push(wait);
                }
            }
            _ => {}
        }
    }

    fn follow_acquire(&mut self, session: SessionId, area: A, changes: &[Change]) {
        if !matches!(
            self.attendance(session),
            Some(Attendance::Live | Attendance::Silent)
        ) {
            return;
        }
        let mut has = self.locks.iter().filter(|lock| lock.party == session);
        let first = has.next();
        let only_offered =
            first.is_some_and(|lock| lock.phase == Phase::Offered) && has.next().is_none();
        let offer = changes.iter().find_map(|change| match change {
            Change::Offered { to, fence, .. } if *to == session => Some(*fence),
            _ => None,
        });
        let told_again = only_offered && offer.is_some_and(|fence| self.lock(fence).is_some());
        let queued = changes.contains(&Change::Queued { session });
        // A session that has something already is offered more at once, or not at all.
        let waits = queued || told_again || (offer.is_some() && first.is_none());
        let wish = self.waits.iter().find(|(waits, _)| *waits == session);
        let same = wish.is_some_and(|(_, wish)| *wish == area);
        if waits && !same && !(told_again && wish.is_some()) {
            self.waits_no_more(session);
            self.waits.push((session, area));
        }
    }

    fn waits_no_more(&mut self, session: SessionId) {
        self.waits.retain(|(waits, _)| *waits != session);
    }

    fn follow_roster(&mut self, change: &Change) {
        match *change {
            Change::Joined { session } | Change::Attached { session } => {
                self.attends(session, Attendance::Live);
            }
            Change::Detached { session } => self.attends(session, Attendance::Away),
            Change::Lost { session } if self.attendance(session) == Some(Attendance::Live) => {
                self.attends(session, Attendance::Silent);
            }
            Change::Back { session } if self.attendance(session) == Some(Attendance::Silent) => {
                self.attends(session, Attendance::Live);
            }
            Change::Gone { session } => {
                self.roster.retain(|(id, _)| *id != session);
                self.waits_no_more(session);
            }
            Change::Dequeued { session } => self.waits_no_more(session),
            Change::Restarted => {
                for (_, attendance) in &mut self.roster {
                    *attendance = Attendance::Away;
                }
            }
            _ => {}
        }
    }

    fn follow_change(
        &mut self,
        change: &Change,
        rest: &[Change],
        heirs: &mut Vec<SessionId>,
        step: &Step<'_>,
    ) -> Result<(), BrokenRule> {
        use BrokenRule::{OneParty, OnlyDrainsRunOut, ResumeKeepsFence};
        let any = |_: Phase| true;
        let held = |phase| matches!(phase, Phase::Held);
        let begun = |phase| !matches!(phase, Phase::Offered);
        match change {
            Change::Offered { to, fence, scope } => {
                self.follow_offer(*to, *fence, scope, heirs, step)?;
            }
            Change::Granted { to, fence, scope } => {
                let from = |phase| matches!(phase, Phase::Offered | Phase::Held);
                self.find((*to, *fence, scope), from, OneParty)?.phase = Phase::Held;
                self.waits_no_more(*to);
            }
            Change::Resumed { by, fence, scope } => {
                let from = |phase| matches!(phase, Phase::Held | Phase::Waiting);
                self.find((*by, *fence, scope), from, ResumeKeepsFence)?
                    .phase = Phase::Held;
                self.waits_no_more(*by);
            }
            Change::Suspected { by, fence, scope } => {
                self.find((*by, *fence, scope), held, OneParty)?.phase = Phase::Waiting;
            }
            Change::Recovering { by, fence, scope } => {
                self.find((*by, *fence, scope), any, OneParty)?.phase = Phase::Waiting;
            }
            Change::Draining {
                by,
                fence,
                scope,
                to,
                ..
            } => {
                let from = |phase| matches!(phase, Phase::Held | Phase::Draining(_));
                self.find((*by, *fence, scope), from, OneParty)?.phase = Phase::Draining(*to);
            }
            Change::OfferEnded {
                to, fence, scope, ..
            } => {
                let from = |phase| matches!(phase, Phase::Offered);
                self.end((*to, *fence, scope), from, OneParty, heirs)?;
            }
            Change::Released { by, fence, scope } => {
                self.end((*by, *fence, scope), begun, OneParty, heirs)?;
            }
            Change::LockLost {
                by,
                fence,
                scope,
                why: LossReason::DrainOver,
            } => {
                let from = |phase| matches!(phase, Phase::Draining(_));
                self.end((*by, *fence, scope), from, OnlyDrainsRunOut, heirs)?;
            }
            Change::LockLost {
                by,
                fence,
                scope,
                why,
            } => {
                self.end((*by, *fence, scope), begun, OneParty, heirs)?;
                let by_time = matches!(
                    why,
                    LossReason::Silent | LossReason::GraceOver | LossReason::RecoveryOver
                );
                let area = A::of(scope);
                let follows = |change: &Change| matches!(change, Change::Offered { scope, .. } if A::of(scope).conflicts(&area));
                if by_time && !step.gives_way && !rest.iter().any(follows) {
                    return Err(BrokenRule::NeverToNone);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn follow_offer(
        &mut self,
        to: SessionId,
        fence: Fence,
        scope: &Scope,
        heirs: &[SessionId],
        step: &Step<'_>,
    ) -> Result<(), BrokenRule> {
        let area = A::of(scope);
        if let Some(lock) = self.lock(fence) {
            // Told again.
            let same = lock.party == to && lock.area == area && lock.phase == Phase::Offered;
            return same.then_some(()).ok_or(BrokenRule::OneParty);
        }
        if self.locks.iter().any(|lock| lock.area.conflicts(&area)) {
            return Err(BrokenRule::OneParty);
        }
        if self.newest.max(step.announced) >= Some(fence) || fence.position != step.position {
            return Err(BrokenRule::FencesGrow);
        }
        if !heirs.contains(&to) && self.overtakes(to, &area) {
            return Err(BrokenRule::OldestFirst);
        }
        self.newest = Some(fence);
        self.locks.push(Lock {
            fence,
            party: to,
            area,
            phase: Phase::Offered,
        });
        Ok(())
    }

    /// Returns true if a live session has waited for longer than this one for something in conflict.
    fn overtakes(&self, to: SessionId, area: &A) -> bool {
        // Its own wish counts only for what it wished.
        let own = |wait: &&(SessionId, A)| wait.0 == to && area.covers(&wait.1);
        let mut longer = self.waits.iter().take_while(|wait| !own(wait));
        longer.any(|(session, wish)| {
            *session != to
                && wish.conflicts(area)
                && self.attendance(*session) == Some(Attendance::Live)
        })
    }

    fn find(
        &mut self,
        (party, fence, scope): (SessionId, Fence, &Scope),
        from: impl Fn(Phase) -> bool,
        rule: BrokenRule,
    ) -> Result<&mut Lock<A>, BrokenRule> {
        let area = A::of(scope);
        let mut locks = self.locks.iter_mut();
        let lock = locks.find(|lock| lock.fence == fence);
        lock.filter(|lock| lock.party == party && lock.area == area && from(lock.phase))
            .ok_or(rule)
    }

    /// Ends a lock. The session that it drained for may get what it covered.
    fn end(
        &mut self,
        lock: (SessionId, Fence, &Scope),
        from: impl Fn(Phase) -> bool,
        rule: BrokenRule,
        heirs: &mut Vec<SessionId>,
    ) -> Result<(), BrokenRule> {
        if let Phase::Draining(Some(heir)) = self.find(lock, from, rule)?.phase {
            heirs.push(heir);
        }
        self.locks.retain(|other| other.fence != lock.1);
        Ok(())
    }
}

/// Returns the fence of the lock that a change is about.
const fn fence_of(change: &Change) -> Option<Fence> {
    match change {
        Change::Offered { fence, .. }
        | Change::OfferEnded { fence, .. }
        | Change::Granted { fence, .. }
        | Change::Resumed { fence, .. }
        | Change::Suspected { fence, .. }
        | Change::Recovering { fence, .. }
        | Change::Draining { fence, .. }
        | Change::LockLost { fence, .. }
        | Change::Released { fence, .. } => Some(*fence),
        _ => None,
    }
}
