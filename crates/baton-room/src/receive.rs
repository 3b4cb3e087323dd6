//! What a client says, and what the room makes of it.
//!
//! Owns the first decision about every message: an answer now, a record to propose, or a fault of the sender. Nothing
//! here changes the document or the lock; only a record that got its position does.

use baton_presence::{ClientKind, Fence, Rights, SessionId, SessionRole, Time, UserKey};
use baton_sync::channel::{self, ClientMessage, ErrorCode, Outcome, Resume, User};
use baton_sync::{ClientId, StateVector};

use crate::connection::{Channel, Origin, Resumption, Stage};
use baton_sync::handshake::Kind;

use crate::output::{ConnectionId, Ending, Incoming};
use crate::record::{Profile, Record};
use crate::room::Room;
use crate::token::{ResumeToken, Source, TokenHash, user_key};

/// Bytes that the secret of a user may have.
const USER_KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// What a hello may bring, read from the payload.
pub(crate) struct Hello {
    version: u32,
    pub(crate) resume: Option<Resume>,
    epoch: Option<u32>,
    fences: Vec<channel::Fence>,
    user: User,
    user_key: Option<String>,
    client: Option<u64>,
    role: SessionRole,
}

impl Hello {
    /// The Yjs client id that it says, if that is one.
    pub(crate) fn client_id(&self) -> Option<u64> {
        self.client.filter(|id| *id < 1 << 53)
    }
}

/// How a session begins.
struct Newcomer {
    client_kind: ClientKind,
    role: SessionRole,
    user: Option<UserKey>,
    profile: Profile,
    client: Option<u64>,
}

impl Room {
    /// A message came over a connection. `fresh` becomes the session's next resume token if this message starts or
    /// resumes one: 128 bits that nobody can guess, drawn for this connection alone.
    pub fn receive(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'_>,
        fresh: ResumeToken,
        now: Time,
    ) {
        self.now = now;
        let Some(here) = self.connections.get(&connection) else {
            return;
        };
        let stage = here.stage;
        match stage {
            Stage::In(session) => self.watch.heard(session, now),
            Stage::Greeting => {
                if self.greet(connection, &message, fresh, now) {
                    return;
                }
            }
            Stage::Contesting => return self.keep_contested(connection, message, now),
            Stage::Joining => {}
        }
        match message {
            Incoming::Step1(vector) => self.answer(connection, vector, now),
            Incoming::Sync(kind, update) => {
                self.update(connection, kind, &update, now);
                if kind == Kind::Step2 {
                    self.take_up_deferred(connection, now);
                }
            }
            Incoming::Awareness(payload) => self.aware(connection, payload, now),
            Incoming::QueryAwareness => self.send_awareness(connection),
            Incoming::Channel(payload) => self.channel(connection, payload, now),
            Incoming::Other => {}
        }
    }

    /// Something that is no message came: a pong, or a ping.
    pub fn heard(&mut self, connection: ConnectionId, now: Time) {
        if let Some(session) = self.session_of(connection) {
            self.watch.heard(session, now);
        }
    }

    /// A connection sent what nobody can read: it alone is closed.
    pub fn malformed(&mut self, connection: ConnectionId, fault: &str, now: Time) {
        let reason = format!("{fault}; nothing changed; this is the client's mistake");
        self.close(connection, Ending::Protocol, reason, now);
    }

    /// The first message decides what kind of client this is. True when that was all of its meaning.
    fn greet(
        &mut self,
        connection: ConnectionId,
        message: &Incoming<'_>,
        fresh: ResumeToken,
        now: Time,
    ) -> bool {
        if let Incoming::Channel(payload) = message {
            match ClientMessage::decode(payload) {
                Ok(ClientMessage::Hello {
                    version,
                    resume,
                    epoch,
                    fences,
                    locks: _,
                    user,
                    user_key,
                    client,
                    observer,
                }) => {
                    let role = if observer {
                        SessionRole::Observer
                    } else {
                        SessionRole::Writer
                    };
                    let hello = Hello {
                        version,
                        resume,
                        epoch,
                        fences,
                        user,
                        user_key,
                        client,
                        role,
                    };
                    self.hello(connection, hello, fresh, now);
                }
                Ok(_) => {
                    self.malformed(connection, "Baton's channel opens with a hello", now);
                }
                Err(error) => self.malformed(connection, &error.to_string(), now),
            }
            return true;
        }
        let here = self.connections.get(&connection);
        let source = here.and_then(|here| here.source);
        let newcomer = Newcomer {
            client_kind: ClientKind::Stock,
            role: SessionRole::Writer,
            user: source.map(Source::key),
            profile: Profile::default(),
            client: None,
        };
        self.join(connection, newcomer, fresh, now);
        false
    }

