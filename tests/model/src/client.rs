//! A client of the model: the rules of the client package, with its own clock as a count of ticks.
//!
//! It never looks at the server's state. The flaws that are a client's are here.

use std::collections::BTreeSet;

use baton_presence::{Fence, SessionId};

use crate::messages::{Down, Fences, Up};
use crate::places::Place;
use crate::{Flaw, Settings};

/// Where a client is on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// The process does not run.
    Dead,
    /// It has said hello and was not welcomed yet.
    Hello,
    /// It was welcomed. Whether the server still has the connection, it does not know.
    Open,
}

/// A lock that a client believes to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hold {
    pub(crate) fence: Fence,
    pub(crate) place: Place,
    /// For so long may it edit there.
    pub(crate) lease: u8,
}

/// One client. All ticks are of its own clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client {
    pub(crate) link: Link,
    pub(crate) session: Option<SessionId>,
    /// What it believes to hold, ascending by fence.
    pub(crate) holds: Vec<Hold>,
    /// What it gave back or lost.
    pub(crate) given_up: BTreeSet<Fence>,
    /// Its newest claim, and what is left of the lease that began when it was *first* sent.
    pub(crate) claimed: Option<(Fence, u8)>,
    /// What is left of the lease that began with its newest hello.
    pub(crate) hello: u8,
    /// Its clock missed the last tick, so it will not miss the next: at the slowest, half speed.
    pub(crate) lagged: bool,
}

impl Client {
    pub(crate) const fn dead() -> Self {
        Self {
            link: Link::Dead,
            session: None,
            holds: Vec::new(),
            given_up: BTreeSet::new(),
            claimed: None,
            hello: 0,
            lagged: false,
        }
    }

    /// Where it lets its user type under a lock.
    pub(crate) fn believes(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|hold| hold.lease > 0)
    }

    pub(crate) fn fences(&self) -> Fences {
        let mut fences = self.holds.iter().map(|hold| hold.fence);
        [fences.next(), fences.next()]
    }

    pub(crate) fn tick(&mut self) {
        self.lagged = false;
        self.hello = self.hello.saturating_sub(1);
        for hold in &mut self.holds {
            hold.lease = hold.lease.saturating_sub(1);
        }
        if let Some((_, left)) = &mut self.claimed {
            *left = left.saturating_sub(1);
        }
    }

    /// It stops there, for good.
    pub(crate) fn give_up(&mut self, fence: Fence) {
        self.holds.retain(|hold| hold.fence != fence);
        self.given_up.insert(fence);
    }

    pub(crate) fn welcomed(&mut self, session: SessionId) {
        if self.session.is_some_and(|before| before != session) {
            let hello = self.hello;
            *self = Self {
                hello,
                lagged: self.lagged,
                ..Self::dead()
            };
        }
        self.session = Some(session);
        self.link = Link::Open;
    }

    pub(crate) fn receive(&mut self, down: Down, settings: &Settings) -> Option<Up> {
        match down {
            Down::Offered(fence) if self.given_up.contains(&fence) => {}
            // Overtaken by a newer offer: to take it would forget when that one was claimed.
            Down::Offered(fence) if self.claimed.is_some_and(|(newer, _)| newer > fence) => {}
            Down::Offered(fence) => {
                if self.claimed.is_none_or(|(before, _)| before != fence) {
                    self.claimed = Some((fence, settings.client_stop));
                }
                return Some(Up::Claim(fence));
            }
            // It was given back; that word got lost.
            Down::Yours(fence, _) if self.given_up.contains(&fence) => {
                return Some(Up::Release(fence));
            }
            Down::Yours(fence, place) => self.hold(fence, place),
            Down::Drain(fence) => {
                self.give_up(fence);
                return Some(Up::Drained(fence));
            }
            Down::Lost(fence) => self.give_up(fence),
            Down::Confirmed { left, fences } => {
                let lease = match settings.flaw {
                    Flaw::LeaseFromReceipt => settings.client_stop,
                    _ => left,
                };
                for hold in &mut self.holds {
                    if fences.contains(&Some(hold.fence)) {
                        hold.lease = hold.lease.max(lease);
                    }
                }
            }
        }
        None
    }

    fn hold(&mut self, fence: Fence, place: Place) {
        if self.holds.iter().any(|hold| hold.fence == fence) {
            return;
        }
        // Who holds something newer there, or is granted it, was not told what became of the older.
        let newer = |hold: &Hold| hold.fence > fence && hold.place.conflicts(place);
        if self.holds.iter().any(newer) {
            return self.give_up(fence);
        }
        let older = |hold: &Hold| hold.place.conflicts(place);
        let older: Vec<_> = self.holds.iter().filter(|h| older(h)).collect();
        for fence in older.into_iter().map(|hold| hold.fence).collect::<Vec<_>>() {
            self.give_up(fence);
        }
        let claim = self.claimed.filter(|(claimed, _)| *claimed == fence);
        let lease = claim.map_or(self.hello, |(_, left)| left);
        let hold = Hold {
            fence,
            place,
            lease,
        };
        let at = self.holds.partition_point(|other| other.fence < fence);
        self.holds.insert(at, hold);
    }
}
