//! A client of the lock protocol that goes from host to host.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{Time, Timings};
use baton_room::{ConnectionId, Departure, Ending, HostId, Incoming, Outgoing, SyncKind};
use baton_sync::control_channel::{
    ClientMessage, FencingToken, GrantStatus, Paths, Resume, ServerMessage, User,
};
use baton_sync::document::yrs::{Map, Out, Text, TextPrelim, WriteTxn};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::{ClientId, StateVector};
use baton_testkit::Random;
use bytes::Bytes;

use crate::cluster::Cluster;

pub(crate) struct Client {
    pub(crate) document: Document,
    pub(crate) session: u64,
    token: Option<String>,
    pub(crate) at: Option<(HostId, ConnectionId)>,
    welcomed: bool,
    pub(crate) resumed: bool,
    pub(crate) held: BTreeSet<FencingToken>,
    /// Sync messages over this connection.
    sent: Vec<Bytes>,
    /// Those that were called saved, over all connections.
    pub(crate) saved: Vec<Bytes>,
    taken: u64,
    pub(crate) told: Vec<ServerMessage>,
    /// True if it answers beats.
    pub(crate) answers: bool,
    /// The grants of `held` that it is to give up.
    draining: BTreeSet<FencingToken>,
    /// Times of its answers to beats, of its hello, and of its claims.
    answered: BTreeMap<u64, Time>,
    said_hello: Time,
    claimed: BTreeMap<FencingToken, Time>,
    /// Time of the message by which it may hold its locks, as its host has confirmed it.
    confirmed: Time,
}

impl Client {
    pub(crate) fn new(client: u64) -> Self {
        Self {
            document: Document::new(&DocumentOptions::new(ClientId::new(client).unwrap())),
            session: 0,
            token: None,
            at: None,
            welcomed: false,
            resumed: false,
            held: BTreeSet::new(),
            sent: Vec::new(),
            saved: Vec::new(),
            taken: 0,
            told: Vec::new(),
            answers: true,
            draining: BTreeSet::new(),
            answered: BTreeMap::new(),
            said_hello: Time::ZERO,
            claimed: BTreeMap::new(),
            confirmed: Time::ZERO,
        }
    }

    /// True if it believes that it has a lock, by the slowest clock that a client may have.
    pub(crate) fn believes(&self, now: Time) -> bool {
        let lease = Timings::default().lease();
        now < self.confirmed + lease && !self.held.is_subset(&self.draining)
    }

    /// A copy of it, as of a tab that was duplicated: the same session and token.
    pub(crate) fn twin(&self) -> Self {
        let mut twin = Self::new(99);
        twin.document
            .apply(&self.document.diff(&StateVector::new()).unwrap())
            .unwrap();
        twin.session = self.session;
        twin.token.clone_from(&self.token);
        twin.held.clone_from(&self.held);
        twin
    }

    /// Connects to a host, and says who it is and what it lacks.
    pub(crate) fn connect(&mut self, cluster: &mut Cluster, host: usize) {
        let connection = cluster.connect(host);
        self.at = Some((cluster.hosts[host].id, connection));
        self.welcomed = false;
        self.sent.clear();
        self.taken = 0;
        self.answered.clear();
        self.said_hello = cluster.now;
        let resume = self.token.clone().map(|token| Resume {
            session: self.session,
            token,
        });
        let hello = ClientMessage::Hello {
            version: 1,
            resume,
            epoch: None,
            fences: self.held.iter().copied().collect(),
            locks: None,
            user: User::default(),
            user_key: None,
            client: None,
            observer: false,
            encodings: Vec::new(),
        };
        self.say(cluster, &hello);
        let vector = self.document.state().vector().encode();
        self.receive(cluster, Incoming::Step1(&vector));
    }

    pub(crate) fn host(&self, cluster: &Cluster) -> Option<usize> {
        cluster.index(self.at?.0)
    }

    fn receive(&self, cluster: &mut Cluster, message: Incoming<'_>) {
        let (Some(host), Some((_, connection))) = (self.host(cluster), self.at) else {
            return;
        };
        cluster.receive(host, connection, message);
    }

