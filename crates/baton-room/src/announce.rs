//! From what a record changed to what people are told.
//!
//! Owns the translation of effects into messages of Baton's channel, and the views of roster and lock. Everything
//! about sessions and the lock is held until the record is durable; an edit goes out at once.

use std::sync::Arc;

use baton_presence::{
    Change, Fence as Grant, Health, LockState as State, Loss, OfferEnd, Presence, Refusal,
    SessionId, Standing, Time, Voice,
};
use baton_sync::channel::{
    Fence, LockState, LockView, Outcome, Peer, PeerState, ServerMessage, TimingsMs, User, VERSION,
};

use crate::connection::{Channel, Held, Origin, Stage};
use crate::output::{ConnectionId, Ending, Outgoing, Output};
use crate::room::Room;
use crate::state::Effect;
use crate::token::ResumeToken;

/// How many waiters a view of the lock names.
const QUEUE_SHOWN: usize = 100;

impl Room {
    /// Tells what followed from the record at `position`.
    pub(crate) fn announce(
        &mut self,
        position: u64,
        effects: &[Effect],
        origin: &Origin,
        now: Time,
    ) {
        let changes: Vec<Change> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Presence(change) => Some(*change),
                _ => None,
            })
            .collect();
        if !changes.is_empty() {
            self.watch.follow(&self.state.fold, &changes, now);
        }
        if let Origin::Update(connection) = *origin
            && let Some(sender) = self.connections.get_mut(&connection)
        {
            sender.handshake.settled(position);
        }
        // Before the others are told, so that they are told of somebody who is here.
        match *origin {
            Origin::Join(connection, token) => {
                self.attach(connection, position, token, &changes, now);
            }
            Origin::Resume(connection, token, believed) => {
                self.attach(connection, position, token, &changes, now);
                self.correct_belief(connection, believed);
            }
            Origin::Nobody | Origin::Operation(..) | Origin::Update(_) => {}
        }
        for effect in effects {
            match effect {
                Effect::Applied(update) => self.announce_update(update.clone(), origin),
                Effect::Parked(park) => self.announce_park(*park, origin),
                Effect::Renamed(session) => self.announce_peer_when_durable(*session),
                Effect::Presence(change) => self.announce_change(*change),
                Effect::Nothing => {}
            }
        }
        match *origin {
            Origin::Operation(connection, nonce) => {
                let result = ServerMessage::Result {
                    nonce,
                    outcome: outcome(&changes),
                };
                self.hold(Held::To(connection, Arc::new(result)));
            }
            Origin::Update(_) => self.retry_aside(now),
            Origin::Join(..) | Origin::Resume(..) | Origin::Nobody => {}
        }
        if !changes.is_empty() {
            self.announce_lock();
        }
    }

    fn announce_update(&mut self, update: bytes::Bytes, origin: &Origin) {
        let except = match origin {
            Origin::Update(connection) => Some(*connection),
            _ => None,
        };
        self.broadcast(except, Outgoing::Update(update));
    }

    fn announce_park(&mut self, id: u64, origin: &Origin) {
        let Origin::Update(connection) = *origin else {
            return;
        };
        self.tell_parked(connection, id);
    }

    /// Tells the author that an edit stands in a park. A stock client can only be told by a denial and a final close.
    pub(crate) fn tell_parked(&mut self, connection: ConnectionId, id: u64) {
        if self.is_stock(connection) {
            let reason = format!(
                "somebody else holds the edit lock: your edit was kept (park {id}) but is not in the document; open it again to go on"
            );
            let denied = Outgoing::Denied(reason.clone());
            self.hold(Held::Output(Output::Send {
                to: connection,
                message: denied,
            }));
            self.hold(Held::Close(connection, Ending::Locked, reason));
        } else {
            let parked = ServerMessage::Parked {
                id,
                reason: "somebody else holds the edit lock, or is being offered it".to_owned(),
            };
            self.hold(Held::To(connection, Arc::new(parked)));
        }
    }

    fn announce_change(&mut self, change: Change) {
        match change {
            Change::Joined { session }
            | Change::Lost { session }
            | Change::Back { session }
            | Change::Attached { session }
            | Change::Detached { session }
            | Change::Gone { session } => {
                self.announce_peer_when_durable(session);
            }
            Change::Offered { to, fence } => {
                let offer = ServerMessage::Offer {
                    fence: wire(fence),
                    expires_ms: millis(self.options.timings.offer),
                };
                self.hold_for(to, offer);
            }
            Change::Granted { to, fence } | Change::Resumed { by: to, fence } => {
                self.hold_for(to, ServerMessage::Granted { fence: wire(fence) });
            }
            Change::OfferEnded { to, fence, why } => self.hold_lost(to, fence, offer_end(why)),
            Change::LockLost { by, fence, why } => self.hold_lost(by, fence, loss(why)),
            Change::Released { by, fence } => self.hold_lost(by, fence, "given back"),
            Change::Queued { .. }
            | Change::Dequeued { .. }
            | Change::Suspected { .. }
            | Change::Recovering { .. }
            | Change::Freed
            | Change::Refused { .. }
            | Change::AutoPass(_)
            | Change::Restarted
            | Change::OutOfOrder { .. } => {}
        }
    }

    fn hold_lost(&mut self, session: SessionId, fence: Grant, why: &str) {
        let lost = ServerMessage::Lost {
            fence: wire(fence),
            reason: why.to_owned(),
        };
        self.hold_for(session, lost);
    }

    /// A session has its record: this connection is its connection now, and any older one is superseded.
    fn attach(
        &mut self,
        connection: ConnectionId,
        position: u64,
        token: ResumeToken,
        changes: &[Change],
        now: Time,
    ) {
        let joined = changes.iter().find_map(|change| match change {
            Change::Joined { session } => Some((*session, false)),
            Change::Attached { session } => Some((*session, true)),
            _ => None,
        });
        let Some((session, resumed)) = joined else {
            // Its session was forgotten between the check and the record, which only a caller that lets time pass
            // there can see: the client comes again.
            let reason = "this session is gone; connect again".to_owned();
            self.close(connection, Ending::Unavailable, reason, now);
            return;
        };
        debug_assert!(resumed || session.0 == position);
        if let Some(older) = self.attached.insert(session, connection)
            && older != connection
        {
            self.awareness.transfer(older, connection);
            let reason = "this session went on over another connection".to_owned();
            self.close(older, Ending::Superseded, reason, now);
        }
        let Some(here) = self.connections.get_mut(&connection) else {
            return;
        };
        here.stage = Stage::In(session);
        let speaks = here.channel != Channel::Closed;
        let voice = if speaks { Voice::Lock } else { Voice::Stock };
        self.watch.attached(session, voice, now);
        if speaks {
            let welcome = self.welcome(session, token, resumed);
            self.hold(Held::Welcome(connection, Arc::new(welcome)));
            self.repeat_standing(session);
        }
    }

    /// A client that came back believing in a grant that is over is told so.
    fn correct_belief(&mut self, connection: ConnectionId, believed: Option<Grant>) {
        let Some(session) = self.session_of(connection) else {
            return;
        };
        if let Some(fence) = believed
            && self.state.fold.lock().holder() != Some((session, fence))
        {
            self.hold_lost(session, fence, "the lock passed on while you were away");
        }
    }

    /// A resumed client hears of a grant or an offer that stands, also when the resume changed nothing.
    fn repeat_standing(&mut self, session: SessionId) {
        match self.state.fold.lock().state() {
            State::Held { by, fence } if by == session => {
                self.hold_for(session, ServerMessage::Granted { fence: wire(fence) });
            }
            State::Offered { to, fence } if to == session => {
                let expires_ms = millis(self.options.timings.offer);
                let offer = ServerMessage::Offer {
                    fence: wire(fence),
                    expires_ms,
                };
                self.hold_for(session, offer);
            }
            _ => {}
        }
    }

    fn welcome(&self, session: SessionId, token: ResumeToken, resumed: bool) -> ServerMessage {
        let timings = &self.options.timings;
        ServerMessage::Welcome {
            version: VERSION,
            session: session.0,
            token: token.to_hex(),
            resumed,
            epoch: self.options.fold.epoch,
            timings: TimingsMs {
                beat_every: millis(timings.beat_every_idle),
                server_silent_after: millis(timings.offline_after),
                offline_after: millis(timings.offline_after),
                offer: millis(timings.offer),
                grace: millis(timings.grace),
                client_stop: millis(timings.client_stop),
            },
            roster: self
                .state
                .people
                .keys()
                .map(|session| self.peer(*session))
                .collect(),
            lock: self.lock_view(),
        }
    }

    fn announce_lock(&mut self) {
        let view = self.lock_view();
        let same = self.announced.as_ref().is_some_and(|last| {
            LockView {
                version: view.version,
                ..last.clone()
            } == view
        });
        if !same {
            self.announced = Some(view.clone());
            self.hold(Held::Channel(Arc::new(ServerMessage::Lock { lock: view })));
        }
    }

    fn announce_peer_when_durable(&mut self, session: SessionId) {
        let peer = self.peer(session);
        self.hold(Held::Channel(Arc::new(ServerMessage::Peer { peer })));
    }

    /// Tells how alive a peer is, which no record says, at once.
    pub(crate) fn announce_peer(&mut self, session: SessionId) {
        let peer = Arc::new(ServerMessage::Peer {
            peer: self.peer(session),
        });
        self.send_to_channel(&peer);
    }

    fn peer(&self, session: SessionId) -> Peer {
        let person = self.state.person(session);
        let standing = self.state.fold.peer(session);
        let state = match standing {
            None => PeerState::Gone,
            Some(peer) if peer.presence != Presence::Live => PeerState::Offline,
            Some(_) => match self.watch.health(session, self.now) {
                Health::Online => PeerState::Online,
                Health::Shaky => PeerState::Shaky,
                Health::Offline => PeerState::Offline,
            },
        };
        Peer {
            session: session.0,
            user: person.map_or_else(User::default, |person| User {
                name: person.profile.name.clone(),
                color: person.profile.color.clone(),
            }),
            client: person.and_then(|person| person.client),
            state,
            lock: standing.is_some_and(|peer| peer.voice == Voice::Lock),
            observer: standing.is_some_and(|peer| peer.standing == Standing::Observer),
        }
    }

    fn lock_view(&self) -> LockView {
        let (state, party) = match self.state.fold.lock().state() {
            State::Free => (LockState::Free, None),
            State::Offered { to, fence } => (LockState::Offered, Some((to, fence))),
            State::Held { by, fence } => (LockState::Held, Some((by, fence))),
            State::Suspect { by, fence } => (LockState::Suspect, Some((by, fence))),
            State::Recovering { by, fence } => (LockState::Recovering, Some((by, fence))),
        };
        LockView {
            version: self.state.position,
            state,
            session: party.map(|(session, _)| session.0),
            fence: party.map(|(_, fence)| wire(fence)),
            queue: self
                .state
                .fold
                .queue()
                .take(QUEUE_SHOWN)
                .map(|id| id.0)
                .collect(),
            waiting: u32::try_from(self.state.fold.waiting()).unwrap_or(u32::MAX),
        }
    }

    /// Tells one session, when the record is durable; nothing if it has no connection then.
    fn hold_for(&mut self, session: SessionId, message: ServerMessage) {
        if let Some(&connection) = self.attached.get(&session) {
            self.hold(Held::To(connection, Arc::new(message)));
        }
    }
}

