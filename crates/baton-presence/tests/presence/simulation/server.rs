//! The server of the simulation: a log whose tail is not durable at once, the lock state over it,
//! the failure detector beside it, and one connection for each session. What followed from a record
//! is announced when the record is durable; a crash loses the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};

use baton_presence::{
    AutoPass, Change, ClientKind, Event, FailureDetector, Fence, GrantState, LockRefusal,
    LockSettings, LockSnapshot, LockState, LossReason, Mode, OfferEnd, Peer, Proposal, Rights,
    Scope, SessionHealth, SessionId, SessionRole, Time, Timings, UserKey, WriteRight,
};

use super::Flaw;
use super::net::{Down, Up};
use crate::harness::path;

/// A record and what followed from it.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// With the time at which it was made.
    Presence(Event, Vec<Change>, Time),
    /// An edit of a root that was applied.
    Edit(SessionId, &'static str, Option<Fence>),
    /// One that was parked.
    Parked(SessionId, Option<Fence>),
}

/// Who somebody is, as the server is configured to believe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) client_kind: ClientKind,
    pub(crate) rights: Rights,
    pub(crate) user: Option<UserKey>,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) lock_state: LockState,
    pub(crate) detector: FailureDetector,
    pub(crate) conns: BTreeMap<SessionId, usize>,
    pub(crate) log: Vec<(u64, Entry)>,
    pub(crate) durable: usize,
    /// The position of the last record whose words are on their way.
    told: u64,
    /// What each session was confirmed last.
    confirmed: BTreeMap<SessionId, u64>,
    /// A confirmation that went out before the word of a loss.
    pub(crate) overtook: Option<String>,
    snapshot: (usize, LockSnapshot),
    pub(crate) position: u64,
    next_session: u64,
    flaw: Flaw,
    /// When each lock came into the state that it is in.
    pub(crate) states: BTreeMap<Fence, (Discriminant<GrantState>, Time)>,
    /// When the request for each was made, by who waits for it now.
    pub(crate) requested: BTreeMap<Fence, Time>,
    /// What was taken over from somebody without a connection: those may believe for a while
    /// longer.
    pub(crate) taken: BTreeSet<Fence>,
    /// The scopes by which the flawed server calls the real ones.
    flat: Vec<(Scope, Scope)>,
    /// To be sent now, without waiting for anything to be durable.
    pub(crate) out: Vec<(SessionId, Down)>,
    /// Connections to be closed.
    pub(crate) close: Vec<usize>,
}

impl Server {
    pub(crate) fn new(timings: Timings, auto_pass: AutoPass, flaw: Flaw) -> Self {
        let lock_state = LockState::new(LockSettings {
            epoch: 1,
            auto_pass,
            mode: Mode::default(),
        });
        Self {
            snapshot: (0, lock_state.snapshot()),
            lock_state,
            detector: FailureDetector::new(timings).expect("the timings fit"),
            conns: BTreeMap::new(),
            log: Vec::new(),
            durable: 0,
            told: 0,
            confirmed: BTreeMap::new(),
            overtook: None,
            position: 0,
            next_session: 0,
            flaw,
            states: BTreeMap::new(),
            taken: BTreeSet::new(),
            requested: BTreeMap::new(),
            flat: Vec::new(),
            out: Vec::new(),
            close: Vec::new(),
        }
    }

    pub(crate) fn record(&mut self, event: Event, now: Time) {
        self.position += 1;
        let mut changes = Vec::new();
        self.lock_state.apply(self.position, &event, &mut changes);
        self.detector.follow(&self.lock_state, &changes, now);
        self.note_states(now);
        let mut next = Vec::new();
        for change in &changes {
            match *change {
                Change::Unsettled => next.push(Event::Settle),
                Change::Offered {
                    to: session, fence, ..
                } if self.flaw == Flaw::NoClaim => {
                    next.push(Event::Claim { session, fence });
                }
                Change::Draining {
                    by: session, fence, ..
                } if self.flaw == Flaw::DrainAtOnce => {
                    next.push(Event::DrainOver { session, fence });
                }
                Change::Draining {
                    by: session, fence, ..
                } if self.flaw == Flaw::DrainForHim => {
                    next.push(Event::Drained { session, fence });
                }
                Change::LockLost {
                    fence,
                    why: LossReason::TakenOver,
                    ..
                } => {
                    self.taken.insert(fence);
                }
                Change::Requested { fence, .. } => {
                    self.requested.insert(fence, now);
                }
                Change::Queued { session } if self.flaw == Flaw::Overtake => {
                    self.let_overtake(session);
                }
                Change::OfferEnded {
                    to,
                    why: OfferEnd::Expired,
                    ..
                } if self.flaw == Flaw::LoseTicket => self.lose_ticket(to),
                _ => {}
            }
        }
        let released = changes.iter().any(|c| matches!(c, Change::Released { .. }));
        let told = changes.into_iter().map(|change| self.real_change(change));
        let entry = Entry::Presence(event, told.collect(), now);
        self.log.push((self.position, entry));
        if self.flaw == Flaw::FenceReset
            && self.lock_state.grants().next().is_none()
            && self.lock_state.waiter_count() == 0
            && released
        {
            let mut snapshot = self.lock_state.snapshot();
            snapshot.position = None;
            snapshot.last_fence = None;
            self.lock_state = LockState::restore(&snapshot).expect("still a good snapshot");
            self.position = 0;
        }
        for event in next {
            self.record(event, now);
        }
    }