    pub(crate) fn say(&self, cluster: &mut Cluster, message: &ClientMessage) {
        self.receive(cluster, Incoming::Channel(&message.encode()));
    }

    fn sync(&mut self, cluster: &mut Cluster, kind: SyncKind, update: Bytes) {
        self.sent.push(update.clone());
        self.receive(cluster, Incoming::Sync(kind, update));
    }

    /// Sends an update that is not of its own document.
    pub(crate) fn sends(&mut self, cluster: &mut Cluster, update: Bytes) {
        self.sync(cluster, SyncKind::Update, update);
    }

    /// Types at the end of a text.
    pub(crate) fn types(&mut self, cluster: &mut Cluster, root: &str, what: &str) {
        let (_, update) = self
            .document
            .transact(|txn| {
                let text = txn.get_or_insert_text(root);
                let end = text.len(txn);
                text.insert(txn, end, what);
            })
            .unwrap();
        if self.at.is_some() {
            self.sync(cluster, SyncKind::Update, update.unwrap());
        }
    }

    /// Writes or deletes something, anywhere in a text, in a map or in a text in a map.
    pub(crate) fn edits(&mut self, cluster: &mut Cluster, root: &str, random: &mut Random) {
        let what = random.below(8);
        let at = random.below(1_000);
        let (_, update) = self
            .document
            .transact(|txn| {
                let text = txn.get_or_insert_text(root);
                let map = txn.get_or_insert_map("m");
                let place = |length: u32| u32::try_from(at).unwrap_or_default() % (length + 1);
                let inner = match map.get(txn, "k") {
                    Some(Out::YText(inner)) => Some(inner),
                    _ => None,
                };
                let length = text.len(txn);
                match (what, inner) {
                    (0 | 1, _) if length > 3 => {
                        text.remove_range(txn, place(length - 3), 3);
                    }
                    (2, Some(inner)) => inner.insert(txn, place(inner.len(txn)), "inner"),
                    (3, Some(_)) if at < 300 => {
                        map.remove(txn, "k");
                    }
                    (2 | 3, _) => {
                        map.insert(txn, "k", TextPrelim::new("new"));
                    }
                    (4, _) => {
                        map.insert(txn, "v", f64::from(place(100)));
                    }
                    _ => text.insert(txn, place(length), "word"),
                }
            })
            .unwrap();
        if self.at.is_some()
            && let Some(update) = update
        {
            self.sync(cluster, SyncKind::Update, update);
        }
    }

    /// Goes on with a fresh copy under another client id, as of a client whose edit was parked.
    pub(crate) fn goes_afresh(&mut self, id: u64) {
        self.document = Document::new(&DocumentOptions::new(ClientId::new(id).unwrap()));
    }

    pub(crate) fn decides(&self, cluster: &mut Cluster, id: u64, random: &mut Random) {
        let nonce = 9;
        let message = match random.below(4) {
            0 | 1 => ClientMessage::MergePark { nonce, id },
            2 => ClientMessage::DiscardPark { nonce, id },
            _ => ClientMessage::RecoverPark { nonce, id },
        };
        self.say(cluster, &message);
    }

    pub(crate) fn acquires(&self, cluster: &mut Cluster, root: &str) {
        let paths: Paths = vec![vec![root.to_owned()]];
        self.say(cluster, &ClientMessage::Acquire { nonce: 7, paths });
    }

    pub(crate) fn releases(&self, cluster: &mut Cluster) {
        for fence in &self.held {
            let fence = *fence;
            self.say(cluster, &ClientMessage::Release { nonce: 8, fence });
        }
    }

    /// Its connection breaks.
    pub(crate) fn drops(&mut self, cluster: &mut Cluster, how: Departure) {
        let host = self.host(cluster);
        if let (Some(host), Some((_, connection))) = (host, self.at.take()) {
            cluster.hosts[host].sent.remove(&connection);
            cluster.input(host, |room, now| room.disconnect(connection, how, now));
        }
        self.at = None;
    }