/// What became of an operation, from what followed of its record.
fn outcome(changes: &[Change]) -> Outcome {
    let mut outcome = Outcome::Done;
    for change in changes {
        match change {
            Change::Queued { .. } => outcome = Outcome::Queued,
            Change::Refused { why, .. } => {
                return match why {
                    Refusal::Busy { .. } => Outcome::Busy,
                    Refusal::StaleFence { .. } => Outcome::Stale,
                    Refusal::UnknownSession
                    | Refusal::AlreadyJoined
                    | Refusal::NotLive
                    | Refusal::CannotClaim
                    | Refusal::Observer => Outcome::Forbidden,
                };
            }
            _ => {}
        }
    }
    outcome
}

fn offer_end(why: OfferEnd) -> &'static str {
    match why {
        OfferEnd::Expired => "the offer was not claimed in time",
        OfferEnd::Declined => "the offer was declined",
        OfferEnd::Cancelled => "the offer was cancelled",
        OfferEnd::Unreachable => "you were offline when it was offered",
    }
}

fn loss(why: Loss) -> &'static str {
    match why {
        Loss::Silent => "you were silent for too long, and somebody else was there",
        Loss::GraceOver => "your connection was gone for too long, and somebody else was there",
        Loss::RecoveryOver => "you did not come back in time after the server's start",
        Loss::OtherFence => "you came back with another grant than the current one",
    }
}

fn wire(fence: Grant) -> Fence {
    Fence {
        epoch: fence.epoch,
        position: fence.position,
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
