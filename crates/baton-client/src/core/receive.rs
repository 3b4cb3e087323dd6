//! What the server's frames do.
//!
//! Owns the client's half of the sync handshake and of Baton's channel. A frame that is not understood ends the
//! connection: it may have been an edit, and only a new one brings the copy in step again.

use std::time::Duration;

use baton_sync::channel::{
    ErrorCode, LockView, ParkView, Peer, PeerState, Right, ServerMessage, TimingsMs,
};
use baton_sync::y_websocket::{self, Message};
use baton_sync::{Applied, ApplyError, Judgement, StateVector, scan};

use super::locking::Drain;
use super::{Bond, Content, Core, Phase};
use crate::events::Event;
use crate::locks::Welcomed;
use crate::locks::grant::Heard;
use crate::options::Ticket;
use crate::time::Moment;

/// An update that says nothing, for a Step1 that must not be answered with what this copy has.
const NOTHING: &[u8] = &[0, 0];

/// The types that a server of this version sends. Another one is a newer server's, and is ignored.
const TYPES: &[&str] = &[
    "welcome",
    "beat",
    "peer",
    "lock",
    "offer",
    "granted",
    "lost",
    "drain",
    "requested",
    "request-over",
    "idle-warning",
    "result",
    "saved",
    "parked",
    "park",
    "park-content",
    "error",
];

/// Everything of a welcome that is kept.
struct Welcome {
    ticket: Ticket,
    resumed: bool,
    epoch: u32,
    timings: TimingsMs,
    rights: Vec<Right>,
    roster: Vec<Peer>,
    lock: LockView,
    parks: Vec<ParkView>,
}

impl Core {
    /// A binary message came.
    pub(crate) fn frame(&mut self, now: Moment, frame: &[u8]) {
        self.heard(now);
        if !matches!(self.phase(), Phase::Open | Phase::Retiring | Phase::Leaving) {
            return;
        }
        match y_websocket::decode(frame) {
            // It is about a copy that was set aside.
            Ok(Message::Step1(_) | Message::Step2(_) | Message::Update(_))
                if self.link.is_retiring() => {}
            Ok(Message::Step1(vector)) => match StateVector::decode(vector) {
                Ok(vector) => self.asked_for(&vector),
                Err(error) => self.give_up(now, &format!("its Step1 cannot be read: {error}")),
            },
            Ok(Message::Step2(update)) => self.step2(now, update),
            Ok(Message::Update(update)) if !self.is_synced() || self.asking => {
                self.piece(now, update);
            }
            Ok(Message::Update(update)) => self.update(now, update),
            Ok(Message::Baton(payload)) => self.channel(now, payload),
            Ok(Message::AuthDenied(reason)) => self.tell(Event::Error {
                code: ErrorCode::Protocol,
                message: format!("the server denies access: {reason}"),
                retry: false,
            }),
            Ok(Message::Awareness(_) | Message::QueryAwareness | Message::Unknown(_)) => {}
            Err(error) => self.give_up(now, &error.to_string()),
        }
    }

    /// The present connection is of no more use.
    fn give_up(&mut self, now: Moment, reason: &str) {
        self.complain(
            ErrorCode::Protocol,
            format!("the server is at fault, and the connection starts again: {reason}"),
        );
        self.lost(now, None, reason.to_owned());
    }

    // ---- the document ----

    fn asked_for(&mut self, vector: &StateVector) {
        self.link.asked();
        if self.bond == Bond::Diverged {
            self.send(y_websocket::step2(NOTHING));
            self.saves.sent_nothing();
            self.say_drained();
            return;
        }
        match self.document.diff(vector) {
            Ok(update) => {
                self.send(y_websocket::step2(&update));
                self.saves.sent_all();
                self.behind = None;
                self.say_drained();
            }
            Err(broken) => self.broke(&broken),
        }
    }

