//! Harness of the stories: a log in memory for the lock state, and a room in virtual time for both
//! halves.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::{
    AutoPass, Change, ClientKind, Event, FailureDetector, Fence, GrantState, LockSettings,
    LockState, Mode, Proposal, Rights, Scope, SessionId, SessionRole, Time, Timings, UserKey,
    WriteRight,
};

pub(crate) const A: SessionId = SessionId(1);
pub(crate) const B: SessionId = SessionId(2);
pub(crate) const C: SessionId = SessionId(3);
pub(crate) const D: SessionId = SessionId(4);

pub(crate) fn joined(session: SessionId) -> Event {
    joined_as(session, ClientKind::LockAware, SessionRole::Writer)
}

pub(crate) fn joined_as(session: SessionId, client_kind: ClientKind, role: SessionRole) -> Event {
    Event::Joined {
        session,
        client_kind,
        role,
        rights: Rights::EDIT,
        user: None,
    }
}

/// Creates the record of a session that joins with rights and a user.
pub(crate) fn joined_with(session: SessionId, rights: Rights, user: u8) -> Event {
    Event::Joined {
        session,
        client_kind: ClientKind::LockAware,
        role: SessionRole::Writer,
        rights,
        user: Some(UserKey([user; 16])),
    }
}

pub(crate) fn resumed(session: SessionId, fences: &[Fence]) -> Event {
    Event::Resumed {
        session,
        fences: fences.to_vec(),
        rights: Rights::EDIT,
    }
}

pub(crate) fn acquire(session: SessionId) -> Event {
    let scope = Scope::WHOLE;
    Event::Acquire { session, scope }
}

pub(crate) fn acquire_of(session: SessionId, scope: &Scope) -> Event {
    let scope = scope.clone();
    Event::Acquire { session, scope }
}

pub(crate) fn try_now(session: SessionId) -> Event {
    let scope = Scope::WHOLE;
    Event::Try { session, scope }
}

/// Returns the scope of one path, written with slashes.
pub(crate) fn path(path: &str) -> Scope {
    Scope::of([path.split('/')]).expect("a path")
}

/// Returns the scope of several paths.
pub(crate) fn paths(paths: &[&str]) -> Scope {
    Scope::of(paths.iter().map(|path| path.split('/'))).expect("some paths")
}

/// State of the newest lock, for the many stories that have only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewestLock {
    Free,
    Offered { to: SessionId, fence: Fence },
    Held { by: SessionId, fence: Fence },
    Suspect { by: SessionId, fence: Fence },
    Recovering { by: SessionId, fence: Fence },
    Draining { by: SessionId, fence: Fence },
}

/// Returns the state of the newest lock.
pub(crate) fn state_of(lock_state: &LockState) -> NewestLock {
    let Some(grant) = lock_state.grants().next_back() else {
        return NewestLock::Free;
    };
    let (by, fence) = (grant.party, grant.fence);
    match grant.state {
        GrantState::Offered => NewestLock::Offered { to: by, fence },
        GrantState::Held => NewestLock::Held { by, fence },
        GrantState::Suspect => NewestLock::Suspect { by, fence },
        GrantState::Recovering => NewestLock::Recovering { by, fence },
        GrantState::Draining { .. } => NewestLock::Draining { by, fence },
    }
}

/// A lock state with a log of positions, which are large enough to differ from session ids.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) lock_state: LockState,
    pub(crate) position: u64,
}

impl Log {
    pub(crate) fn new(auto_pass: AutoPass) -> Self {
        Self {
            lock_state: LockState::new(LockSettings {
                epoch: 1,
                auto_pass,
                mode: Mode::default(),
            }),
            position: 100,
        }
    }

    /// Creates it with sessions that joined in this order.
    pub(crate) fn with(auto_pass: AutoPass, sessions: &[SessionId]) -> Self {
        let mut log = Self::new(auto_pass);
        for session in sessions {
            log.say(joined(*session));
        }
        log
    }

