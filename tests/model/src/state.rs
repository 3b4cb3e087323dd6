//! A state of the model with a network, and its normal form.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{
    ClientKind, Event, Fence, GrantState, Lateness, LockSettings, LockSnapshot, LockState,
    Presence, Rights, SessionId, SessionRole,
};

use crate::book::{Book, TAKER, user_of};
use crate::client::{Client, Link};
use crate::messages::{Message, Up};
use crate::{Flaw, Rule, Settings, names};

/// The log and what follows from it, up to some record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    pub(crate) fold: LockSnapshot,
    pub(crate) book: Book,
    pub(crate) sessions: u64,
}

/// Everything, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// What the server has applied.
    pub(crate) now: Replica,
    /// What of it would survive a crash.
    pub(crate) durable: Replica,
    /// To be said when what was applied is durable.
    pub(crate) tail: Vec<Message>,
    /// Ticks since each lock came into its state, or since its holder's last answer.
    pub(crate) clocks: BTreeMap<Fence, u8>,
    /// Ticks since something prolonged the lease of each lock's holder, where that is not the same.
    pub(crate) leases: BTreeMap<Fence, u8>,
    /// What each session lost or is to leave, and has not been told: the server's memory.
    pub(crate) unsaid: BTreeSet<(SessionId, Fence)>,
    /// The newest fence that any client was told of.
    pub(crate) announced: Option<Fence>,
    pub(crate) clients: Vec<Client>,
    pub(crate) net: BTreeSet<Message>,
    /// How many broken connections, half-open reconnects and kills may still come.
    pub(crate) faults: u8,
    pub(crate) crashes: u8,
    /// The rule that the last step broke; nothing follows on it.
    pub(crate) broken: Option<Rule>,
}

/// The right to take over is one session's; the flaw gives it to all.
pub(crate) const fn rights_of(session: SessionId, flaw: Flaw) -> Rights {
    if session.0 == TAKER.0 || matches!(flaw, Flaw::RightsForAll) {
        Rights::EDIT.union(Rights::TAKE_OVER)
    } else {
        Rights::EDIT
    }
}

/// The record of a new session.
pub(crate) const fn joined(session: SessionId, client_kind: ClientKind, flaw: Flaw) -> Event {
    Event::Joined {
        session,
        client_kind,
        role: SessionRole::Writer,
        rights: rights_of(session, flaw),
        user: Some(user_of(session)),
    }
}

impl State {
    /// All clients have joined, nobody holds a lock, nothing is under way.
    pub(crate) fn first(settings: &Settings) -> Self {
        let mut fold = LockState::new(LockSettings::default());
        let (mut here, mut book) = (Vec::new(), Book::default());
        for number in 1..=settings.clients as u64 {
            let session = SessionId(number);
            let joined = joined(session, ClientKind::LockAware, settings.flaw);
            let mut changes = Vec::new();
            fold.apply(number, &joined, &mut changes);
            book.joined(number, &joined, &changes);
            let mut client = Client::dead();
            client.session = Some(session);
            client.link = Link::Open;
            here.push(client);
        }
        let now = Replica {
            fold: fold.snapshot(),
            book,
            sessions: settings.clients as u64,
        };
        let mut state = Self {
            durable: now.clone(),
            now,
            tail: Vec::new(),
            clocks: BTreeMap::new(),
            leases: BTreeMap::new(),
            unsaid: BTreeSet::new(),
            announced: None,
            clients: here,
            net: BTreeSet::new(),
            faults: settings.faults,
            crashes: settings.crashes,
            broken: None,
        };
        state.normalize();
        state
    }

    /// The client that runs in this session.
    pub(crate) fn client_of(&self, session: SessionId) -> Option<usize> {
        self.clients
            .iter()
            .position(|client| client.session == Some(session))
    }

    /// Where the server sees this session.
    pub(crate) fn presence(&self, session: SessionId) -> Presence {
        let peers = &self.now.fold.peers;
        let peer = peers.iter().find(|peer| peer.session == session);
        peer.map_or(Presence::Away, |peer| peer.presence)
    }

    /// Into the normal form. Two states with the same form have the same futures, up to names.
    pub(crate) fn normalize(&mut self) {
        self.forget();
        names::rename(|visit| self.positions(visit));
    }