    fn step2(&mut self, now: Moment, update: &[u8]) {
        let scan = match scan(update) {
            Ok(scan) => scan,
            Err(error) => return self.give_up(now, &error.to_string()),
        };
        let applied = match self.document.apply_scanned(&scan) {
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. })) => {
                let message =
                    "the server's own copy lacks something; what is complete of it is used";
                self.complain(ErrorCode::Incomplete, message.to_owned());
                match self.document.state().closed_part(&scan) {
                    Some(part) => self.document.apply(&part),
                    None => Ok(Applied::Known),
                }
            }
            other => other,
        };
        match applied {
            Ok(applied) => {
                self.changed(applied);
                self.asking = false;
                if !self.is_synced() {
                    self.link.synced();
                    if self.bond == Bond::Fresh {
                        self.bond = Bond::Sound;
                    }
                    self.tell(Event::Synced);
                }
            }
            Err(ApplyError::Broken(broken)) => self.broke(&broken),
            Err(error) => self.give_up(now, &error.to_string()),
        }
    }

    /// An update while an answer is on its way: a piece of it, if it is large; the Step2 closes it. Other updates
    /// may build on what only the answer brings, and it brings them as well.
    fn piece(&mut self, now: Moment, update: &[u8]) {
        match self.document.apply(update) {
            Ok(applied) => self.changed(applied),
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. } | Judgement::Astride { .. })) => {}
            Err(ApplyError::Broken(broken)) => self.broke(&broken),
            Err(error) => self.give_up(now, &error.to_string()),
        }
    }

    fn update(&mut self, now: Moment, update: &[u8]) {
        match self.document.apply(update) {
            Ok(applied) => self.changed(applied),
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. } | Judgement::Astride { .. })) => {
                self.asking = true;
                let step1 = y_websocket::step1(self.document.state().vector());
                self.send(step1);
            }
            Err(ApplyError::Broken(broken)) => self.broke(&broken),
            Err(error) => self.give_up(now, &error.to_string()),
        }
    }

    fn changed(&mut self, applied: Applied) {
        if applied == Applied::Added {
            self.tell(Event::Changed);
        }
    }

    // ---- Baton's channel ----

    fn channel(&mut self, now: Moment, payload: &str) {
        match ServerMessage::decode(payload) {
            Ok(message) => self.told(now, message),
            Err(_) if is_newer(payload) => {}
            Err(error) => self.give_up(now, &error.to_string()),
        }
    }

    fn told(&mut self, now: Moment, message: ServerMessage) {
        match message {
            ServerMessage::Welcome {
                version: _,
                session,
                token,
                resumed,
                epoch,
                timings,
                rights,
                roster,
                lock,
                parks,
            } => self.welcome(Welcome {
                ticket: Ticket {
                    session,
                    token,
                    fences: Vec::new(),
                },
                resumed,
                epoch,
                timings,
                rights,
                roster,
                lock,
                parks,
            }),
            ServerMessage::Beat { n, confirmed } => self.beat(now, n, confirmed),
            ServerMessage::Peer { peer } => self.peer(peer),
            ServerMessage::Result {
                nonce,
                outcome,
                message,
            } => self.result(nonce, outcome, message),
            ServerMessage::Saved { updates } => self.saved(now, updates),
            ServerMessage::Parked { id, reason } => self.parked(now, id, reason),
            ServerMessage::Park { park } => self.park(park),
            ServerMessage::ParkContent {
                nonce,
                id: _,
                parts,
                truncated,
            } => self.shown(nonce, Content { parts, truncated }),
            ServerMessage::Error {
                code,
                message,
                retry,
            } => {
                self.tell(Event::Error {
                    code,
                    message,
                    retry,
                });
                // Under an id that is another's nothing more is taken: a fresh copy has a new one.
                if matches!(code, ErrorCode::ParkFull | ErrorCode::ClientId) {
                    self.not_even_parked(now);
                }
            }
            of_locks => self.told_of_locks(now, of_locks),
        }
    }

    fn told_of_locks(&mut self, now: Moment, message: ServerMessage) {
        match message {
            ServerMessage::Lock { lock } => self.view(lock),
            ServerMessage::Offer {
                fence,
                paths,
                expires_ms,
            } => self.offer(now, fence, paths, Duration::from_millis(expires_ms)),
            ServerMessage::Granted { fence, paths } => self.granted(fence, paths),
            ServerMessage::Lost { fence, reason } => {
                let effect = self.locks.lost(fence, reason);
                self.follow(effect);
            }
            ServerMessage::Drain {
                fence,
                reason,
                to,
                expires_ms,
            } => self.drain(&Drain {
                fence,
                reason,
                to,
                expires: Duration::from_millis(expires_ms),
            }),
            ServerMessage::Requested {
                fence,
                by,
                note,
                expires_ms,
            } => {
                let expires = Duration::from_millis(expires_ms);
                let heard = Heard {
                    by,
                    note,
                    at: now,
                    expires,
                };
                self.requested(now, fence, heard);
            }
            ServerMessage::RequestOver { fence } => self.request_over(fence),
            ServerMessage::IdleWarning { fence, left_ms } => {
                self.idle_warning(fence, Duration::from_millis(left_ms));
            }
            // All others are told elsewhere.
            _ => {}
        }
    }

    fn saved(&mut self, now: Moment, updates: u64) {
        if self.link.is_retiring() {
            self.set_aside_durable(now, updates);
        } else if self.bond != Bond::Diverged && self.saves.acknowledged(updates) {
            // (Of a copy that has diverged, what is durable is a park, not the document.)
            self.tell(Event::Saved);
        }
    }

    fn welcome(&mut self, welcome: Welcome) {
        let Welcome {
            ticket,
            resumed,
            epoch,
            timings,
            rights,
            roster,
            lock,
            parks,
        } = welcome;
        let session = ticket.session;
        self.ticket = Some(ticket);
        self.epoch = Some(epoch);
        self.timings = Some(timings);
        self.rights = rights;
        self.roster = roster
            .into_iter()
            .map(|peer| (peer.session, peer))
            .collect();
        self.link
            .welcomed(Duration::from_millis(timings.server_silent_after));
        let effects = self.locks.welcomed(&Welcomed {
            session,
            resumed,
            view: &lock,
            client_stop: Duration::from_millis(timings.client_stop),
        });
        self.tell(Event::Welcome { session, resumed });
        self.tell(Event::Lock(lock));
        self.parks_told(parks);
        self.ask_again();
        self.follow(effects);
        self.say_drained();
    }

    fn peer(&mut self, peer: Peer) {
        if peer.state == PeerState::Gone {
            self.roster.remove(&peer.session);
        } else {
            self.roster.insert(peer.session, peer.clone());
        }
        self.tell(Event::Peer(peer));
    }
}

/// Whether this is a sound message of a type that is newer than this crate.
fn is_newer(payload: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(payload)
        .ok()
        .and_then(|value| Some(!TYPES.contains(&value.get("type")?.as_str()?)))
        .unwrap_or(false)
}
