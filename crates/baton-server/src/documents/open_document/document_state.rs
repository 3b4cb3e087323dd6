//! The state behind a document's gate: its room, its log, its connections and its snapshots.
//!
//! Owns the order inside of a step: departures, input, positions in the log, outputs into the send
//! queues. So the order of the log is the order of the room, and no update falls between the first
//! sync of a new connection and what is broadcast after it. Awaits nothing.

mod snapshots;

use std::sync::Arc;

use baton_log::{LogError, Reservation};
use baton_presence::Time;
use baton_room::{ConnectionId, Departure, Ending, Erasure, Room, ToClose};
use tokio::sync::oneshot;

use super::awareness_relay::AwarenessRelay;
use super::connections::{Connections, RequestedPreview};
use super::error::{JoinError, NotErased, StepError};
use super::placement_waiters::PlacementWaiters;
use super::relay_inbox::Relayed;
use super::room_journal::RoomJournal;
use super::snapshot_schedule::SnapshotSchedule;
use crate::config::Settings;
use crate::connection::pending_flushes::PendingFlushes;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::work_cost::{DocumentSize, StepKind, WorkClass, classify};
use crate::limits::storage_quota::StorageAccount;

/// Bytes of a document up to which any task may drop its room; a larger one is dropped on a thread
/// that no task waits for.
const DROPPED_AT_ONCE: usize = 64 * 1024;

/// The next time at which the document's task has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextWake {
    /// At this time, or when it is woken.
    At(Time),
    /// Only when it is woken.
    Woken,
    /// Never: the document has left memory.
    Gone,
}

/// The attention that the document's task pays to durability. While only stock clients type, no
/// client is told what is saved, and waking up for every commit would cost more than the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DurabilityNews {
    /// It waits: a client wants to know, or the document is about to leave memory.
    Awaited,
    /// It looks at the next deadline only.
    Ignored,
}

/// See the module.
pub(super) struct DocumentState {
    room: Room,
    journal: RoomJournal,
    /// `None` without a cluster.
    relay: Option<Box<AwarenessRelay>>,
    waiters: PlacementWaiters,
    connections: Connections,
    /// Time at which the last connection left; `None` while there is one.
    idle_since: Option<Time>,
    /// Time until which the document's task sleeps.
    sleeps_until: Option<Time>,
    durability: DurabilityNews,
    snapshots: SnapshotSchedule,
    /// Position of an erasure that came before the document was opened, if the log still has what
    /// was before it.
    erased_before: Option<u64>,
    /// Callers that wait until the document is erased.
    erasers: Vec<oneshot::Sender<Result<(), NotErased>>>,
    /// The document's share of the limits that hold for all documents together.
    account: StorageAccount,
}

impl DocumentState {
    /// Returns the state of a document that was just opened. `connections` has none.
    pub(super) fn new(
        room: Room,
        journal: RoomJournal,
        relay: Option<AwarenessRelay>,
        connections: Connections,
        account: StorageAccount,
        now: Time,
    ) -> Self {
        let erased_before = position(room.state().erasure());
        let mut schedule = SnapshotSchedule::default();
        if erased_before.is_some() {
            schedule.want();
        }
        Self {
            room,
            journal,
            relay: relay.map(Box::new),
            waiters: PlacementWaiters::default(),
            connections,
            idle_since: Some(now),
            sleeps_until: None,
            durability: DurabilityNews::Awaited,
            snapshots: schedule,
            erased_before,
            erasers: Vec::new(),
            account,
        }
    }

    /// Returns how many connections there are.
    pub(super) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Returns the bytes that a step may have to append beside its own input.
    pub(super) fn aside_bytes(&self) -> usize {
        self.room.load().aside_bytes
    }

    /// Returns the class of a step's work. `has_departures` is true if the step has to tell the
    /// room of connections that ended.
    pub(super) fn classify(&mut self, kind: StepKind, has_departures: bool) -> WorkClass {
        let placed = StepKind::Update(self.journal.next_bytes());
        let kind = if self.journal.next_erases() {
            StepKind::Snapshot
        } else {
            kind
        };
        self.class_of(kind, has_departures)
            .max(classify(placed, &DocumentSize::default()))
    }

