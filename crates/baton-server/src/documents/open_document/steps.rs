//! The open document, and the steps that it takes.
//!
//! Owns the step: an input goes into the room, its records get their positions in the log, its
//! outputs go into the send queues, all while the gate is held. No thread ever waits for a
//! document, only tasks do. A short step is done by the task that asks for it, without awaiting
//! anything. A long one takes the document to the pool, and does not hold it while it waits for a
//! turn there, so that other clients do not wait for the work of other documents. A task flushes
//! what it has to flush before it waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use baton_log::{DocumentJournal, Journals, LogError, QueueShare, Reservation};
use baton_presence::Time;
use baton_room::{Ending, HostId, Room};
use tokio::sync::Notify;

use super::awareness_relay::AwarenessRelay;
use super::connections::Connections;
use super::departures::Departures;
use super::document_state::DocumentState;
use super::error::{Gone, StepError};
use super::held_state::{HeldState, MaybeState, OwnedState, run_on_pool};
use super::park_previews::ParkPreviews;
use super::relay_inbox::RelayInbox;
use super::room_journal::RoomJournal;
use super::step::{Step, StepResult};
use crate::clock::ServerClock;
use crate::cluster::relay_message::RelayMessage;
use crate::connection::pending_flushes::PendingFlushes;
use crate::documents::compression_savings::CompressionSavings;
use crate::documents::gate::Gate;
use crate::documents::work_cost::{StepKind, WorkClass};
use crate::documents::work_pool::{PoolTurn, WorkPool};
use crate::limits::storage_quota::StorageAccount;

/// Longest time for which a turn of the pool waits for a document that does short work.
const IDLE_TURN: Duration = Duration::from_millis(5);

/// Longest time for which a step of the document's own waits for room in the log's queue. After
/// that it overdraws the queue: its records are in memory already, and pings and locks must not
/// stand still because a disk does.
const TIMER_PATIENCE: Duration = Duration::from_millis(250);

/// A document that is held for a step.
enum Acquired<'a> {
    /// The step is short: the task does it.
    Inline(HeldState<'a>),
    /// The step is long: the pool does it.
    OnPool(OwnedState, PoolTurn),
}

/// A document in memory: its state behind a gate, and what is known of it while a task holds it.
pub(crate) struct OpenDocument {
    name: Arc<str>,
    clock: ServerClock,
    /// Wakes the document's task.
    task: Notify,
    /// The part of the log's queue that this document may hold.
    queue_share: QueueShare,
    /// Bytes that a step may have to append beside its own input; see [`Room::load`].
    aside_bytes: AtomicUsize,
    connections: AtomicUsize,
    departures: Departures,
    previews: ParkPreviews,
    relays: RelayInbox,
    /// True if the log has placed records that the room has not taken yet.
    has_more: AtomicBool,
    /// Number of the cluster's changes that the room was told of.
    changes_seen: AtomicU64,
    gate: Arc<Gate<MaybeState>>,
    pool: Arc<WorkPool>,
}

impl OpenDocument {
    /// Returns a document that no task knows yet; see [`OpenDocument::begin`].
    pub(crate) fn new(
        name: Arc<str>,
        clock: ServerClock,
        room: Room,
        log: Box<dyn DocumentJournal>,
        journals: &Arc<dyn Journals>,
        (pool, compression): (Arc<WorkPool>, Arc<CompressionSavings>),
        account: StorageAccount,
    ) -> Self {
        let queue_share = log.share();
        let is_shared = journals.node().is_some();
        let journal = RoomJournal::new(log, is_shared);
        let relay = is_shared.then(|| AwarenessRelay::new(Arc::clone(journals)));
        let connections = Connections::new(compression);
        let state = DocumentState::new(room, journal, relay, connections, account, clock.now());
        Self {
            name,
            clock,
            task: Notify::new(),
            queue_share,
            aside_bytes: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            departures: Departures::default(),
            previews: ParkPreviews::new(Arc::clone(&pool)),
            relays: RelayInbox::default(),
            has_more: AtomicBool::new(false),
            changes_seen: AtomicU64::new(0),
            gate: Arc::new(Gate::new(Some(Box::new(state)))),
            pool,
        }
    }

    /// Returns the document's name.
    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the clock of the document's deadlines.
    pub(crate) const fn clock(&self) -> ServerClock {
        self.clock
    }

    /// Returns how many connections the document has. Waits for nothing.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Notes how many connections the document has now.
    pub(super) fn count_connections(&self, state: &DocumentState) {
        self.connections
            .store(state.connection_count(), Ordering::Relaxed);
    }