    #[expect(clippy::needless_pass_by_value, reason = "it reads better without")]
    pub(crate) fn say(&mut self, event: Event) -> Vec<Change> {
        let mut changes = Vec::new();
        self.position += 10;
        self.lock_state.apply(self.position, &event, &mut changes);
        changes
    }

    pub(crate) fn state(&self) -> NewestLock {
        state_of(&self.lock_state)
    }

    /// Returns true if the session may write in an unlocked root.
    pub(crate) fn may_write(&self, session: SessionId) -> WriteRight {
        self.lock_state.may_write(session, ["text"])
    }

    /// Returns the fence of an offer that the last record made.
    pub(crate) fn here(&self) -> Fence {
        Fence {
            epoch: 1,
            position: self.position,
        }
    }

    pub(crate) fn fence(&self) -> Fence {
        let newest = self.lock_state.grants().next_back();
        newest.expect("something is locked").fence
    }

    pub(crate) fn acquire(&mut self, session: SessionId) -> Vec<Change> {
        self.say(acquire(session))
    }

    pub(crate) fn claim(&mut self, session: SessionId) -> Fence {
        let fence = self.fence();
        self.claim_of(session, fence)
    }

    pub(crate) fn claim_of(&mut self, session: SessionId, fence: Fence) -> Fence {
        let changes = self.say(Event::Claim { session, fence });
        let granted = |change: &Change| matches!(change, Change::Granted { to, fence: of, .. } if (*to, *of) == (session, fence));
        assert!(changes.iter().any(granted), "{changes:?}");
        fence
    }

    /// Makes `session` the holder of a free scope.
    pub(crate) fn hold_of(&mut self, session: SessionId, scope: &Scope) -> Fence {
        let scope = scope.clone();
        self.say(Event::Acquire { session, scope });
        self.claim(session)
    }

    /// Makes `session` the holder of a free lock.
    pub(crate) fn hold(&mut self, session: SessionId) -> Fence {
        self.acquire(session);
        self.claim(session)
    }
}

/// Behaviour of a session in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers pings and beats, and claims offers.
    Well,
    /// Answers pings; its page is frozen.
    Frozen,
    /// Sends nothing.
    Dead,
}

/// Failure detector and lock state, with sessions that answer at once.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) log: Log,
    pub(crate) detector: FailureDetector,
    pub(crate) now: Time,
    pub(crate) manners: BTreeMap<SessionId, Manner>,
    /// Last input of some users; all others act all the time.
    pub(crate) inputs: BTreeMap<SessionId, Time>,
    /// True if healthy sessions claim their offers.
    pub(crate) claims: bool,
    /// True if draining holders say that they have drained.
    pub(crate) drains: bool,
    /// True if records are durable, and their notices sent, at once.
    pub(crate) tells: bool,
    /// Position up to which the notices of all records are sent.
    told: u64,
    /// All changes with their times.
    pub(crate) changes: Vec<(Time, Change)>,
    pub(crate) proposals: Vec<(Time, Proposal)>,
}

impl Room {
    pub(crate) fn new(timings: Timings, auto_pass: AutoPass) -> Self {
        Self {
            log: Log::new(auto_pass),
            detector: FailureDetector::new(timings).expect("the timings fit"),
            now: Time::from_millis(1_000),
            manners: BTreeMap::new(),
            inputs: BTreeMap::new(),
            claims: true,
            drains: true,
            tells: true,
            told: 0,
            changes: Vec::new(),
            proposals: Vec::new(),
        }
    }

    pub(crate) fn join(&mut self, session: SessionId, client_kind: ClientKind) {
        self.manners.insert(session, Manner::Well);
        self.detector.attached(session, client_kind, self.now);
        self.record(joined_as(session, client_kind, SessionRole::Writer));
    }

