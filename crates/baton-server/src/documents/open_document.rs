//! One open document on this server: the room with its log and the queues of its connections, behind one gate.
//!
//! Owns the step: something goes into the room, its proposals get their positions in the log, its outputs go into the
//! queues, all while the gate is held. So log order is room order, and a newcomer's first sync and what is broadcast after it
//! leave no gap. No thread waits for a document: tasks do. A short step is done by the task that asks for it, without
//! awaiting anything; a long one takes the document with it to the pool.

mod departures;
mod erasure;
mod inner;
mod showing;
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
use self::inner::{Brought, Inner};
use self::showing::Showing;
use self::snapshots::Snapshots;
use crate::clock::Clock;
use crate::config::Settings;
use crate::connection::pending_flushes::PendingFlushes as Due;
use crate::connection::socket_writer::SocketWriter as Line;
use crate::documents::gate::{Gate, Held};
use crate::documents::work_cost::{Asked, Work};
use crate::documents::work_pool::{Turn, WorkPool};
use crate::limits::storage_quota::Account;

pub(crate) use self::erasure::NotErased;
pub(crate) use self::inner::Disk;

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
pub(crate) struct Hosted {
    pub(crate) name: Arc<str>,
    pub(crate) clock: Clock,
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
    pub(crate) showing: Showing,
    gate: Arc<Gate<Option<Box<Inner>>>>,
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
pub(crate) enum Next {
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
    pub(crate) asked: Asked,
    /// Whether its connection is still there. A request whose connection is gone is not carried out.
    pub(crate) wanted: W,
    pub(crate) input: F,
}

/// What a step brought beside what it queued.
#[derive(Debug, Default)]
pub(crate) struct Stepped {
    /// The time that it took, of a processor.
    pub(crate) took: Duration,
    /// What parks would change, to be worked out and sent on these lines.
    pub(crate) shows: Vec<(Arc<Line>, ParkPreview)>,
}

/// A document that is held, and may go to the pool.
type OwnHeld = Held<Option<Box<Inner>>, Arc<Gate<Option<Box<Inner>>>>>;

/// A document that is held for a step.
enum Seized<'a> {
    Here(Held<Option<Box<Inner>>, &'a Gate<Option<Box<Inner>>>>),
    OnPool(OwnHeld, Turn),
}

impl Hosted {
    pub(crate) fn new(
        name: Arc<str>,
        clock: Clock,
        room: Room,
        log: DocumentLog,
        pool: Arc<WorkPool>,
        account: Account,
    ) -> Self {
        let share = log.share();
        let inner = Inner {
            room,
            log,
            lines: HashMap::new(),
            idle_since: Some(clock.now()),
            driven_until: None,
            disk: Disk::Awaited,
            snapshots: Snapshots::default(),
            account,
        };
        Self {
            name,
            clock,
            wake: Notify::new(),
            share,
            showing: Showing::new(Arc::clone(&pool)),
            pool,
            aside: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            departures: Departures::default(),
            gate: Arc::new(Gate::new(Some(Box::new(inner)))),
        }
    }

    /// Gives what the opening itself proposed (after a restart) its position, before anybody comes in.
    pub(crate) fn begin(&self) -> Result<(), Gone> {
        let mut held = self.gate.try_take().ok_or(Gone)?;
        let nothing = self.share.nothing(OVERHEAD);
        let mut due = Due::default();
        self.step_in(&mut held, nothing, &mut due, |_, _| ())?;
        Ok(())
    }

