//! A room with its log, its disk and its people.
//!
//! Owns the caller's duty (proposals get positions, outputs are carried out) and what must hold all the time.

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use baton_presence::Rights;
use baton_room::{
    Arrival, ConnectionId, Departure, Ending, Incoming, LockLimits, Outgoing, Output, ParkLimits,
    Receipts, ResumeToken, RoomOptions, ToClose, protocol_fault,
};
use baton_sync::awareness::{Awareness, AwarenessLimits};
use baton_sync::control_channel::{FencingToken, Resume, ServerMessage};
use baton_sync::handshake::HandshakeLimits;
use baton_sync::replica_index::Judgement;
use baton_sync::yrs::{Array, Map, Text, WriteTxn};
use baton_sync::{ApplyError, ClientId, Document, DocumentOptions, Replica, StateVector, scan};
use baton_testkit::{Disk, LoggedRoom};
use bytes::Bytes;

use crate::targets::document::sound;
use crate::targets::stored::as_loaded;

/// How many there are.
pub(super) const PEOPLE: usize = 4;

/// What one connection may have kept aside, in bytes.
const ASIDE: usize = 512;

/// Somebody, over all connections.
pub(super) struct Person {
    pub(super) connection: Option<ConnectionId>,
    /// What its last welcome gave it.
    pub(super) resume: Option<Resume>,
    /// Fences it was told of.
    pub(super) fences: Vec<FencingToken>,
    document: Document,
    /// Sync messages that this connection took, how many it said are saved, and how many have a status.
    sent: Vec<Bytes>,
    saved: u64,
    statuses: usize,
    /// Barriers that were not answered.
    barriers: Vec<Bytes>,
}

pub(super) struct Table {
    pub(super) host: LoggedRoom,
    connections: u64,
    pub(super) people: Vec<Person>,
    /// Grants that were announced, over all starts.
    granted: BTreeSet<FencingToken>,
    pub(super) steps: u32,
}

impl Person {
    fn new(index: usize) -> Self {
        // Small ids, and the largest but one.
        let id = [1, 2, 0x1_0000_0001, (1 << 53) - 2][index % 4];
        Self {
            connection: None,
            resume: None,
            fences: Vec::new(),
            document: Document::new(&DocumentOptions::new(ClientId::new(id).unwrap())),
            sent: Vec::new(),
            saved: 0,
            statuses: 0,
            barriers: Vec::new(),
        }
    }

    /// Number of sync messages that this connection took, as far as a byte holds it.
    pub(super) fn sent(&self) -> u8 {
        u8::try_from(self.sent.len()).unwrap_or(u8::MAX)
    }

    pub(super) fn everything(&self) -> Vec<u8> {
        self.document.diff(&StateVector::new()).unwrap().to_vec()
    }

    pub(super) fn vector(&self) -> Vec<u8> {
        self.document.state().vector().encode()
    }
}

impl Table {
    /// A few settings are drawn, so that caps are met.
    pub(super) fn new(drawn: u8) -> Self {
        let mut options = RoomOptions {
            handshake: HandshakeLimits {
                aside_bytes: ASIDE,
                ..HandshakeLimits::default()
            },
            parks: ParkLimits {
                bytes_per_session: 400,
                parks: 3,
                bytes: 80 * 1024,
                discarded_bytes: 40 * 1024,
            },
            awareness: AwarenessLimits {
                entries: 6,
                entries_per_owner: 3,
                tombstones: 4,
                ..AwarenessLimits::default()
            },
            ..RoomOptions::default()
        };
        if drawn & 1 == 1 {
            options.locks = LockLimits::default();
        }
        options.lock_settings.mode = match drawn / 2 % 3 {
            0 => baton_presence::Mode::ExclusiveWhenHeld,
            1 => baton_presence::Mode::Open,
            _ => baton_presence::Mode::Required,
        };
        let mut table = Self {
            host: LoggedRoom::new(options),
            connections: 0,
            people: (0..PEOPLE).map(Person::new).collect(),
            granted: BTreeSet::new(),
            steps: 0,
        };
        table.settle();
        table
    }

    pub(super) fn connect(&mut self, who: usize, rights: u8) {
        self.leave(who, Departure::Dropped);
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.people[who].connection = Some(id);
        let person = &mut self.people[who];
        (person.saved, person.statuses) = (0, 0);
        person.sent.clear();
        person.barriers.clear();
        let receipts = match rights {
            200..228 => Receipts::EachUpdate,
            228.. => Receipts::Echo,
            _ => Receipts::None,
        };
        let rights = [
            Rights::EDIT,
            Rights::EDIT.union(Rights::MANAGE),
            Rights::ALL,
            Rights::ALL,
        ][usize::from(rights % 4)];
        let arrival = Arrival::new(rights).with_receipts(receipts);
        self.host.room.connect(id, arrival);
        self.settle();
    }