    fn note_states(&mut self, now: Time) {
        let grants: BTreeMap<_, _> = self
            .lock_state
            .grants()
            .map(|grant| (grant.fence, discriminant(&grant.state)))
            .collect();
        self.states.retain(|fence, _| grants.contains_key(fence));
        for (fence, state) in grants {
            let noted = self.states.entry(fence).or_insert((state, now));
            if noted.0 != state {
                *noted = (state, now);
            }
        }
    }

    /// A flaw: the newest ticket changes places with the oldest.
    fn let_overtake(&mut self, newest: SessionId) {
        let mut snapshot = self.lock_state.snapshot();
        let oldest = self.lock_state.waiters().next().map(|(session, _)| session);
        let place = |session| {
            snapshot
                .peers
                .iter()
                .position(|peer| Some(peer.session) == session)
        };
        if let (Some(one), Some(two)) = (place(oldest), place(Some(newest)))
            && one != two
        {
            let ticket = snapshot.peers[one].ticket;
            snapshot.peers[one].ticket = snapshot.peers[two].ticket;
            snapshot.peers[two].ticket = ticket;
            self.lock_state = LockState::restore(&snapshot).expect("still a good snapshot");
        }
    }

    /// A flaw: the session does not wait any more, and is not told.
    fn lose_ticket(&mut self, session: SessionId) {
        let mut snapshot = self.lock_state.snapshot();
        let waiter = |peer: &&mut Peer| peer.session == session;
        if let Some(peer) = snapshot.peers.iter_mut().find(waiter) {
            (peer.ticket, peer.wants) = (None, None);
            self.lock_state = LockState::restore(&snapshot).expect("still a good snapshot");
        }
    }

    /// What the lock state is told of a scope. The flaw: a lock state that compares paths for
    /// equality only is one that is told of no path which lies in another.
    fn fold_scope(&mut self, scope: Scope) -> Scope {
        if self.flaw != Flaw::EqualPathsOnly || scope.is_whole() {
            return scope;
        }
        let name = scope.to_string().replace('/', "-").replace(", ", "+");
        let flat = path(&name);
        self.flat.push((flat.clone(), scope));
        flat
    }

    fn real_scope(&self, scope: &mut Scope) {
        if let Some((_, real)) = self.flat.iter().find(|(flat, _)| flat == scope) {
            *scope = real.clone();
        }
    }

    fn real_change(&self, mut change: Change) -> Change {
        match &mut change {
            Change::Offered { scope, .. }
            | Change::OfferEnded { scope, .. }
            | Change::Granted { scope, .. }
            | Change::Resumed { scope, .. }
            | Change::Suspected { scope, .. }
            | Change::Recovering { scope, .. }
            | Change::Released { scope, .. }
            | Change::LockLost { scope, .. }
            | Change::TakenOver { scope, .. }
            | Change::Draining { scope, .. } => self.real_scope(scope),
            _ => {}
        }
        change
    }

    /// Returns the waiters in the order of their tickets, with the scopes that they asked for.
    pub(crate) fn queue(&self) -> Vec<(SessionId, Scope)> {
        let waiters = self.lock_state.waiters();
        let real = |(session, scope): (SessionId, &Scope)| {
            let mut scope = scope.clone();
            self.real_scope(&mut scope);
            (session, scope)
        };
        waiters.map(real).collect()
    }

