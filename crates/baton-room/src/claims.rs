//! Two connections whose clients write under one Yjs client id.
//!
//! Owns the ids that connections have said in their hellos, and each hello with an id that another live connection has said:
//! it waits until that connection answers a probe, or until it has not for [`ANSWER`]. Nothing else counts as an answer:
//! bytes that a dead client sent before may still arrive. The same client may come back while
//! its old connection is half open, and must not be shut out by it; a second client must not write under the same id.
//! Messages that such a connection sends meanwhile are kept, in their order. Decides nothing about sessions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use baton_presence::Time;
use baton_sync::channel::{ErrorCode, ServerMessage};
use baton_sync::handshake::Kind;
use bytes::Bytes;

use crate::connection::Stage;
use crate::output::{ConnectionId, Ending, Incoming, Outgoing, Output};
use crate::receive::Hello;
use crate::room::Room;
use crate::token::ResumeToken;

/// Time within which the connection that said an id first must answer a ping.
pub(crate) const ANSWER: Duration = Duration::from_secs(2);

/// Bytes that a kept message counts beyond its own.
const OVERHEAD: usize = 64;

/// A message that is kept until its connection has a session.
#[derive(Debug)]
enum Kept {
    Step1(Vec<u8>),
    Sync(Kind, Bytes),
    Awareness(Vec<u8>),
    QueryAwareness,
    Channel(String),
    Other,
}

/// A hello that waits.
struct Waiting {
    hello: Hello,
    token: ResumeToken,
    /// The connection that has the id.
    owner: ConnectionId,
    /// The probe that the owner must answer.
    mark: u64,
    due: Time,
    messages: VecDeque<Kept>,
    bytes: usize,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Claims {
    owners: BTreeMap<u64, ConnectionId>,
    /// The other way round.
    said: BTreeMap<ConnectionId, u64>,
    waiting: BTreeMap<ConnectionId, Waiting>,
    /// The mark of the newest probe.
    probes: u64,
}

impl Claims {
    /// Bytes of updates that are kept, which become records when their connection has a session.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.values().map(|waiting| waiting.bytes).sum()
    }

    /// The time at which the first connection that is waited for has been silent for long enough.
    pub(crate) fn due(&self) -> Option<Time> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    fn owner(&self, client: u64) -> Option<ConnectionId> {
        self.owners.get(&client).copied()
    }

    /// Returns a mark that no probe has had.
    fn next_mark(&mut self) -> u64 {
        self.probes += 1;
        self.probes
    }

    /// Those that wait because of this connection.
    fn behind(&self, owner: ConnectionId) -> Vec<ConnectionId> {
        let behind = |(_, waiting): &(&ConnectionId, &Waiting)| waiting.owner == owner;
        let behind = self.waiting.iter().filter(behind);
        behind.map(|(connection, _)| *connection).collect()
    }
}

impl Room {
    /// Keeps a hello waiting if another live connection, of another session, has said the same client id. Returns a
    /// hello that need not wait, for the caller to go on with.
    pub(crate) fn contest(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        token: ResumeToken,
        now: Time,
    ) -> Option<(Hello, ResumeToken)> {
        let Some(client) = hello.client_id() else {
            return Some((hello, token));
        };
        let owner = self.claims.owner(client).filter(|owner| {
            let resumed = self.resumable(hello.resume.as_ref());
            let same = resumed.is_some_and(|(session, _)| self.session_of(*owner) == Some(session));
            *owner != connection && self.connections.contains_key(owner) && !same
        });
        let Some(owner) = owner else {
            self.claims.owners.insert(client, connection);
            self.claims.said.insert(connection, client);
            return Some((hello, token));
        };
        if let Some(here) = self.connections.get_mut(&connection) {
            here.stage = Stage::Contesting;
        }
        let mark = self.claims.next_mark();
        let waiting = Waiting {
            hello,
            token,
            owner,
            mark,
            due: now + ANSWER,
            messages: VecDeque::new(),
            bytes: 0,
        };
        self.claims.waiting.insert(connection, waiting);
        self.outputs.push_back(Output::Probe { to: owner, mark });
        None
    }

