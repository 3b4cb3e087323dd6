//! From what a record changed to what people are told.
//!
//! Owns the order of it, and everything about sessions: who comes with which welcome, the roster, edits and parks. What is
//! told of locks is in `locks`. Everything about sessions and locks is held until the record is durable; an edit goes out
//! at once.

use std::sync::Arc;

use baton_presence::{
    Change, ClientKind, Presence, Rights, SessionHealth, SessionId, SessionRole, Time,
};
use baton_sync::channel::{Peer, PeerState, Right, ServerMessage, TimingsMs, User, VERSION};

use crate::connection::{Channel, Held, Origin, Stage};
use crate::locks::millis;
use crate::outcomes::outcome;
use crate::output::{ConnectionId, Ending, Outgoing, Output};
use crate::room::Room;
use crate::state::Effect;
use crate::token::{ResumeToken, TokenHash};
use crate::withheld::Bringing;

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
                Effect::Presence(change) => Some(change.clone()),
                _ => None,
            })
            .collect();
        // After every record about presence: one that nobody hears of, such as the end of a grace when nobody could take the
        // lock, changes what is timed as well.
        let quiet = |effect: &Effect| matches!(effect, Effect::Quiet);
        if !changes.is_empty() || effects.iter().any(quiet) {
            self.watch.follow(&self.state.fold, &changes, now);
            self.requesters
                .follow(&self.state.fold, now, self.options.timings.offline_after);
        }
        let mut locks_changed = !changes.is_empty() || effects.iter().any(quiet);
        // Before the others are told, so that they are told of somebody who is here.
        match origin {
            Origin::Update(connection) => {
                self.settle_update(*connection, position, effects);
                locks_changed |= self.has_brought(*connection);
            }
            Origin::Join(connection, token) => {
                self.attach(*connection, position, *token, &changes, now);
            }
            Origin::Resume(connection, resumption) => {
                self.attach(*connection, position, resumption.token, &changes, now);
                self.keep_unproven(*connection, resumption.shown);
            }
            Origin::Request(connection, _, note) => self.keep_note(*connection, note, &changes),
            Origin::Nobody | Origin::Operation(..) | Origin::Word(_) => {}
        }
        let mut applied = false;
        for effect in effects {
            match effect {
                Effect::Applied(update) => {
                    applied = true;
                    self.touched = now;
                    self.wake_aside(update, None);
                    self.announce_update(update.clone(), origin);
                }
                Effect::Parked { id, update } => {
                    if let Origin::Update(connection) = origin {
                        self.wake_aside(update, Some(*connection));
                    }
                    self.announce_park(*id, origin);
                }
                Effect::Park(view) => {
                    let park = view.as_ref().clone();
                    self.hold_view(ServerMessage::Park { park });
                }
                Effect::Renamed(session) => self.announce_peer_when_durable(*session),
                Effect::Presence(change) => self.announce_change(change, origin, now),
                Effect::Nothing(_) | Effect::Quiet | Effect::Denied(..) => {}
            }
        }
        if let Origin::Operation(connection, nonce) | Origin::Request(connection, nonce, _) = origin
        {
            let (outcome, message) = outcome(effects);
            let result = ServerMessage::Result {
                nonce: *nonce,
                outcome,
                message,
            };
            self.hold(Held::To(*connection, Arc::new(result)));
        }
        if applied || matches!(origin, Origin::Update(_)) {
            self.retry_aside(now);
        }
        if locks_changed || std::mem::take(&mut self.judge_again) {
            self.retry_withheld(now);
        }
        if !changes.is_empty() {
            self.announce_locks(now);
        }
    }

    /// The token that was shown works until something proves that the one after it has arrived.
    fn keep_unproven(&mut self, connection: ConnectionId, shown: TokenHash) {
        if let Some(session) = self.session_of(connection) {
            self.unproven.insert(session, shown);
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
        let session = self.session_of(connection);
        let why = self.state.why_parked(session.unwrap_or(SessionId(0)), id);
        if self.is_stock(connection) {
            let reason = format!("{why}: your edit was kept (park {id}); open the document again");
            let denied = Outgoing::Denied(reason.clone());
            self.hold(Held::Output(Output::Send {
                to: connection,
                message: denied,
            }));
            self.hold(Held::Close(connection, Ending::Locked, reason));
        } else {
            let parked = ServerMessage::Parked {
                id,
                reason: why.to_owned(),
            };
            self.hold(Held::To(connection, Arc::new(parked)));
        }
    }

    fn announce_change(&mut self, change: &Change, origin: &Origin, now: Time) {
        match *change {
            Change::Gone { session } => {
                self.unproven.remove(&session);
                self.notes.remove(&session);
                self.announce_peer_when_durable(session);
            }
            Change::Joined { session }
            | Change::Lost { session }
            | Change::Back { session }
            | Change::Attached { session }
            | Change::Detached { session } => self.announce_peer_when_durable(session),
            _ => self.announce_lock_change(change, origin, now),
        }
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
        if resumed {
            here.bringing = Bringing::Awaited(now + self.options.timings.offline_after);
        }
        let speaks = here.channel != Channel::Closed;
        let voice = if speaks {
            ClientKind::LockAware
        } else {
            ClientKind::Stock
        };
        self.watch.attached(session, voice, now);
        if speaks {
            let welcome = self.welcome(session, token, resumed);
            self.hold(Held::Welcome(connection, Arc::new(welcome)));
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
                drain: millis(timings.drain),
                request: millis(timings.request),
                idle_yield: millis(timings.idle_yield),
            },
            rights: self.rights_of(session),
            roster: self
                .state
                .people
                .keys()
                .map(|session| self.peer(*session))
                .collect(),
            lock: self.lock_view(),
            parks: self.park_views(session),
        }
    }

    fn rights_of(&self, session: SessionId) -> Vec<Right> {
        let peer = self.state.fold.peer(session);
        let rights = peer.map_or(Rights::NONE, |peer| peer.rights);
        [
            (Rights::TAKE_OVER, Right::TakeOver),
            (Rights::MANAGE, Right::Manage),
        ]
        .into_iter()
        .filter(|(right, _)| rights.contains(*right))
        .map(|(_, shown)| shown)
        .collect()
    }

    fn announce_peer_when_durable(&mut self, session: SessionId) {
        let peer = self.peer(session);
        self.tell_of(session, Arc::new(ServerMessage::Peer { peer }));
    }

    /// Tells how alive a peer is, which no record says, at once.
    pub(crate) fn announce_peer(&mut self, session: SessionId) {
        let peer = Arc::new(ServerMessage::Peer {
            peer: self.peer(session),
        });
        if let Some(peer) = self.roster_news.replace(session, peer) {
            self.send_to_channel(&peer);
        }
    }

    fn peer(&self, session: SessionId) -> Peer {
        let person = self.state.person(session);
        let standing = self.state.fold.peer(session);
        let state = match standing {
            None => PeerState::Gone,
            Some(peer) if peer.presence != Presence::Live => PeerState::Offline,
            Some(_) => match self.watch.health(session, self.now) {
                SessionHealth::Online => PeerState::Online,
                SessionHealth::Shaky => PeerState::Shaky,
                SessionHealth::Offline => PeerState::Offline,
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
            lock: standing.is_some_and(|peer| peer.client_kind == ClientKind::LockAware),
            observer: standing.is_some_and(|peer| peer.role == SessionRole::Observer),
        }
    }

    /// Tells one session, when the record is durable; nothing if it has no connection then.
    pub(crate) fn hold_for(&mut self, session: SessionId, message: ServerMessage) {
        if let Some(&connection) = self.attached.get(&session) {
            self.hold(Held::To(connection, Arc::new(message)));
        }
    }
}
