//! A client of the simulation: the rules of the client package, on a clock of its own that runs too
//! fast or too slow. It believes that it may edit until its own stop, which counts from its
//! *sending* of the last answer that the server confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use baton_presence::{ClientKind, Fence, Scope, SessionId, Time};

use super::Flaw;
use super::net::{Down, Up};
use crate::harness::{Dice, path, paths};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Well,
    /// Its page stands still; pings are answered by the browser.
    Frozen,
    Dead,
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) client_kind: ClientKind,
    pub(crate) body: Body,
    /// When it was last anything but well.
    pub(crate) unwell_at: Time,
    pub(crate) conn: Option<usize>,
    pub(crate) session: Option<SessionId>,
    pub(crate) welcomed: bool,
    /// What it thinks to hold, and may edit until its lease is over.
    pub(crate) held: BTreeMap<Fence, Scope>,
    /// What it was told to leave.
    leaving: BTreeSet<Fence>,
    given_up: BTreeSet<Fence>,
    /// What it asked for last.
    wish: Scope,
    /// Its user does something only once in a long while.
    pub(crate) lazy: bool,
    /// It asks once and waits for the server, as a page does that trusts its place in the queue.
    pub(crate) patient: bool,
    /// The time of its newest wish, until it is had or lost.
    asked_at: Option<Time>,
    input_at: Time,
    /// Per cent of the real time.
    rate: u32,
    stop: Duration,
    flaw: Flaw,
    /// Own time of the sending of each answer that may still be confirmed.
    answers: BTreeMap<u64, Duration>,
    lease_from: Option<Duration>,
    /// Own time of the sending of its newest hello.
    hello_at: Option<Duration>,
    /// Own time of the sending of its *first* claim of its newest offer: an offer that was told
    /// twice is claimed twice, and nobody knows which of the two the grant answers.
    claimed: Option<(Fence, Duration)>,
    pub(crate) heard_at: Time,
    /// What came while it was frozen.
    inbox: Vec<Down>,
}

impl Client {
    pub(crate) fn new(
        client_kind: ClientKind,
        stop: Duration,
        flaw: Flaw,
        dice: &mut Dice,
    ) -> Self {
        Self {
            client_kind,
            body: Body::Well,
            unwell_at: Time::ZERO,
            conn: None,
            session: None,
            welcomed: false,
            held: BTreeMap::new(),
            leaving: BTreeSet::new(),
            given_up: BTreeSet::new(),
            wish: Scope::WHOLE,
            lazy: false,
            patient: false,
            asked_at: None,
            input_at: Time::ZERO,
            // Against the server's clock: at most 1.5 times faster or slower.
            rate: u32::try_from(67 + dice.below(84)).unwrap_or(100),
            stop,
            flaw,
            answers: BTreeMap::new(),
            lease_from: None,
            hello_at: None,
            claimed: None,
            heard_at: Time::ZERO,
            inbox: Vec::new(),
        }
    }

    fn own_time(&self, now: Time) -> Duration {
        now.0 * self.rate / 100
    }

