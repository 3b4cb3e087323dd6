//! One open document on this server: the room with its log and the queues of its connections, behind one gate.
//!
//! Owns the step: something goes into the room, its proposals get their positions in the log, its outputs go into the
//! queues, all while the gate is held. So log order is room order, and a newcomer's first sync and what is broadcast after it
//! leave no gap. No thread waits for a document: tasks do. A short step is done by the task that asks for it, without
//! awaiting anything; a long one takes the document with it to the pool.

mod departures;
mod document_state;
mod erasure;
mod park_previews;
mod snapshots;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use baton_log::{DocumentLog, LogError, QueueShare, Reservation};
use baton_presence::Time;
use baton_room::{
    Arrival, ConnectionId, Departure, Ending, OVERHEAD, ParkPreview, RecordError, Room,
};
use tokio::sync::Notify;

use self::departures::Departures;
use self::document_state::{Brought, DocumentState};
use self::park_previews::ParkPreviews;
use self::snapshots::SnapshotSchedule;
use crate::clock::ServerClock;
use crate::config::Settings;
use crate::connection::pending_flushes::PendingFlushes;
use crate::connection::socket_writer::SocketWriter;
use crate::documents::gate::{Gate, Held};
use crate::documents::work_cost::{StepKind, WorkClass};
use crate::documents::work_pool::{PoolTurn, WorkPool};
use crate::limits::storage_quota::StorageAccount;

pub(crate) use self::document_state::DurabilityNews;
pub(crate) use self::erasure::NotErased;

/// How long a step of a timer waits for room in the log's queue. After that it overdraws: what it appends is in memory
/// already, and pings and locks must not stand still because a disk does.
const TIMER_PATIENCE: Duration = Duration::from_millis(250);

/// How long a turn of the pool waits for a document that is at short work.
const IDLE_TURN: Duration = Duration::from_millis(5);

/// The document is not in memory any more: open it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document was closed in the meantime")]
pub(crate) struct Gone;

/// A document in memory; see the module.
pub(crate) struct OpenDocument {
    pub(crate) name: Arc<str>,
    pub(crate) clock: ServerClock,
    /// Tells the driver that something may be due earlier than it thinks.
    pub(crate) wake: Notify,
    /// Where room in the log's queue is reserved for this document.
    share: QueueShare,
    pool: Arc<WorkPool>,
    /// What a step may have to append beside its own input; see [`Room::aside_bytes`].
    aside: AtomicUsize,
    /// How many connections it has.
    connections: AtomicUsize,
    /// Connections that ended, and that the room does not know of yet.
    departures: Departures,
    /// Works out what parks would change.
    pub(crate) showing: ParkPreviews,
    gate: Arc<Gate<Option<Box<DocumentState>>>>,
}

/// Why a step could not be finished. The room is gone after it; its connections were told to come again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// When the driver has to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextWake {
    /// At this time, or when woken.
    At(Time),
    /// Only when woken.
    Woken,
    /// Never: the document is not in memory any more.
    Gone,
}

/// Something that goes into a room.
pub(crate) struct Step<W, F> {
    /// Pays for the records that come of it.
    pub(crate) reservation: Reservation,
    /// What it asks for, by which it is known in advance how long it takes.
    pub(crate) asked: StepKind,
    /// Whether its connection is still there. A request whose connection is gone is not carried out.
    pub(crate) wanted: W,
    pub(crate) input: F,
}

/// What a step brought beside what it queued.
#[derive(Debug, Default)]
pub(crate) struct StepResult {
    /// The time that it took, of a processor.
    pub(crate) took: Duration,
    /// What parks would change, to be worked out and sent on these lines.
    pub(crate) previews: Vec<(Arc<SocketWriter>, ParkPreview)>,
}

/// A document that is held, and may go to the pool.
type OwnHeld = Held<Option<Box<DocumentState>>, Arc<Gate<Option<Box<DocumentState>>>>>;

/// A document that is held for a step.
enum Acquired<'a> {
    Inline(Held<Option<Box<DocumentState>>, &'a Gate<Option<Box<DocumentState>>>>),
    OnPool(OwnHeld, PoolTurn),
}

impl OpenDocument {
    pub(crate) fn new(
        name: Arc<str>,
        clock: ServerClock,
        room: Room,
        log: DocumentLog,
        pool: Arc<WorkPool>,
        account: StorageAccount,
    ) -> Self {
        let share = log.share();
        let state = DocumentState {
            room,
            log,
            writers: HashMap::new(),
            idle_since: Some(clock.now()),
            driven_until: None,
            disk: DurabilityNews::Awaited,
            snapshots: SnapshotSchedule::default(),
            account,
        };
        Self {
            name,
            clock,
            wake: Notify::new(),
            share,
            showing: ParkPreviews::new(Arc::clone(&pool)),
            pool,
            aside: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            departures: Departures::default(),
            gate: Arc::new(Gate::new(Some(Box::new(state)))),
        }
    }

