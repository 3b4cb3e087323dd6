//! The server of the model: what it does with a record, a message, a timer, a crash.
//!
//! Who holds what is decided by the real fold alone. What a server adds to it, and so the flaws that are
//! a server's, are here.

use baton_presence::{
    Change, ClientKind, Event, Fence, GrantState, Lateness, LockRefusal, LockState, Presence,
    SessionId, StopNotices, WriteRight,
};

use crate::book::{self, Applied, Around};
use crate::messages::{Down, Fences, Message, Up};
use crate::places::{Place, Root};
use crate::state::{State, joined, rights_of};
use crate::{Flaw, Link, Operation, Rule, Settings, flaws, rules};

/// The position, to the watch's rule, of every record whose words wait; what is before it is told.
const WAITS: u64 = 1;

/// The words of the loss of these.
fn words(fences: impl IntoIterator<Item = Fence>) -> StopNotices {
    let session = SessionId(0);
    let mut words = StopNotices::default();
    for named in fences {
        let why = LockRefusal::StaleFence { named, now: None };
        words.follow(session, &Change::Refused { session, why }, WAITS);
    }
    words
}

impl State {
    /// Appends and applies a record. What follows is said when it is durable.
    pub(crate) fn record(&mut self, event: &Event, settings: &Settings) {
        let Ok(mut fold) = LockState::restore(&self.now.fold) else {
            // A fold whose own snapshot is refused has lost a lock's holder from sight.
            self.broken = Some(Rule::S1);
            return;
        };
        let mut changes = Vec::new();
        let position = fold.position().map_or(1, |last| last + 1);
        fold.apply(position, event, &mut changes);
        let before = std::mem::replace(&mut self.now.fold, fold.snapshot());
        self.note_words(&changes);
        self.begin_leases(&before, settings);
        self.restart_clocks(&before, &changes);
        self.judge(position, event, &changes, settings);
        let told = book::told(event, &changes);
        self.tail
            .extend(told.into_iter().map(|(to, down)| Message::Down(to, down)));
        flaws::after(&mut self.now.fold, &before, event, &changes, settings.flaw);
        for next in flaws::next(&changes, settings.flaw) {
            self.record(&next, settings);
        }
        if self.crashes == 0 {
            // Nothing can be lost any more, and a message may be late anyway.
            self.make_durable(settings);
        } else if settings.flaw == Flaw::AnnounceEarly {
            self.announce();
        }
    }

    fn judge(&mut self, position: u64, event: &Event, changes: &[Change], settings: &Settings) {
        let clients = &self.clients;
        let runs = |session| {
            let mut all = clients.iter();
            all.any(|client| client.session == Some(session))
        };
        let around = Around {
            position,
            event,
            changes,
            after: &self.now.fold,
            announced: self.announced,
            runs: &runs,
            flaw: settings.flaw,
        };
        if let Err(rule) = self.now.book.record(&around) {
            self.broken.get_or_insert(rule);
        }
        if settings.flaw == Flaw::None && !self.now.book.agrees(&self.now.fold) {
            self.broken.get_or_insert(Rule::Told);
        }
    }

    /// Which lock is timed anew: one in another state, and those of a holder who was heard.
    fn restart_clocks(&mut self, before: &baton_presence::LockSnapshot, changes: &[Change]) {
        let kind = std::mem::discriminant::<GrantState>;
        for grant in &self.now.fold.grants {
            let was = before.grants.iter().find(|old| old.fence == grant.fence);
            if was.is_none_or(|was| kind(&was.state) != kind(&grant.state)) {
                self.clocks.insert(grant.fence, 0);
            }
        }
        for change in changes {
            match *change {
                // A claim of an open offer, or a resume, is a sign of life as an answer is.
                Change::Granted { to: by, fence, .. } | Change::Resumed { by, fence, .. } => {
                    let held = |grant: &&baton_presence::Grant| {
                        grant.fence == fence && grant.state == GrantState::Held
                    };
                    let again = before.grants.iter().any(|grant| held(&grant));
                    if !again || matches!(change, Change::Resumed { .. }) {
                        self.heard_from(by);
                    }
                }
                _ => {}
            }
        }
    }

