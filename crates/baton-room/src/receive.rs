//! What a client says, and what the room makes of it.
//!
//! Owns the first decision about every message: an answer now, a record to propose, or a fault of the sender. Nothing
//! here changes the document or the lock; only a record that got its position does.

use baton_presence::{Event, Fence, SessionId, Standing, Time, Voice};
use baton_sync::channel::{self, ClientMessage, ErrorCode, Resume, User};
use baton_sync::{ClientId, StateVector};

use crate::connection::{Channel, Origin, Stage};
use crate::output::{ConnectionId, Ending, Incoming, Outgoing};
use crate::record::{Profile, Record};
use crate::room::Room;
use crate::token::{ResumeToken, TokenHash};

/// What a hello may bring, read from the payload.
struct Hello {
    version: u32,
    resume: Option<Resume>,
    epoch: Option<u32>,
    fence: Option<channel::Fence>,
    user: User,
    client: Option<u64>,
    standing: Standing,
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
        let Some(here) = self.connections.get(&connection) else {
            return;
        };
        match here.stage {
            Stage::In(session) => self.watch.heard(session, now),
            Stage::Greeting => {
                if self.greet(connection, &message, fresh, now) {
                    return;
                }
            }
            Stage::Joining => {}
        }
        match message {
            Incoming::Step1(vector) => self.answer(connection, vector, now),
            Incoming::Sync(kind, update) => self.update(connection, kind, &update, now),
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
                    fence,
                    user,
                    client,
                    observer,
                }) => {
                    let standing = if observer {
                        Standing::Observer
                    } else {
                        Standing::Writer
                    };
                    let hello = Hello {
                        version,
                        resume,
                        epoch,
                        fence,
                        user,
                        client,
                        standing,
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
        self.join(
            connection,
            Voice::Stock,
            Standing::Writer,
            Profile::default(),
            None,
            fresh,
        );
        false
    }

    fn hello(&mut self, connection: ConnectionId, hello: Hello, fresh: ResumeToken, now: Time) {
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
                "your copy of the document is of another epoch than {epoch}: it was restored from a backup; open it afresh"
            );
            self.close(connection, Ending::Epoch, reason, now);
            return;
        }
        if let Some(here) = self.connections.get_mut(&connection) {
            here.channel = Channel::Opening;
        }
        let profile = profile(hello.user);
        let client = hello.client.filter(|id| *id < 1 << 53);
        if let Some(client) = client.and_then(ClientId::new) {
            self.awareness.claim(connection, client);
        }
        let Some(session) = self.resumable(hello.resume.as_ref()) else {
            self.join(
                connection,
                Voice::Lock,
                hello.standing,
                profile,
                client,
                fresh,
            );
            return;
        };
        if let Some(here) = self.connections.get_mut(&connection) {
            here.stage = Stage::Joining;
        }
        let fence = hello.fence.map(|fence| Fence {
            epoch: fence.epoch,
            position: fence.position,
        });
        let record = Record::Resumed {
            session,
            fence,
            token: fresh.hash(),
            profile,
            client,
        };
        self.propose(record, Origin::Resume(connection, fresh, fence));
    }

    /// The session that may be resumed with what the client shows: its token is the last one given out.
    fn resumable(&self, resume: Option<&Resume>) -> Option<SessionId> {
        let resume = resume?;
        let session = SessionId(resume.session);
        let person = self.state.people.get(&session)?;
        let peer = self.state.fold.peer(session)?;
        let known = peer.voice == Voice::Lock && person.token == TokenHash::of_text(&resume.token);
        known.then_some(session)
    }

    fn join(
        &mut self,
        connection: ConnectionId,
        voice: Voice,
        standing: Standing,
        profile: Profile,
        client: Option<u64>,
        fresh: ResumeToken,
    ) {
        if let Some(here) = self.connections.get_mut(&connection) {
            here.stage = Stage::Joining;
        }
        let record = Record::Joined {
            voice,
            standing,
            token: fresh.hash(),
            profile,
            client,
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
        match self.state.document.diff(&since) {
            Ok(missing) => self.send(connection, Outgoing::Step2(missing)),
            Err(_) => {
                self.close_all(
                    Ending::Unavailable,
                    "the document could not be encoded and is being rebuilt; come again",
                    now,
                );
            }
        }
    }

    fn channel(&mut self, connection: ConnectionId, payload: &str, now: Time) {
        let message = match ClientMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                self.complain(connection, ErrorCode::Protocol, error.to_string(), false);
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

    fn operate(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        message: ClientMessage,
        now: Time,
    ) {
        let grant = |fence: channel::Fence| Fence {
            epoch: fence.epoch,
            position: fence.position,
        };
        let (event, nonce) = match message {
            ClientMessage::Hello { .. } => {
                let fault = "hello is the first message of a connection, and only that".to_owned();
                self.complain(connection, ErrorCode::Protocol, fault, false);
                return;
            }
            ClientMessage::Answer { n, .. } => {
                // A late answer still proves that the connection is alive, and that was noted.
                let _counted = self.watch.answered(session, n, now);
                return;
            }
            ClientMessage::Profile { user } => {
                let profile = profile(user);
                self.propose(Record::Renamed { session, profile }, Origin::Nobody);
                return;
            }
            ClientMessage::Acquire { nonce } => (Event::Acquire { session }, Some(nonce)),
            ClientMessage::Try { nonce } => (Event::Try { session }, Some(nonce)),
            ClientMessage::Cancel { nonce } => (Event::Cancel { session }, Some(nonce)),
            ClientMessage::Release { nonce, fence } => {
                let fence = grant(fence);
                (Event::Release { session, fence }, Some(nonce))
            }
            ClientMessage::Claim { fence } => {
                let fence = grant(fence);
                (Event::Claim { session, fence }, None)
            }
            ClientMessage::Decline { fence } => {
                let fence = grant(fence);
                (Event::Decline { session, fence }, None)
            }
        };
        let origin = nonce.map_or(Origin::Nobody, |nonce| Origin::Operation(connection, nonce));
        self.propose(Record::Presence(event), origin);
    }
}

/// What is kept of what a client calls itself; longer texts are cut at a character.
fn profile(user: User) -> Profile {
    Profile {
        name: cut(user.name, 256),
        color: cut(user.color, 64),
    }
}

fn cut(mut text: String, most: usize) -> String {
    while text.len() > most {
        text.pop();
    }
    text
}