    fn class_of(&self, kind: StepKind, has_departures: bool) -> WorkClass {
        let load = self.room.load();
        let aside = load.aside_bytes;
        if kind == StepKind::Light && (aside == 0 || !has_departures) {
            return WorkClass::Short;
        }
        let document = self.room.state().document();
        let compresses = match kind {
            StepKind::FullSync(to) | StepKind::PartialSync(to) => self.room.compresses_for(to),
            _ => false,
        };
        let is_full = matches!(kind, StepKind::FullSync(_));
        let is_ready = compresses && is_full && load.first_sync_is_compressed;
        let size = DocumentSize {
            bytes: document.about_bytes(),
            parked: match kind {
                StepKind::Parks => self.room.state().parked_bytes(),
                _ => 0,
            },
            aside,
            encoded: document.is_encoded(),
            pieces: load.first_sync_is_encoded || is_ready,
            uncompressed: compresses && !is_ready,
        };
        let kind = match kind {
            StepKind::Light => StepKind::Timeout,
            kind => kind,
        };
        classify(kind, &size)
    }

    /// Registers the queue of a new connection. A step that connects it has to follow before the
    /// document is given back.
    ///
    /// # Errors
    /// The document has its `most` connections, without those in `departed`.
    pub(super) fn register(
        &mut self,
        connection: ConnectionId,
        writer: &Arc<SocketWriter>,
        departed: &[ConnectionId],
        most: usize,
    ) -> Result<(), JoinError> {
        for departed in departed {
            self.connections.remove(*departed);
        }
        if self.connections.len() >= most {
            return Err(JoinError::Full(most));
        }
        self.connections.add(connection, writer);
        self.idle_since = None;
        Ok(())
    }

    /// Tells the room of connections that ended. Returns true if the document is idle since then.
    pub(super) fn disconnect(
        &mut self,
        departures: Vec<(ConnectionId, Departure)>,
        now: Time,
    ) -> bool {
        for (connection, departure) in departures {
            self.connections.remove(connection);
            self.room.disconnect(connection, departure, now);
        }
        let is_newly_idle = self.connections.is_empty() && self.idle_since.is_none();
        if is_newly_idle {
            self.idle_since = Some(now);
        }
        is_newly_idle
    }

    /// Gives the room what the log has placed and then its input, and the room's records to the
    /// log. The reservation pays for the records; the log is overdrawn by what it does not cover.
    /// An erased document takes no input.
    ///
    /// # Errors
    /// The log takes no records, or a record cannot be encoded or decoded. The room cannot go on.
    pub(super) fn step(
        &mut self,
        mut reservation: Reservation,
        now: Time,
        input: impl FnOnce(&mut Room, Time),
    ) -> Result<(), StepError> {
        let (room, journal) = (&mut self.room, &mut self.journal);
        journal.take_in(room, &mut reservation, now)?;
        if self.is_erased() {
            return Ok(());
        }
        let (room, journal) = (&mut self.room, &mut self.journal);
        self.account.open(room, journal.log());
        input(room, now);
        self.account.close(room);
        journal.settle(room, &mut reservation, now)?;
        self.account.note(journal.log());
        self.waiters
            .wake(|connection| self.room.awaits_placement(connection));
        Ok(())
    }

    /// Gives the room what other nodes sent about awareness.
    pub(super) fn take_relayed(&mut self, relayed: Relayed, now: Time) {
        if relayed.is_asked
            && let (Some(relay), Some(own)) = (&mut self.relay, self.room.own_awareness())
        {
            relay.add(&own);
        }
        for (from, entries) in relayed.payloads() {
            self.room.relayed(from, &entries, now);
        }
    }

    /// Returns true if the log has placed records that the room has not taken yet.
    pub(super) fn has_more(&mut self) -> bool {
        self.journal.next_bytes() > 0
    }

    /// Returns true if this connection has to wait until the log has placed more of what it sent.
    pub(super) fn awaits_placement(&self, connection: ConnectionId) -> bool {
        self.room.awaits_placement(connection)
    }

    /// Returns a receiver that is told, or closed, when this connection no longer has to wait;
    /// `None` if it need not.
    pub(super) fn wait_for_placement(
        &mut self,
        connection: ConnectionId,
    ) -> Option<oneshot::Receiver<()>> {
        self.awaits_placement(connection)
            .then(|| self.waiters.add(connection))
    }