    /// Gives what the opening itself proposed (after a restart) its position, before anybody comes in.
    pub(crate) fn begin(&self) -> Result<(), Gone> {
        let mut held = self.gate.try_take().ok_or(Gone)?;
        let nothing = self.share.nothing(OVERHEAD);
        let mut pending = PendingFlushes::default();
        self.step_in(&mut held, nothing, &mut pending, |_, _| ())?;
        Ok(())
    }

    /// Lets a connection in: its queue is registered and its first messages queued in one step.
    pub(crate) async fn join(
        &self,
        connection: ConnectionId,
        writer: &Arc<SocketWriter>,
        settings: &Settings,
    ) -> Result<(), JoinError> {
        // Of a connection that goes meanwhile nothing is left here: no await follows the seat.
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let mut pending = PendingFlushes::default();
        let mut held = self.gate.take().await;
        let state = held.as_mut().ok_or(Gone)?;
        state.forget(&self.departures.peek());
        if state.writers.len() >= settings.max_connections_per_document {
            return Err(JoinError::Full(settings.max_connections_per_document));
        }
        state.writers.insert(connection, Arc::clone(writer));
        state.idle_since = None;
        self.connections
            .store(state.writers.len(), Ordering::Relaxed);
        let arrival = Arrival {
            rights: settings.rights.0,
            source: writer.source(),
        };
        self.step_in(&mut held, reservation, &mut pending, |room, _| {
            room.connect(connection, arrival);
        })?;
        Ok(())
    }

    /// A connection ended. The driver tells the room, or whichever step comes before.
    pub(crate) fn leave(&self, connection: ConnectionId, how: Departure) {
        self.departures.add(connection, how);
        self.wake.notify_one();
    }

    /// Whether connections ended that the room does not know of yet.
    pub(crate) fn has_departures(&self) -> bool {
        self.departures.are_there()
    }

    /// Room in the log's queue for a record of so many bytes, and for what a step may have to append beside it.
    pub(crate) async fn reserve(&self, bytes: usize, most: usize) -> Result<Reservation, LogError> {
        let aside = self.aside.load(Ordering::Relaxed);
        self.share.reserve((bytes + aside).min(most)).await
    }

    /// The same for a step that cannot wait for long.
    async fn reserve_patiently(&self, bytes: usize) -> Reservation {
        let bytes = bytes + self.aside.load(Ordering::Relaxed);
        let reserving = tokio::time::timeout(TIMER_PATIENCE, self.share.reserve(bytes));
        match reserving.await {
            Ok(Ok(reservation)) => reservation,
            // An error of the log shows when something is appended.
            Ok(Err(_)) | Err(_) => self.share.nothing(bytes),
        }
    }

    /// Puts something into the room and carries out all that follows. What is to be written of it waits in `due`, so that
    /// several steps can share their writes.
    pub(crate) async fn step<W, F>(
        self: &Arc<Self>,
        step: Step<W, F>,
        pending: &mut PendingFlushes,
    ) -> Result<StepResult, Gone>
    where
        W: Fn() -> bool,
        F: FnOnce(&mut Room, Time) + Send + 'static,
    {
        match self.acquire(step.asked, pending).await? {
            Acquired::Inline(mut held) => {
                self.step_in(&mut held, step.reservation, pending, step.input)
            }
            // Boxed: most connections never ask for long work, and should not keep the memory for it.
            Acquired::OnPool(held, turn) => {
                Box::pin(self.step_on_pool(held, turn, step, pending)).await
            }
        }
    }

    async fn step_on_pool<W, F>(
        self: &Arc<Self>,
        mut held: OwnHeld,
        turn: PoolTurn,
        step: Step<W, F>,
        pending: &mut PendingFlushes,
    ) -> Result<StepResult, Gone>
    where
        W: Fn() -> bool,
        F: FnOnce(&mut Room, Time) + Send + 'static,
    {
        if step.asked.is_request() && !(step.wanted)() {
            return Ok(StepResult::default());
        }
        pending.flush();
        let hosted = Arc::clone(self);
        let (reservation, input) = (step.reservation, step.input);
        let working = turn.run(move || {
            let mut pending = PendingFlushes::default();
            let stepped = hosted.step_in(&mut held, reservation, &mut pending, input);
            drop(held);
            (stepped, pending)
        });
        let (stepped, theirs) = working.await.map_err(|_| Gone)?;
        pending.append(theirs);
        stepped
    }

