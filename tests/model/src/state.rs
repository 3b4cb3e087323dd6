//! A state of the model, and its normal form.
//!
//! The fold compares positions and never calculates with them. So each state is renamed: the
//! positions that occur in it become 1, 2, 3 ... in their order, and what cannot matter any more is
//! forgotten. That makes the state space finite without a bound on the number of records.

use std::collections::BTreeSet;

use baton_presence::{
    Due, Event, Fence, Fold, FoldSettings, FoldSnapshot, LockState, Presence, SessionId, Standing,
    Voice,
};

use crate::Rule;
use crate::book::{Book, party};
use crate::client::{Client, Link};
use crate::messages::{Message, Up};

/// The log and what follows from it, up to some record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    pub(crate) fold: FoldSnapshot,
    pub(crate) book: Book,
    pub(crate) sessions: u64,
}

impl Replica {
    fn forget(&mut self) {
        let fold = &mut self.fold;
        for peer in &mut fold.peers {
            // The fold only keeps it, for the park.
            peer.fence_seen = None;
        }
        if fold.peers.iter().all(|peer| peer.passed_over.is_none()) {
            fold.lock.last_granted = None;
        }
        if party(fold.lock.state).is_none() {
            // Only said to those who named a stale one.
            fold.lock.last_fence = None;
        }
        let tickets = fold
            .peers
            .iter()
            .filter_map(|peer| peer.ticket)
            .map(|ticket| ticket.0);
        let passed = fold.peers.iter().filter_map(|peer| peer.passed_over);
        let fences = passed.chain(self.book.newest).map(|fence| fence.position);
        // A gap in the positions means nothing.
        let newest = tickets.chain(fences).max();
        if fold.position > newest {
            fold.position = newest;
        }
    }
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
    /// Ticks since the lock came into its state, or since its holder's last answer.
    pub(crate) clock: u8,
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

impl State {
    /// All clients have joined, nobody holds the lock, nothing is under way.
    pub(crate) fn first(clients: usize, faults: u8, crashes: u8) -> Self {
        let mut fold = Fold::new(FoldSettings::default());
        let mut here = Vec::new();
        for number in 1..=clients as u64 {
            let session = SessionId(number);
            let joined = Event::Joined {
                session,
                voice: Voice::Lock,
                standing: Standing::Writer,
            };
            fold.apply(number, &joined, &mut Vec::new());
            let mut client = Client::dead();
            client.session = Some(session);
            client.link = Link::Open;
            here.push(client);
        }
        let now = Replica {
            fold: fold.snapshot(),
            book: Book::new(),
            sessions: clients as u64,
        };
        let mut state = Self {
            durable: now.clone(),
            now,
            tail: Vec::new(),
            clock: 0,
            announced: None,
            clients: here,
            net: BTreeSet::new(),
            faults,
            crashes,
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
        let mut seen = BTreeSet::new();
        self.positions(&mut |position| {
            seen.insert(*position);
        });
        self.positions(&mut |position| {
            *position = 1 + seen.range(..*position).count() as u64;
        });
    }

    /// Forgets what nothing will ever be compared with again.
    fn forget(&mut self) {
        self.forget_time();
        for replica in [&mut self.now, &mut self.durable] {
            replica.forget();
        }
        if self.announced <= self.now.book.newest.min(self.durable.book.newest) {
            self.announced = None;
        }
        let mut live: BTreeSet<Fence> = BTreeSet::new();
        for message in self.net.iter().chain(&self.tail) {
            let mut message = *message;
            live.extend(message.fence_mut().map(|fence| *fence));
        }
        for replica in [&self.now, &self.durable] {
            live.extend(party(replica.fold.lock.state).map(|(_, fence)| fence));
        }
        for client in &mut self.clients {
            let oldest = live.iter().copied().chain(client.fence).min();
            if oldest.is_none() || client.given_up < oldest {
                client.given_up = None;
            }
            client.claimed = client.claimed.filter(|(fence, _)| live.contains(fence));
        }
        let edited = |fence: Fence| {
            let typed = |message: &Message| matches!(message, Message::Up(_, Up::Edit(Some(f))) if *f == fence);
            self.net.iter().any(typed) || self.clients.iter().any(|c| c.fence == Some(fence))
        };
        for replica in [&mut self.now, &mut self.durable] {
            replica.book.released = replica.book.released.filter(|fence| edited(*fence));
        }
    }

    /// Answers that are too old count for nothing, clocks that time nothing stand still.
    fn forget_time(&mut self) {
        self.net.retain(|message| {
            let mut message = *message;
            message.left_mut().is_none_or(|left| *left > 0)
        });
        let lock = &self.now.fold.lock;
        match lock.state {
            LockState::Free => self.clock = 0,
            LockState::Offered { .. } => self.clock = self.clock.min(1),
            LockState::Held { by, .. } if self.presence(by) == Presence::Silent => self.clock = 0,
            _ if lock.due == Due::Overdue => self.clock = 0,
            _ => {}
        }
        for client in &mut self.clients {
            let claim = client.claimed.map_or(0, |(_, left)| left);
            let under_way = self.net.iter().any(|message| {
                let mut message = *message;
                message.session() == client.session && message.left_mut().is_some()
            });
            if client.lease.max(client.hello).max(claim) == 0 && !under_way {
                client.lagged = false;
            }
        }
    }

    /// Every position in the state, wherever it is.
    fn positions(&mut self, visit: &mut dyn FnMut(&mut u64)) {
        let mut fences: Vec<&mut Fence> = Vec::new();
        for replica in [&mut self.now, &mut self.durable] {
            let fold = &mut replica.fold;
            fold.position.iter_mut().for_each(&mut *visit);
            for peer in &mut fold.peers {
                peer.ticket
                    .iter_mut()
                    .for_each(|ticket| visit(&mut ticket.0));
                fences.extend(&mut peer.passed_over);
            }
            fences.extend(state_fence(&mut fold.lock.state));
            fences.extend(&mut fold.lock.last_fence);
            fences.extend(&mut fold.lock.last_granted);
            fences.extend(state_fence(&mut replica.book.state));
            fences.extend(&mut replica.book.newest);
            fences.extend(&mut replica.book.released);
        }
        fences.extend(&mut self.announced);
        for client in &mut self.clients {
            fences.extend(&mut client.fence);
            fences.extend(&mut client.given_up);
            fences.extend(client.claimed.as_mut().map(|(fence, _)| fence));
        }
        fences.extend(self.tail.iter_mut().filter_map(Message::fence_mut));
        for fence in fences {
            visit(&mut fence.position);
        }
        let rename = |mut message: Message| {
            if let Some(fence) = message.fence_mut() {
                visit(&mut fence.position);
            }
            message
        };
        self.net = std::mem::take(&mut self.net)
            .into_iter()
            .map(rename)
            .collect();
    }
}

const fn state_fence(state: &mut LockState) -> Option<&mut Fence> {
    use LockState::{Free, Held, Offered, Recovering, Suspect};
    match state {
        Free => None,
        Offered { fence, .. }
        | Held { fence, .. }
        | Suspect { fence, .. }
        | Recovering { fence, .. } => Some(fence),
    }
}
