//! The people: each a machine with a clock of its own, a link to the network, and a program that edits.
//!
//! Owns what is true of a person whatever the program is. The programs are in `tab` (Baton's client) and `page` (a stock
//! Yjs client).

use std::collections::VecDeque;
use std::time::Duration;

use baton_client::UserSecret;
use baton_client::sans_io::Moment;
use baton_presence::{Rights, Time};

use crate::net::{ConnNo, Packet};
use crate::page::Page;
use crate::tab::Tab;
use baton_testkit::Random;

/// What runs on a person's machine.
pub(crate) enum App {
    /// Baton's own client.
    Tab(Box<Tab>),
    /// A stock Yjs client.
    Page(Box<Page>),
    /// Nothing.
    Away,
}

/// Which program a person starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Baton's client.
    Baton,
    /// A stock client; a stubborn one is of the older versions, which come again after any close code.
    Stock { stubborn: bool },
}

/// How a program's loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Well,
    /// Its loop stands still, and what comes waits; the browser's network process answers pings.
    Frozen,
    /// The machine sleeps: nothing is answered, and the monotonic clock stands still.
    Asleep(Time),
}

/// Behaviour of a person who wants a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Asks again and again, and cancels at times.
    Fickle,
    /// Asks again and again until the lock comes.
    Insistent,
    /// Asks once, and waits until the lock comes. Each request forgives the asking session its
    /// missed offers, so only such a person depends on being offered the lock again.
    AsksOnce {
        /// Asks for no lock before this time.
        again: Time,
    },
}

impl Patience {
    /// Draws the patience of one person.
    pub(crate) fn draw(random: &mut Random) -> Self {
        if random.chance(30) {
            Self::ASKS_ONCE
        } else if random.chance(50) {
            Self::Insistent
        } else {
            Self::Fickle
        }
    }

    /// Patience of a person who has not asked yet.
    pub(crate) const ASKS_ONCE: Self = Self::AsksOnce { again: Time::ZERO };
}

/// See the module.
pub(crate) struct Person {
    pub(crate) kind: Kind,
    pub(crate) app: App,
    pub(crate) body: Body,
    /// Since when it is not as it should be, or is again.
    pub(crate) changed_at: Time,
    pub(crate) conn: Option<ConnNo>,
    /// The connection that this one takes the place of, kept until that has happened: nothing that comes over it counts.
    pub(crate) before: Option<ConnNo>,
    /// What came while its loop stood still.
    pub(crate) inbox: VecDeque<Packet>,
    /// When its program wants to be woken.
    pub(crate) timer: Option<Time>,
    /// Nothing goes out before the first, nothing comes in before the second.
    pub(crate) cut: (Time, Time),
    pub(crate) patience: Patience,
    /// What its sessions may do beside editing.
    pub(crate) rights: Rights,
    /// When these changed last.
    pub(crate) rights_at: Time,
    /// Whose machine it is, where several are one user's.
    pub(crate) user: Option<UserSecret>,
    /// Does nothing until then.
    pub(crate) dozes_until: Time,
    /// Thousandths of true speed.
    rate: u32,
    offset: Duration,
    slept: Duration,
}

impl Person {
    pub(crate) fn new(kind: Kind, patience: Patience, random: &mut Random) -> Self {
        // From 2/3 to 3/2 of the server's speed; many are true.
        let rate = match random.below(4) {
            0 => 1000,
            1 => 667,
            2 => 1499,
            _ => 667 + random.below(833),
        };
        Self {
            kind,
            app: App::Away,
            body: Body::Well,
            changed_at: Time::ZERO,
            conn: None,
            before: None,
            inbox: VecDeque::new(),
            timer: None,
            cut: (Time::ZERO, Time::ZERO),
            patience,
            dozes_until: Time::ZERO,
            rights: match random.below(4) {
                0 => Rights::EDIT,
                1 => Rights::EDIT.union(Rights::TAKE_OVER),
                2 => Rights::EDIT.union(Rights::MANAGE),
                _ => Rights::ALL,
            },
            rights_at: Time::ZERO,
            user: match random.below(3) {
                0 => UserSecret::new("a secret of the first user").ok(),
                1 => UserSecret::new("a secret of the second user").ok(),
                _ => None,
            },
            rate,
            offset: random.millis(1_000, 1_000_000),
            slept: Duration::ZERO,
        }
    }

    /// What its clocks show.
    pub(crate) fn moment(&self, now: Time) -> Moment {
        let asleep = match self.body {
            Body::Asleep(since) => now.since(since),
            _ => Duration::ZERO,
        };
        let awake = now.0.saturating_sub(self.slept).saturating_sub(asleep);
        Moment {
            monotonic: self.offset + self.scaled(awake),
            wall: Duration::from_secs(1_800_000_000) + self.scaled(now.0),
        }
    }

    fn scaled(&self, time: Duration) -> Duration {
        time * self.rate / 1000
    }

    /// When so much will have passed on its clock.
    pub(crate) fn after(&self, local: Duration, now: Time) -> Time {
        now + local * 1000 / self.rate + Duration::from_micros(1)
    }

    pub(crate) fn wake(&mut self, now: Time) {
        if let Body::Asleep(since) = self.body {
            self.slept += now.since(since);
        }
        self.body = Body::Well;
        self.changed_at = now;
    }

    pub(crate) const fn tab(&self) -> Option<&Tab> {
        match &self.app {
            App::Tab(tab) => Some(tab),
            _ => None,
        }
    }

    pub(crate) const fn tab_mut(&mut self) -> Option<&mut Tab> {
        match &mut self.app {
            App::Tab(tab) => Some(tab),
            _ => None,
        }
    }

    pub(crate) const fn page_mut(&mut self) -> Option<&mut Page> {
        match &mut self.app {
            App::Page(page) => Some(page),
            _ => None,
        }
    }

    /// The document in front of this person, and the author of what is typed there.
    pub(crate) fn copy(&self) -> Option<(u64, &baton_sync::Document)> {
        match &self.app {
            App::Tab(tab) => Some((tab.author, tab.machine.document())),
            App::Page(page) => Some((page.author, &page.document)),
            App::Away => None,
        }
    }
}
