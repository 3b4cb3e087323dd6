//! One open document on this server: the room with its log and the queues of its connections, behind one lock.
//!
//! Owns the step: something goes into the room, its proposals get their positions in the log, its outputs go into the
//! queues, all in one critical section of microseconds, nothing awaited. So log order is room order, and a newcomer's
//! first sync and what is broadcast after it leave no gap.

mod snapshots;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_log::{DocumentLog, LogError, Position, Reservation, Share, Urgency};
use baton_presence::Time;
use baton_room::{
    CatchUp, ConnectionId, Departure, Ending, Outgoing, Output, Proposal, RecordError, Room,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::snapshots::Snapshots;
use crate::clock::Clock;
use crate::config::Settings;
use crate::line::{Due, Line};
use crate::outbox::{Edit, Waits};
use crate::{close, wire};

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
    pub(crate) share: Share,
    /// What a step may have to append beside its own input; see [`Room::aside_bytes`].
    aside: AtomicUsize,
    inner: Mutex<Option<Inner>>,
}

struct Inner {
    room: Room,
    log: DocumentLog,
    lines: HashMap<ConnectionId, Arc<Line>>,
    /// When the last connection left.
    idle_since: Option<Time>,
    /// What the driver sleeps until.
    driven_until: Option<Time>,
    /// Whether the driver listens to the disk.
    disk: Disk,
    snapshots: Snapshots,
}

/// Why a step could not be finished. The room is gone after it; its connections were told to come again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Broken(#[from] baton_room::Broken),
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

/// Whether the news of what is durable are waited for. Where only stock clients type nobody is told that anything is saved,
/// and waking up for every commit would cost more than the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Somebody waits for it, or the document waits to leave memory.
    Awaited,
    /// Looked at with the next deadline only.
    Ignored,
}

impl Hosted {
    pub(crate) fn new(name: Arc<str>, clock: Clock, room: Room, log: DocumentLog) -> Self {
        let share = log.share();
        let inner = Inner {
            room,
            log,
            lines: HashMap::new(),
            idle_since: Some(clock.now()),
            driven_until: None,
            disk: Disk::Awaited,
            snapshots: Snapshots::default(),
        };
        Self {
            name,
            clock,
            wake: Notify::new(),
            share,
            aside: AtomicUsize::new(0),
            inner: Mutex::new(Some(inner)),
        }
    }

    /// Lets a connection in: its queue is registered and its first messages queued in one step.
    pub(crate) fn join(
        &self,
        connection: ConnectionId,
        line: &Arc<Line>,
        settings: &Settings,
    ) -> Result<(), JoinError> {
        let mut due = Due::default();
        let mut guard = self.inner.lock();
        let inner = guard.as_mut().ok_or(Gone)?;
        if inner.lines.len() >= settings.max_connections_per_document {
            return Err(JoinError::Full(settings.max_connections_per_document));
        }
        inner.lines.insert(connection, Arc::clone(line));
        inner.idle_since = None;
        let rights = settings.rights.0;
        self.step_in(&mut guard, None, &mut due, |room, _| {
            room.connect(connection, rights);
        })?;
        Ok(())
    }

    /// A connection ended. Never fails: a document that is gone has no connections.
    pub(crate) fn leave(&self, connection: ConnectionId, how: Departure) {
        let mut due = Due::default();
        let mut guard = self.inner.lock();
        let _gone_already = self.step_in(&mut guard, None, &mut due, |room, now| {
            room.disconnect(connection, how, now);
        });
        let Some(inner) = guard.as_mut() else {
            return;
        };
        inner.lines.remove(&connection);
        if inner.lines.is_empty() {
            inner.idle_since = Some(self.clock.now());
            self.wake.notify_one();
        }
    }

    /// Puts something into the room and carries out all that follows. `reservation` pays for the records that come of it;
    /// what it does not cover is overdrawn.
    pub(crate) fn step<R>(
        &self,
        reservation: Option<Reservation>,
        input: impl FnOnce(&mut Room, Time) -> R,
    ) -> Result<R, Gone> {
        self.step_with(reservation, &mut Due::default(), input)
    }

