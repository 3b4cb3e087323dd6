//! The inboxes of all connections, and the sets of those that wait for something.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::Fence;
use baton_sync::StateVector;
use baton_sync::control_channel::ClientMessage;
use baton_sync::handshake::{HandshakeLimits, SyncKind};
use baton_sync::scan::OwnedScan;
use bytes::Bytes;

use super::inbox::{Inbox, ResyncState};
use crate::message::{ConnectionId, Receipts};
use crate::replica::Effect;

/// The reason for which a drained lock could not count as drained in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrainDelay {
    /// The client has not answered our Step1.
    AnswerMissing,
    /// Its edits wait for another holder that is expected to resend them.
    EditsWaiting,
}

/// The inboxes of all connections.
#[derive(Default)]
pub(crate) struct Inboxes {
    all: BTreeMap<ConnectionId, Box<Inbox>>,
    /// Connections with incomplete updates kept aside.
    aside: BTreeSet<ConnectionId>,
    /// Connections with messages that came too early to be judged.
    early: BTreeSet<ConnectionId>,
    /// Connections with updates that are not durable yet, and want to know.
    unsaved: BTreeSet<ConnectionId>,
    /// Connections whose clients take an update of their own that comes back for saved.
    echoed: BTreeSet<ConnectionId>,
}

