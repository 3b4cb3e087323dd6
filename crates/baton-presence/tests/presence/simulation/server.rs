//! The server of the simulation: a log whose tail is not durable at once, the fold over it, the watch
//! beside it, and one connection for each session. What followed from a record is announced when the
//! record is durable; a crash loses the rest.

use std::collections::BTreeMap;

use baton_presence::{
    Answer, AutoPass, Change, Event, Fence, Fold, FoldSettings, FoldSnapshot, Health, LockState,
    Proposal, Refusal, SessionId, Standing, Time, Timings, Voice, Watch, WriteRight,
};

use super::Flaw;
use super::net::{Down, Up};

/// A record and what followed from it.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Presence(Event, Vec<Change>),
    /// An edit that was applied.
    Edit(SessionId, Option<Fence>),
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) fold: Fold,
    pub(crate) watch: Watch,
    pub(crate) conns: BTreeMap<SessionId, usize>,
    pub(crate) log: Vec<(u64, Entry)>,
    pub(crate) durable: usize,
    snapshot: (usize, FoldSnapshot),
    pub(crate) position: u64,
    next_session: u64,
    flaw: Flaw,
    /// When the lock came into the state that it is in.
    pub(crate) state_since: Time,
    /// To be sent now, without waiting for anything to be durable.
    pub(crate) out: Vec<(SessionId, Down)>,
    /// Connections to be closed.
    pub(crate) close: Vec<usize>,
    pub(crate) parked: usize,
}

impl Server {
    pub(crate) fn new(timings: Timings, auto_pass: AutoPass, flaw: Flaw) -> Self {
        let fold = Fold::new(FoldSettings {
            epoch: 1,
            auto_pass,
        });
        Self {
            snapshot: (0, fold.snapshot()),
            fold,
            watch: Watch::new(timings).expect("the timings fit"),
            conns: BTreeMap::new(),
            log: Vec::new(),
            durable: 0,
            position: 0,
            next_session: 0,
            flaw,
            state_since: Time::ZERO,
            out: Vec::new(),
            close: Vec::new(),
            parked: 0,
        }
    }

    pub(crate) fn record(&mut self, event: Event, now: Time) {
        self.position += 1;
        let before = self.fold.lock().state();
        let mut changes = Vec::new();
        self.fold.apply(self.position, &event, &mut changes);
        self.watch.follow(&self.fold, &changes, now);
        if self.fold.lock().state() != before {
            self.state_since = now;
        }
        let offered = self.fold.lock().offered();
        self.log
            .push((self.position, Entry::Presence(event, changes.clone())));
        if self.flaw == Flaw::NoClaim
            && let Some((session, fence)) = offered
        {
            self.record(Event::Claim { session, fence }, now);
        }
        if self.flaw == Flaw::FenceReset
            && self.fold.lock().state() == LockState::Free
            && self.fold.waiting() == 0
            && changes.iter().any(|c| matches!(c, Change::Released { .. }))
        {
            let mut snapshot = self.fold.snapshot();
            snapshot.position = None;
            (snapshot.lock.last_fence, snapshot.lock.last_granted) = (None, None);
            self.fold = Fold::restore(&snapshot).expect("still a good snapshot");
            self.position = 0;
        }
    }

    /// Everything up to here is on the disk.
    pub(crate) fn make_durable(&mut self) -> Vec<(u64, Entry)> {
        let fresh = self.log[self.durable..].to_vec();
        self.durable = self.log.len();
        if self.durable > self.snapshot.0 + 40 {
            self.snapshot = (self.durable, self.fold.snapshot());
        }
        fresh
    }

    /// What was not durable is gone; the rest is read again.
    pub(crate) fn restart(&mut self, timings: Timings, now: Time) {
        self.log.truncate(self.durable);
        self.position = self.log.last().map_or(0, |(position, _)| *position);
        let (from, snapshot) = &self.snapshot;
        self.fold = Fold::restore(snapshot).expect("a good snapshot");
        let mut forgotten = Vec::new();
        for (position, entry) in &self.log[*from..] {
            if let Entry::Presence(event, changes) = entry {
                forgotten.clear();
                self.fold.apply(*position, event, &mut forgotten);
                assert_eq!(&forgotten, changes, "a replay says what was said before");
            }
        }
        if self.flaw == Flaw::ForgetHolder {
            let mut snapshot = self.fold.snapshot();
            snapshot.lock.state = LockState::Free;
            snapshot.lock.due = baton_presence::Due::InTime;
            self.fold = Fold::restore(&snapshot).expect("still a good snapshot");
        }
        self.watch = Watch::new(timings).expect("the timings fit");
        self.conns.clear();
        self.out.clear();
        self.close.clear();
        self.record(Event::Restarted, now);
        self.state_since = now;
    }