    /// Lets a connection in: its queue is registered and its first messages queued in one step.
    pub(crate) async fn join(
        &self,
        connection: ConnectionId,
        line: &Arc<Line>,
        settings: &Settings,
    ) -> Result<(), JoinError> {
        // Of a connection that goes meanwhile nothing is left here: no await follows the seat.
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let mut due = Due::default();
        let mut held = self.gate.take().await;
        let inner = held.as_mut().ok_or(Gone)?;
        inner.forget(&self.departures.peek());
        if inner.lines.len() >= settings.max_connections_per_document {
            return Err(JoinError::Full(settings.max_connections_per_document));
        }
        inner.lines.insert(connection, Arc::clone(line));
        inner.idle_since = None;
        self.connections.store(inner.lines.len(), Ordering::Relaxed);
        let arrival = Arrival {
            rights: settings.rights.0,
            source: line.source(),
        };
        self.step_in(&mut held, reservation, &mut due, |room, _| {
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
        due: &mut Due,
    ) -> Result<Stepped, Gone>
    where
        W: Fn() -> bool,
        F: FnOnce(&mut Room, Time) + Send + 'static,
    {
        match self.seize(step.asked, due).await? {
            Seized::Here(mut held) => self.step_in(&mut held, step.reservation, due, step.input),
            // Boxed: most connections never ask for long work, and should not keep the memory for it.
            Seized::OnPool(held, turn) => Box::pin(self.step_on_pool(held, turn, step, due)).await,
        }
    }

    async fn step_on_pool<W, F>(
        self: &Arc<Self>,
        mut held: OwnHeld,
        turn: Turn,
        step: Step<W, F>,
        due: &mut Due,
    ) -> Result<Stepped, Gone>
    where
        W: Fn() -> bool,
        F: FnOnce(&mut Room, Time) + Send + 'static,
    {
        if step.asked.is_request() && !(step.wanted)() {
            return Ok(Stepped::default());
        }
        due.flush();
        let hosted = Arc::clone(self);
        let (reservation, input) = (step.reservation, step.input);
        let working = turn.run(move || {
            let mut due = Due::default();
            let stepped = hosted.step_in(&mut held, reservation, &mut due, input);
            drop(held);
            (stepped, due)
        });
        let (stepped, theirs) = working.await.map_err(|_| Gone)?;
        due.append(theirs);
        stepped
    }

    /// Waits for the document, and for a turn of the pool if what is asked for takes long. Nothing that is to be written
    /// waits meanwhile.
    async fn seize(&self, asked: Asked, due: &mut Due) -> Result<Seized<'_>, Gone> {
        let held = match self.gate.try_take() {
            Some(held) => held,
            None => {
                due.flush();
                self.gate.take().await
            }
        };
        let work = self.work(&held, asked)?;
        if work == Work::Short {
            return Ok(Seized::Here(held));
        }
        if let Some(turn) = self.pool.try_turn(work) {
            return Ok(Seized::OnPool(held.into_owned(&self.gate), turn));
        }
        drop(held);
        due.flush();
        Box::pin(self.seize_in_turn(asked, work)).await
    }

    /// Waits for a turn without holding the document: its people, who ask for less, do not wait for other documents' work.
    async fn seize_in_turn(&self, asked: Asked, mut work: Work) -> Result<Seized<'_>, Gone> {
        loop {
            let turn = self.pool.turn(work).await;
            let taking = tokio::time::timeout(IDLE_TURN, self.gate.take());
            if let Ok(held) = taking.await {
                return Ok(Seized::OnPool(held.into_owned(&self.gate), turn));
            }
            // It is at long work itself. The turn is for others until that is done.
            drop(turn);
            let held = self.gate.take().await;
            work = self.work(&held, asked)?;
        }
    }

    fn work(&self, held: &Option<Box<Inner>>, asked: Asked) -> Result<Work, Gone> {
        let inner = held.as_ref().ok_or(Gone)?;
        Ok(inner.work(asked, self.has_departures()))
    }

    /// A step of the document's own, which no connection waits for.
    pub(crate) async fn own_step(
        self: &Arc<Self>,
        asked: Asked,
        input: impl FnOnce(&mut Room, Time) + Send + 'static,
    ) -> Result<(), Gone> {
        let step = Step {
            reservation: self.reserve_patiently(OVERHEAD).await,
            asked,
            wanted: || true,
            input,
        };
        self.step(step, &mut Due::default()).await?;
        Ok(())
    }

    /// A connection gave a sign of life. Nothing follows of it but that it is not missed.
    pub(crate) async fn heard(&self, connection: ConnectionId) {
        let mut held = self.gate.take().await;
        // A document that is gone has told this connection so already.
        if let Some(inner) = held.as_mut() {
            inner.room.heard(connection, self.clock.now());
        }
    }