impl Inboxes {
    pub(crate) fn connect(
        &mut self,
        connection: ConnectionId,
        limits: HandshakeLimits,
        receipts: Receipts,
    ) {
        if receipts == Receipts::Echo {
            self.echoed.insert(connection);
        }
        let inbox = Box::new(Inbox::open(limits, receipts));
        self.all.insert(connection, inbox);
    }

    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        self.all.remove(&connection);
        self.echoed.remove(&connection);
        self.unsaved.remove(&connection);
        self.aside.remove(&connection);
        self.early.remove(&connection);
    }

    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Inbox> {
        let inbox = self.all.get(&connection)?;
        (!inbox.closing).then_some(inbox)
    }

    pub(super) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Inbox> {
        let inbox = self.all.get_mut(&connection)?;
        (!inbox.closing).then_some(inbox)
    }

    pub(super) fn close(&mut self, connection: ConnectionId) {
        if let Some(inbox) = self.all.get_mut(&connection) {
            inbox.closing = true;
        }
    }

    /// Settles an update whose record has its position. An update that entered neither the document
    /// nor a park was overtaken by an earlier record, and is judged again. Returns true if other
    /// sessions waited for it.
    pub(crate) fn settle_update(
        &mut self,
        connection: ConnectionId,
        position: u64,
        streamed: bool,
        effects: &[Effect],
    ) -> bool {
        let Some(inbox) = self.all.get_mut(&connection) else {
            return false;
        };
        if !streamed {
            inbox.proposed = inbox.proposed.saturating_sub(1);
        } else if !inbox.handshake.awaits_position() || inbox.proposed > 0 {
            // Decided already, or behind one that is not.
            return false;
        }
        let nothing = effects.iter().find_map(|effect| match effect {
            Effect::Nothing(update) => Some(update.clone()),
            _ => None,
        });
        let is_parked = |effect: &Effect| matches!(effect, Effect::Parked { .. });
        let is_parked = effects.iter().any(is_parked);
        inbox.stream.judged(nothing.is_none() && !is_parked);
        match nothing {
            Some(update) => {
                inbox.handshake.overtaken(update);
                self.aside.insert(connection);
            }
            None if is_parked => inbox.handshake.parked(position),
            None => inbox.handshake.settled(position),
        }
        let expected = inbox.resync == ResyncState::Appending;
        if expected {
            inbox.resync = ResyncState::Done;
        }
        expected
    }

    /// Wakes updates that are kept aside for want of those that a record brought. `author` is the
    /// connection of the record. Returns true if any may come now.
    pub(crate) fn wake(&mut self, effects: &[Effect], author: Option<ConnectionId>) -> bool {
        let mut updated = author.is_some();
        for effect in effects {
            match effect {
                Effect::Applied(update) => {
                    updated = true;
                    self.wake_aside(update, None);
                }
                Effect::Parked { update, .. } if author.is_some() => {
                    self.wake_aside(update, author);
                }
                _ => {}
            }
        }
        updated
    }

    /// Wakes updates that are kept aside for want of this one, which is in the document, or in the
    /// park of one connection's session.
    fn wake_aside(&mut self, update: &OwnedScan, only: Option<ConnectionId>) {
        if self.aside.is_empty() {
            return;
        }
        for connection in &self.aside {
            let meant = only.is_none_or(|only| only == *connection);
            let Some(inbox) = self.all.get_mut(connection).filter(|_| meant) else {
                continue;
            };
            for range in update.as_scan().inserts() {
                inbox.handshake.changed(range.client, range.end);
            }
        }
    }

    /// Returns the number of this connection's messages that are durable, in the document or in a
    /// park (S4), if it has grown.
    pub(crate) fn take_saved(&mut self, connection: ConnectionId, durable: u64) -> Option<u64> {
        let inbox = self.all.get_mut(&connection)?;
        inbox.handshake.ledger().durable(durable)
    }

    /// Returns the status of the connection's next message that has one now.
    pub(crate) fn next_status(&mut self, connection: ConnectionId, durable: u64) -> Option<bool> {
        let inbox = self.all.get_mut(&connection)?;
        inbox.handshake.ledger().next_status(durable)
    }

    /// Returns the connection's next barrier that is answered now.
    pub(crate) fn next_barrier(&mut self, connection: ConnectionId) -> Option<Bytes> {
        self.all.get_mut(&connection)?.next_barrier()
    }

    /// Notes that a connection was told everything that it can be told now.
    pub(crate) fn told(&mut self, connection: ConnectionId) {
        let inbox = self.all.get_mut(&connection);
        if inbox.is_none_or(|inbox| !inbox.has_unsaved()) {
            self.unsaved.remove(&connection);
        }
    }

    /// Returns the way in which the client of a connection is told that an edit is saved.
    pub(crate) fn receipts(&self, connection: ConnectionId) -> Receipts {
        let inbox = self.all.get(&connection);
        inbox.map_or(Receipts::None, |inbox| inbox.receipts)
    }

    /// Returns true if a client other than this one takes an update of its own that comes back for
    /// saved.
    pub(crate) fn echoes_beside(&self, author: Option<ConnectionId>) -> bool {
        self.echoed.iter().any(|echoed| Some(*echoed) != author)
    }

    /// Notes a Step1 of the client, with its vector.
    pub(crate) fn count_anew(&mut self, connection: ConnectionId, vector: &StateVector) {
        if let Some(inbox) = self.all.get_mut(&connection) {
            inbox.handshake.ledger().count_anew(vector);
        }
    }

    /// Notes that a client has sent what it had queued while it was offline.
    pub(crate) fn queue_was_sent(&mut self, connection: ConnectionId) {
        if let Some(inbox) = self.all.get_mut(&connection) {
            inbox.handshake.ledger().queue_was_sent();
        }
    }

    /// Notes that our Step1 goes out before the answer to the client's.
    pub(crate) fn asked(&mut self, connection: ConnectionId) {
        if let Some(inbox) = self.all.get_mut(&connection) {
            inbox.handshake.open();
        }
    }

    /// Returns the connections with updates that are not durable yet.
    pub(crate) fn unsaved(&self) -> Vec<ConnectionId> {
        self.unsaved.iter().copied().collect()
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Bytes of updates kept aside, which may become records with the next change of the document
    /// or of its locks.
    pub(crate) fn aside_bytes(&self) -> usize {
        let here = |id| self.all.get(id);
        let incomplete = self.aside.iter().filter_map(here);
        let incomplete = incomplete.map(|inbox| inbox.handshake.aside_bytes());
        let early = self.early.iter().filter_map(here);
        let early = early.map(|inbox| inbox.early.bytes());
        incomplete.chain(early).sum()
    }

    /// Returns the reason for which a client that said in time that its lock is drained was not
    /// heard yet; `None` if it did not say so.
    pub(crate) fn drain_delay(&self, connection: ConnectionId, fence: Fence) -> Option<DrainDelay> {
        let inbox = self.all.get(&connection)?;
        let mut given = inbox.deferred.iter().filter_map(given_away);
        given.find(|given| *given == fence)?;
        Some(if inbox.handshake.awaits_answer() {
            DrainDelay::AnswerMissing
        } else {
            DrainDelay::EditsWaiting
        })
    }

    /// Returns true if a host of a cluster can take a further message of this kind now: see
    /// [`Inbox::takes`].
    pub(crate) fn takes(&self, connection: ConnectionId, kind: SyncKind) -> bool {
        let inbox = self.get(connection);
        inbox.is_none_or(|inbox| inbox.takes(kind))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Inbox> {
        self.all.values_mut().map(Box::as_mut)
    }

    /// Lists the connections with incomplete updates kept aside.
    pub(super) fn aside(&self) -> Vec<ConnectionId> {
        self.aside.iter().copied().collect()
    }

    pub(super) fn set_aside(&mut self, connection: ConnectionId, waits: bool) {
        if waits {
            self.aside.insert(connection);
        } else {
            self.aside.remove(&connection);
        }
    }

    /// Lets large updates that are kept aside be judged again.
    pub(super) fn take_large(&mut self) {
        for connection in &self.aside {
            if let Some(inbox) = self.all.get_mut(connection) {
                inbox.handshake.take_large();
            }
        }
    }

    /// Lists the connections with early messages.
    pub(super) fn early(&self) -> Vec<ConnectionId> {
        self.early.iter().copied().collect()
    }

    pub(super) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    pub(super) fn set_early(&mut self, connection: ConnectionId, waits: bool) {
        if waits {
            self.early.insert(connection);
        } else {
            self.early.remove(&connection);
        }
    }

    pub(super) fn set_unsaved(&mut self, connection: ConnectionId) {
        self.unsaved.insert(connection);
    }
}

/// Returns the lock that an operation gives away.
pub(super) fn given_away(message: &ClientMessage) -> Option<Fence> {
    match message {
        ClientMessage::Release { fence, .. }
        | ClientMessage::Transfer { fence, .. }
        | ClientMessage::Drained { fence } => Some((*fence).into()),
        _ => None,
    }
}