    /// A message of a connection whose hello waits.
    pub(crate) fn keep_contested(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'_>,
        now: Time,
    ) {
        let limit = self.options.handshake.aside_bytes;
        let Some(waiting) = self.claims.waiting.get_mut(&connection) else {
            return;
        };
        let (kept, len) = match message {
            Incoming::Step1(vector) => (Kept::Step1(vector.to_vec()), vector.len()),
            Incoming::Sync(kind, update) => (Kept::Sync(kind, update.clone()), update.len()),
            Incoming::Awareness(payload) => (Kept::Awareness(payload.to_vec()), payload.len()),
            Incoming::QueryAwareness => (Kept::QueryAwareness, 0),
            Incoming::Channel(payload) => (Kept::Channel(payload.to_owned()), payload.len()),
            Incoming::Other => (Kept::Other, 0),
        };
        waiting.bytes += len + OVERHEAD;
        waiting.messages.push_back(kept);
        if waiting.bytes > limit {
            let reason = "another connection with the same Yjs client id may still be alive, and more came over this one meanwhile than is kept (max_aside); nothing changed: come again in a moment";
            self.close(connection, Ending::Unavailable, reason.to_owned(), now);
        }
    }

    /// The pong to the probe with this mark came from a connection: a hello that waits for it and says its client id as well
    /// is another client's. Another mark changes nothing.
    pub fn probed(&mut self, owner: ConnectionId, mark: u64, now: Time) {
        let answered = |(_, waiting): &(&ConnectionId, &Waiting)| {
            waiting.owner == owner && waiting.mark == mark
        };
        let waiting = self.claims.waiting.iter().find(answered);
        if waiting.is_none() {
            return;
        }
        for connection in self.claims.behind(owner) {
            let waiting = self.claims.waiting.get(&connection);
            let client = waiting.and_then(|waiting| waiting.hello.client_id());
            let reason = format!(
                "another client in this document writes under the Yjs client id {}, and is here; nothing changed: open the document afresh, under a new client id",
                client.unwrap_or_default()
            );
            let error = ServerMessage::Error {
                code: ErrorCode::ClientId,
                message: reason.clone(),
                retry: false,
            };
            self.send(connection, Outgoing::Channel(Arc::new(error)));
            self.close(connection, Ending::ClientId, reason, now);
        }
    }

    /// Time has come to `now`: a connection that did not answer is lost.
    pub(crate) fn settle_claims(&mut self, now: Time) {
        if self.claims.due().is_none_or(|due| now < due) {
            return;
        }
        let silent = self.claims.waiting.values();
        let silent = silent.filter(|waiting| waiting.due <= now);
        let silent: Vec<ConnectionId> = silent.map(|waiting| waiting.owner).collect();
        for owner in silent {
            let reason = "nothing came from this connection when another one said the same Yjs client id; this session went on without it";
            self.close(owner, Ending::Superseded, reason.to_owned(), now);
        }
    }

    /// A connection is gone: no hello waits for it any longer, and its own hello does not matter.
    pub(crate) fn drop_claim(&mut self, gone: ConnectionId, now: Time) {
        self.claims.waiting.remove(&gone);
        if let Some(client) = self.claims.said.remove(&gone)
            && self.claims.owner(client) == Some(gone)
        {
            self.claims.owners.remove(&client);
        }
        for connection in self.claims.behind(gone) {
            let Some(waiting) = self.claims.waiting.remove(&connection) else {
                continue;
            };
            if let Some(here) = self.connections.get_mut(&connection) {
                here.stage = Stage::Greeting;
            }
            self.hello(connection, waiting.hello, waiting.token, now);
            for message in waiting.messages {
                let message = match &message {
                    Kept::Step1(vector) => Incoming::Step1(vector),
                    Kept::Sync(kind, update) => Incoming::Sync(*kind, update.clone()),
                    Kept::Awareness(payload) => Incoming::Awareness(payload),
                    Kept::QueryAwareness => Incoming::QueryAwareness,
                    Kept::Channel(payload) => Incoming::Channel(payload),
                    Kept::Other => Incoming::Other,
                };
                // Its session is on the way already, so that no other token is wanted.
                self.receive(connection, message, waiting.token, now);
            }
        }
    }
}