    fn step_in(
        &self,
        held: &mut Option<Box<Inner>>,
        reservation: Reservation,
        due: &mut Due,
        input: impl FnOnce(&mut Room, Time),
    ) -> Result<Stepped, Gone> {
        let began = Instant::now();
        let inner = held.as_mut().ok_or(Gone)?;
        let now = self.clock.now();
        self.let_go(inner, now);
        inner.account.open(&mut inner.room, &inner.log);
        input(&mut inner.room, now);
        inner.account.close(&mut inner.room);
        if let Err(error) = inner.sequence(reservation, now) {
            self.fail(held, &error, due, now);
            return Ok(Stepped::default());
        }
        let Brought { shows } = inner.deliver(due);
        self.aside
            .store(inner.room.load().aside_bytes, Ordering::Relaxed);
        let next = inner.room.poll_timeout();
        let earlier = match (next, inner.driven_until) {
            (Some(next), Some(driven)) => next < driven,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let newly_awaited = inner.disk == Disk::Ignored && inner.room.awaits_durability();
        if earlier || newly_awaited {
            self.wake.notify_one();
        }
        let took = began.elapsed();
        Ok(Stepped { took, shows })
    }

    /// Tells the room of the connections that ended.
    fn let_go(&self, inner: &mut Inner, now: Time) {
        if !self.has_departures() {
            return;
        }
        for (connection, how) in self.departures.take() {
            inner.lines.remove(&connection);
            inner.room.disconnect(connection, how, now);
        }
        self.connections.store(inner.lines.len(), Ordering::Relaxed);
        if inner.lines.is_empty() && inner.idle_since.is_none() {
            inner.idle_since = Some(now);
            self.wake.notify_one();
        }
    }

    /// Sends a connection that has read too slowly what it was not sent, if it has taken all that goes before that. Returns
    /// the time that it took.
    pub(crate) async fn catch_up(&self, connection: ConnectionId, due: &mut Due) -> Duration {
        let caught_up = move |held: &mut Option<Box<Inner>>, due: &mut Due| {
            let began = Instant::now();
            if let Some(inner) = held.as_mut() {
                inner.catch_up(connection, due);
            }
            began.elapsed()
        };
        match self.seize(Asked::Difference, due).await {
            Ok(Seized::Here(mut held)) => caught_up(&mut held, due),
            Ok(Seized::OnPool(mut held, turn)) => {
                let working = turn.run(move || {
                    let mut due = Due::default();
                    (caught_up(&mut held, &mut due), due)
                });
                let Ok((took, theirs)) = working.await else {
                    return Duration::ZERO;
                };
                due.append(theirs);
                took
            }
            // A document that is gone has told this connection so already.
            Err(Gone) => Duration::ZERO,
        }
    }

    /// The room cannot go on: its connections are told, and it leaves memory. What was appended stays in the log.
    fn fail(&self, held: &mut Option<Box<Inner>>, error: &StepError, due: &mut Due, now: Time) {
        tracing::error!(document = %self.name, %error, "the document had to be closed");
        let Some(mut inner) = held.take() else {
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
        inner.room.close_all(why, reason, now);
        inner.deliver(due);
        inner.end();
        self.connections.store(0, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Tells all connections to come again elsewhere, and leaves memory: the server goes away. What followed of it is in
    /// the log when this returns. Waits for a document that is at long work.
    pub(crate) async fn retire(&self) {
        let reservation = self.reserve_patiently(OVERHEAD).await;
        let mut due = Due::default();
        let mut held = self.gate.take().await;
        let closing = |room: &mut Room, now| {
            let reason = "the server is going away; come again after a random delay of up to 2 s";
            room.close_all(Ending::GoingAway, reason, now);
        };
        let _gone_already = self.step_in(&mut held, reservation, &mut due, closing);
        if let Some(inner) = held.take() {
            inner.end();
        }
        self.wake.notify_one();
    }

    /// The log failed: nothing in this room can be acknowledged any more.
    pub(crate) async fn store_failed(&self, error: &LogError) {
        let error = StepError::Log(error.clone());
        let mut due = Due::default();
        let mut held = self.gate.take().await;
        self.fail(&mut held, &error, &mut due, self.clock.now());
    }

    /// Leaves memory if the store has failed since the document was opened.
    pub(crate) async fn leave_failed_store(&self) {
        let mut due = Due::default();
        let mut held = self.gate.take().await;
        let failure = held.as_ref().and_then(|inner| inner.log.failure());
        if let Some(error) = failure {
            let error = StepError::Log((*error).clone());
            self.fail(&mut held, &error, &mut due, self.clock.now());
        }
    }

    /// Notes what the driver will wait for, and tells it.
    pub(crate) async fn next(&self, settings: &Settings) -> (Next, Disk) {
        let mut held = self.gate.take().await;
        let Some(inner) = held.as_mut() else {
            return (Next::Gone, Disk::Ignored);
        };
        let awaited = inner.room.awaits_durability() || inner.idle_since.is_some();
        inner.disk = if awaited {
            Disk::Awaited
        } else {
            Disk::Ignored
        };
        // One that is not stored whole yet cannot leave; the news that it is wakes the driver anyway.
        let leaving = inner.idle_since.filter(|_| inner.may_leave());
        let idle = leaving.map(|since| since + settings.unload_after.0);
        let due = match (inner.room.poll_timeout(), idle) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        inner.driven_until = due;
        (due.map_or(Next::Woken, Next::At), inner.disk)
    }

    /// Takes the document out of memory if no connection is in it and all of it is stored. True when it is out. One that is
    /// held is not idle.
    pub(crate) fn unload_if_idle(&self, settings: &Settings) -> bool {
        let Some(mut held) = self.gate.try_take() else {
            return false;
        };
        let Some(inner) = held.as_ref() else {
            return true;
        };
        let idle = inner.is_idle(self.clock.now(), settings);
        if !idle || !inner.may_leave() {
            return false;
        }
        if let Some(inner) = held.take() {
            inner.end();
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
