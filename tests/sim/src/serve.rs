//! The server: one open document as `baton-server` hosts it, on the simulated disk.
//!
//! Owns the same step as there: something goes into the room, its proposals get their positions, its outputs go out. Most
//! planted flaws are here, between the room and the world.

use std::sync::Arc;

use baton_presence::{Change, Time};
use baton_room::{
    Awaited, ConnectionId, Departure, Ending, Incoming, Journal, Outgoing, Output, Park, Record,
    RecordPlacement, Room, SyncKind, protocol_fault,
};
use baton_sync::control_channel::ServerMessage;
use baton_sync::y_websocket::{self, FrameError, Message};
use bytes::Bytes;

use crate::became::{fate, known, to_decide};
use crate::book::Locks;
use crate::content::Contents;
use crate::flaw::Flaw;
use crate::net::{ConnNo, End, Packet};
use crate::seen::{Kept, Seen};
use crate::world::{Action, World};

/// What may wait for one connection, in bytes; the product's is larger, and its documents are.
const OUTBOX: usize = 96 * 1024;

/// The close code of a connection that reads too slowly.
const OVERLOADED: u16 = 1013;

/// A record between its append and its effect.
struct Pending {
    position: u64,
    proposed: Record,
    record: Record,
    before: Locks,
    known: Option<bool>,
    stood: Option<Contents>,
    park: Option<Park>,
}

/// The simulated disk as the log of a room, with the planted flaws between the two.
struct SimulatedLog<'w> {
    world: &'w mut World,
    pending: Option<Pending>,
}

/// The record could not be encoded.
struct NotEncoded;

impl Journal for SimulatedLog<'_> {
    type Error = NotEncoded;

    fn append(
        &mut self,
        room: &mut Room,
        record: &mut Record,
        _: Awaited,
        now: Time,
    ) -> Result<RecordPlacement, NotEncoded> {
        let proposed = record.clone();
        let mut parts = self.world.falsify(room, proposed.clone());
        let last = parts.pop_back().unwrap_or_else(|| proposed.clone());
        let proposed = if parts.is_empty() {
            proposed
        } else {
            last.clone()
        };
        for part in parts {
            let pending = self.world.before(room, &part, &part).ok_or(NotEncoded)?;
            room.commit(pending.position, None, part, now);
            self.world.after_record(room, pending, now);
        }
        let pending = self
            .world
            .before(room, &proposed, &last)
            .ok_or(NotEncoded)?;
        *record = last;
        let position = pending.position;
        self.pending = Some(pending);
        Ok(RecordPlacement::At(position))
    }

    fn applied(&mut self, room: &mut Room, _: u64, now: Time) {
        if let Some(pending) = self.pending.take() {
            self.world.after_record(room, pending, now);
        }
    }
}

impl World {
    /// Puts something into the room and carries out all that follows. Nothing when there is no server.
    pub(crate) fn serve<R>(&mut self, input: impl FnOnce(&mut Room, Time) -> R) -> Option<R> {
        let now = self.server_now();
        let mut room = self.room.take()?;
        let result = input(&mut room, now);
        loop {
            self.sequence(&mut room, now);
            let behind = self.deliver(&mut room);
            if behind.is_empty() {
                break;
            }
            for conn in behind {
                room.disconnect(id(conn), Departure::Dropped, now);
            }
        }
        self.room = Some(room);
        self.arm_driver();
        if self.disk.start_sync() {
            let slow = if self.random.chance(4) { 600 } else { 25 };
            self.after(1, slow, Action::Synced);
        }
        Some(result)
    }

    fn sequence(&mut self, room: &mut Room, now: Time) {
        let journal = SimulatedLog {
            world: self,
            pending: None,
        };
        // A record that does not encode is a violation, which ends the run.
        let _ended = room.settle(now, journal);
    }

