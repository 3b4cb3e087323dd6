//! The first message of a connection: a session begins or goes on.
//!
//! A hello of Baton's channel names the client, and may name a session to resume. Any other first
//! message makes a stock client's session. Nothing here changes the document or a lock: a session
//! exists when its record has a position.

use std::sync::Arc;

use baton_presence::{ClientKind, Fence, Rights, SessionId, SessionRole, Time, UserKey};
use baton_sync::ClientId;
use baton_sync::compressed_update::Compression;
use baton_sync::control_channel::{ErrorCode, Resume, ServerMessage, User, VERSION};

use super::client_id_claims::Contested;
use super::connection::{Channel, ConnectionStage};
use super::hello::Hello;
use super::session_table::Sessions;
use crate::channel_types::profile;
use crate::message::{ConnectionId, Ending, Identity, Incoming, Outgoing};
use crate::options::RoomOptions;
use crate::reaction::{Answer, Origin, ProposedRecord, Reaction, Resumption};
use crate::replica::{Profile, Record, ReplicatedState};
use crate::token::{ResumeToken, Source, TokenHash, identity_key, user_key};

/// Bytes that the secret of a user may have.
const USER_KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// The beginning of a session.
struct Newcomer {
    client_kind: ClientKind,
    role: SessionRole,
    user: Option<UserKey>,
    profile: Profile,
    client: Option<u64>,
}

/// Everything that the way in reads and sessions do not own.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) options: &'a RoomOptions,
    pub(crate) state: &'a ReplicatedState,
    /// Becomes the session's next resume token.
    pub(crate) fresh: ResumeToken,
    pub(crate) now: Time,
}