    pub(crate) fn hello(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        fresh: ResumeToken,
        now: Time,
    ) {
        if hello.version != channel::VERSION {
            let fault = format!(
                "this server speaks version {} of Baton's channel, not {}",
                channel::VERSION,
                hello.version
            );
            self.malformed(connection, &fault, now);
            return;
        }
        let epoch = self.options.fold.epoch;
        if hello.epoch.is_some_and(|theirs| theirs != epoch) {
            let reason = format!(
                "your copy of the document is of another epoch than {epoch}: it was restored from a backup, or erased; open it afresh"
            );
            self.close(connection, Ending::Epoch, reason, now);
            return;
        }
        let secret = hello.user_key.as_deref();
        if secret.is_some_and(|secret| !USER_KEY_BYTES.contains(&secret.len())) {
            let fault = format!(
                "a user_key has {} to {} bytes",
                USER_KEY_BYTES.start(),
                USER_KEY_BYTES.end()
            );
            self.malformed(connection, &fault, now);
            return;
        }
        if let Some(here) = self.connections.get_mut(&connection) {
            here.channel = Channel::Opening;
        }
        let user = secret.map(user_key);
        let Some((hello, fresh)) = self.contest(connection, hello, fresh, now) else {
            return;
        };
        let client = hello.client_id();
        let profile = profile(hello.user);
        if let Some(client) = client.and_then(ClientId::new) {
            self.awareness.claim(connection, client);
        }
        let Some((session, shown)) = self.resumable(hello.resume.as_ref()) else {
            let newcomer = Newcomer {
                client_kind: ClientKind::LockAware,
                role: hello.role,
                user,
                profile,
                client,
            };
            self.join(connection, newcomer, fresh, now);
            return;
        };
        let fences = hello.fences.into_iter().map(grant).collect::<Vec<_>>();
        let role = self.state.fold.peer(session).map(|peer| peer.role);
        let record = Record::Resumed {
            session,
            fences: fences.clone(),
            rights: self.enter(connection, role.unwrap_or(hello.role)),
            token: fresh.hash(),
            profile,
            client,
            at_ms: self.unix_ms(now),
        };
        let resumption = Resumption {
            token: fresh,
            shown,
            believed: fences,
        };
        self.propose(record, Origin::Resume(connection, resumption));
    }

    /// The session of this connection is being proposed. Returns the rights that it will have: who only watches has none.
    fn enter(&mut self, connection: ConnectionId, role: SessionRole) -> Rights {
        let Some(here) = self.connections.get_mut(&connection) else {
            return Rights::NONE;
        };
        here.stage = Stage::Joining;
        match role {
            SessionRole::Writer => here.rights,
            SessionRole::Observer => Rights::NONE,
        }
    }

    /// The session that may be resumed with what the client shows: the last token given out, or the one before as long as
    /// nothing proves that the last one arrived.
    pub(crate) fn resumable(&self, resume: Option<&Resume>) -> Option<(SessionId, TokenHash)> {
        let resume = resume?;
        let session = SessionId(resume.session);
        let person = self.state.people.get(&session)?;
        let peer = self.state.fold.peer(session)?;
        let shown = TokenHash::of_text(&resume.token);
        let known = person.token == shown || self.unproven.get(&session) == Some(&shown);
        (peer.client_kind == ClientKind::LockAware && known).then_some((session, shown))
    }

    fn join(
        &mut self,
        connection: ConnectionId,
        newcomer: Newcomer,
        fresh: ResumeToken,
        now: Time,
    ) {
        let record = Record::Joined {
            client_kind: newcomer.client_kind,
            role: newcomer.role,
            rights: self.enter(connection, newcomer.role),
            user: newcomer.user,
            token: fresh.hash(),
            profile: newcomer.profile,
            client: newcomer.client,
            at_ms: self.unix_ms(now),
        };
        self.propose(record, Origin::Join(connection, fresh));
    }

    /// Answers a Step1 with what the client lacks.
    fn answer(&mut self, connection: ConnectionId, vector: &[u8], now: Time) {
        let since = match StateVector::decode(vector) {
            Ok(since) => since,
            Err(error) => {
                self.malformed(
                    connection,
                    &format!("a state vector is wrong: {error}"),
                    now,
                );
                return;
            }
        };
        self.send_lacking(connection, &since, now);
    }

    fn channel(&mut self, connection: ConnectionId, payload: &str, now: Time) {
        let message = match ClientMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                let fault = format!("{error}; nothing changed");
                match error.nonce() {
                    Some(nonce) => {
                        self.answer_operation(connection, nonce, Outcome::Invalid, Some(fault));
                    }
                    None => self.complain(connection, ErrorCode::Protocol, fault, false),
                }
                return;
            }
        };
        let Some(session) = self.session_of(connection) else {
            return;
        };
        if self
            .connections
            .get(&connection)
            .is_some_and(|here| here.channel == Channel::Closed)
        {
            self.malformed(connection, "Baton's channel opens with a hello", now);
            return;
        }
        self.operate(connection, session, message, now);
    }
}

/// What is kept of what a client calls itself; longer texts are cut at a character.
pub(crate) fn profile(user: User) -> Profile {
    Profile {
        name: cut(user.name, 256),
        color: cut(user.color, 64),
    }
}

pub(crate) fn cut(mut text: String, most: usize) -> String {
    while text.len() > most {
        text.pop();
    }
    text
}

/// A fence as the fold knows it.
pub(crate) fn grant(fence: channel::Fence) -> Fence {
    Fence {
        epoch: fence.epoch,
        position: fence.position,
    }
}
