//! The server of the model: what it does with a record, a message, a timer, a crash.
//!
//! Who holds the lock is decided by the real fold alone. What a server adds to it, and so the flaws
//! that are a server's, are here.

use baton_presence::{Change, Due, Event, Fold, LockState, Presence, SessionId, Standing, Voice};

use crate::book::{self, Applied};
use crate::messages::{Down, Message, Up};
use crate::state::State;
use crate::{Flaw, Link, Settings};

impl State {
    /// Appends and applies a record. What follows is said when it is durable.
    pub(crate) fn record(&mut self, event: Event, settings: &Settings) {
        let Ok(mut fold) = Fold::restore(&self.now.fold) else {
            // A fold whose own snapshot is refused has lost the lock's holder from sight.
            self.broken = Some(crate::Rule::S1);
            return;
        };
        let before = fold.lock().state();
        let mut changes = Vec::new();
        let position = fold.position().map_or(1, |last| last + 1);
        fold.apply(position, &event, &mut changes);
        self.now.fold = fold.snapshot();
        // A resume of the holder is heard from it, as an answer is.
        let resumed = changes.iter().any(|c| matches!(c, Change::Resumed { .. }));
        if resumed || self.now.fold.lock.state != before {
            self.clock = 0;
        }
        let clients = &self.clients;
        let runs = |session| {
            let mut all = clients.iter();
            all.any(|client| client.session == Some(session))
        };
        let (book, after) = (&mut self.now.book, &self.now.fold);
        if let Err(rule) = book.presence(&changes, after, self.announced, runs) {
            self.broken.get_or_insert(rule);
        }
        let told = book::told(&event, &changes);
        self.tail
            .extend(told.into_iter().map(|(to, down)| Message::Down(to, down)));
        if settings.flaw == Flaw::NoClaim
            && let Some((session, fence)) = fold.lock().offered()
        {
            self.record(Event::Claim { session, fence }, settings);
        }
        let released = changes.iter().any(|c| matches!(c, Change::Released { .. }));
        if settings.flaw == Flaw::FenceReset && released && fold.waiting() == 0 {
            let fold = &mut self.now.fold;
            fold.position = None;
            (fold.lock.last_fence, fold.lock.last_granted) = (None, None);
        }
        if self.crashes == 0 {
            // Nothing can be lost any more, and a message may be late anyway.
            self.make_durable();
        } else if settings.flaw == Flaw::AnnounceEarly {
            self.announce();
        }
    }

    /// Everything that was applied is on the disk now.
    pub(crate) fn make_durable(&mut self) {
        self.durable = self.now.clone();
        self.announce();
    }

    fn announce(&mut self) {
        for mut message in std::mem::take(&mut self.tail) {
            let fence = message.fence_mut().map(|fence| *fence);
            self.announced = self.announced.max(fence);
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
            self.now.fold.lock.state = LockState::Free;
            self.now.fold.lock.due = Due::InTime;
        }
        self.clock = 0;
        self.record(Event::Restarted, settings);
    }

    /// The server sees that a connection is gone. What came on it and was not read counts for nothing.
    pub(crate) fn disconnect(&mut self, session: SessionId, settings: &Settings) {
        self.hang_up(session);
        self.record(Event::Disconnected { session }, settings);
    }

    fn hang_up(&mut self, session: SessionId) {
        let unread = |message: &Message| matches!(message, Message::Up(s, _) if *s == session);
        self.net.retain(|message| !unread(message));
    }

    /// A message for the server.
    pub(crate) fn receive(&mut self, message: Message, settings: &Settings) {
        let (session, up) = match message {
            Message::Hello {
                client,
                resume,
                fence,
            } => {
                let known = |s: &SessionId| self.now.fold.peers.iter().any(|p| p.session == *s);
                let known = resume.filter(known);
                let session = known.unwrap_or_else(|| {
                    self.now.sessions += 1;
                    SessionId(self.now.sessions)
                });
                self.hang_up(session);
                self.tail.push(Message::Welcome { client, session });
                let event = match known {
                    Some(_) => Event::Resumed { session, fence },
                    None => Event::Joined {
                        session,
                        voice: Voice::Lock,
                        standing: Standing::Writer,
                    },
                };
                return self.record(event, settings);
            }
            Message::Up(session, up) => (session, up),
            Message::Welcome { .. } | Message::Down(..) => return,
        };
        match up {
            Up::Answer { left } => self.answered(session, left, settings),
            Up::Edit(carried) => self.edit(session, carried, settings),
            Up::Acquire => self.record(Event::Acquire { session }, settings),
            Up::Release(fence) => self.record(Event::Release { session, fence }, settings),
            Up::Claim(fence) => {
                self.now.book.heard = Some(fence);
                self.record(Event::Claim { session, fence }, settings);
                self.now.book.heard = None;
                self.durable.book.heard = None;
            }
        }
    }

    /// Only a holder's answer is confirmed, and as of what is applied, not of what was announced.
    fn answered(&mut self, session: SessionId, left: u8, settings: &Settings) {
        let holds = matches!(self.now.fold.lock.state, LockState::Held { by, .. } if by == session);
        if holds {
            self.clock = 0;
        }
        if self.presence(session) == Presence::Silent {
            return self.record(Event::Back { session }, settings);
        }
        if holds || settings.flaw == Flaw::ConfirmToTheLoser {
            self.send(Message::Down(session, Down::Confirmed { left }));
        }
    }

    /// Token check, apply and append are one step.
    fn edit(
        &mut self,
        session: SessionId,
        carried: Option<baton_presence::Fence>,
        settings: &Settings,
    ) {
        let Ok(fold) = Fold::restore(&self.now.fold) else {
            self.broken = Some(crate::Rule::S1);
            return;
        };
        let verdict = match settings.flaw {
            Flaw::NoFenceCheck => Applied::Yes,
            _ => book::verdict(fold.may_write(session), carried),
        };
        if let Err(rule) = self.now.book.edit(session, carried, verdict) {
            self.broken = Some(rule);
        }
    }

    /// The timers that have run out.
    pub(crate) fn timers(&self, settings: &Settings) -> Vec<Event> {
        let lock = &self.now.fold.lock;
        let in_time = lock.due == Due::InTime;
        let passed = self.clock >= settings.server_pass;
        let mut due = match lock.state {
            LockState::Held { by, .. } => {
                let early =
                    settings.flaw == Flaw::HandOverEarly && self.clock + 1 >= settings.server_pass;
                let live = self.presence(by) == Presence::Live;
                let over = live && (passed || early);
                over.then_some(Event::Lost { session: by })
            }
            LockState::Offered { to, fence } => {
                (self.clock >= 1).then_some(Event::OfferExpired { session: to, fence })
            }
            LockState::Suspect { by, fence } => {
                (in_time && passed).then_some(Event::GraceOver { session: by, fence })
            }
            LockState::Recovering { by, fence } => {
                (in_time && passed).then_some(Event::RecoveryOver { session: by, fence })
            }
            LockState::Free => None,
        }
        .into_iter()
        .collect::<Vec<_>>();
        // Of the others only the dead fall silent here, and only they are forgotten.
        for peer in &self.now.fold.peers {
            let session = peer.session;
            if book::party(lock.state).is_some_and(|(who, _)| who == session)
                || self.client_of(session).is_some()
            {
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

    /// Whether the server would see this connection end without anything going wrong now.
    pub(crate) fn hung_up(&self, session: SessionId) -> bool {
        self.client_of(session)
            .is_none_or(|client| self.clients[client].link == Link::Dead)
    }
}