    /// Forgets what nothing will ever be compared with again.
    fn forget(&mut self) {
        self.forget_time();
        for replica in [&mut self.now, &mut self.durable] {
            names::forget(&mut replica.fold, &replica.book);
        }
        if self.announced
            <= self
                .now
                .book
                .locks
                .newest()
                .min(self.durable.book.locks.newest())
        {
            self.announced = None;
        }
        let mut live: BTreeSet<Fence> = BTreeSet::new();
        for message in self.net.iter().chain(&self.tail) {
            let mut message = *message;
            live.extend(message.fences_mut().map(|fence| *fence));
        }
        for replica in [&self.now, &self.durable] {
            live.extend(replica.fold.grants.iter().map(|grant| grant.fence));
        }
        for client in &mut self.clients {
            let holds = &client.holds;
            let known =
                |fence: &Fence| live.contains(fence) || holds.iter().any(|h| h.fence == *fence);
            client.given_up.retain(known);
            client.claimed = client.claimed.filter(|(fence, _)| live.contains(fence));
        }
        let held = |fence: Fence| {
            let mut all = self.clients.iter().flat_map(|client| &client.holds);
            all.any(|hold| hold.fence == fence)
        };
        let edited = |fence: &Fence| {
            let typed = |message: &Message| matches!(message, Message::Up(_, Up::Edit(_, Some(f))) if f == fence);
            self.net.iter().any(typed) || held(*fence)
        };
        for replica in [&mut self.now, &mut self.durable] {
            replica.book.released.retain(edited);
            replica.book.excused.retain(|fence| held(*fence));
        }
    }

    /// Answers that are too old count for nothing, clocks that time nothing stand still.
    fn forget_time(&mut self) {
        self.net.retain(|message| {
            let mut message = *message;
            message.left_mut().is_none_or(|left| *left > 0)
        });
        let mut clocks = BTreeMap::new();
        for grant in &self.now.fold.grants {
            let clock = self.clocks.get(&grant.fence).copied().unwrap_or(0);
            let clock = match grant.state {
                GrantState::Offered => clock.min(1),
                GrantState::Held if self.presence(grant.party) == Presence::Silent => 0,
                _ if grant.lateness == Lateness::Overdue => 0,
                _ => clock,
            };
            clocks.insert(grant.fence, clock);
        }
        self.clocks = clocks;
        let waits = |fence: &Fence| {
            self.now.fold.grants.iter().any(|grant| {
                let waits = matches!(
                    grant.state,
                    GrantState::Suspect | GrantState::Draining { .. }
                );
                grant.fence == *fence && grant.lateness == Lateness::InTime && waits
            })
        };
        self.leases.retain(|fence, _| waits(fence));
        for client in &mut self.clients {
            let claim = client.claimed.map_or(0, |(_, left)| left);
            let lease = client.believes().map(|hold| hold.lease).max();
            let under_way = self.net.iter().any(|message| {
                let mut message = *message;
                message.session() == client.session && message.left_mut().is_some()
            });
            if lease.unwrap_or(0).max(client.hello).max(claim) == 0 && !under_way {
                client.lagged = false;
            }
        }
    }

    /// Every position in the state, wherever it is.
    fn positions(&mut self, visit: &mut dyn FnMut(&mut u64)) {
        for replica in [&mut self.now, &mut self.durable] {
            names::of_fold(&mut replica.fold, visit);
            names::of_book(&mut replica.book, visit);
        }
        if let Some(fence) = &mut self.announced {
            visit(&mut fence.position);
        }
        let clocks = std::mem::take(&mut self.clocks).into_iter();
        self.clocks = clocks
            .map(|(mut fence, clock)| {
                visit(&mut fence.position);
                (fence, clock)
            })
            .collect();
        let leases = std::mem::take(&mut self.leases).into_iter();
        self.leases = leases
            .map(|(mut fence, lease)| {
                visit(&mut fence.position);
                (fence, lease)
            })
            .collect();
        let unsaid = std::mem::take(&mut self.unsaid).into_iter();
        self.unsaid = unsaid
            .map(|(session, mut fence)| {
                visit(&mut fence.position);
                (session, fence)
            })
            .collect();
        for client in &mut self.clients {
            for hold in &mut client.holds {
                visit(&mut hold.fence.position);
            }
            names::of_set(&mut client.given_up, visit);
            if let Some((fence, _)) = &mut client.claimed {
                visit(&mut fence.position);
            }
        }
        for fence in self.tail.iter_mut().flat_map(Message::fences_mut) {
            visit(&mut fence.position);
        }
        let rename = |mut message: Message| {
            message
                .fences_mut()
                .for_each(|fence| visit(&mut fence.position));
            message
        };
        self.net = std::mem::take(&mut self.net)
            .into_iter()
            .map(rename)
            .collect();
    }
}