    /// The silence of a holder is over, in all that it holds.
    fn heard_from(&mut self, session: SessionId) {
        for grant in &self.now.fold.grants {
            if grant.party == session && grant.state == GrantState::Held {
                self.clocks.insert(grant.fence, 0);
            }
        }
    }

    /// What the changes have to tell the sessions, by the rule of the watch.
    fn note_words(&mut self, changes: &[Change]) {
        let sessions = self.now.fold.peers.iter().map(|peer| peer.session);
        let sessions: Vec<SessionId> = sessions.collect();
        for change in changes {
            for session in &sessions {
                self.unsaid.retain(|(of, fence)| {
                    let mut words = words([*fence]);
                    words.follow(*of, change, WAITS);
                    of != session || !words.is_empty()
                });
                let (Change::LockLost { fence, .. }
                | Change::Draining { fence, .. }
                | Change::Refused {
                    why: LockRefusal::StaleFence { named: fence, .. },
                    ..
                }) = *change
                else {
                    continue;
                };
                let mut words = StopNotices::default();
                words.follow(*session, change, WAITS);
                if !words.is_empty() {
                    self.unsaid.insert((*session, fence));
                }
            }
        }
    }

    /// The words that wait to be told to this session.
    fn words(&self, session: SessionId) -> StopNotices {
        let unsaid = self.unsaid.iter().filter(|(of, _)| *of == session);
        words(unsaid.map(|(_, fence)| *fence))
    }

    /// Whether answers of this session are confirmed, by the rule of the watch.
    pub(crate) fn may_confirm(&self, session: SessionId) -> bool {
        self.words(session).beat(0, WAITS - 1)
    }

    /// Everything that was applied is on the disk now.
    pub(crate) fn make_durable(&mut self, settings: &Settings) {
        self.durable = self.now.clone();
        let told = match settings.flaw {
            Flaw::ForgetToTell => WAITS - 1,
            _ => WAITS,
        };
        let sessions: Vec<_> = self.unsaid.iter().map(|(session, _)| *session).collect();
        for session in sessions {
            if self.words(session).beat(0, told) {
                self.unsaid.retain(|(of, _)| *of != session);
            }
        }
        self.announce();
    }

    /// A holder that cannot be told to stop, or may not have heard it, has as much of its lease behind it
    /// as its lock has of silence. Only where that is not waited for in any case.
    fn begin_leases(&mut self, before: &baton_presence::LockSnapshot, settings: &Settings) {
        if settings.grace >= settings.server_pass {
            return;
        }
        for grant in &self.now.fold.grants {
            let was = before.grants.iter().find(|old| old.fence == grant.fence);
            let held = was.is_some_and(|was| was.state == GrantState::Held);
            let waits = matches!(
                grant.state,
                GrantState::Suspect | GrantState::Draining { .. }
            );
            if held && waits {
                let clock = self.clocks.get(&grant.fence).copied().unwrap_or(0);
                self.leases.insert(grant.fence, clock);
            }
        }
    }

    fn announce(&mut self) {
        for mut message in std::mem::take(&mut self.tail) {
            let newest = message.fences_mut().map(|fence| *fence).max();
            self.announced = self.announced.max(newest);
            self.send(message);
        }
    }

    /// To somebody who is there; what is for nobody is not worth a state.
    fn send(&mut self, message: Message) {
        let reaches = match message {
            Message::Down(session, _) => {
                self.presence(session) != Presence::Away && self.client_of(session).is_some()
            }
            _ => true,
        };
        if reaches {
            self.net.insert(message);
        }
    }