impl Sessions {
    /// Takes a message of a connection. Returns it if it means something beside the session.
    pub(crate) fn receive<'m>(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'m>,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) -> Option<Incoming<'m>> {
        match self.connections.get(&connection)?.stage {
            ConnectionStage::In(session) => self.detector.heard(session, entry.now),
            ConnectionStage::Greeting => {
                if let Incoming::Channel(payload) = message {
                    self.greet(connection, payload, entry, out);
                    return None;
                }
                self.join_stock(connection, entry, out);
            }
            ConnectionStage::Contesting => {
                self.keep_contested(connection, message, entry, out);
                return None;
            }
            ConnectionStage::Joining => {}
        }
        Some(message)
    }

    fn greet(
        &mut self,
        connection: ConnectionId,
        payload: &str,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) {
        match Hello::decode(payload) {
            Ok(hello) => self.hello(connection, hello, entry, out),
            Err(fault) => out.push(Reaction::malformed(connection, &fault)),
        }
    }

    /// Returns true if the client of a connection is sent compressed updates where that is of use.
    pub(crate) fn takes_compressed(&self, connection: ConnectionId) -> bool {
        let here = self.connections.get(&connection);
        here.is_some_and(|here| here.takes_compressed)
    }

    /// Returns the compression of what this connection is sent, where that is of use.
    pub(crate) fn compression_for(
        &self,
        connection: ConnectionId,
        options: &RoomOptions,
    ) -> Option<Compression> {
        let asked = self.takes_compressed(connection);
        options.compression.filter(|_| asked)
    }

    /// Sends the client of a connection plain updates from now on.
    pub(crate) fn send_plain(&mut self, connection: ConnectionId) {
        if let Some(here) = self.connections.get_mut(&connection) {
            here.takes_compressed = false;
        }
    }

    /// Returns the user of a connection, if a token states one.
    pub(crate) fn identity_of(&self, connection: ConnectionId) -> Option<&Identity> {
        self.connections.get(&connection)?.arrival.identity.as_ref()
    }

    /// Returns the key by which the edits of a stock client's connection are known as one user's,
    /// or as those of one source.
    pub(crate) fn stock_key(&self, connection: ConnectionId) -> Option<UserKey> {
        let identity = self.identity_of(connection);
        let user = identity.map(|identity| identity_key(identity.id()));
        user.or_else(|| self.source_of(connection).map(Source::key))
    }

    fn join_stock(&mut self, connection: ConnectionId, entry: Entry<'_>, out: &mut Vec<Reaction>) {
        let newcomer = Newcomer {
            client_kind: ClientKind::LockUnaware,
            role: SessionRole::Writer,
            user: self.stock_key(connection),
            profile: profile(&User::default(), self.identity_of(connection)),
            client: None,
        };
        self.join(connection, newcomer, entry, out);
    }

    /// Takes a hello, which may have waited for another connection.
    pub(super) fn hello(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) {
        if hello.version != VERSION {
            let fault = format!(
                "this server speaks version {VERSION} of Baton's channel, not {}",
                hello.version
            );
            out.push(Reaction::malformed(connection, &fault));
            return;
        }
        let epoch = entry.options.lock_settings.epoch;
        if hello.epoch.is_some_and(|theirs| theirs != epoch) {
            let reason = format!(
                "your copy of the document is of another epoch than {epoch}: it was restored from a backup, or erased; open it afresh"
            );
            out.push(Reaction::Close(connection, Ending::Epoch, reason));
            return;
        }
        let secret = hello.user_key.as_deref();
        if secret.is_some_and(|secret| !USER_KEY_BYTES.contains(&secret.len())) {
            let fault = format!(
                "a user_key has {} to {} bytes",
                USER_KEY_BYTES.start(),
                USER_KEY_BYTES.end()
            );
            out.push(Reaction::malformed(connection, &fault));
            return;
        }
        if let Some(here) = self.connections.get_mut(&connection) {
            here.channel = Channel::Opening;
        }
        if let Some(hello) = self.contest(connection, hello, entry, out) {
            if let Some(here) = self.connections.get_mut(&connection) {
                let offered = here.arrival.may_compress && entry.options.compression.is_some();
                here.takes_compressed = offered && hello.reads_compressed;
            }
            self.enter_with(connection, hello, entry, out);
        }
    }

    /// Lets a hello wait if another live connection, of another session, has named its client id.
    /// Returns a hello that need not wait.
    fn contest(
        &mut self,
        connection: ConnectionId,
        mut hello: Hello,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) -> Option<Hello> {
        let Some(client) = hello.client_id() else {
            return Some(hello);
        };
        let owner = self.claims.owner(client).filter(|owner| {
            let resumed = self.resumable(connection, hello.resume.as_ref(), entry.state);
            let same = resumed.is_some_and(|(session, _)| self.session_of(*owner) == Some(session));
            *owner != connection && self.contains(*owner) && !same
        });
        let Some(owner) = owner else {
            self.claims.claim(client, connection);
            return Some(hello);
        };
        if let Some(here) = self.connections.get_mut(&connection) {
            here.stage = ConnectionStage::Contesting;
        }
        // Its Step1 is answered in a step of another connection, whose estimate leaves that out.
        hello.reads_compressed = false;
        let (token, now) = (entry.fresh, entry.now);
        let mark = self.claims.wait(connection, owner, hello, token, now);
        out.push(Reaction::Answer(owner, Answer::Probe(mark)));
        None
    }

    fn keep_contested(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'_>,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) {
        let limit = entry.options.handshake.aside_bytes;
        if self.claims.keep(connection, message, limit) {
            let reason = "another connection with the same Yjs client id may still be alive, and more came over this one meanwhile than is kept (max_aside); nothing changed: come again in a moment";
            let reason = reason.to_owned();
            out.push(Reaction::Close(connection, Ending::Unavailable, reason));
        }
    }

    fn enter_with(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) {
        let client = hello.client_id();
        let identity = self.identity_of(connection);
        let profile = profile(&hello.user, identity);
        let token_user = identity.map(|identity| identity_key(identity.id()));
        if let Some(client) = client.and_then(ClientId::new) {
            self.awareness.claim(connection, client);
        }
        let resumable = self.resumable(connection, hello.resume.as_ref(), entry.state);
        let Some((session, shown)) = resumable else {
            let newcomer = Newcomer {
                client_kind: ClientKind::LockAware,
                role: hello.role,
                user: token_user.or_else(|| hello.user_key.as_deref().map(user_key)),
                profile,
                client,
            };
            self.join(connection, newcomer, entry, out);
            return;
        };
        let believed = hello
            .fences
            .into_iter()
            .map(Fence::from)
            .collect::<Vec<_>>();
        let role = entry.state.locks().peer(session).map(|peer| peer.role);
        let record = Record::Resumed {
            session,
            fences: believed.clone(),
            rights: self.enter(connection, role.unwrap_or(hello.role)),
            token: entry.fresh.hash(),
            profile,
            client,
            at_ms: entry.options.unix_ms(entry.now),
        };
        let resumption = Resumption {
            token: entry.fresh,
            shown,
            believed,
        };
        let origin = Origin::Resume(connection, resumption);
        out.push(Reaction::Propose(ProposedRecord::Record(record, origin)));
    }

    fn join(
        &mut self,
        connection: ConnectionId,
        newcomer: Newcomer,
        entry: Entry<'_>,
        out: &mut Vec<Reaction>,
    ) {
        let record = Record::Joined {
            client_kind: newcomer.client_kind,
            role: newcomer.role,
            rights: self.enter(connection, newcomer.role),
            user: newcomer.user,
            token: entry.fresh.hash(),
            profile: newcomer.profile,
            client: newcomer.client,
            at_ms: entry.options.unix_ms(entry.now),
        };
        let origin = Origin::Join(connection, entry.fresh);
        out.push(Reaction::Propose(ProposedRecord::Record(record, origin)));
    }

    /// Notes that the session of this connection is being proposed. Returns the rights that it will
    /// have.
    fn enter(&mut self, connection: ConnectionId, role: SessionRole) -> Rights {
        let Some(here) = self.connections.get_mut(&connection) else {
            return Rights::NONE;
        };
        here.stage = ConnectionStage::Joining;
        here.rights_as(role)
    }

    /// Returns the session that a token resumes: the last token given out, or the one before as
    /// long as nothing proves that the last one arrived. A session of another user is not resumed.
    fn resumable(
        &self,
        connection: ConnectionId,
        resume: Option<&Resume>,
        state: &ReplicatedState,
    ) -> Option<(SessionId, TokenHash)> {
        let resume = resume?;
        let session = SessionId(resume.session);
        let person = state.people().here(session)?;
        let peer = state.locks().peer(session)?;
        let shown = TokenHash::of_text(&resume.token);
        // Of a session on another host nothing proves here that its last token arrived.
        let is_unproven = match self.connection_of(session) {
            Some(_) => None,
            None => state.attachments().shown(session),
        };
        let is_unproven = self.unproven.get(&session).or(is_unproven) == Some(&shown);
        let known = person.token == shown || is_unproven;
        let identity = self.identity_of(connection).map(Identity::id);
        let is_same_user = person.profile.user_id.as_deref() == identity;
        (peer.client_kind == ClientKind::LockAware && known && is_same_user)
            .then_some((session, shown))
    }

    /// Goes on with the connections that waited for one which is gone. Returns the messages that
    /// they have sent meanwhile.
    pub(crate) fn take_contested(
        &mut self,
        connection: ConnectionId,
        options: &RoomOptions,
        state: &ReplicatedState,
        now: Time,
        out: &mut Vec<Reaction>,
    ) -> Option<Contested> {
        let waiting = self.claims.take(connection)?;
        if let Some(here) = self.connections.get_mut(&connection) {
            here.stage = ConnectionStage::Greeting;
        }
        let entry = Entry {
            options,
            state,
            fresh: waiting.token,
            now,
        };
        self.hello(connection, waiting.hello, entry, out);
        Some(Contested {
            token: waiting.token,
            messages: waiting.messages,
        })
    }

    /// Turns down the hellos that wait for a probe which was answered: their client is another one.
    pub(crate) fn probe_answered(&self, owner: ConnectionId, mark: u64, out: &mut Vec<Reaction>) {
        for (connection, client) in self.claims.answered(owner, mark) {
            let reason = format!(
                "another client in this document writes under the Yjs client id {client}, and is here; nothing changed: open the document afresh, under a new client id"
            );
            // At once: no welcome of this connection is on the way.
            let error = Arc::new(ServerMessage::Error {
                code: ErrorCode::ClientId,
                message: reason.clone(),
                retry: false,
            });
            let error = Answer::Send(Outgoing::Channel(error));
            out.push(Reaction::Answer(connection, error));
            out.push(Reaction::Close(connection, Ending::ClientId, reason));
        }
    }
}