    /// Waits until the document's task has something to look at. For one waiter.
    pub(crate) async fn woken(&self) {
        self.task.notified().await;
    }

    /// Wakes the document's task.
    pub(super) fn wake_task(&self) {
        self.task.notify_one();
    }

    /// Returns true if a step of the document's own has something to do: connections ended, other
    /// nodes sent something, or the log has placed records.
    pub(crate) fn has_work(&self) -> bool {
        self.departures.any() || self.relays.any() || self.has_more.load(Ordering::Relaxed)
    }

    /// Notes how many changes the cluster has had, and returns true if that is news.
    pub(crate) fn misses_changes(&self, count: u64) -> bool {
        self.changes_seen.fetch_max(count, Ordering::SeqCst) < count
    }

    /// Notes a message of another node. The next step tells the room, at the latest one of the
    /// document's task.
    pub(crate) fn relayed(&self, from: HostId, message: &RelayMessage) {
        self.relays.add(from, message);
        self.wake_task();
    }

    /// Returns the maker of previews of parks.
    pub(crate) const fn previews(&self) -> &ParkPreviews {
        &self.previews
    }

    /// Returns the pool on which the document's long work is done.
    pub(in crate::documents) const fn pool(&self) -> &Arc<WorkPool> {
        &self.pool
    }

    /// Returns the connections that have ended and that the room still counts.
    pub(super) const fn departures(&self) -> &Departures {
        &self.departures
    }

