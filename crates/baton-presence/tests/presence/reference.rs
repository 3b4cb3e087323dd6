//! A second implementation of the lock, of the whole document only, as naive as the table reads.
//! Under random records both must be in the same state after each.

use baton_presence::{
    AutoPass, Change, ClientKind, Event, Fence, Lateness, LockSettings, LockState, Mode, Presence,
    SessionId, SessionRole,
};
use baton_testkit::Random;

use crate::harness::{NewestLock, acquire, joined_as, resumed, state_of, try_now};

#[derive(Debug, Clone)]
struct Someone {
    id: SessionId,
    can_hold: bool,
    presence: Presence,
    ticket: Option<u64>,
    missed: Vec<Fence>,
}

#[derive(Debug)]
struct Reference {
    here: u64,
    auto_pass: bool,
    /// In the order in which they joined.
    people: Vec<Someone>,
    state: NewestLock,
    overdue: bool,
    /// True if the open offer began with a holder that went offline.
    offline: bool,
    last_grant: Option<Fence>,
}

impl Reference {
    fn someone(&mut self, id: SessionId) -> Option<&mut Someone> {
        self.people.iter_mut().find(|one| one.id == id)
    }

    /// The holder, or the session that is offered the lock.
    fn party(&self) -> Option<(SessionId, Fence)> {
        match self.state {
            NewestLock::Free => None,
            NewestLock::Offered { to, fence } => Some((to, fence)),
            NewestLock::Held { by, fence }
            | NewestLock::Suspect { by, fence }
            | NewestLock::Draining { by, fence }
            | NewestLock::Recovering { by, fence } => Some((by, fence)),
        }
    }

    fn enter(&mut self, state: NewestLock) {
        self.state = state;
        self.overdue = false;
    }

    fn offer_to_next(&mut self, offline: bool, asker: Option<SessionId>) {
        let last = self.last_grant;
        let missed = |one: &Someone| {
            let missed = one.missed.iter().copied();
            missed.filter(|m| last.is_none_or(|g| *m > g)).max()
        };
        // A session in its pause still waits; one that an older server passed over does not.
        let pauses = |one: &Someone| {
            let since = missed(one).map(|missed| missed.position);
            since.is_some_and(|since| one.ticket.is_some_and(|ticket| ticket > since))
        };
        let here = |one: &&Someone| one.can_hold && one.presence == Presence::Live;
        let here: Vec<Someone> = self.people.iter().filter(here).cloned().collect();
        let able = |one: &&Someone| missed(one).is_none();
        let mut waiting: Vec<&Someone> = here
            .iter()
            .filter(|one| one.ticket.is_some() && (able(one) || pauses(one)))
            .collect();
        waiting.sort_unstable_by_key(|one| one.ticket);
        let oldest_ticket = waiting.first().copied().filter(|first| {
            // A waiter in its pause is woken by those behind it.
            able(first) || waiting.iter().any(able)
        });
        let nobody_waits = waiting.iter().all(|one| Some(one.id) == asker);
        let oldest_peer = here.iter().find(able);
        let oldest_peer = oldest_peer.filter(|_| offline && self.auto_pass && waiting.is_empty());
        let asking = here.iter().filter(able).find(|one| Some(one.id) == asker);
        let asking = asking.filter(|_| nobody_waits);
        let position = self.here;
        let next = asking.or(oldest_ticket).or(oldest_peer).map(|one| one.id);
        self.enter(next.map_or(NewestLock::Free, |to| NewestLock::Offered {
            to,
            fence: Fence { epoch: 1, position },
        }));
        self.offline = offline;
    }

    /// Offers a lock that is free or overdue, if a session can take it.
    fn settle(&mut self, asker: Option<SessionId>) {
        let silent = match self.state {
            NewestLock::Held { by, .. } => self
                .someone(by)
                .is_some_and(|one| one.presence != Presence::Live),
            _ => false,
        };
        let (state, overdue) = (self.state, self.overdue);
        if state == NewestLock::Free {
            self.offer_to_next(false, asker);
        } else if silent || overdue {
            self.offer_to_next(true, asker);
            if self.state == NewestLock::Free {
                (self.state, self.overdue) = (state, overdue);
            }
        }
    }