    /// Appends a record to the disk, before it takes effect; `proposed` is the one that the room wanted.
    fn before(&mut self, room: &Room, proposed: &Record, record: &Record) -> Option<Pending> {
        let bytes = match record.encode() {
            Ok(bytes) => bytes,
            Err(error) => {
                self.violate("records encode", error.to_string());
                return None;
            }
        };
        let before = self.book.locks();
        let known = known(room, proposed);
        let stood = self.stood(room, proposed, &before);
        let park = to_decide(room, proposed).cloned();
        let position = self.disk.append(bytes.clone());
        self.note_bytes("record", 0, position, &bytes);
        Some(Pending {
            position,
            proposed: proposed.clone(),
            record: record.clone(),
            before,
            known,
            stood,
            park,
        })
    }

    /// Compares the room with the world after a record took effect.
    fn after_record(&mut self, room: &mut Room, pending: Pending, now: Time) {
        let Pending {
            position,
            ref proposed,
            record,
            before,
            known,
            stood,
            park,
        } = pending;
        if self.options.flaw == Flaw::LieAboutDurability {
            room.durable(position, now);
        }
        let mut changes = self.book.apply(position, &record, self.now);
        self.keep_back(proposed, &mut changes);
        let fate = known.map(|known| fate(room, proposed, known));
        let touched = self.touched(room, proposed, stood, fate);
        self.note_fate(fate, position);
        let decided = park.filter(|park| to_decide(room, proposed) != Some(park));
        self.note_changes(proposed, &changes, decided.is_some());
        let lost = changes.iter().filter_map(|change| match change {
            Change::LockLost { by, .. } | Change::Released { by, .. } => Some(by.0),
            _ => None,
        });
        self.losers.extend(lost);
        self.see(&Seen::Committed {
            position,
            record: proposed,
            changes: &changes,
            before: &before,
            fate,
            touched: &touched,
            decided: decided.as_ref(),
        });
        self.undurable.push_back(Kept {
            position,
            record: pending.proposed,
            changes,
            gives_way: self.book.gives_way(),
        });
    }

    /// Carries out what the room wants; returns the connections that read too slowly.
    fn deliver(&mut self, room: &mut Room) -> Vec<ConnNo> {
        let mut behind = Vec::new();
        while let Some(output) = room.next_output() {
            match output {
                Output::Send { to, message } => self.say(no(to), &message, &mut behind),
                Output::Multicast { to, message } => {
                    for to in to {
                        self.say(no(to), &message, &mut behind);
                    }
                }
                Output::Broadcast { except, message } => {
                    for conn in 0..self.conns.len() {
                        let late =
                            matches!(message, Outgoing::Update(_)) && !self.conns[conn].answered;
                        let open = self.conns[conn].server == End::Open;
                        if open && Some(id(conn)) != except && !late && !self.dropped(&message) {
                            self.say(conn, &message, &mut behind);
                        }
                    }
                }
                Output::Show { to, preview } => self.say(no(to), &preview.render(), &mut behind),
                Output::Ping { to } => self.send_down(no(to), Packet::Ping),
                Output::Probe { to, mark } => self.send_down(no(to), Packet::Probe(mark)),
                Output::Relay(_) => {}
                Output::Close { to, why, .. } => {
                    self.send_down(no(to), Packet::Close(Some(code(why))));
                    self.conns[no(to)].server = End::Closed;
                }
            }
        }
        behind
    }

    /// Planted: [`Flaw::DropFanOut`].
    fn dropped(&mut self, message: &Outgoing) -> bool {
        self.options.flaw == Flaw::DropFanOut
            && matches!(message, Outgoing::Update(_))
            && self.random.chance(2)
    }