    /// The same; what is to be written of it waits in `due`, so that several steps can share their writes.
    pub(crate) fn step_with<R>(
        &self,
        reservation: Option<Reservation>,
        due: &mut Due,
        input: impl FnOnce(&mut Room, Time) -> R,
    ) -> Result<R, Gone> {
        self.step_in(&mut self.inner.lock(), reservation, due, input)
    }

    fn step_in<R>(
        &self,
        guard: &mut Option<Inner>,
        reservation: Option<Reservation>,
        due: &mut Due,
        input: impl FnOnce(&mut Room, Time) -> R,
    ) -> Result<R, Gone> {
        let inner = guard.as_mut().ok_or(Gone)?;
        let now = self.clock.now();
        let result = input(&mut inner.room, now);
        if let Err(error) = inner.sequence(reservation, now) {
            self.fail(guard, &error, due, now);
            return Ok(result);
        }
        inner.deliver(due);
        self.aside
            .store(inner.room.aside_bytes(), Ordering::Relaxed);
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
        Ok(result)
    }

    /// Sends a connection that has read too slowly what it was not sent, if it has taken all that goes before that.
    pub(crate) fn catch_up(&self, connection: ConnectionId, due: &mut Due) -> Result<(), Gone> {
        let mut guard = self.inner.lock();
        let inner = guard.as_mut().ok_or(Gone)?;
        let Some(line) = inner.lines.get(&connection) else {
            return Ok(());
        };
        let Some(behind) = line.outbox().behind() else {
            return Ok(());
        };
        match inner.room.catch_up(&behind.missed) {
            Some(CatchUp {
                difference,
                awareness,
            }) => {
                let awareness = awareness.filter(|_| behind.awareness);
                let frames = [
                    Some(Outgoing::Update(difference)),
                    awareness.map(Outgoing::Awareness),
                ];
                let frames: Vec<_> = frames.iter().flatten().map(|m| wire::encode(m).0).collect();
                if line.outbox().caught_up(frames) == Waits::Newly {
                    due.push(line);
                }
            }
            None => inner.deliver(due),
        }
        Ok(())
    }

    /// The room cannot go on: its connections are told, and it leaves memory. What was appended stays in the log.
    fn fail(&self, guard: &mut Option<Inner>, error: &StepError, due: &mut Due, now: Time) {
        tracing::error!(document = %self.name, %error, "the document had to be closed");
        let Some(mut inner) = guard.take() else {
            return;
        };
        let (why, reason) = match error {
            StepError::Log(_) => (
                Ending::StoreFailed,
                "the server cannot save at the moment; what was reported saved is safe; come again later",
            ),
            StepError::Record(_) | StepError::Broken(_) => (
                Ending::Unavailable,
                "the document is being rebuilt; come again",
            ),
        };
        inner.room.close_all(why, reason, now);
        inner.deliver(due);
        self.wake.notify_one();
    }

    /// Tells all connections to come again elsewhere, and leaves memory: the server goes away. What followed of it is in
    /// the log when this returns.
    pub(crate) fn retire(&self) {
        let mut due = Due::default();
        let mut guard = self.inner.lock();
        let _gone_already = self.step_in(&mut guard, None, &mut due, |room, now| {
            let reason = "the server is going away; come again after a random delay of up to 2 s";
            room.close_all(Ending::GoingAway, reason, now);
        });
        *guard = None;
        self.wake.notify_one();
    }

    /// The log failed: nothing in this room can be acknowledged any more.
    pub(crate) fn store_failed(&self, error: &LogError) {
        let now = self.clock.now();
        let error = StepError::Log(error.clone());
        let mut due = Due::default();
        self.fail(&mut self.inner.lock(), &error, &mut due, now);
    }

    /// Leaves memory if the store has failed since the document was opened.
    pub(crate) fn leave_failed_store(&self) {
        let failure = self
            .inner
            .lock()
            .as_ref()
            .and_then(|inner| inner.log.failure());
        if let Some(error) = failure {
            self.store_failed(&error);
        }
    }