    /// What was not durable is gone; the rest is read again; nobody has a connection.
    pub(crate) fn crash(&mut self, settings: &Settings) {
        self.crashes -= 1;
        self.now = self.durable.clone();
        self.tail.clear();
        self.net.clear();
        if settings.flaw == Flaw::ForgetHolder {
            self.now.fold.grants.clear();
        }
        if settings.flaw == Flaw::ForgetScopes {
            for grant in &mut self.now.fold.grants {
                grant.scope = Place::InA.scope(settings.flaw);
            }
        }
        self.clocks.clear();
        self.leases.clear();
        self.unsaid.clear();
        self.record(&Event::Restarted, settings);
    }

    /// The server sees that a connection is gone. What came on it and was not read counts for nothing.
    pub(crate) fn disconnect(&mut self, session: SessionId, settings: &Settings) {
        self.hang_up(session);
        self.record(&Event::Disconnected { session }, settings);
    }

    fn hang_up(&mut self, session: SessionId) {
        let unread = |message: &Message| matches!(message, Message::Up(s, _) if *s == session);
        self.net.retain(|message| !unread(message));
    }

    /// A message for the server.
    pub(crate) fn receive(&mut self, message: Message, settings: &Settings) {
        let flaw = settings.flaw;
        let (session, up) = match message {
            Message::Hello {
                client,
                resume,
                fences,
            } => return self.hello(client, resume, fences, settings),
            Message::Up(session, up) => (session, up),
            Message::Welcome { .. } | Message::Down(..) => return,
        };
        let event = match up {
            Up::Answer { left } => return self.answered(session, left, settings),
            Up::Edit(root, carried) => return self.edit(session, root, carried, settings),
            Up::Claim(fence) => {
                self.now.book.heard = Some(fence);
                self.record(&Event::Claim { session, fence }, settings);
                self.now.book.heard = None;
                self.durable.book.heard = None;
                return;
            }
            Up::Acquire(place) => Event::Acquire {
                session,
                scope: place.scope(flaw),
            },
            Up::Request(place) => Event::Request {
                session,
                scope: place.scope(flaw),
            },
            Up::TakeOver(place) => Event::TakeOver {
                session,
                scope: place.scope(flaw),
            },
            Up::Transfer(fence, to) => Event::Transfer { session, fence, to },
            Up::Release(fence) => Event::Release { session, fence },
            Up::Drained(fence) => Event::Drained { session, fence },
        };
        self.record(&event, settings);
    }

    fn hello(
        &mut self,
        client: usize,
        resume: Option<SessionId>,
        fences: Fences,
        settings: &Settings,
    ) {
        let known = |s: &SessionId| self.now.fold.peers.iter().any(|p| p.session == *s);
        let known = resume.filter(known);
        let session = known.unwrap_or_else(|| {
            self.now.sessions += 1;
            SessionId(self.now.sessions)
        });
        self.hang_up(session);
        self.tail.push(Message::Welcome { client, session });
        let event = match known {
            Some(_) => Event::Resumed {
                session,
                fences: fences.into_iter().flatten().collect(),
                rights: rights_of(session, settings.flaw),
            },
            None => joined(session, ClientKind::LockAware, settings.flaw),
        };
        self.record(&event, settings);
    }

    /// Only a holder's answer is confirmed, and as of what is applied, not of what was announced.
    fn answered(&mut self, session: SessionId, left: u8, settings: &Settings) {
        self.heard_from(session);
        if self.presence(session) == Presence::Silent {
            return self.record(&Event::Back { session }, settings);
        }
        let grants = &self.now.fold.grants;
        let mut held = grants
            .iter()
            .filter(|grant| grant.party == session && grant.state == GrantState::Held)
            .map(|grant| grant.fence);
        let fences: Fences = match (settings.flaw, self.client_of(session)) {
            (Flaw::ConfirmToTheLoser, Some(client)) => self.clients[client].fences(),
            _ => [held.next(), held.next()],
        };
        let confirms = self.may_confirm(session) || settings.flaw == Flaw::ConfirmToTheLoser;
        if confirms && fences != Fences::default() {
            self.send(Message::Down(session, Down::Confirmed { left, fences }));
        }
    }

