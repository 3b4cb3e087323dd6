//! A client of the model: the rules of the client package, with its own clock as a count of ticks.
//!
//! It never looks at the server's state. The flaws that are a client's are here.

use baton_presence::{Fence, SessionId};

use crate::messages::{Down, Up};
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

/// One client. All ticks are of its own clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client {
    pub(crate) link: Link,
    pub(crate) session: Option<SessionId>,
    /// What it believes to hold.
    pub(crate) fence: Option<Fence>,
    /// The newest fence that it gave back or lost.
    pub(crate) given_up: Option<Fence>,
    /// Its newest claim, and what is left of the lease that began when it was *first* sent.
    pub(crate) claimed: Option<(Fence, u8)>,
    /// What is left of the lease that began with its newest hello.
    pub(crate) hello: u8,
    /// For so long may it edit.
    pub(crate) lease: u8,
    /// Its clock missed the last tick, so it will not miss the next: at the slowest, half speed.
    pub(crate) lagged: bool,
}

impl Client {
    pub(crate) const fn dead() -> Self {
        Self {
            link: Link::Dead,
            session: None,
            fence: None,
            given_up: None,
            claimed: None,
            hello: 0,
            lease: 0,
            lagged: false,
        }
    }

    /// Whether it lets its user type under the lock.
    pub(crate) const fn believes(&self) -> bool {
        self.fence.is_some() && self.lease > 0
    }

    pub(crate) fn tick(&mut self) {
        self.lagged = false;
        self.lease = self.lease.saturating_sub(1);
        self.hello = self.hello.saturating_sub(1);
        if let Some((_, left)) = &mut self.claimed {
            *left = left.saturating_sub(1);
        }
    }

    pub(crate) fn release(&mut self) -> Option<Up> {
        let fence = self.fence.take()?;
        self.given_up = Some(fence);
        self.lease = 0;
        Some(Up::Release(fence))
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
            Down::Offered(fence) if Some(fence) <= self.given_up => {}
            // Overtaken by a newer offer: to take it would forget when that one was claimed.
            Down::Offered(fence) if self.claimed.is_some_and(|(newer, _)| newer > fence) => {}
            Down::Offered(fence) => {
                if self.claimed.is_none_or(|(before, _)| before != fence) {
                    self.claimed = Some((fence, settings.client_stop));
                }
                return Some(Up::Claim(fence));
            }
            // It was given back; that word got lost.
            Down::Yours(fence) if Some(fence) <= self.given_up => return Some(Up::Release(fence)),
            Down::Yours(fence) => {
                if self.fence != Some(fence) {
                    let claim = self.claimed.filter(|(claimed, _)| *claimed == fence);
                    self.lease = self.lease.max(claim.map_or(self.hello, |(_, left)| left));
                }
                self.fence = Some(fence);
            }
            Down::Lost(fence) => {
                self.given_up = self.given_up.max(Some(fence));
                self.fence = self.fence.filter(|mine| *mine > fence);
            }
            Down::ResumeRefused => {
                self.given_up = self.given_up.max(self.fence.take());
            }
            Down::Confirmed { left } => {
                let lease = match settings.flaw {
                    Flaw::LeaseFromReceipt => settings.client_stop,
                    _ => left,
                };
                self.lease = self.lease.max(lease);
            }
        }
        None
    }
}