    fn say(&mut self, conn: ConnNo, message: &Outgoing, behind: &mut Vec<ConnNo>) {
        if self.conns[conn].server == End::Closed {
            return;
        }
        let frame = match message {
            Outgoing::Step1(vector) => y_websocket::step1_bytes(vector),
            Outgoing::Step2(update) => {
                self.conns[conn].answered = true;
                y_websocket::step2(update)
            }
            Outgoing::Update(update) | Outgoing::Echo(update) => y_websocket::update(update),
            Outgoing::CompressedStep2(update) => {
                self.conns[conn].answered = true;
                y_websocket::compressed_step2(update.payload())
            }
            Outgoing::CompressedUpdate(update) => y_websocket::compressed_update(update.payload()),
            Outgoing::Barrier(version) => y_websocket::barrier(version),
            Outgoing::SyncStatus(_) | Outgoing::TokenRequest | Outgoing::Scope(_) => return,
            Outgoing::Awareness(payload) | Outgoing::AwarenessQuestion(payload) => {
                y_websocket::awareness(payload)
            }
            Outgoing::Denied(reason) => y_websocket::auth_denied(reason),
            Outgoing::Channel(message) => {
                let message = self.bent(conn, message);
                match &*message {
                    ServerMessage::Welcome { session, .. } => {
                        self.conns[conn].session = Some(*session);
                        self.conns[conn].welcomed = self.now;
                    }
                    ServerMessage::Saved { updates } => self.called_saved(conn, *updates),
                    _ => {}
                }
                self.see(&Seen::Said {
                    conn,
                    message: &message,
                });
                y_websocket::baton(&message.encode())
            }
        };
        self.send_down(conn, Packet::Frame(frame));
        if self.conns[conn].down.bytes() > OUTBOX {
            self.send_down(conn, Packet::Close(Some(OVERLOADED)));
            self.conns[conn].server = End::Closed;
            behind.push(conn);
        }
    }

    /// So many messages of a client are durable, says the server: from here on all that stood in them must be kept.
    fn called_saved(&mut self, conn: ConnNo, updates: u64) {
        let here = &mut self.conns[conn];
        let upto = usize::try_from(updates).unwrap_or(usize::MAX);
        let upto = upto.min(here.synced_up.len());
        let from = std::mem::replace(&mut here.called_saved, upto).min(upto);
        for token in here.synced_up[from..upto].iter().flatten() {
            if let Some(typed) = self.ledger.typed.get_mut(token) {
                typed.saved = true;
            }
        }
    }

    /// Planted: [`Flaw::EqualTimeouts`] and [`Flaw::NeverConfirmedAgain`].
    fn bent(&self, conn: ConnNo, message: &Arc<ServerMessage>) -> Arc<ServerMessage> {
        let mut message = Arc::clone(message);
        let to = self.conns[conn].session;
        if self.options.flaw == Flaw::NeverConfirmedAgain
            && to.is_some_and(|to| self.losers.contains(&to))
            && let ServerMessage::Beat { confirmed, .. } = Arc::make_mut(&mut message)
        {
            *confirmed = 0;
        }
        if self.options.flaw == Flaw::EqualTimeouts
            && let ServerMessage::Welcome { timings, .. } = Arc::make_mut(&mut message)
        {
            timings.client_stop = timings.offline_after;
        }
        message
    }

    // ---- in ----

    /// A packet came over a connection.
    pub(crate) fn server_gets(&mut self, conn: ConnNo, packet: &Packet) {
        let Some(conn) = self.counts_as(conn) else {
            return;
        };
        match packet {
            Packet::Frame(frame) => {
                let token = self.tokens[conn];
                self.serve(|room, now| match decode(frame) {
                    Ok(message) => room.receive(id(conn), message, token, now),
                    Err(error) => room.close(
                        id(conn),
                        Ending::Protocol,
                        protocol_fault(&error.to_string()),
                        now,
                    ),
                });
            }
            Packet::Ping | Packet::Pong | Packet::Probe(_) => {
                self.serve(|room, now| room.heard(id(conn), None, now));
            }
            Packet::Probed(mark) => {
                self.serve(|room, now| {
                    room.heard(id(conn), Some(*mark), now);
                });
            }
            Packet::Close(code) => {
                // The closing handshake.
                if code.is_some() {
                    self.send_down(conn, Packet::Close(*code));
                }
                self.conns[conn].server = End::Closed;
                let how = match code {
                    Some(1000) => Departure::Done,
                    _ => Departure::Dropped,
                };
                self.serve(|room, now| room.disconnect(id(conn), how, now));
            }
        }
    }