    /// Waits for the document, and for a turn of the pool if what is asked for takes long. Nothing that is to be written
    /// waits meanwhile.
    async fn acquire(
        &self,
        asked: StepKind,
        pending: &mut PendingFlushes,
    ) -> Result<Acquired<'_>, Gone> {
        let held = match self.gate.try_take() {
            Some(held) => held,
            None => {
                pending.flush();
                self.gate.take().await
            }
        };
        let work = self.work(&held, asked)?;
        if work == WorkClass::Short {
            return Ok(Acquired::Inline(held));
        }
        if let Some(turn) = self.pool.try_turn(work) {
            return Ok(Acquired::OnPool(held.into_owned(&self.gate), turn));
        }
        drop(held);
        pending.flush();
        Box::pin(self.acquire_in_turn(asked, work)).await
    }

    /// Waits for a turn without holding the document: its people, who ask for less, do not wait for other documents' work.
    async fn acquire_in_turn(
        &self,
        asked: StepKind,
        mut work: WorkClass,
    ) -> Result<Acquired<'_>, Gone> {
        loop {
            let turn = self.pool.turn(work).await;
            let taking = tokio::time::timeout(IDLE_TURN, self.gate.take());
            if let Ok(held) = taking.await {
                return Ok(Acquired::OnPool(held.into_owned(&self.gate), turn));
            }
            // It is at long work itself. The turn is for others until that is done.
            drop(turn);
            let held = self.gate.take().await;
            work = self.work(&held, asked)?;
        }
    }

    fn work(&self, held: &Option<Box<DocumentState>>, asked: StepKind) -> Result<WorkClass, Gone> {
        let state = held.as_ref().ok_or(Gone)?;
        Ok(state.work(asked, self.has_departures()))
    }

    /// A step of the document's own, which no connection waits for.
    pub(crate) async fn own_step(
        self: &Arc<Self>,
        asked: StepKind,
        input: impl FnOnce(&mut Room, Time) + Send + 'static,
    ) -> Result<(), Gone> {
        let step = Step {
            reservation: self.reserve_patiently(OVERHEAD).await,
            asked,
            wanted: || true,
            input,
        };
        self.step(step, &mut PendingFlushes::default()).await?;
        Ok(())
    }

    /// A connection gave a sign of life. Nothing follows of it but that it is not missed.
    pub(crate) async fn heard(&self, connection: ConnectionId) {
        let mut held = self.gate.take().await;
        // A document that is gone has told this connection so already.
        if let Some(state) = held.as_mut() {
            state.room.heard(connection, self.clock.now());
        }
    }

    fn step_in(
        &self,
        held: &mut Option<Box<DocumentState>>,
        reservation: Reservation,
        pending: &mut PendingFlushes,
        input: impl FnOnce(&mut Room, Time),
    ) -> Result<StepResult, Gone> {
        let began = Instant::now();
        let state = held.as_mut().ok_or(Gone)?;
        let now = self.clock.now();
        self.let_go(state, now);
        state.account.open(&mut state.room, &state.log);
        input(&mut state.room, now);
        state.account.close(&mut state.room);
        if let Err(error) = state.sequence(reservation, now) {
            self.fail(held, &error, pending, now);
            return Ok(StepResult::default());
        }
        let Brought { shows } = state.deliver(pending);
        self.aside
            .store(state.room.load().aside_bytes, Ordering::Relaxed);
        let next = state.room.poll_timeout();
        let earlier = match (next, state.driven_until) {
            (Some(next), Some(driven)) => next < driven,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let newly_awaited = state.disk == DurabilityNews::Ignored && state.room.awaits_durability();
        if earlier || newly_awaited {
            self.wake.notify_one();
        }
        let took = began.elapsed();
        Ok(StepResult {
            took,
            previews: shows,
        })
    }

    /// Tells the room of the connections that ended.
    fn let_go(&self, state: &mut DocumentState, now: Time) {
        if !self.has_departures() {
            return;
        }
        for (connection, how) in self.departures.take() {
            state.writers.remove(&connection);
            state.room.disconnect(connection, how, now);
        }
        self.connections
            .store(state.writers.len(), Ordering::Relaxed);
        if state.writers.is_empty() && state.idle_since.is_none() {
            state.idle_since = Some(now);
            self.wake.notify_one();
        }
    }

    /// Sends a connection that has read too slowly what it was not sent, if it has taken all that goes before that. Returns
    /// the time that it took.
    pub(crate) async fn catch_up(
        &self,
        connection: ConnectionId,
        pending: &mut PendingFlushes,
    ) -> Duration {
        let caught_up = move |held: &mut Option<Box<DocumentState>>,
                              pending: &mut PendingFlushes| {
            let began = Instant::now();
            if let Some(state) = held.as_mut() {
                state.catch_up(connection, pending);
            }
            began.elapsed()
        };
        match self.acquire(StepKind::Difference, pending).await {
            Ok(Acquired::Inline(mut held)) => caught_up(&mut held, pending),
            Ok(Acquired::OnPool(mut held, turn)) => {
                let working = turn.run(move || {
                    let mut pending = PendingFlushes::default();
                    (caught_up(&mut held, &mut pending), pending)
                });
                let Ok((took, theirs)) = working.await else {
                    return Duration::ZERO;
                };
                pending.append(theirs);
                took
            }
            // A document that is gone has told this connection so already.
            Err(Gone) => Duration::ZERO,
        }
    }

    /// The room cannot go on: its connections are told, and it leaves memory. What was appended stays in the log.
    fn fail(
        &self,
        held: &mut Option<Box<DocumentState>>,
        error: &StepError,
        pending: &mut PendingFlushes,
        now: Time,
    ) {
        tracing::error!(document = %self.name, %error, "the document had to be closed");
        let Some(mut state) = held.take() else {
            return;
        };
        let (why, reason) = match error {
            StepError::Log(_) => (
                Ending::StoreFailed,
                "the server cannot save at the moment; what was reported saved is safe; come again later",
            ),
            StepError::Record(_) => (
                Ending::Unavailable,
                "the document is being rebuilt; come again",
            ),
        };
        state.room.close_all(why, reason, now);
        state.deliver(pending);
        state.end();
        self.connections.store(0, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Tells all connections to come again elsewhere, and leaves memory: the server goes away. What followed of it is in
    /// the log when this returns. Waits for a document that is at long work.
    pub(crate) async fn retire(&self) {
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let mut pending = PendingFlushes::default();
        let mut held = self.gate.take().await;
        let closing = |room: &mut Room, now| {
            let reason = "the server is going away; come again after a random delay of up to 2 s";
            room.close_all(Ending::GoingAway, reason, now);
        };
        let _gone_already = self.step_in(&mut held, reservation, &mut pending, closing);
        if let Some(state) = held.take() {
            state.end();
        }
        self.wake.notify_one();
    }

    /// The log failed: nothing in this room can be acknowledged any more.
    pub(crate) async fn store_failed(&self, error: &LogError) {
        let error = StepError::Log(error.clone());
        let mut pending = PendingFlushes::default();
        let mut held = self.gate.take().await;
        self.fail(&mut held, &error, &mut pending, self.clock.now());
    }

    /// Leaves memory if the store has failed since the document was opened.
    pub(crate) async fn leave_failed_store(&self) {
        let mut pending = PendingFlushes::default();
        let mut held = self.gate.take().await;
        let failure = held.as_ref().and_then(|state| state.log.failure());
        if let Some(error) = failure {
            let error = StepError::Log((*error).clone());
            self.fail(&mut held, &error, &mut pending, self.clock.now());
        }
    }

    /// Notes what the driver will wait for, and tells it.
    pub(crate) async fn next(&self, settings: &Settings) -> (NextWake, DurabilityNews) {
        let mut held = self.gate.take().await;
        let Some(state) = held.as_mut() else {
            return (NextWake::Gone, DurabilityNews::Ignored);
        };
        let awaited = state.room.awaits_durability() || state.idle_since.is_some();
        state.disk = if awaited {
            DurabilityNews::Awaited
        } else {
            DurabilityNews::Ignored
        };
        // One that is not stored whole yet cannot leave; the news that it is wakes the driver anyway.
        let leaving = state.idle_since.filter(|_| state.may_leave());
        let idle = leaving.map(|since| since + settings.unload_after.0);
        let due = match (state.room.poll_timeout(), idle) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        state.driven_until = due;
        (due.map_or(NextWake::Woken, NextWake::At), state.disk)
    }

    /// Takes the document out of memory if no connection is in it and all of it is stored. True when it is out. One that is
    /// held is not idle.
    pub(crate) fn unload_if_idle(&self, settings: &Settings) -> bool {
        let Some(mut held) = self.gate.try_take() else {
            return false;
        };
        let Some(state) = held.as_ref() else {
            return true;
        };
        let idle = state.is_idle(self.clock.now(), settings);
        if !idle || !state.may_leave() {
            return false;
        }
        if let Some(state) = held.take() {
            state.end();
        }
        true
    }

    /// How many connections it has. Waits for nothing.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Why a connection was not let in. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error(
        "this document has {0} connections, which is all it may (max_connections_per_document); come again later"
    )]
    Full(usize),
}
