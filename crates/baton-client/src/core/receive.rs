//! What the server's frames do.
//!
//! Owns the client's half of the sync handshake and of Baton's channel. A frame that is not understood ends the
//! connection: it may have been an edit, and only a new one brings the copy in step again.

use std::time::Duration;

use baton_sync::channel::{
    ClientMessage, ErrorCode, Fence, LockView, Peer, PeerState, ServerMessage, TimingsMs,
};
use baton_sync::y_websocket::{self, Message};
use baton_sync::{Applied, ApplyError, Judgement, StateVector, scan};

use super::{Core, Phase};
use crate::events::Event;
use crate::lock::{Bar, Welcomed};
use crate::options::Ticket;
use crate::time::Moment;

/// An update that says nothing, for a Step1 that must not be answered with what this copy has.
const NOTHING: &[u8] = &[0, 0];

/// The types that a server of this version sends. Another one is a newer server's, and is ignored.
const TYPES: &[&str] = &[
    "welcome", "beat", "peer", "lock", "offer", "granted", "lost", "result", "saved", "parked",
    "error",
];

/// Everything of a welcome that is kept.
struct Welcome {
    ticket: Ticket,
    resumed: bool,
    epoch: u32,
    timings: TimingsMs,
    roster: Vec<Peer>,
    lock: LockView,
}

impl Core {
    /// A binary message came.
    pub(crate) fn frame(&mut self, now: Moment, frame: &[u8]) {
        self.heard(now);
        if self.phase() != Phase::Open && self.phase() != Phase::Leaving {
            return;
        }
        match y_websocket::decode(frame) {
            Ok(Message::Step1(vector)) => match StateVector::decode(vector) {
                Ok(vector) => self.asked_for(&vector),
                Err(error) => self.give_up(now, &format!("its Step1 cannot be read: {error}")),
            },
            Ok(Message::Step2(update)) => self.step2(now, update),
            // Until the Step2 comes, updates may build on what only it brings; and it brings all that was sent
            // before it.
            Ok(Message::Update(_)) if !self.is_synced() || self.asking => {}
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
        if self.diverged {
            self.send(y_websocket::step2(NOTHING));
            self.saves.sent_nothing();
            return;
        }
        match self.document.diff(vector) {
            Ok(update) => {
                self.send(y_websocket::step2(&update));
                self.saves.sent_all();
                self.behind = None;
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
                    self.tell(Event::Synced);
                }
            }
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
                roster,
                lock,
            } => self.welcome(Welcome {
                ticket: Ticket {
                    session,
                    token,
                    fence: None,
                },
                resumed,
                epoch,
                timings,
                roster,
                lock,
            }),
            ServerMessage::Beat { n, confirmed } => self.beat(now, n, confirmed),
            ServerMessage::Peer { peer } => self.peer(peer),
            ServerMessage::Lock { lock } => self.view(lock),
            ServerMessage::Offer { fence, expires_ms } => self.offer(now, fence, expires_ms),
            ServerMessage::Granted { fence } => {
                let effect = self.lock.granted(fence);
                self.follow_all(effect);
            }
            ServerMessage::Lost { fence, reason } => {
                let effect = self.lock.lost(fence, reason);
                self.follow_all(effect);
            }
            ServerMessage::Result { nonce, outcome } => self.result(nonce, outcome),
            ServerMessage::Saved { updates } => {
                // Of a copy that has diverged, what is durable is a park, not the document.
                if !self.diverged && self.saves.acknowledged(updates) {
                    self.tell(Event::Saved);
                }
            }
            ServerMessage::Parked { id, reason } => {
                self.diverged = true;
                self.behind = None;
                self.lock.bar(Bar::Diverged);
                self.tell(Event::Parked { id, reason });
            }
            ServerMessage::Error {
                code,
                message,
                retry,
            } => self.tell(Event::Error {
                code,
                message,
                retry,
            }),
        }
    }

    fn follow_all(&mut self, effects: impl IntoIterator<Item = crate::lock::Effect>) {
        for effect in effects {
            self.follow(effect);
        }
    }

    fn welcome(&mut self, welcome: Welcome) {
        let Welcome {
            ticket,
            resumed,
            epoch,
            timings,
            roster,
            lock,
        } = welcome;
        let session = ticket.session;
        self.ticket = Some(ticket);
        self.epoch = Some(epoch);
        self.timings = Some(timings);
        self.roster = roster
            .into_iter()
            .map(|peer| (peer.session, peer))
            .collect();
        self.link
            .welcomed(Duration::from_millis(timings.server_silent_after));
        let effects = self.lock.welcomed(&Welcomed {
            session,
            resumed,
            view: &lock,
            client_stop: Duration::from_millis(timings.client_stop),
        });
        self.tell(Event::Welcome { session, resumed });
        self.tell(Event::Lock(lock));
        self.ask_again();
        self.follow_all(effects);
    }

    fn beat(&mut self, now: Moment, n: u64, confirmed: u64) {
        let idle_ms = u64::try_from(self.idle(now).as_millis()).unwrap_or(u64::MAX);
        self.say(&ClientMessage::Answer {
            n,
            visible: true,
            idle_ms,
        });
        self.lock.answered(n, now);
        self.lock.confirmed(confirmed);
    }

    fn peer(&mut self, peer: Peer) {
        if peer.state == PeerState::Gone {
            self.roster.remove(&peer.session);
        } else {
            self.roster.insert(peer.session, peer.clone());
        }
        self.tell(Event::Peer(peer));
    }

    fn view(&mut self, view: LockView) {
        if let Some(effects) = self.lock.viewed(&view) {
            self.tell(Event::Lock(view));
            self.follow_all(effects);
        }
    }

    fn offer(&mut self, now: Moment, fence: Fence, expires_ms: u64) {
        self.lock.offered(fence);
        let expires = Duration::from_millis(expires_ms);
        self.tell(Event::Offer { fence, expires });
        if self.claims_at_once() {
            self.claim(now, fence);
        }
    }
}

/// Whether this is a sound message of a type that is newer than this crate.
fn is_newer(payload: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(payload)
        .ok()
        .and_then(|value| Some(!TYPES.contains(&value.get("type")?.as_str()?)))
        .unwrap_or(false)
}