    /// Notes what the driver will wait for, and tells it.
    pub(crate) fn next(&self, settings: &Settings) -> (Next, Disk) {
        let mut guard = self.inner.lock();
        let Some(inner) = guard.as_mut() else {
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

    /// Takes the document out of memory if nobody is in it and all of it is stored. True when it is out.
    pub(crate) fn unload_if_idle(&self, settings: &Settings) -> bool {
        let mut guard = self.inner.lock();
        let Some(inner) = guard.as_ref() else {
            return true;
        };
        let idle = inner.is_idle(self.clock.now(), settings);
        let out = idle && inner.may_leave();
        if out {
            *guard = None;
        }
        out
    }

    /// Bytes that a step may have to append beside its own input.
    pub(crate) fn aside_bytes(&self) -> usize {
        self.aside.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.inner
            .lock()
            .as_ref()
            .map_or(0, |inner| inner.lines.len())
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

impl Inner {
    /// Gives the room's proposals their positions, in order.
    fn sequence(
        &mut self,
        mut reservation: Option<Reservation>,
        now: Time,
    ) -> Result<(), StepError> {
        while let Some(proposal) = self.room.next_proposal() {
            let position = self.append(&proposal, reservation.as_mut())?;
            self.room.commit(position.get(), proposal, now)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        proposal: &Proposal,
        reservation: Option<&mut Reservation>,
    ) -> Result<Position, StepError> {
        let record = proposal.record.encode()?;
        let urgency = if proposal.record.is_urgent() {
            Urgency::Now
        } else if self.room.awaits_durability() {
            Urgency::Soon
        } else {
            Urgency::Unawaited
        };
        let position = match reservation {
            Some(all) => self.log.append(all.take(record.len()), record, urgency)?,
            None => self.log.append_overdrawn(record, urgency)?,
        };
        Ok(position)
    }

    /// Puts the room's outputs into the queues.
    fn deliver(&mut self, due: &mut Due) {
        while let Some(output) = self.room.next_output() {
            match output {
                Output::Send { to, message } => {
                    let (frame, weight) = wire::encode(&message);
                    self.put(to, due, |line| line.outbox().send(frame, weight));
                }
                Output::Multicast { to, message } => {
                    let (frame, weight) = wire::encode(&message);
                    for to in to {
                        self.put(to, due, |line| line.outbox().send(frame.clone(), weight));
                    }
                }
                Output::Broadcast { except, message } => self.broadcast(except, &message, due),
                Output::Ping { to } => self.put(to, due, |line| line.outbox().ping()),
                Output::Close { to, why, reason } => {
                    if let Some(line) = self.lines.get(&to) {
                        line.outbox().end(close::code(why), reason);
                        due.push(line);
                    }
                }
            }
        }
    }

    fn put(&self, to: ConnectionId, due: &mut Due, queue: impl FnOnce(&Arc<Line>) -> Waits) {
        if let Some(line) = self.lines.get(&to)
            && queue(line) == Waits::Newly
        {
            due.push(line);
        }
    }

    fn broadcast(&self, except: Option<ConnectionId>, message: &Outgoing, due: &mut Due) {
        let (frame, weight) = wire::encode(message);
        let edit = matches!(message, Outgoing::Update(_));
        let frame = Edit::new(frame);
        let others = |id: &ConnectionId| Some(*id) != except;
        for (_, line) in self.lines.iter().filter(|(id, _)| others(id)) {
            let waits = if edit {
                line.outbox().edit(&frame)
            } else {
                line.outbox().send(frame.frame.clone(), weight)
            };
            if waits == Waits::Newly {
                due.push(line);
            }
        }
    }

    fn is_idle(&self, now: Time, settings: &Settings) -> bool {
        self.idle_since
            .is_some_and(|since| now >= since + settings.unload_after.0)
    }

    /// All of it is stored, and no snapshot of it is being written.
    fn may_leave(&self) -> bool {
        self.log.durable() == self.log.last() && !self.snapshots.is_writing()
    }
}