    /// Everything up to here is on the disk.
    pub(crate) fn make_durable(&mut self) -> Vec<(u64, Entry)> {
        let mut fresh = self.log[self.durable..].to_vec();
        for (_, entry) in &mut fresh {
            if let Entry::Presence(
                Event::Acquire { scope, .. }
                | Event::Request { scope, .. }
                | Event::TakeOver { scope, .. }
                | Event::MoveHere { scope, .. },
                ..,
            ) = entry
            {
                self.real_scope(scope);
            }
        }
        self.durable = self.log.len();
        self.told = self.log.last().map_or(0, |(position, _)| *position);
        if self.durable > self.snapshot.0 + 40 {
            self.snapshot = (self.durable, self.lock_state.snapshot());
        }
        fresh
    }

    /// What was not durable is gone; the rest is read again.
    pub(crate) fn restart(&mut self, timings: Timings, now: Time) {
        self.log.truncate(self.durable);
        self.position = self.log.last().map_or(0, |(position, _)| *position);
        let (from, snapshot) = &self.snapshot;
        self.lock_state = LockState::restore(snapshot).expect("a good snapshot");
        let mut forgotten = Vec::new();
        for (position, entry) in &self.log[*from..] {
            if let Entry::Presence(event, changes, _) = entry {
                forgotten.clear();
                self.lock_state.apply(*position, event, &mut forgotten);
                let same = &forgotten == changes || self.flaw != Flaw::None;
                assert!(
                    same,
                    "a replay says what was said before: {forgotten:?} {changes:?}"
                );
            }
        }
        if self.flaw == Flaw::ForgetHolder {
            let mut snapshot = self.lock_state.snapshot();
            snapshot.grants.clear();
            self.lock_state = LockState::restore(&snapshot).expect("still a good snapshot");
        }
        if self.flaw == Flaw::ForgetScopes {
            let mut snapshot = self.lock_state.snapshot();
            for (index, grant) in snapshot.grants.iter_mut().enumerate() {
                grant.scope = path(&format!("forgotten{index}"));
            }
            self.lock_state = LockState::restore(&snapshot).expect("still a good snapshot");
        }
        self.detector = FailureDetector::new(timings).expect("the timings fit");
        self.conns.clear();
        self.out.clear();
        self.close.clear();
        self.states.clear();
        self.record(Event::Restarted, now);
    }

    /// Returns which session it is.
    pub(crate) fn hello(
        &mut self,
        conn: usize,
        visitor: Visitor,
        resume: Option<SessionId>,
        fences: Vec<Fence>,
        now: Time,
    ) -> SessionId {
        let known = resume.filter(|session| self.lock_state.peer(*session).is_some());
        let session = known.unwrap_or_else(|| {
            self.next_session += 1;
            SessionId(self.next_session)
        });
        if let Some(old) = self.conns.insert(session, conn) {
            self.close.push(old);
        }
        let Visitor {
            client_kind, user, ..
        } = visitor;
        let rights = match self.flaw {
            Flaw::RightsForAll => Rights::ALL,
            _ => visitor.rights,
        };
        self.detector.attached(session, client_kind, now);
        let event = match known {
            Some(_) => Event::Resumed {
                session,
                fences,
                rights,
            },
            None => Event::Joined {
                session,
                client_kind,
                role: SessionRole::Writer,
                rights,
                user,
            },
        };
        self.record(event, now);
        self.out.push((session, Down::Welcome(session)));
        session
    }

    pub(crate) fn receive(&mut self, session: SessionId, up: Up, now: Time) {
        self.detector.heard(session, now);
        let event = match up {
            Up::Hello { .. } | Up::Pong => return,
            Up::Answer(n, idle) => {
                self.detector.answered(session, n, idle, now);
                return;
            }
            Up::Edit(root, fence) => return self.edit(session, root, fence),
            Up::TakeOver(_) if self.detector.take_over_ready(session, now).is_err() => return,
            Up::Acquire(scope) => {
                let scope = self.fold_scope(scope);
                Event::Acquire { session, scope }
            }
            Up::Request(scope) => {
                let scope = self.fold_scope(scope);
                Event::Request { session, scope }
            }
            Up::TakeOver(scope) => {
                let scope = self.fold_scope(scope);
                Event::TakeOver { session, scope }
            }
            Up::MoveHere(scope) => {
                let scope = self.fold_scope(scope);
                Event::MoveHere { session, scope }
            }
            Up::Transfer(fence, to) => Event::Transfer { session, fence, to },
            Up::Drained(fence) => Event::Drained { session, fence },
            Up::Cancel => Event::Cancel { session },
            Up::Claim(fence) => Event::Claim { session, fence },
            Up::Decline(fence, later) => Event::Decline {
                session,
                fence,
                later,
            },
            Up::Release(fence) => Event::Release { session, fence },
            Up::Done => {
                if let Some(conn) = self.conns.remove(&session) {
                    self.close.push(conn);
                }
                Event::Done { session }
            }
        };
        self.record(event, now);
    }

