//! Connections whose clients write under one Yjs client id.
//!
//! Owns the ids that connections have named in their hellos, and each hello with an id that another
//! live connection has named. Such a hello waits until that connection answers a probe, or has not
//! answered for [`ANSWER`]. Nothing else counts as an answer: bytes that a dead client sent before
//! may still arrive. The same client may come back while its old connection is half open, and must
//! not be shut out by it; a second client must not write under the same id. Messages of a waiting
//! connection are kept in their order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use baton_presence::Time;

use super::hello::Hello;
use crate::kept_message::KeptMessage;
use crate::message::{ConnectionId, Incoming};
use crate::token::ResumeToken;

/// Time within which the connection that named an id first must answer a ping.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// A hello that waits.
pub(super) struct WaitingHello {
    pub(super) hello: Hello,
    pub(super) token: ResumeToken,
    /// The connection that has the id.
    owner: ConnectionId,
    /// The probe that the owner must answer.
    mark: u64,
    due: Time,
    pub(super) messages: VecDeque<KeptMessage>,
    bytes: usize,
}

/// The rest of a connection whose hello waited.
pub(crate) struct Contested {
    pub(crate) token: ResumeToken,
    /// Messages that came meanwhile.
    pub(crate) messages: VecDeque<KeptMessage>,
}

/// The Yjs client ids of a room's connections.
#[derive(Default)]
pub(super) struct ClientIdClaims {
    owners: BTreeMap<u64, ConnectionId>,
    /// The inverse of `owners`.
    claimed: BTreeMap<ConnectionId, u64>,
    waiting: BTreeMap<ConnectionId, WaitingHello>,
    /// The mark of the newest probe.
    probes: u64,
}

impl ClientIdClaims {
    /// Bytes of messages that are kept; their updates become records after the hello.
    pub(super) fn bytes(&self) -> usize {
        self.waiting.values().map(|waiting| waiting.bytes).sum()
    }

    /// Returns the time at which the first probed connection has been silent for long enough.
    pub(super) fn due(&self) -> Option<Time> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    pub(super) fn owner(&self, client: u64) -> Option<ConnectionId> {
        self.owners.get(&client).copied()
    }

    pub(super) fn claim(&mut self, client: u64, connection: ConnectionId) {
        self.owners.insert(client, connection);
        self.claimed.insert(connection, client);
    }

    /// Lets a hello wait for the owner of its client id. Returns the mark of the probe.
    pub(super) fn wait(
        &mut self,
        connection: ConnectionId,
        owner: ConnectionId,
        hello: Hello,
        token: ResumeToken,
        now: Time,
    ) -> u64 {
        self.probes += 1;
        let mark = self.probes;
        let waiting = WaitingHello {
            hello,
            token,
            owner,
            mark,
            due: now + ANSWER,
            messages: VecDeque::new(),
            bytes: 0,
        };
        self.waiting.insert(connection, waiting);
        mark
    }

    /// Keeps a message of a connection whose hello waits. Returns true if the connection has more
    /// than `limit` bytes now.
    pub(super) fn keep(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'_>,
        limit: usize,
    ) -> bool {
        let Some(waiting) = self.waiting.get_mut(&connection) else {
            return false;
        };
        let kept = KeptMessage::of(message);
        waiting.bytes += kept.cost();
        waiting.messages.push_back(kept);
        waiting.bytes > limit
    }

    /// Returns the connections whose hellos an answer to this probe turns down, with their ids. A
    /// mark that is not waited for turns down none.
    pub(super) fn answered(&self, owner: ConnectionId, mark: u64) -> Vec<(ConnectionId, u64)> {
        let mut all = self.waiting.values();
        if !all.any(|waiting| waiting.owner == owner && waiting.mark == mark) {
            return Vec::new();
        }
        let behind = self.waiting.iter().filter(|(_, here)| here.owner == owner);
        let id = |waiting: &WaitingHello| waiting.hello.client_id().unwrap_or_default();
        behind
            .map(|(connection, waiting)| (*connection, id(waiting)))
            .collect()
    }

    /// Returns the connections that have not answered in time.
    pub(super) fn silent(&self, now: Time) -> Vec<ConnectionId> {
        let silent = self.waiting.values().filter(|waiting| waiting.due <= now);
        silent.map(|waiting| waiting.owner).collect()
    }

    /// Forgets a connection that is gone. Returns the connections whose hellos waited for it.
    pub(super) fn forget(&mut self, gone: ConnectionId) -> Vec<ConnectionId> {
        self.waiting.remove(&gone);
        if let Some(client) = self.claimed.remove(&gone)
            && self.owner(client) == Some(gone)
        {
            self.owners.remove(&client);
        }
        let behind = self.waiting.iter().filter(|(_, here)| here.owner == gone);
        behind.map(|(connection, _)| *connection).collect()
    }

    pub(super) fn take(&mut self, connection: ConnectionId) -> Option<WaitingHello> {
        self.waiting.remove(&connection)
    }
}