    pub(crate) fn resume(&mut self, session: SessionId, fences: &[Fence]) {
        self.manners.insert(session, Manner::Well);
        self.detector
            .attached(session, ClientKind::LockAware, self.now);
        self.record(resumed(session, fences));
    }

    pub(crate) fn disconnect(&mut self, session: SessionId) {
        self.manners.insert(session, Manner::Dead);
        self.detector.detached(session, self.now);
        self.record(Event::Disconnected { session });
    }

    /// Appends and applies a record, and lets the sessions react to its changes.
    pub(crate) fn record(&mut self, event: Event) -> Vec<Change> {
        let changes = self.log.say(event);
        self.detector
            .follow(&self.log.lock_state, &changes, self.now);
        self.changes
            .extend(changes.iter().map(|change| (self.now, change.clone())));
        for change in &changes {
            match *change {
                Change::Offered { to, fence, .. } if self.is_well(to) && self.claims => {
                    self.record(Event::Claim { session: to, fence });
                }
                Change::Draining { by, fence, .. } if self.is_well(by) && self.drains => {
                    self.record(Event::Drained { session: by, fence });
                }
                Change::Unsettled => {
                    self.record(Event::Settle);
                }
                _ => {}
            }
        }
        changes
    }

    /// Returns the answer that the last beat to this session confirmed, if it did.
    pub(crate) fn confirmed(&self, session: SessionId) -> Option<u64> {
        let beats = self.proposals.iter().rev();
        let mut confirmed = beats.filter_map(|(_, proposal)| match *proposal {
            Proposal::Beat {
                session: of,
                confirmed,
                ..
            } if of == session => Some(confirmed),
            _ => None,
        });
        confirmed.next().filter(|confirmed| *confirmed > 0)
    }

    fn is_well(&self, session: SessionId) -> bool {
        self.manners.get(&session) == Some(&Manner::Well)
    }

    /// Carries out the present proposals of the failure detector.
    pub(crate) fn handle_timeout(&mut self) -> Vec<Proposal> {
        let mut out = Vec::new();
        if self.tells {
            self.told = self.log.position;
        }
        self.detector
            .handle_timeout(self.now, &self.log.lock_state, self.told, &mut out);
        for proposal in &out {
            self.proposals.push((self.now, proposal.clone()));
            match *proposal {
                Proposal::Record(ref event) => {
                    self.record(event.clone());
                }
                Proposal::Ping { session } => {
                    if self.manners.get(&session) != Some(&Manner::Dead) {
                        self.detector.heard(session, self.now);
                    }
                }
                Proposal::Beat { session, n, .. } => {
                    if self.manners.get(&session) == Some(&Manner::Well) {
                        let input = self.inputs.get(&session).copied().unwrap_or(self.now);
                        let idle = self.now.since(input);
                        self.detector.answered(session, n, idle, self.now);
                    }
                }
                Proposal::Dead { session } => self.disconnect(session),
                Proposal::Health { .. } | Proposal::IdleWarning { .. } => {}
            }
        }
        out
    }

    /// Lets time pass, and handles every deadline when it comes.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.detector.poll_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.handle_timeout();
        }
        self.now = until;
    }

    /// Returns the time of the first such change at or after `since`.
    pub(crate) fn first(&self, since: Time, wanted: impl Fn(&Change) -> bool) -> Option<Duration> {
        self.changes
            .iter()
            .find(|(at, change)| *at >= since && wanted(change))
            .map(|(at, _)| at.since(since))
    }

    pub(crate) fn proposed(
        &self,
        since: Time,
        wanted: impl Fn(&Proposal) -> bool,
    ) -> Option<Duration> {
        self.proposals
            .iter()
            .find(|(at, proposal)| *at >= since && wanted(proposal))
            .map(|(at, _)| at.since(since))
    }

    pub(crate) fn state(&self) -> NewestLock {
        self.log.state()
    }
}