    fn miss(&mut self, id: SessionId, fence: Fence) {
        if let Some(one) = self.someone(id) {
            one.missed.push(fence);
        }
        self.offer_to_next(self.offline, None);
    }

    fn hold(&mut self, by: SessionId, fence: Fence) {
        self.enter(NewestLock::Held { by, fence });
        self.last_grant = Some(fence);
        if let Some(one) = self.someone(by) {
            (one.ticket, one.missed) = (None, Vec::new());
        }
    }

    fn apply(&mut self, here: u64, event: &Event) {
        self.here = here;
        let mut trying = None;
        match *event {
            Event::Joined {
                session,
                client_kind,
                role,
                ..
            } => {
                if self.someone(session).is_none() {
                    self.people.push(Someone {
                        id: session,
                        can_hold: client_kind == ClientKind::LockAware
                            && role == SessionRole::Writer,
                        presence: Presence::Live,
                        ticket: None,
                        missed: Vec::new(),
                    });
                    self.people.sort_by_key(|one| one.id);
                }
            }
            Event::Acquire { session, .. } | Event::Try { session, .. } => {
                let offered = matches!(self.state, NewestLock::Offered { .. });
                let has_it = !offered && self.party().is_some_and(|(who, _)| who == session);
                if let Some(one) = self.someone(session)
                    && one.can_hold
                    && one.presence != Presence::Away
                {
                    one.missed.clear();
                    if matches!(event, Event::Acquire { .. }) {
                        if !has_it {
                            one.ticket.get_or_insert(here);
                        }
                    } else {
                        self.settle(None);
                        trying = Some(session);
                    }
                }
            }
            Event::Cancel { session } => {
                if let Some(one) = self.someone(session) {
                    one.ticket = None;
                    self.refuse(session);
                }
            }
            Event::OldDecline { session, fence } | Event::OldOfferExpired { session, fence } => {
                if self.state == (NewestLock::Offered { to: session, fence }) {
                    self.miss(session, fence);
                }
            }
            Event::Decline { session, fence, .. } | Event::OfferExpired { session, fence } => {
                let leaves = matches!(event, Event::Decline { later: false, .. });
                if self.state == (NewestLock::Offered { to: session, fence })
                    && let Some(one) = self.someone(session)
                {
                    one.ticket = one.ticket.map(|_| here).filter(|_| !leaves);
                    self.miss(session, fence);
                }
            }
            Event::PauseOver { session, fence } => {
                if let Some(one) = self.someone(session) {
                    one.missed.retain(|missed| *missed > fence);
                }
            }
            Event::Claim { session, fence } => self.claim(session, fence),
            Event::Release { session, fence } => {
                let offered = matches!(self.state, NewestLock::Offered { .. });
                if self.party() == Some((session, fence)) && !offered {
                    self.offer_to_next(false, None);
                }
            }
            Event::GraceOver { session, fence } => {
                self.overdue |= self.state == (NewestLock::Suspect { by: session, fence });
            }
            Event::RecoveryOver { session, fence } => {
                self.overdue |= self.state == (NewestLock::Recovering { by: session, fence });
            }
            Event::AutoPassSet(auto_pass) => self.auto_pass = auto_pass == AutoPass::On,
            Event::Restarted => {
                self.people
                    .iter_mut()
                    .for_each(|one| one.presence = Presence::Away);
                if let Some((by, fence)) = self.party() {
                    self.enter(NewestLock::Recovering { by, fence });
                }
            }
            Event::ConnectionsLost {
                ref sessions,
                ref overdue,
            } => {
                self.lose_connections(sessions, false);
                self.lose_connections(overdue, true);
            }
            _ => self.come_or_go(event),
        }
        self.settle(trying);
    }

    fn lose_connections(&mut self, sessions: &[SessionId], overdue: bool) {
        for session in sessions {
            let is_connected = |one: &&mut Someone| one.presence != Presence::Away;
            let Some(one) = self.someone(*session).filter(is_connected) else {
                continue;
            };
            one.presence = Presence::Away;
            if let Some((by, fence)) = self.party().filter(|(by, _)| by == session) {
                self.enter(NewestLock::Recovering { by, fence });
                self.overdue = overdue;
            }
        }
    }

    fn refuse(&mut self, session: SessionId) {
        if let NewestLock::Offered { to, fence } = self.state
            && to == session
        {
            self.miss(to, fence);
        }
    }