    pub(crate) fn hello(
        &mut self,
        conn: usize,
        voice: Voice,
        resume: Option<SessionId>,
        fence: Option<Fence>,
        now: Time,
    ) {
        let known = resume.filter(|session| self.fold.peer(*session).is_some());
        let session = known.unwrap_or_else(|| {
            self.next_session += 1;
            SessionId(self.next_session)
        });
        if let Some(old) = self.conns.insert(session, conn) {
            self.close.push(old);
        }
        self.watch.attached(session, voice, now);
        let event = match known {
            Some(_) => Event::Resumed { session, fence },
            None => Event::Joined {
                session,
                voice,
                standing: Standing::Writer,
            },
        };
        self.record(event, now);
        self.out.push((session, Down::Welcome(session)));
    }

    pub(crate) fn receive(&mut self, session: SessionId, up: Up, now: Time) {
        self.watch.heard(session, now);
        let event = match up {
            Up::Hello { .. } | Up::Pong => return,
            Up::Answer(n) => {
                let counts = self.watch.answered(session, n, now) == Answer::Counts;
                let told = self.watch.confirmed(session) == Some(n);
                if counts && (told || self.flaw == Flaw::ConfirmToTheLoser) {
                    self.out.push((session, Down::Confirmed(n)));
                }
                return;
            }
            Up::Edit(fence) => return self.edit(session, fence),
            Up::Acquire => Event::Acquire { session },
            Up::Cancel => Event::Cancel { session },
            Up::Claim(fence) => Event::Claim { session, fence },
            Up::Decline(fence) => Event::Decline { session, fence },
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

    /// Token check, apply and log append are one step.
    fn edit(&mut self, session: SessionId, fence: Option<Fence>) {
        let right = self.fold.may_write(session);
        let may = match right {
            WriteRight::Free => true,
            WriteRight::Holder(now) => fence == Some(now),
            WriteRight::Refused { .. } => self.flaw == Flaw::NoFenceCheck,
        };
        if may {
            self.position += 1;
            self.log.push((self.position, Entry::Edit(session, fence)));
        } else {
            self.parked += 1;
        }
    }

    pub(crate) fn closed(&mut self, session: SessionId, now: Time) {
        self.conns.remove(&session);
        self.watch.detached(session, now);
        self.record(Event::Disconnected { session }, now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        let mut proposals = Vec::new();
        self.watch.handle_timeout(now, &self.fold, &mut proposals);
        for proposal in proposals {
            match proposal {
                Proposal::Record(event) => self.record(event, now),
                Proposal::Ping { session } => self.out.push((session, Down::Ping)),
                Proposal::Beat { session, n } => self.out.push((session, Down::Beat(n))),
                Proposal::Health { session, health } => {
                    if self.flaw == Flaw::HandOverEarly && health == Health::Shaky {
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
            Change::Offered { to, fence } => Some((to, Down::Offered(fence))),
            Change::OfferEnded { to, .. } => Some((to, Down::OfferEnded)),
            Change::Granted { to, fence } => Some((to, Down::Yours(fence))),
            Change::Resumed { by, fence } => Some((by, Down::Yours(fence))),
            Change::LockLost { by, fence, .. } => Some((by, Down::Lost(fence))),
            _ => None,
        }
    }

    /// Whether a resume was refused; other stale fences tell a client nothing that it must act on.
    pub(crate) fn refused_resume(event: &Event, changes: &[Change]) -> Option<SessionId> {
        let Event::Resumed { session, .. } = *event else {
            return None;
        };
        let stale = |change: &Change| {
            let why = |why: &Refusal| matches!(why, Refusal::StaleFence { .. });
            matches!(change, Change::Refused { why: w, .. } if why(w))
        };
        changes.iter().any(stale).then_some(session)
    }
}
