//! The life of an open document: joining and leaving, the document's own steps, snapshots, erasing
//! it, and the ways out of memory.
//!
//! Owns no state. Everything goes through [`OpenDocument`]'s gate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_log::{Journals, LogError};
use baton_presence::Time;
use baton_room::{
    Arrival, ConnectionId, Departure, Ending, HostId, OVERHEAD, Room, Snapshot, SnapshotDraft,
    SnapshotError, ToClose,
};
use tokio::sync::oneshot;

use super::document_state::{DurabilityNews, NextWake};
use super::error::{Gone, JoinError, NotErased, StepError};
use super::held_state::MaybeState;
use super::step::Step;
use super::steps::OpenDocument;
use crate::cluster::host_check;
use crate::cluster::relay_message::RelayMessage;
use crate::config::Settings;
use crate::connection::pending_flushes::PendingFlushes;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::work_cost::StepKind;

/// Longest wait for the position of an erasure.
const PLACED_WITHIN: Duration = Duration::from_secs(30);

impl OpenDocument {
    /// Appends the records of the opening itself (after a restart, or about nodes that are gone),
    /// before any connection joins. In a cluster, asks the other nodes who is here.
    /// `changes` is the number of changes of the cluster so far.
    pub(crate) fn begin(&self, journals: &dyn Journals, changes: u64) -> Result<(), Gone> {
        self.misses_changes(changes);
        let mut held = self.try_take().ok_or(Gone)?;
        let nothing = self.reserve_nothing(OVERHEAD);
        let mut pending = PendingFlushes::default();
        let node = journals.node();
        self.step_held(&mut held, nothing, &mut pending, |room, now| {
            if let Some(node) = node {
                host_check::tell_room(room, node, now);
            }
        })?;
        if let Some(node) = node {
            node.relay(self.name(), RelayMessage::Ask.encode());
        }
        Ok(())
    }

    /// Tells the room how the cluster is now, and exchanges awareness with the other nodes.
    pub(crate) async fn follow_cluster(self: &Arc<Self>, journals: &Arc<dyn Journals>) {
        let of_room = Arc::clone(journals);
        let follow = move |room: &mut Room, now| {
            if let Some(node) = of_room.node() {
                host_check::tell_room(room, node, now);
            }
        };
        if self.own_step(StepKind::Light, follow).await.is_ok()
            && let Some(node) = journals.node()
            && !node.is_isolated()
        {
            node.relay(self.name(), RelayMessage::Ask.encode());
            // Messages of the time without an answer of the engine are lost: it is sent again.
            self.relayed(HostId(node.boot()), &RelayMessage::Ask);
        }
    }

    /// Waits until the log has placed so much of what a connection sent that the next message of
    /// the connection can be taken. Also returns when the document has left memory.
    pub(crate) async fn placed(&self, connection: ConnectionId) {
        let mut held = self.take().await;
        let waiting = held
            .as_mut()
            .and_then(|state| state.wait_for_placement(connection));
        drop(held);
        if let Some(waiting) = waiting {
            // A closed channel says the same.
            let _placed = waiting.await;
        }
    }

    /// Lets a connection in: its queue is registered and its first messages are queued in one step.
    ///
    /// # Errors
    /// The document is full or has left memory. Nothing changed.
    pub(crate) async fn join(
        &self,
        connection: ConnectionId,
        writer: &Arc<SocketWriter>,
        arrival: Arrival,
        settings: &Settings,
    ) -> Result<(), JoinError> {
        // No await follows the registration, so a task that is cancelled leaves nothing behind.
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let mut pending = PendingFlushes::default();
        let mut held = self.take().await;
        let state = held.as_mut().ok_or(Gone)?;
        let departed = self.departures().connections();
        let most = settings.max_connections_per_document;
        state.register(connection, writer, &departed, most)?;
        self.count_connections(state);
        self.step_held(&mut held, reservation, &mut pending, |room, _| {
            room.connect(connection, arrival);
        })?;
        Ok(())
    }

    /// Notes that a connection ended. The next step tells the room, at the latest one of the
    /// document's task.
    pub(crate) fn leave(&self, connection: ConnectionId, departure: Departure) {
        self.departures().add(connection, departure);
        self.wake_task();
    }

    /// Carries out a step of the document's own, which no connection waits for.
    pub(crate) async fn own_step(
        self: &Arc<Self>,
        kind: StepKind,
        input: impl FnOnce(&mut Room, Time) + Send + 'static,
    ) -> Result<(), Gone> {
        let step = Step {
            from: None,
            reservation: self.reserve_patiently(OVERHEAD).await,
            kind,
            wanted: || true,
            input,
        };
        self.step(step, &mut PendingFlushes::default()).await?;
        Ok(())
    }

    /// Notes a sign of life of a connection. Nothing follows from it.
    pub(crate) async fn heard(&self, connection: ConnectionId) {
        let mut held = self.take().await;
        // A document that is gone has told this connection so already.
        if let Some(state) = held.as_mut() {
            state.heard(connection, self.clock().now());
        }
    }

    /// Queues what a connection that has fallen behind was not sent, if the connection has taken
    /// everything that goes before that. Returns the processor time that it took.
    pub(crate) async fn catch_up(
        &self,
        connection: ConnectionId,
        pending: &mut PendingFlushes,
    ) -> Duration {
        let catch_up = move |held: &mut MaybeState, pending: &mut PendingFlushes| {
            let began = Instant::now();
            if let Some(state) = held {
                state.catch_up(connection, pending);
            }
            began.elapsed()
        };
        let kind = StepKind::Difference;
        let catching_up = self.run(kind, pending, catch_up);
        // A document that is gone has told this connection so already.
        catching_up.await.unwrap_or_default()
    }