    pub(super) fn leave(&mut self, who: usize, how: Departure) {
        if let Some(id) = self.people[who].connection.take() {
            self.host.room.disconnect(id, how, self.host.now);
            self.settle();
        }
    }

    pub(super) fn say(&mut self, who: usize, message: Incoming<'_>) {
        let Some(id) = self.people[who].connection else {
            return;
        };
        match &message {
            Incoming::Sync(_, update) => self.people[who].sent.push(update.clone()),
            Incoming::Barrier(version) => {
                let version = Bytes::copy_from_slice(version);
                self.people[who].barriers.push(version);
            }
            _ => {}
        }
        let mut random = [0; 16];
        random[..8].copy_from_slice(&id.0.to_le_bytes());
        self.host
            .room
            .receive(id, message, ResumeToken::new(random), self.host.now);
        self.settle();
    }

    pub(super) fn heard(&mut self, who: usize) {
        if let Some(id) = self.people[who].connection {
            self.host.room.heard(id, None, self.host.now);
        }
    }

    pub(super) fn malformed(&mut self, who: usize) {
        if let Some(id) = self.people[who].connection {
            let reason = protocol_fault("not a frame");
            self.host
                .room
                .close(id, Ending::Protocol, reason, self.host.now);
            self.settle();
        }
    }

    pub(super) fn close_all(&mut self, why: Ending) {
        let now = self.host.now;
        self.host
            .room
            .close(ToClose::All, why, "closed".to_owned(), now);
        self.settle();
        assert_eq!(self.host.room.load().connections, 0);
    }

    /// An edit of somebody's own copy, as others would be sent it.
    pub(super) fn edit(&mut self, who: usize, u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
        let (what, at, remove): (u8, u32, bool) = u.arbitrary()?;
        let root = ["t", "title", "body"][usize::from(what / 8 % 3)];
        let (_, update) = self.people[who]
            .document
            .transact(|txn| match what % 8 {
                0..=4 => {
                    let text = txn.get_or_insert_text(root);
                    let len = text.len(txn);
                    let at = at % (len + 1);
                    if remove {
                        text.remove_range(txn, at, (len - at).min(3));
                    } else {
                        text.insert(txn, at, "word");
                    }
                }
                5 | 6 => {
                    let map = txn.get_or_insert_map("map");
                    map.insert(txn, "k", at);
                }
                _ => {
                    let array = txn.get_or_insert_array("array");
                    array.push_back(txn, at);
                }
            })
            .unwrap();
        Ok(update.map(|update| update.to_vec()))
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.host.after(time);
        while self.host.next_deadline(end) {
            self.settle();
        }
    }

    pub(super) fn stall(&mut self, stalled: bool) {
        self.host
            .set_disk(if stalled { Disk::Stalled } else { Disk::Quick });
        self.settle();
    }

    pub(super) fn disk_catches_up(&mut self) {
        self.stall(false);
    }

    /// A snapshot takes the place of all records; it is written after them.
    pub(super) fn compact(&mut self) {
        self.disk_catches_up();
        self.host.compact();
    }

    /// The server goes away and starts again, with all that was appended.
    pub(super) fn restart(&mut self) {
        let position = self.host.room.state().position();
        let vector = self.host.room.state().document().state().vector();
        let parks: Vec<_> = self.host.room.state().parks().cloned().collect();
        let stored = self.host.room.state().snapshot().unwrap();
        self.host.restart();
        self.leave_all();
        assert_eq!(self.host.room.state().position(), position);
        assert_eq!(self.host.room.state().document().state().vector(), vector);
        assert_eq!(
            self.host.room.state().parks().cloned().collect::<Vec<_>>(),
            parks
        );
        // The document, who is here, who holds what, what is parked.
        let again = self.host.room.state().snapshot().unwrap();
        assert_eq!(as_loaded(position, again), as_loaded(position, stored));
        self.settle();
    }

    /// The server is killed, and what is not on the disk is lost.
    pub(super) fn crash(&mut self) {
        self.host.crash();
        self.leave_all();
        self.settle();
    }

    fn leave_all(&mut self) {
        for person in &mut self.people {
            person.connection = None;
        }
    }

