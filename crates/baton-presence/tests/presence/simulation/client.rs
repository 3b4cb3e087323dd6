//! A client of the simulation: the rules of the client package, on a clock of its own that runs too
//! fast or too slow. It believes that it may edit until its own stop, which counts from its *sending*
//! of the last answer that the server confirmed.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::{Fence, SessionId, Time, Voice};

use super::Flaw;
use super::net::{Down, Up};
use crate::harness::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Well,
    /// Its page stands still; pings are answered by the browser.
    Frozen,
    Dead,
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) voice: Voice,
    pub(crate) body: Body,
    /// When it was last anything but well.
    pub(crate) unwell_at: Time,
    pub(crate) conn: Option<usize>,
    pub(crate) session: Option<SessionId>,
    pub(crate) welcomed: bool,
    pub(crate) fence: Option<Fence>,
    given_up: Option<Fence>,
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
    pub(crate) fn new(voice: Voice, stop: Duration, flaw: Flaw, dice: &mut Dice) -> Self {
        Self {
            voice,
            body: Body::Well,
            unwell_at: Time::ZERO,
            conn: None,
            session: None,
            welcomed: false,
            fence: None,
            given_up: None,
            // Against the server's clock: at most 1.4 times faster or slower.
            rate: u32::try_from(72 + dice.below(69)).unwrap_or(100),
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

    pub(crate) fn believes(&self, now: Time) -> bool {
        let own = self.own_time(now);
        self.body == Body::Well
            && self.fence.is_some()
            && self
                .lease_from
                .is_some_and(|from| own.saturating_sub(from) < self.stop)
    }

    pub(crate) fn hello(&mut self, now: Time) -> Up {
        self.hello_at = Some(self.own_time(now));
        Up::Hello {
            resume: self.session,
            fence: self.fence,
        }
    }

    /// What it says of its own accord.
    pub(crate) fn think(&mut self, now: Time, dice: &mut Dice, out: &mut Vec<Up>) {
        if self.voice == Voice::Stock {
            if dice.chance(20) {
                out.push(Up::Edit(None));
            }
            return;
        }
        if self.fence.is_some() {
            if self.believes(now) {
                out.push(Up::Edit(self.fence));
            }
            match dice.below(60) {
                0 | 1 => self.give_up(out),
                2 => {
                    out.push(Up::Done);
                    self.leave();
                }
                _ => {}
            }
            return;
        }
        match dice.below(20) {
            0..3 => out.push(Up::Acquire),
            3 => out.push(Up::Edit(None)),
            4 if dice.chance(20) => out.push(Up::Cancel),
            _ => {}
        }
    }

    /// The page is gone as far as the server is concerned; a new session follows.
    pub(crate) fn leave(&mut self) {
        self.session = None;
        self.welcomed = false;
        self.fence = None;
        self.given_up = None;
        self.lease_from = None;
        self.hello_at = None;
        self.claimed = None;
        self.answers.clear();
        self.inbox.clear();
    }

    fn give_up(&mut self, out: &mut Vec<Up>) {
        if let Some(fence) = self.fence.take() {
            self.given_up = Some(fence);
            out.push(Up::Release(fence));
        }
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
            Down::Beat(n) => {
                self.answers.insert(n, own);
                while self.answers.len() > 20 {
                    self.answers.pop_first();
                }
                out.push(Up::Answer(n));
            }
            Down::Confirmed(n) => {
                let from = match self.flaw {
                    Flaw::LeaseFromReceipt => Some(own),
                    _ => self.answers.get(&n).copied(),
                };
                self.lease_from = self.lease_from.max(from);
            }
            Down::Offered(fence) if Some(fence) <= self.given_up || dice.chance(3) => {
                out.push(Up::Decline(fence));
            }
            Down::Offered(fence) => {
                if self.claimed.is_none_or(|(before, _)| before != fence) {
                    self.claimed = Some((fence, own));
                }
                out.push(Up::Claim(fence));
            }
            Down::OfferEnded => out.push(Up::Acquire),
            // It was given back; that word got lost.
            Down::Yours(fence) if Some(fence) <= self.given_up => out.push(Up::Release(fence)),
            Down::Yours(fence) => {
                if self.fence != Some(fence) {
                    let claim = self.claimed.filter(|(claimed, _)| *claimed == fence);
                    let asked_at = claim.map(|(_, at)| at).or(self.hello_at);
                    self.lease_from = self.lease_from.max(asked_at);
                }
                self.fence = Some(fence);
            }
            Down::Lost(fence) => {
                self.given_up = self.given_up.max(Some(fence));
                self.fence = self.fence.filter(|mine| *mine > fence);
            }
            Down::ResumeRefused => {
                self.given_up = self.given_up.max(self.fence);
                self.fence = None;
            }
        }
    }
}