    /// Whether the session lost something, or is to leave it, by a record that is not durable yet.
    fn owes_a_word(&self, session: SessionId) -> bool {
        let stops = |change: &Change| match *change {
            Change::LockLost { by, .. } | Change::Draining { by, .. } => by == session,
            _ => false,
        };
        self.log[self.durable..]
            .iter()
            .any(|(_, entry)| match entry {
                Entry::Presence(_, changes, _) => changes.iter().any(stops),
                Entry::Edit(..) | Entry::Parked(..) => false,
            })
    }

    /// Token check, apply and log append are one step.
    fn edit(&mut self, session: SessionId, root: &'static str, fence: Option<Fence>) {
        let may = match self.lock_state.may_write(session, [root]) {
            WriteRight::Free => true,
            WriteRight::Holder(_) => self
                .lock_state
                .held_by(session)
                .any(|grant| Some(grant.fence) == fence && grant.scope.reaches(root)),
            WriteRight::Refused { .. } => self.flaw == Flaw::NoFenceCheck,
        };
        self.position += 1;
        let entry = if may {
            Entry::Edit(session, root, fence)
        } else {
            Entry::Parked(session, fence)
        };
        self.log.push((self.position, entry));
    }

    pub(crate) fn closed(&mut self, session: SessionId, now: Time) {
        self.conns.remove(&session);
        self.detector.detached(session, now);
        self.record(Event::Disconnected { session }, now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        let mut proposals = Vec::new();
        let told = match self.flaw {
            Flaw::ConfirmToTheLoser => u64::MAX,
            Flaw::ForgetToTell => 0,
            _ => self.told,
        };
        self.detector
            .handle_timeout(now, &self.lock_state, told, &mut proposals);
        for proposal in &proposals {
            if let Proposal::Beat {
                session, confirmed, ..
            } = *proposal
            {
                let before = self.confirmed.insert(session, confirmed);
                if before < Some(confirmed) && confirmed > 0 && self.owes_a_word(session) {
                    self.overtook = Some(format!("{confirmed} to {session}"));
                }
            }
        }
        for proposal in proposals {
            match proposal {
                Proposal::Record(Event::RequestOver { .. })
                    if self.flaw == Flaw::RequestForEver => {}
                Proposal::Record(Event::PauseOver { .. }) if self.flaw == Flaw::NeverAgain => {}
                Proposal::Record(event) => self.record(event, now),
                Proposal::IdleWarning { .. } => {}
                Proposal::Ping { session } => self.out.push((session, Down::Ping)),
                Proposal::Beat {
                    session,
                    n,
                    confirmed,
                } => self.out.push((session, Down::Beat(n, confirmed))),
                Proposal::Health { session, health } => {
                    if self.flaw == Flaw::HandOverEarly && health == SessionHealth::Shaky {
                        self.record(Event::Lost { session }, now);
                    }
                }
                Proposal::Dead { session } => {
                    if let Some(conn) = self.conns.remove(&session) {
                        self.close.push(conn);
                    }
                    self.closed(session, now);
                }
            }
        }
    }

    /// What a change says, and to whom.
    pub(crate) fn message(change: &Change) -> Option<(SessionId, Down)> {
        match *change {
            Change::Offered { to, fence, .. } => Some((to, Down::Offered(fence))),
            Change::OfferEnded { to, .. } => Some((to, Down::OfferEnded)),
            Change::Granted {
                to: by,
                fence,
                ref scope,
            }
            | Change::Resumed {
                by,
                fence,
                ref scope,
            } => Some((by, Down::Yours(fence, scope.clone()))),
            Change::Draining { by, fence, .. } => Some((by, Down::Drain(fence))),
            Change::LockLost { by, fence, .. } => Some((by, Down::Lost(fence))),
            _ => None,
        }
    }

    /// What a refused resume says; other stale fences tell a client nothing that it must act on.
    pub(crate) fn refused(event: &Event, change: &Change) -> Option<(SessionId, Down)> {
        let (session, fence) = stale(change)?;
        let resumes = matches!(event, Event::Resumed { .. });
        resumes.then_some((session, Down::ResumeRefused(fence)))
    }
}

fn stale(change: &Change) -> Option<(SessionId, Fence)> {
    match *change {
        Change::Refused {
            session,
            why: LockRefusal::StaleFence { named, .. },
        } => Some((session, named)),
        _ => None,
    }
}