    /// Token check, apply and append are one step.
    fn edit(&mut self, session: SessionId, root: Root, carried: Option<Fence>, of: &Settings) {
        let Ok(fold) = LockState::restore(&self.now.fold) else {
            self.broken = Some(Rule::S1);
            return;
        };
        let right: WriteRight = fold.may_write(session, [root.name()]);
        let named = |grant: &baton_presence::Grant| {
            Some(grant.fence) == carried && grant.scope.reaches(root.name())
        };
        let verdict = match of.flaw {
            Flaw::NoFenceCheck => Applied::Yes,
            _ => book::verdict(right, fold.held_by(session).any(named)),
        };
        if let Err(rule) = self.now.book.edit(session, root, carried, verdict) {
            self.broken = Some(rule);
        }
    }

    /// The timers that have run out.
    pub(crate) fn timers(&self, settings: &Settings) -> Vec<Event> {
        let mut due = Vec::new();
        for grant in &self.now.fold.grants {
            let (session, fence) = (grant.party, grant.fence);
            let clock = self.clocks.get(&fence).copied().unwrap_or(0);
            let passed = clock >= settings.server_pass;
            // Of the lease, where the grace and the drain are shorter.
            let lease = self.leases.get(&grant.fence).copied();
            let stopped = settings.flaw == Flaw::GraceAlone
                || lease.is_none_or(|lease| lease >= settings.server_pass);
            let given = clock >= settings.grace && stopped;
            let in_time = grant.lateness == Lateness::InTime;
            match grant.state {
                GrantState::Held => {
                    let early =
                        settings.flaw == Flaw::HandOverEarly && clock + 1 >= settings.server_pass;
                    let live = self.presence(session) == Presence::Live;
                    let lost = Event::Lost { session };
                    if live && (passed || early) && !due.contains(&lost) {
                        due.push(lost);
                    }
                    self.patience(fence, settings, &mut due);
                }
                GrantState::Offered if clock >= 1 => {
                    due.push(Event::OfferExpired { session, fence });
                }
                GrantState::Suspect if in_time && given => {
                    due.push(Event::GraceOver { session, fence });
                }
                GrantState::Recovering if in_time && passed => {
                    due.push(Event::RecoveryOver { session, fence });
                }
                GrantState::Draining { .. } if given => {
                    due.push(Event::DrainOver { session, fence });
                }
                _ => {}
            }
        }
        if settings.flaw != Flaw::NeverAgain {
            let peers = self.now.fold.peers.iter();
            due.extend(peers.filter_map(|peer| rules::pause(&self.now.fold, peer)));
        }
        // Of the others only the dead fall silent here, and only they are forgotten.
        for peer in &self.now.fold.peers {
            let session = peer.session;
            let has = |grant: &baton_presence::Grant| grant.party == session;
            if self.now.fold.grants.iter().any(has) || self.client_of(session).is_some() {
                continue;
            }
            match peer.presence {
                Presence::Live => due.push(Event::Lost { session }),
                Presence::Away => due.push(Event::Forgotten { session }),
                Presence::Silent => {}
            }
        }
        due
    }

    /// A request's time, and the patience with an idle holder: how long they are does not matter here.
    fn patience(&self, fence: Fence, settings: &Settings, due: &mut Vec<Event>) {
        let Some(fold) = LockState::restore(&self.now.fold).ok() else {
            return;
        };
        let (Some(grant), true) = (fold.grant(fence), fold.is_waited_for(fence)) else {
            return;
        };
        let session = grant.party;
        if grant.requested_by.is_some() && settings.flaw != Flaw::RequestForEver {
            due.push(Event::RequestOver { session, fence });
        }
        if settings.operations.contains(&Operation::Idle) {
            due.push(Event::IdleYield { session, fence });
        }
    }

    /// Whether the server would see this connection end without anything going wrong now.
    pub(crate) fn hung_up(&self, session: SessionId) -> bool {
        self.client_of(session)
            .is_none_or(|client| self.clients[client].link == Link::Dead)
    }
}