    /// Tells all clients to reconnect later, and leaves memory, because the server stops. All that
    /// follows from it is in the log on return. Waits for a document that is at long work.
    pub(crate) async fn retire(&self) {
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let mut pending = PendingFlushes::default();
        let mut held = self.take().await;
        let closing = |room: &mut Room, now| {
            let reason = "the server is stopping; reconnect after a random delay of up to 2 s";
            room.close(ToClose::All, Ending::GoingAway, reason.to_owned(), now);
        };
        let _gone_already = self.step_held(&mut held, reservation, &mut pending, closing);
        self.end(&mut held);
    }

    /// Leaves memory after a failure of the store: the room can acknowledge nothing any more.
    pub(crate) async fn store_failed(&self, error: &LogError) {
        let error = StepError::Log(error.clone());
        let mut pending = PendingFlushes::default();
        let mut held = self.take().await;
        self.fail(&mut held, &error, &mut pending);
    }

    /// Leaves memory if the store has failed since the document was opened.
    pub(crate) async fn leave_failed_store(&self) {
        let mut pending = PendingFlushes::default();
        let mut held = self.take().await;
        let failure = held.as_ref().and_then(|state| state.store_failure());
        if let Some(error) = failure {
            let error = StepError::Log((*error).clone());
            self.fail(&mut held, &error, &mut pending);
        }
    }

    /// Erases the document, in an epoch that is at least `epoch` and later than its own: at the
    /// position of that record it leaves memory on every node, its clients are told, and what
    /// remains replaces the log. The erasure is durable once the log has been flushed.
    pub(crate) async fn erase(self: &Arc<Self>, epoch: u32) -> Result<(), NotErased> {
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let (told, erased) = oneshot::channel();
        let document = Arc::clone(self);
        let propose = move |held: &mut MaybeState, pending: &mut PendingFlushes| {
            held.as_mut().ok_or(Gone)?.await_erasure(told);
            // On one machine it is gone by then. The channel tells the reason.
            let _gone = document.step_held(held, reservation, pending, |room, now| {
                baton_room::erase(room, epoch, now);
            });
            Ok::<_, Gone>(())
        };
        let (kind, mut pending) = (StepKind::Snapshot, PendingFlushes::default());
        self.run(kind, &mut pending, propose).await??;
        pending.flush();
        match tokio::time::timeout(PLACED_WITHIN, erased).await {
            Ok(Ok(erased)) => erased,
            Ok(Err(_)) => Err(Gone.into()),
            Err(_) => Err(NotErased::Unanswered),
        }
    }

    /// Returns true if a snapshot is to be written although the document is in use.
    pub(in crate::documents) async fn snapshot_is_due(&self, settings: &Settings) -> bool {
        let mut held = self.take().await;
        let now = self.clock().now();
        held.as_mut()
            .is_some_and(|state| state.snapshot_is_due(now, settings))
    }

    /// Returns true if a snapshot is to be written before the document leaves memory.
    pub(in crate::documents) async fn idle_snapshot_is_due(&self, settings: &Settings) -> bool {
        let held = self.take().await;
        let now = self.clock().now();
        held.as_ref()
            .is_some_and(|state| state.idle_snapshot_is_due(now, settings))
    }

    /// Begins a snapshot, unless one is being written. The caller writes it, and must then call
    /// [`OpenDocument::finish_snapshot`].
    pub(in crate::documents) async fn draft_snapshot(&self) -> Option<SnapshotDraft> {
        let draft = |held: &mut MaybeState, _: &mut PendingFlushes| held.as_mut()?.draft_snapshot();
        let (kind, mut pending) = (StepKind::Snapshot, PendingFlushes::default());
        let drafting = self.run(kind, &mut pending, draft);
        drafting.await.ok().flatten()
    }

    /// Stores a snapshot that was written while the document was in use.
    pub(in crate::documents) async fn finish_snapshot(
        &self,
        written: Result<Snapshot, SnapshotError>,
    ) {
        let mut held = self.take().await;
        // A document that has left memory meanwhile has all records in its log.
        let Some(state) = held.as_mut() else {
            return;
        };
        let replaced = state.finish_snapshot(written, self.name());
        drop(held);
        // Dropping it takes as long as the document was large.
        if let Some(replaced) = replaced {
            tokio::task::spawn_blocking(move || drop(replaced));
        }
        // The document may leave memory now.
        self.wake_task();
    }

    /// Returns the time until which the document's task may sleep. The task has to do so, because
    /// steps rely on it when they decide to wake the task.
    pub(crate) async fn next(&self, settings: &Settings) -> (NextWake, DurabilityNews) {
        let mut held = self.take().await;
        match held.as_mut() {
            Some(state) => state.sleep(settings),
            None => (NextWake::Gone, DurabilityNews::Ignored),
        }
    }

    /// Leaves memory if the document has been idle for `unload_after` and all of it is stored.
    /// Returns true if it has left. A document that a task holds is not idle.
    pub(crate) fn unload_if_idle(&self, settings: &Settings) -> bool {
        let Some(mut held) = self.try_take() else {
            return false;
        };
        let Some(state) = held.as_ref() else {
            return true;
        };
        if !state.is_idle(self.clock().now(), settings) || !state.may_unload() {
            return false;
        }
        if let Some(state) = held.take() {
            state.end();
        }
        true
    }
}