    /// Takes the document if no task holds it.
    pub(super) fn try_take(&self) -> Option<HeldState<'_>> {
        self.gate.try_take()
    }

    /// Waits for the document, for work that is always short.
    pub(super) async fn take(&self) -> HeldState<'_> {
        self.gate.take().await
    }

    /// Waits for the document, and for a turn of the pool if this kind of step takes long.
    async fn acquire(
        &self,
        kind: StepKind,
        pending: &mut PendingFlushes,
    ) -> Result<Acquired<'_>, Gone> {
        let mut held = match self.gate.try_take() {
            Some(held) => held,
            None => {
                pending.flush();
                self.gate.take().await
            }
        };
        let class = self.classify(&mut held, kind)?;
        if class == WorkClass::Short {
            return Ok(Acquired::Inline(held));
        }
        if let Some(turn) = self.pool.try_turn(class) {
            return Ok(Acquired::OnPool(held.into_owned(&self.gate), turn));
        }
        drop(held);
        pending.flush();
        Box::pin(self.acquire_on_pool(kind, class)).await
    }

    async fn acquire_on_pool(
        &self,
        kind: StepKind,
        mut class: WorkClass,
    ) -> Result<Acquired<'_>, Gone> {
        loop {
            let turn = self.pool.turn(class).await;
            let taking = tokio::time::timeout(IDLE_TURN, self.gate.take());
            if let Ok(held) = taking.await {
                return Ok(Acquired::OnPool(held.into_owned(&self.gate), turn));
            }
            // The document is at long work itself. Until that is done others may use the turn.
            drop(turn);
            let mut held = self.gate.take().await;
            class = self.classify(&mut held, kind)?;
        }
    }

    fn classify(&self, state: &mut MaybeState, kind: StepKind) -> Result<WorkClass, Gone> {
        let state = state.as_mut().ok_or(Gone)?;
        Ok(state.classify(kind, self.departures.any()))
    }

    /// Does some work on the document that is no step: here if it is short, else on the pool.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        kind: StepKind,
        pending: &mut PendingFlushes,
        work: impl FnOnce(&mut MaybeState, &mut PendingFlushes) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        match self.acquire(kind, pending).await? {
            Acquired::Inline(mut held) => Ok(work(&mut held, pending)),
            Acquired::OnPool(held, turn) => run_on_pool(held, turn, pending, work).await,
        }
    }

    /// Returns a reservation that holds nothing: `bytes` are overdrawn.
    pub(super) fn reserve_nothing(&self, bytes: usize) -> Reservation {
        self.queue_share.nothing(bytes)
    }

    /// Waits for room in the log's queue: for a record of so many bytes, and for what a step may
    /// have to append beside it, but `most` bytes at most.
    pub(crate) async fn reserve(&self, bytes: usize, most: usize) -> Result<Reservation, LogError> {
        let aside = self.aside_bytes.load(Ordering::Relaxed);
        self.queue_share.reserve((bytes + aside).min(most)).await
    }

    /// Waits for the same, but for [`TIMER_PATIENCE`] at most.
    pub(super) async fn reserve_patiently(&self, bytes: usize) -> Reservation {
        let bytes = bytes + self.aside_bytes.load(Ordering::Relaxed);
        let reserving = tokio::time::timeout(TIMER_PATIENCE, self.queue_share.reserve(bytes));
        match reserving.await {
            Ok(Ok(reservation)) => reservation,
            // An error of the log shows when something is appended.
            Ok(Err(_)) | Err(_) => self.queue_share.nothing(bytes),
        }
    }

    /// Carries out a step. The connections that it queued something for are added to `pending`, so
    /// that several steps can share their writes.
    pub(crate) async fn step<W, F>(
        self: &Arc<Self>,
        step: Step<W, F>,
        pending: &mut PendingFlushes,
    ) -> Result<StepResult, Gone>
    where
        W: Fn() -> bool,
        F: FnOnce(&mut Room, Time) + Send + 'static,
    {
        match self.acquire(step.kind, pending).await? {
            Acquired::Inline(mut held) => {
                let stepped = self.step_held(&mut held, step.reservation, pending, step.input)?;
                Ok(stepped.of(step.from, &held))
            }
            // Boxed: most connections never ask for long work, and should not keep memory for it.
            Acquired::OnPool(held, turn) => {
                Box::pin(self.step_on_pool(held, turn, step, pending)).await
            }
        }
    }

    async fn step_on_pool<W, F>(
        self: &Arc<Self>,
        held: OwnedState,
        turn: PoolTurn,
        step: Step<W, F>,
        pending: &mut PendingFlushes,
    ) -> Result<StepResult, Gone>
    where
        W: Fn() -> bool,
        F: FnOnce(&mut Room, Time) + Send + 'static,
    {
        if step.kind.is_request() && !(step.wanted)() {
            return Ok(StepResult::default());
        }
        pending.flush();
        let document = Arc::clone(self);
        let (reservation, from, input) = (step.reservation, step.from, step.input);
        run_on_pool(held, turn, pending, move |held, pending| {
            let stepped = document.step_held(held, reservation, pending, input)?;
            Ok(stepped.of(from, held))
        })
        .await?
    }

    /// Carries out a step on a document that the caller holds.
    pub(super) fn step_held(
        &self,
        held: &mut MaybeState,
        reservation: Reservation,
        pending: &mut PendingFlushes,
        input: impl FnOnce(&mut Room, Time),
    ) -> Result<StepResult, Gone> {
        let began = Instant::now();
        let state = held.as_mut().ok_or(Gone)?;
        let now = self.clock.now();
        if self.departures.any() {
            if state.disconnect(self.departures.take(), now) {
                self.wake_task();
            }
            self.count_connections(state);
        }
        if self.relays.any() {
            state.take_relayed(self.relays.take(), now);
        }
        if let Err(error) = state.step(reservation, now, input) {
            self.fail(held, &error, pending);
            return Ok(StepResult::default());
        }
        let previews = state.deliver(pending);
        if state.is_erased() {
            pending.flush();
            state.finish_erasure(&self.name);
            self.end(held);
            return Err(Gone);
        }
        state.relay_due(&self.name, now);
        let has_more = state.has_more();
        self.has_more.store(has_more, Ordering::Relaxed);
        self.aside_bytes
            .store(state.aside_bytes(), Ordering::Relaxed);
        if state.must_wake_task() || has_more {
            self.wake_task();
        }
        Ok(StepResult {
            took: began.elapsed(),
            previews,
            awaits_placement: false,
        })
    }

    /// Tells the connections that the room cannot go on, and leaves memory. Appended records stay
    /// in the log.
    pub(super) fn fail(
        &self,
        held: &mut MaybeState,
        error: &StepError,
        pending: &mut PendingFlushes,
    ) {
        tracing::error!(document = %self.name, %error, "the document was closed because a step failed; its clients are told to reconnect");
        let Some(state) = held.as_mut() else {
            return;
        };
        let (why, reason) = match error {
            StepError::Log(_) => (
                Ending::StoreFailed,
                "the server cannot save at the moment; what was reported as saved is safe; reconnect later",
            ),
            StepError::Record(_) => (
                Ending::Unavailable,
                "a fault of the server closed the document; what was reported as saved is safe; reconnect",
            ),
        };
        state.close_all(why, reason, self.clock.now(), pending);
        self.end(held);
    }

    /// Leaves memory, and wakes the document's task so that it ends.
    pub(super) fn end(&self, held: &mut MaybeState) {
        if let Some(state) = held.take() {
            state.end();
        }
        self.connections.store(0, Ordering::Relaxed);
        self.wake_task();
    }
}