    /// Where it thinks that it may edit.
    pub(crate) fn believes(&self, now: Time) -> impl Iterator<Item = (Fence, &Scope)> + '_ {
        let own = self.own_time(now);
        let leased = self.body == Body::Well
            && self
                .lease_from
                .is_some_and(|from| own.saturating_sub(from) < self.stop);
        let may = move |fence: &Fence| leased && !self.leaving.contains(fence);
        self.held
            .iter()
            .filter(move |(fence, _)| may(fence))
            .map(|(fence, scope)| (*fence, scope))
    }

    pub(crate) fn hello(&mut self, now: Time) -> Up {
        self.hello_at = Some(self.own_time(now));
        Up::Hello {
            resume: self.session,
            fences: self.held.keys().copied().collect(),
        }
    }

    /// What it says of its own accord.
    pub(crate) fn think(&mut self, now: Time, dice: &mut Dice, out: &mut Vec<Up>) {
        if self.client_kind == ClientKind::Stock {
            if dice.chance(20) {
                out.push(Up::Edit(some_root(dice), None));
            }
            return;
        }
        if !self.lazy || dice.chance(1) {
            self.input_at = now;
        }
        if self.held.is_empty() {
            if !self.is_waiting(now) {
                self.ask(now, dice, out);
            }
            return;
        }
        let believed: Vec<_> = self.believes(now).map(|(f, s)| (f, s.clone())).collect();
        for (fence, scope) in &believed {
            let root = some_root(dice);
            if scope.reaches(root) && !self.lazy {
                out.push(Up::Edit(root, Some(*fence)));
            }
        }
        let Some((fence, _)) = believed.first() else {
            return;
        };
        match dice.below(if self.lazy { 400 } else { 80 }) {
            0 | 1 => self.give_up(*fence, out),
            2 => {
                out.push(Up::Done);
                self.leave();
            }
            3 => out.push(Up::Transfer(*fence, SessionId(1 + dice.below(12)))),
            4..7 => out.push(Up::Acquire(some_scope(dice))),
            7 => out.push(Up::TakeOver(some_scope(dice))),
            _ => {}
        }
    }

    /// Returns true if it goes on waiting for what it asked for.
    fn is_waiting(&self, now: Time) -> bool {
        let asked_at = self.asked_at.filter(|_| self.patient);
        asked_at.is_some_and(|at| now.since(at) < PATIENCE)
    }

    fn ask(&mut self, now: Time, dice: &mut Dice, out: &mut Vec<Up>) {
        // Mostly it goes on wanting what it wanted.
        let scope = if dice.chance(92) {
            self.wish.clone()
        } else {
            some_scope(dice)
        };
        // Some are asked for it again only by the server.
        let asks = if self.lazy { 400 } else { 80 };
        let wish = match dice.below(asks) {
            0..12 => Up::Acquire(scope.clone()),
            12..15 => Up::Request(scope.clone()),
            15 => Up::TakeOver(scope.clone()),
            16 => Up::MoveHere(scope.clone()),
            17..21 => return out.push(Up::Edit(some_root(dice), None)),
            21 if dice.chance(60) => return out.push(Up::Cancel),
            _ => return,
        };
        self.wish = scope;
        self.asked_at = Some(now);
        out.push(wish);
    }

    /// The page is gone as far as the server is concerned; a new session follows.
    pub(crate) fn leave(&mut self) {
        self.session = None;
        self.welcomed = false;
        self.held.clear();
        self.leaving.clear();
        self.given_up.clear();
        self.lease_from = None;
        self.hello_at = None;
        self.claimed = None;
        self.asked_at = None;
        self.answers.clear();
        self.inbox.clear();
    }

    fn give_up(&mut self, fence: Fence, out: &mut Vec<Up>) {
        self.forget(fence);
        out.push(Up::Release(fence));
    }

    fn forget(&mut self, fence: Fence) {
        self.asked_at = None;
        self.held.remove(&fence);
        self.leaving.remove(&fence);
        self.given_up.insert(fence);
    }

    pub(crate) fn receive(&mut self, down: Down, now: Time, dice: &mut Dice, out: &mut Vec<Up>) {
        self.heard_at = now;
        if down == Down::Ping {
            out.push(Up::Pong);
            return;
        }
        if self.body == Body::Frozen {
            self.inbox.push(down);
            return;
        }
        self.read(down, now, dice, out);
    }

    pub(crate) fn thaw(&mut self, now: Time, dice: &mut Dice, out: &mut Vec<Up>) {
        self.body = Body::Well;
        self.unwell_at = now;
        for down in std::mem::take(&mut self.inbox) {
            self.read(down, now, dice, out);
        }
    }

    fn read(&mut self, down: Down, now: Time, dice: &mut Dice, out: &mut Vec<Up>) {
        let own = self.own_time(now);
        match down {
            Down::Welcome(session) => {
                // Another session than before: the old one was forgotten, with what it held.
                if self.session.is_some_and(|before| before != session) {
                    self.leave();
                }
                self.session = Some(session);
                self.welcomed = true;
            }
            Down::Ping => {}
            Down::Beat(n, confirmed) => {
                let sent = self.answers.remove(&confirmed);
                let from = match self.flaw {
                    Flaw::LeaseFromReceipt => sent.and(Some(own)),
                    _ => sent,
                };
                self.lease_from = self.lease_from.max(from);
                self.answers.insert(n, own);
                while self.answers.len() > 20 {
                    self.answers.pop_first();
                }
                out.push(Up::Answer(n, now.since(self.input_at)));
            }
            Down::Offered(fence) if self.given_up.contains(&fence) || dice.chance(3) => {
                let later = dice.chance(50);
                if !later {
                    self.asked_at = None;
                }
                out.push(Up::Decline(fence, later));
            }
            // Its page is busy, or its user is asked and does not answer.
            Down::Offered(_) if dice.chance(12) => {}
            Down::Offered(fence) => {
                if self.claimed.is_none_or(|(before, _)| before != fence) {
                    self.claimed = Some((fence, own));
                }
                out.push(Up::Claim(fence));
            }
            Down::OfferEnded => {
                if self.held.is_empty() && !self.is_waiting(now) && dice.chance(30) {
                    out.push(Up::Acquire(self.wish.clone()));
                }
            }
            // It was given back; that word got lost.
            Down::Yours(fence, _) if self.given_up.contains(&fence) => {
                out.push(Up::Release(fence));
            }
            Down::Yours(fence, scope) => {
                if !self.held.contains_key(&fence) {
                    let claim = self.claimed.filter(|(claimed, _)| *claimed == fence);
                    let asked_at = claim.map(|(_, at)| at).or(self.hello_at);
                    self.lease_from = self.lease_from.max(asked_at);
                }
                self.leaving.remove(&fence);
                self.held.insert(fence, scope);
            }
            Down::Drain(fence) => {
                if self.held.contains_key(&fence) {
                    self.leaving.insert(fence);
                }
                // What it had, it has sent before.
                out.push(Up::Drained(fence));
            }
            Down::Lost(fence) | Down::ResumeRefused(fence) => self.forget(fence),
        }
    }
}

/// How long a patient client waits before it asks again.
const PATIENCE: Duration = Duration::from_secs(60);

const ROOTS: [&str; 3] = ["a", "b", "c"];

fn some_root(dice: &mut Dice) -> &'static str {
    dice.pick(&ROOTS).unwrap_or("a")
}

fn some_scope(dice: &mut Dice) -> Scope {
    match dice.below(10) {
        0..4 => Scope::WHOLE,
        4 | 5 => path("a"),
        6 => path("b"),
        7 => path("a/x"),
        8 => path("a/y"),
        _ => paths(&["a/x", "b"]),
    }
}