    fn claim(&mut self, session: SessionId, fence: Fence) {
        if self.state == (NewestLock::Offered { to: session, fence }) {
            self.hold(session, fence);
        } else if let Some(one) = self.someone(session) {
            one.missed.retain(|missed| *missed != fence);
        }
    }

    fn come_or_go(&mut self, event: &Event) {
        let offline = self.offline;
        let (Event::Resumed { session, .. }
        | Event::Disconnected { session }
        | Event::Lost { session }
        | Event::Back { session }
        | Event::Done { session }
        | Event::Forgotten { session }) = *event
        else {
            unreachable!("{event:?} is handled above");
        };
        let Some(one) = self.someone(session) else {
            return;
        };
        let before = one.presence;
        let away = before == Presence::Away;
        match event {
            Event::Resumed { .. } => (one.presence, one.missed) = (Presence::Live, Vec::new()),
            Event::Disconnected { .. } => one.presence = Presence::Away,
            Event::Lost { .. } if !away => one.presence = Presence::Silent,
            Event::Back { .. } if before == Presence::Silent => {
                (one.presence, one.missed) = (Presence::Live, Vec::new());
            }
            _ => {}
        }
        let mine = self.party().is_some_and(|(who, _)| who == session);
        let leaves = matches!(event, Event::Done { .. })
            || matches!(event, Event::Forgotten { .. }) && away && !mine;
        if leaves {
            self.people.retain(|one| one.id != session);
        }
        match (self.state, event) {
            _ if !mine => {}
            (NewestLock::Offered { .. }, Event::Disconnected { .. } | Event::Lost { .. }) => {
                self.offer_to_next(offline, None);
            }
            (NewestLock::Offered { .. }, Event::Done { .. }) => self.offer_to_next(offline, None),
            (_, Event::Done { .. }) => self.offer_to_next(false, None),
            (NewestLock::Held { by, fence }, Event::Disconnected { .. }) => {
                self.enter(NewestLock::Suspect { by, fence });
                self.overdue = before == Presence::Silent;
            }
            (NewestLock::Suspect { .. } | NewestLock::Recovering { .. }, Event::Lost { .. }) => {
                self.overdue = true;
            }
            (NewestLock::Offered { .. }, Event::Resumed { .. }) => {}
            (_, Event::Resumed { fences: named, .. }) => {
                let (by, fence) = self.party().expect("it is mine");
                if named.is_empty() || named.contains(&fence) {
                    self.hold(by, fence);
                } else {
                    self.offer_to_next(true, None);
                }
            }
            _ => {}
        }
    }
}

fn some_event(random: &mut Random, lock_state: &LockState, fences: &[Fence]) -> Event {
    let session = SessionId(random.below(6) + 1);
    let grant = lock_state.grants().next();
    let party = grant.map(|grant| (grant.party, grant.fence));
    // Most records fit the present state; some are overtaken.
    let (session, fence) = match party {
        Some((who, fence)) if random.chance(50) => (who, fence),
        Some((_, fence)) if random.chance(50) => (session, fence),
        _ => {
            let none = [Fence {
                epoch: 1,
                position: 0,
            }];
            let old = if fences.is_empty() { &none } else { fences };
            (session, *random.pick(old))
        }
    };
    match random.below(25) {
        0 | 1 => {
            let client_kind = if random.chance(85) {
                ClientKind::LockAware
            } else {
                ClientKind::LockUnaware
            };
            let role = if random.chance(85) {
                SessionRole::Writer
            } else {
                SessionRole::Observer
            };
            joined_as(session, client_kind, role)
        }
        2 | 3 => {
            let named = random.chance(60).then_some(fence);
            resumed(session, named.as_slice())
        }
        4 => Event::Disconnected { session },
        5 if random.chance(30) => Event::Done { session },
        6 | 7 => Event::Lost { session },
        8 | 9 => Event::Back { session },
        10 if random.chance(30) => Event::Forgotten { session },
        11 | 12 => acquire(session),
        13 => try_now(session),
        14 => Event::Cancel { session },
        15 => Event::Release { session, fence },
        16 | 17 => Event::Claim { session, fence },
        18 => {
            let later = random.chance(50);
            Event::Decline {
                session,
                fence,
                later,
            }
        }
        19 => Event::OfferExpired { session, fence },
        22 if random.chance(50) => Event::OldDecline { session, fence },
        22 => Event::OldOfferExpired { session, fence },
        23 | 24 => {
            let missed = lock_state.peers().flat_map(|peer| {
                let missed = peer.missed_offers.iter();
                missed.map(|missed| (peer.session, missed.fence))
            });
            let missed: Vec<_> = missed.chain([(session, fence)]).collect();
            let (session, fence) = *random.pick(&missed);
            Event::PauseOver { session, fence }
        }
        20 => Event::GraceOver { session, fence },
        21 => Event::RecoveryOver { session, fence },
        _ if random.chance(20) => Event::Restarted,
        _ if random.chance(25) => {
            let (lost, other) = (vec![session, SessionId(random.below(6) + 1)], Vec::new());
            let (sessions, overdue) = match random.chance(50) {
                true => (lost, other),
                false => (other, lost),
            };
            Event::ConnectionsLost { sessions, overdue }
        }
        _ if random.chance(50) => Event::AutoPassSet(AutoPass::Off),
        _ => Event::AutoPassSet(AutoPass::On),
    }
}