    /// Where a packet of this connection counts, if at all. Planted: [`Flaw::DeliverSuperseded`].
    fn counts_as(&self, conn: ConnNo) -> Option<ConnNo> {
        let here = &self.conns[conn];
        if here.server == End::Open {
            return Some(conn);
        }
        let session = here
            .session
            .filter(|_| self.options.flaw == Flaw::DeliverSuperseded)?;
        let present = |other: &ConnNo| {
            let other = &self.conns[*other];
            other.session == Some(session) && other.server == End::Open
        };
        (0..self.conns.len()).rev().find(present)
    }

    /// The server's one timer is through.
    pub(crate) fn drive(&mut self) {
        if self.driver.is_none_or(|at| self.now < at) {
            return;
        }
        if self.now < self.stalled {
            self.driver = Some(self.stalled);
            self.at(self.stalled, Action::Driver);
            return;
        }
        self.driver = None;
        self.serve(Room::handle_timeout);
        self.arm_driver();
    }

    pub(crate) fn arm_driver(&mut self) {
        let Some(next) = self.room.as_ref().and_then(Room::poll_timeout) else {
            return;
        };
        let next = (self.started + next.0).max(self.now).max(self.stalled);
        let sleepy = self.options.flaw == Flaw::SleepyDriver && self.driver.is_some();
        if !sleepy && self.driver.is_none_or(|at| next < at) {
            self.driver = Some(next);
            self.at(next, Action::Driver);
        }
    }

    /// The disk has synced.
    pub(crate) fn synced(&mut self) {
        if self.room.is_none() {
            return;
        }
        if self.now < self.stalled {
            self.at(self.stalled, Action::Synced);
            return;
        }
        let durable = self.disk.synced();
        self.note("durable", 0, durable);
        self.see_durable(durable);
        self.serve(|room, now| room.durable(durable, now));
    }

    /// Shows the records that are durable now and were not before.
    pub(crate) fn see_durable(&mut self, upto: u64) {
        let count = self.undurable.partition_point(|kept| kept.position <= upto);
        let records: Vec<Kept> = self.undurable.drain(..count).collect();
        self.see(&Seen::Durable { records: &records });
    }
}

fn decode(frame: &Bytes) -> Result<Incoming<'_>, FrameError> {
    Ok(match y_websocket::decode(frame)? {
        Message::Step1(vector) => Incoming::Step1(vector),
        Message::Step2(update) => Incoming::Sync(SyncKind::Step2, frame.slice_ref(update)),
        Message::Update(update) => Incoming::Sync(SyncKind::Update, frame.slice_ref(update)),
        Message::Awareness(payload) => Incoming::Awareness(payload),
        Message::QueryAwareness => Incoming::QueryAwareness,
        Message::Baton(payload) => Incoming::Channel(payload),
        Message::Barrier(version) => Incoming::Barrier(version),
        Message::CompressedStep2(_)
        | Message::CompressedUpdate(_)
        | Message::AuthDenied(_)
        | Message::Unknown(_) => Incoming::Other,
    })
}

/// The close code, as docs/protocol.md gives it.
const fn code(why: Ending) -> u16 {
    match why {
        Ending::Protocol => 4400,
        Ending::Unauthorized => 4401,
        Ending::Forbidden => 4403,
        Ending::Superseded => 4409,
        Ending::Epoch => 4410,
        Ending::ClientId => 4411,
        Ending::Erased => 4412,
        Ending::Limit => 4413,
        Ending::Locked => 4423,
        Ending::Silent => 4508,
        Ending::Unavailable => 4500,
        Ending::Expired => 4505,
        Ending::GoingAway => 4503,
        Ending::StoreFailed => 4507,
    }
}

pub(crate) const fn id(conn: ConnNo) -> ConnectionId {
    ConnectionId(conn as u64 + 1)
}

const fn no(id: ConnectionId) -> ConnNo {
    id.0 as ConnNo - 1
}