    fn settle(&mut self) {
        for output in self.host.settle() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { to, message } => self.told(to, &message),
            Output::Multicast { to, message } => {
                to.into_iter().for_each(|to| self.told(to, &message));
            }
            Output::Broadcast { except, message } => {
                let here = self.people.iter().filter_map(|person| person.connection);
                let to: Vec<_> = here.filter(|id| Some(*id) != except).collect();
                to.into_iter().for_each(|to| self.told(to, &message));
            }
            Output::Show { to, preview } => self.told(to, &preview.render()),
            Output::Ping { .. } | Output::Probe { .. } => {}
            Output::Relay(_) => {}
            Output::Close { to, reason, .. } => {
                assert!(!reason.is_empty());
                for person in &mut self.people {
                    if person.connection == Some(to) {
                        person.connection = None;
                    }
                }
            }
        }
    }

    /// What a client is sent must be such as a client takes.
    fn told(&mut self, to: ConnectionId, message: &Outgoing) {
        let person = self.people.iter_mut();
        let mut person = person.filter(|person| person.connection == Some(to));
        let Some(person) = person.next() else {
            return;
        };
        match message {
            Outgoing::Step1(vector) => {
                StateVector::decode(vector).unwrap();
            }
            Outgoing::Step2(update) | Outgoing::Update(update) | Outgoing::Echo(update) => {
                scan(update).unwrap();
                match person.document.apply(update) {
                    // It may have edited what nobody else has, or have missed what came before its Step2.
                    Ok(_) | Err(ApplyError::NotAdmitted(_)) => {}
                    Err(error) => panic!("{error}: {update:?}"),
                }
            }
            Outgoing::Awareness(payload) | Outgoing::AwarenessQuestion(payload) => {
                let mut fresh = Awareness::new(AwarenessLimits::default());
                let _ = fresh.apply(0, payload, Duration::ZERO).unwrap();
            }
            Outgoing::SyncStatus(saved) => {
                let update = &person.sent[person.statuses];
                person.statuses += 1;
                assert!(!saved || is_known(self.host.room.state().document(), update));
            }
            Outgoing::Barrier(version) => {
                let asked = person.barriers.iter().position(|asked| asked == version);
                person.barriers.drain(..=asked.expect("it was asked"));
                let document = self.host.room.state().document();
                // What was sent behind it is not meant.
                let known = person
                    .sent
                    .iter()
                    .take_while(|sent| is_known(document, sent));
                assert!(known.count() >= usize::from(version[0]));
            }
            // Nobody here asks for it.
            Outgoing::CompressedStep2(_) | Outgoing::CompressedUpdate(_) => unreachable!(),
            Outgoing::TokenRequest | Outgoing::Scope(_) => {}
            Outgoing::Denied(reason) => assert!(!reason.is_empty()),
            Outgoing::Channel(message) => self.told_more(to, message),
        }
    }

    fn told_more(&mut self, to: ConnectionId, message: &ServerMessage) {
        let text = message.encode();
        assert_eq!(ServerMessage::decode(&text).as_ref().unwrap(), message);
        let durable = self.host.durable();
        let person = self.people.iter_mut();
        let mut person = person.filter(|person| person.connection == Some(to));
        let Some(person) = person.next() else {
            return;
        };
        match message {
            ServerMessage::Welcome { session, token, .. } => {
                assert!(*session <= durable, "a welcome before it is durable");
                person.resume = Some(Resume {
                    session: *session,
                    token: token.clone(),
                });
            }
            ServerMessage::Offer { fence, .. } => {
                assert!(fence.position <= durable, "an offer before it is durable");
                person.fences.push(*fence);
            }
            ServerMessage::Granted { fence, .. } => {
                assert!(fence.position <= durable, "a grant before it is durable");
                person.fences.push(*fence);
                self.granted.insert(*fence);
            }
            ServerMessage::Saved { updates } => {
                assert!(
                    *updates <= person.sent.len() as u64,
                    "more is saved than was sent"
                );
                assert!(*updates > person.saved, "saved goes back");
                person.saved = *updates;
            }
            _ => {}
        }
    }

    /// What holds after every step.
    pub(super) fn check(&mut self) {
        assert!(self.host.room.load().connections <= PEOPLE);
        assert!(self.host.durable() <= self.host.room.state().position());
        let parks = self.host.room.state().parks().count();
        assert!(parks <= 64, "{parks} parks");
        if self.steps.is_multiple_of(16) {
            sound(self.host.room.state().document());
        }
    }
}

/// All that this update holds is in the document.
fn is_known(document: &Replica, update: &[u8]) -> bool {
    match document.state().judge(&scan(update).unwrap()) {
        Judgement::Known => true,
        // A Skip over what is known hides nothing.
        Judgement::Gap { missing } => missing.is_empty(),
        _ => false,
    }
}