    /// True if all that it sent over this connection was called saved.
    pub(crate) fn all_is_saved(&self) -> bool {
        self.taken == self.sent.len() as u64
    }

    pub(crate) const fn is_welcome(&self) -> bool {
        self.welcomed && self.at.is_some()
    }

    /// Reads what it was sent, and does what a client does.
    pub(crate) fn reads(&mut self, cluster: &mut Cluster) {
        let (Some(host), Some((_, connection))) = (self.host(cluster), self.at) else {
            // Its host is dead.
            self.at = None;
            return;
        };
        let inbox = cluster.hosts[host].sent.get_mut(&connection);
        for message in inbox.map(std::mem::take).unwrap_or_default() {
            match message {
                Outgoing::Step1(vector) => {
                    let vector = StateVector::decode(&vector).unwrap();
                    let lacking = self.document.diff(&vector).unwrap();
                    self.sync(cluster, SyncKind::Step2, lacking);
                }
                Outgoing::Step2(update) | Outgoing::Update(update) => {
                    self.document.apply(&update).unwrap();
                }
                Outgoing::Channel(message) => self.hears(cluster, &message),
                _ => {}
            }
        }
        let pings = &mut cluster.hosts[host].pings;
        let before = pings.len();
        pings.retain(|to| *to != connection);
        if pings.len() < before {
            cluster.input(host, |room, now| room.heard(connection, None, now));
        }
        let why = cluster.hosts[host].closed.remove(&connection);
        if why.is_some() {
            cluster.hosts[host].sent.remove(&connection);
            self.at = None;
        }
        if why == Some(Ending::Erased) {
            // What was saved is gone, as it should be.
            self.saved.clear();
        }
        if why == Some(Ending::Epoch) {
            panic!("a wrong epoch");
        }
    }

    fn hears(&mut self, cluster: &mut Cluster, message: &ServerMessage) {
        self.told.push(message.clone());
        match message {
            ServerMessage::Welcome {
                session,
                token,
                resumed,
                lock,
                ..
            } => {
                if !resumed {
                    self.held.clear();
                }
                let is_held = |fence: &FencingToken| {
                    let mut grants = lock.grants.iter();
                    grants.any(|grant| {
                        grant.fence == *fence
                            && grant.session == *session
                            && grant.state == GrantStatus::Held
                    })
                };
                if self.held.iter().any(is_held) {
                    self.confirmed = self.confirmed.max(self.said_hello);
                }
                (self.session, self.resumed, self.welcomed) = (*session, *resumed, true);
                self.token = Some(token.clone());
            }
            ServerMessage::Offer { fence, .. } => {
                let fence = *fence;
                self.claimed.entry(fence).or_insert(cluster.now);
                self.say(cluster, &ClientMessage::Claim { fence });
            }
            ServerMessage::Granted { fence, .. } => {
                self.held.insert(*fence);
                if let Some(at) = self.claimed.remove(fence) {
                    self.confirmed = self.confirmed.max(at);
                }
            }
            ServerMessage::Drain { fence, .. } => {
                let fence = *fence;
                self.draining.insert(fence);
                self.say(cluster, &ClientMessage::Drained { fence });
            }
            ServerMessage::Lost { fence, .. } => {
                self.held.remove(fence);
            }
            ServerMessage::Beat { n, confirmed } if self.answers => {
                let newest = self.answered.range(..=confirmed).next_back();
                if let Some((_, at)) = newest {
                    self.confirmed = self.confirmed.max(*at);
                }
                self.answered.insert(*n, cluster.now);
                let answer = ClientMessage::Answer {
                    n: *n,
                    visible: true,
                    idle_ms: 0,
                };
                self.say(cluster, &answer);
            }
            ServerMessage::Saved { updates } => {
                for number in self.taken..*updates {
                    self.saved.push(self.sent[number as usize].clone());
                }
                self.taken = *updates;
            }
            _ => {}
        }
    }
}