/// The state that a reader of the changes alone would believe in.
fn believe(state: NewestLock, change: &Change) -> NewestLock {
    match *change {
        Change::Offered { to, fence, .. } => NewestLock::Offered { to, fence },
        Change::Granted { to: by, fence, .. } | Change::Resumed { by, fence, .. } => {
            NewestLock::Held { by, fence }
        }
        Change::Suspected { by, fence, .. } => NewestLock::Suspect { by, fence },
        Change::Recovering { by, fence, .. } => NewestLock::Recovering { by, fence },
        Change::Freed { .. } => NewestLock::Free,
        _ => state,
    }
}

fn run(seed: u64) {
    let mut random = Random::from_seed(seed);
    let mut lock_state = LockState::new(LockSettings {
        epoch: 1,
        auto_pass: AutoPass::On,
        // In this mode a lost holder does not give way to a writer that cannot hold one.
        mode: Mode::Required,
    });
    let mut reference = Reference {
        here: 0,
        auto_pass: true,
        people: Vec::new(),
        state: NewestLock::Free,
        overdue: false,
        offline: false,
        last_grant: None,
    };
    let mut fences: Vec<Fence> = Vec::new();
    let mut believed = NewestLock::Free;
    let mut position = 0;
    let mut changes = Vec::new();
    for step in 0..300 {
        position += 1 + random.below(3);
        let event = some_event(&mut random, &lock_state, &fences);
        changes.clear();
        lock_state.apply(position, &event, &mut changes);
        reference.apply(position, &event);
        let at = format!("seed {seed}, step {step}: {event:?} gave {changes:?}");
        assert_eq!(state_of(&lock_state), reference.state, "{at}");
        let held = matches!(state_of(&lock_state), NewestLock::Held { .. });
        let overdue = lock_state
            .grants()
            .any(|grant| grant.lateness == Lateness::Overdue);
        assert_eq!(overdue, reference.overdue && !held, "{at}");
        believed = changes.iter().fold(believed, believe);
        assert_eq!(believed, state_of(&lock_state), "told otherwise: {at}");
        let mut queue: Vec<_> = reference
            .people
            .iter()
            .filter_map(|one| Some((one.ticket?, one.id)))
            .collect();
        queue.sort_unstable();
        assert!(
            lock_state
                .waiters()
                .map(|(id, _)| id)
                .eq(queue.iter().map(|(_, id)| *id)),
            "{at}"
        );
        let roster = lock_state.peers().map(|peer| (peer.session, peer.presence));
        let people = reference.people.iter().map(|one| (one.id, one.presence));
        assert!(roster.eq(people), "{at}");
        for change in &changes {
            if let Change::Offered { fence, .. } = change {
                assert!(fences.last().is_none_or(|last| last <= fence), "S2: {at}");
                fences.push(*fence);
            }
        }
        let restored = LockState::restore(&lock_state.snapshot());
        assert_eq!(restored.as_ref(), Ok(&lock_state), "{at}");
        if random.chance(10) {
            lock_state = restored.expect("just compared");
        }
    }
}

#[test]
fn the_machine_and_a_naive_lock_agree_on_every_record() {
    for seed in 0..2_000 {
        run(seed);
    }
}