    /// Puts the room's outputs into the send queues. Returns the previews that clients asked for.
    pub(super) fn deliver(&mut self, pending: &mut PendingFlushes) -> Vec<RequestedPreview> {
        let relay = self.relay.as_deref_mut();
        self.connections.deliver(&mut self.room, relay, pending)
    }

    /// Sends the other nodes the awareness of the clients here, if that is due.
    pub(super) fn relay_due(&mut self, document: &str, now: Time) {
        if let Some(relay) = &mut self.relay {
            relay.send_due(document, now);
        }
    }

    /// Notes that a connection gave a sign of life.
    pub(super) fn heard(&mut self, connection: ConnectionId, now: Time) {
        self.room.heard(connection, None, now);
    }

    /// Queues what a connection that has fallen behind was not sent, if the connection has taken
    /// everything that goes before that.
    pub(super) fn catch_up(&self, connection: ConnectionId, pending: &mut PendingFlushes) {
        self.connections.catch_up(&self.room, connection, pending);
    }

    /// Ends all connections, and queues the reason.
    pub(super) fn close_all(
        &mut self,
        why: Ending,
        reason: &'static str,
        now: Time,
        pending: &mut PendingFlushes,
    ) {
        self.room.close(ToClose::All, why, reason.to_owned(), now);
        // A connection that is closed has no use for a preview.
        let _previews = self.deliver(pending);
    }

    /// Returns true if the document's task sleeps for too long, or must listen for durability now.
    pub(super) fn must_wake_task(&self) -> bool {
        let is_earlier = match (self.next_deadline(), self.sleeps_until) {
            (Some(next), Some(sleeps_until)) => next < sleeps_until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let is_newly_awaited =
            self.durability == DurabilityNews::Ignored && self.room.awaits_durability();
        is_earlier || is_newly_awaited
    }

    /// Returns the time until which the document's task may sleep, and notes that it does.
    pub(super) fn sleep(&mut self, settings: &Settings) -> (NextWake, DurabilityNews) {
        let is_awaited =
            self.room.awaits_durability() || self.idle_since.is_some() || self.journal.is_shared();
        self.durability = if is_awaited {
            DurabilityNews::Awaited
        } else {
            DurabilityNews::Ignored
        };
        // A document that is not all stored cannot leave; the news that it is wakes the task
        // anyway.
        let leaving = self.idle_since.filter(|_| self.may_unload());
        let unload_at = leaving.map(|since| since + settings.unload_after.0);
        self.sleeps_until = earlier(self.next_deadline(), unload_at);
        let wake = self.sleeps_until.map_or(NextWake::Woken, NextWake::At);
        (wake, self.durability)
    }

    /// Returns the next time at which the room, or what it has for other nodes, is due.
    fn next_deadline(&self) -> Option<Time> {
        let relay = self.relay.as_ref().and_then(|relay| relay.due());
        earlier(self.room.poll_timeout(), relay)
    }

    /// Returns the failure of the store since the document was opened, if there was one.
    pub(super) fn store_failure(&self) -> Option<Arc<LogError>> {
        self.journal.log().failure()
    }

    /// Returns true if the document has had no connection for `unload_after`.
    pub(super) fn is_idle(&self, now: Time, settings: &Settings) -> bool {
        self.idle_since
            .is_some_and(|since| now >= since + settings.unload_after.0)
    }

    /// Returns true if all of the document is stored and no snapshot of it is being written.
    pub(super) fn may_unload(&self) -> bool {
        self.journal.is_settled() && !self.snapshots.is_writing()
    }

    /// Returns true if a record has erased the document since it was opened. It must leave memory.
    pub(super) fn is_erased(&self) -> bool {
        position(self.room.state().erasure()) != self.erased_before
    }

    /// Gives the log back now. A large room is dropped on a thread that no task waits for.
    pub(super) fn end(self) {
        let Self { room, journal, .. } = self;
        drop(journal);
        if room.state().document().about_bytes() > DROPPED_AT_ONCE {
            tokio::task::spawn_blocking(move || drop(room));
        }
    }
}

fn position(erasure: Option<&Erasure>) -> Option<u64> {
    erasure.map(|erasure| erasure.position)
}

fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
